//! The append process of a node: the only writer of the log, the vote and the snapshot.
//!
//! | file | what it is |
//! |---|---|
//! | `wal-<n>` | the log file: a head, entries, and one record a write; the one with the highest number counts |
//! | `snap-<index>-<term>` | the pages of a snapshot, durable before a log file names it |
//! | `draft` | a file that is being written |
//! | `damaged-<n>-<name>` | a file that lost something, set aside when `wal-<n>` was made |
//!
//! A write is one append and one sync; it is answered after that. One that brings a snapshot, or meets a file
//! that has grown long, makes a new log file instead, with what is still needed. What is kept is in memory too,
//! and is served from there: it is what members of the cluster have in memory anyway.
//!
//! **Errors.** A refused append (no space, an error of the device) is cut back and tried again after
//! [`Config::retry_after`]: the member sees a slow disk. After a sync or a rename that failed nobody knows what is
//! durable: the process halts, and its next start writes everything anew ([`recovery`] has the table of what a
//! start may find).
//!
//! **Sessions.** A member that starts opens a session, which ends every earlier one: at most one member's writes
//! are done, in the order of their numbers, each once.

mod kept;
pub mod message;
mod reading;
pub mod record;
pub mod recovery;
mod segment;
mod session;

use crate::raft::{Entry, Position};
use contract::knobs::{Knob, Knobs};
use contract::{Actor, Blob, Context, Disk, Duration, Halt, ProcessId, inbox, mark};
use kept::Kept;
use message::{Answer, Ask, Founding, Reply, Request, Write};
use record::{Name, Says, Step};
use recovery::Verdict;
use segment::{DIRECTORY, Failure, Segment};
use session::{Session, Task};
use std::borrow::Cow;
use std::sync::Arc;

/// The knobs of [`Config`].
pub const KNOBS: [Knob; 7] = [
    Knob::millis("wal_seal_after", "the log is sealed after so long without a write", 50, 1, 10_000),
    Knob::millis("wal_retry_after", "a refused append is tried again after this", 20, 1, 10_000),
    Knob::count("wal_window", "writes ahead of their turn that are remembered", 64, 1, 4_096),
    Knob::count("wal_pages", "pages of a snapshot, at most", 65_536, 1, 1 << 20),
    Knob::bytes("wal_reply_bytes", "commands in one answer; one entry is always given", 256 << 10, 1, 512 << 10),
    Knob::bytes("wal_sector_bytes", "what a device loses at once: a seal keeps this distance", 512, 0, 64 << 10),
    Knob::bytes("wal_file_bytes", "a log file that is longer is written anew", 64 << 20, 1 << 10, 1 << 40),
];

/// What an append process is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The log is sealed after so long without a write.
    pub seal_after: Duration,
    /// A refused append is tried again after this.
    pub retry_after: Duration,
    /// Writes ahead of their turn that are remembered.
    pub window: u64,
    /// Pages of a snapshot, at most.
    pub pages: u32,
    /// Commands in one answer, in bytes; one entry is always given.
    pub reply_bytes: usize,
    /// What a device loses at once, in bytes: so far away from the last record is the seal behind it.
    pub sector_bytes: usize,
    /// A log file that is longer, in bytes, is written anew with what is still needed.
    pub file_bytes: u64,
}

impl Config {
    /// As [`KNOBS`] are set.
    pub fn from_knobs(knobs: &Knobs) -> Self {
        Config {
            seal_after: knobs.time("wal_seal_after"),
            retry_after: knobs.time("wal_retry_after"),
            window: knobs.get("wal_window"),
            pages: u32::try_from(knobs.get("wal_pages")).unwrap_or(u32::MAX),
            reply_bytes: knobs.size("wal_reply_bytes"),
            sector_bytes: knobs.size("wal_sector_bytes"),
            file_bytes: knobs.get("wal_file_bytes"),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::from_knobs(&Knobs::defaults(&KNOBS))
    }
}

inbox! {
    /// What an append process accepts.
    pub enum Inbox {
        /// From the member of its node.
        Request(Request),
    }
}

/// The append process's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Try again what the disk refused.
    Retry,
    /// Nothing was written for a while.
    Seal,
}

/// The append process of a node.
#[derive(Clone, Debug)]
pub struct Log {
    config: Arc<Config>,
    kept: Kept,
    segment: Segment,
    session: Option<Session>,
}

/// Why a task was not done.
enum Undone {
    /// The disk refused.
    Failed(Failure),
    /// The member asks for what cannot be: it must start anew from the disk.
    Refused(&'static str),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Undone::Failed(failure)
    }
}

impl Actor for Log {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let names = recovery::names(&mut ctx.disk())?;
        let fresh = ctx.random().max(1);
        let recovered = recovery::read(&names, fresh, &mut ctx.disk())?;
        let number = recovery::newest(&names).unwrap_or(0) + 1;
        let kept = &recovered.kept;
        state_what_was_found(&recovered.verdict, kept, ctx);
        let segment = Segment::create(number, kept, config.sector_bytes, &mut ctx.disk()).map_err(halt)?;
        if let Err(error) = recovery::retire(&names, &segment, &recovered, &mut ctx.disk()) {
            ctx.mark(mark!("wal.left_behind", error = error.to_string()));
        }
        Ok(Log { config: Arc::clone(config), kept: recovered.kept, segment, session: None })
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Request(Request { reply_to, session: asked, ask }) = message;
        if let Ask::Open { nonce } = ask {
            self.open(nonce, reply_to, ctx);
            return Ok(());
        }
        let Some(session) = self.session.as_mut().filter(|session| session.id == asked) else {
            ctx.send(reply_to, Reply { session: asked, answer: Answer::Ended });
            return Ok(());
        };
        session.member = reply_to;
        match ask {
            Ask::Open { .. } => {}
            Ask::Entries { from } => self.give_entries(from, ctx),
            Ask::Page { page } => self.give_page(page, ctx),
            Ask::Stage { seq, page, data } => {
                if session.awaits(seq, self.config.window) && page < self.config.pages {
                    session.stage(seq, page, data);
                }
                return self.advance(ctx);
            }
            Ask::Found { seq, founding } => return self.add(seq, Task::Found(founding), ctx),
            Ask::Write { seq, write } => return self.add(seq, Task::Write(write), ctx),
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Retry => self.advance(ctx),
            Timer::Seal => self.seal(ctx),
        }
    }
}

/// A boot that cannot write is tried again by the supervisor.
fn halt(failure: Failure) -> Halt {
    match failure {
        Failure::Later(error) => error.into(),
        Failure::Unknown(what, error) => Halt::new(format!("cannot {what}: {error}")),
        Failure::TooLong => Halt::new("a write does not fit one record: make append_bytes or page_bytes smaller"),
    }
}

fn state_what_was_found(verdict: &Verdict, kept: &Kept, ctx: &mut Context<'_, Log>) {
    match verdict {
        Verdict::Fresh | Verdict::Whole { torn: 0 } => {}
        Verdict::Whole { torn } => ctx.mark(mark!("wal.tail_cut", bytes = *torn)),
        Verdict::Rotten { claim } => ctx.mark(mark!("wal.rot", claim_term = claim.term, claim_index = claim.index)),
        Verdict::Forgotten => ctx.mark(mark!("wal.disk_forgotten")),
    }
    let (first, last) = (kept.log.first(), kept.log.last().index);
    ctx.mark(mark!("wal.recovered", disk = kept.disk, term = kept.hard.term, first = first, last = last));
}

impl Log {
    /// A member asks again until it is answered: the same question gets the same session.
    fn open(&mut self, nonce: u64, reply_to: contract::Addr<Reply>, ctx: &mut Context<'_, Self>) {
        let same = self.session.as_ref().filter(|session| session.nonce == nonce && session.done() == 0);
        let id = match same {
            Some(session) => session.id,
            None => {
                let id = ctx.random().max(1);
                ctx.mark(mark!("wal.session", id = id));
                self.session = Some(Session::new(id, nonce, reply_to));
                id
            }
        };
        ctx.send(reply_to, Reply { session: id, answer: Answer::Opened { nonce, held: self.kept.held() } });
    }

    fn answer(&self, answer: Answer, ctx: &mut Context<'_, Self>) {
        if let Some(session) = &self.session {
            ctx.send(session.member, Reply { session: session.id, answer });
        }
    }

    fn give_entries(&self, from: u64, ctx: &mut Context<'_, Self>) {
        let asked = if from < self.kept.log.first() { u64::MAX } else { from };
        let entries = segment::fitting(self.kept.log.from(asked), self.config.reply_bytes);
        self.answer(Answer::Entries { from, entries }, ctx);
    }

    /// A page that is not there is asked for by a member that has not seen a newer snapshot: it will.
    fn give_page(&self, page: u32, ctx: &mut Context<'_, Self>) {
        let data = self.kept.snapshot.as_ref().and_then(|(_, pages)| pages.get(page as usize));
        if let Some(data) = data {
            self.answer(Answer::Page { page, data: data.clone() }, ctx);
        }
    }

    fn add(&mut self, seq: u64, task: Task, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if session.awaits(seq, self.config.window) {
            session.add(seq, task);
            return self.advance(ctx);
        }
        if seq <= session.done() {
            let seq = session.done();
            self.answer(Answer::Saved { seq }, ctx);
        } else {
            ctx.mark(mark!("wal.too_early", seq = seq));
        }
        Ok(())
    }

    /// Does what can be done, in order.
    fn advance(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        while !ctx.timer_is_set(Timer::Retry) {
            let Some((task, pages)) = self.session.as_mut().and_then(Session::take_next) else { break };
            let done = match &task {
                Task::Found(founding) => self.found(founding, &mut ctx.disk()),
                Task::Write(write) => self.write(write, pages, ctx),
            };
            match done {
                Ok(()) => self.finish(ctx),
                Err(Undone::Refused(why)) => {
                    ctx.mark(mark!("wal.refused", why = why));
                    self.answer(Answer::Ended, ctx);
                    self.session = None;
                }
                Err(Undone::Failed(Failure::Later(error))) => {
                    ctx.mark(mark!("wal.append_failed", error = error.to_string()));
                    ctx.set_timer(Timer::Retry, self.config.retry_after);
                    if let Some(session) = &mut self.session {
                        session.put_back(task);
                    }
                }
                Err(Undone::Failed(failure)) => return Err(halt(failure)),
            }
        }
        Ok(())
    }

    fn finish(&mut self, ctx: &mut Context<'_, Self>) {
        if let Some(session) = &mut self.session {
            session.finish();
            let seq = session.done();
            self.answer(Answer::Saved { seq }, ctx);
        }
        ctx.set_timer(Timer::Seal, self.config.seal_after);
    }

    fn found(&mut self, founding: &Founding, disk: &mut Disk<'_>) -> Result<(), Undone> {
        if self.kept.founding.as_ref().is_some_and(|known| known != founding) {
            return Err(Undone::Refused("the disk belongs to another cluster"));
        }
        let founded = Kept { founding: Some(founding.clone()), ..self.kept.clone() };
        self.segment.seal(&founded, disk)?;
        self.kept = founded;
        Ok(())
    }

    fn write(&mut self, write: &Write, pages: Vec<Blob>, ctx: &mut Context<'_, Self>) -> Result<(), Undone> {
        let early = ctx.choose("wal.rewrite_early");
        if write.snapshot.is_some() || early || self.segment.is_long(self.config.file_bytes) {
            return self.rewrite(write, pages, &mut ctx.disk());
        }
        let (previous, entries) = self.fit(&self.kept, write)?;
        let step = Step {
            hard: write.hard,
            keep_from: self.kept.keep_from.max(write.keep_from),
            previous,
            says: Says::Entries(Cow::Borrowed(entries)),
        };
        self.segment.step(&self.kept, &step, &mut ctx.disk())?;
        self.kept.apply(write, (previous, entries));
        Ok(())
    }

    /// What a write adds to the log, if it can be added.
    fn fit<'w>(&self, kept: &Kept, write: &'w Write) -> Result<(Position, &'w [Entry]), Undone> {
        if !kept.may_forget(write.keep_from) {
            return Err(Undone::Refused("what no snapshot covers is not forgotten"));
        }
        kept.fit(&write.entries).map_err(Undone::Refused)
    }

    /// Does the write by a new log file, and removes what that one replaces.
    fn rewrite(&mut self, write: &Write, pages: Vec<Blob>, disk: &mut Disk<'_>) -> Result<(), Undone> {
        let mut next = self.kept.clone();
        if let Some((meta, count)) = &write.snapshot {
            if *count == 0 || meta.at.index < next.covered().index {
                return Err(Undone::Refused("a snapshot has pages and goes forward"));
            }
            next.install(meta.clone(), pages);
        }
        let added = self.fit(&next, write)?;
        next.apply(write, added);
        if let (Some(_), Some((meta, pages))) = (&write.snapshot, &next.snapshot) {
            segment::write_snapshot(next.disk, meta.at, pages, disk)?;
        }
        let segment = Segment::create(self.segment.number() + 1, &next, self.config.sector_bytes, disk)?;
        let old = std::mem::replace(&mut self.segment, segment);
        // What stays is removed by the next boot.
        let _ = disk.unlink(&segment::path(Name::Log(old.number())));
        old.close(disk);
        if self.kept.covered() != next.covered() && self.kept.snapshot.is_some() {
            let _ = disk.unlink(&segment::path(Name::Snapshot(self.kept.covered())));
        }
        let _ = disk.sync_dir(DIRECTORY);
        self.kept = next;
        Ok(())
    }

    fn seal(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match self.segment.seal(&self.kept, &mut ctx.disk()) {
            Ok(()) => {
                ctx.mark(mark!("wal.sealed"));
                Ok(())
            }
            Err(Failure::Later(_)) => {
                ctx.set_timer(Timer::Seal, self.config.retry_after);
                Ok(())
            }
            Err(failure) => Err(halt(failure)),
        }
    }
}
