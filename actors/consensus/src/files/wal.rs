//! The append process's files: a saved write is there, and nothing that was never asked for.

use super::alone::{Alone, ME};
use crate::raft::{Configuration, Entry, Hard, Payload, Position, SnapshotMeta};
use crate::wal::message::{Answer, Ask, Held, Reply, Request, Write};
use crate::wal::{Config, Inbox, Log, Timer};
use contract::file_protocol::Event;
use contract::timer::{Alarm, Timers};
use contract::{Actor, Blob, Context, Disk, FileProtocol};
use std::sync::Arc;

/// The append process of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalFiles;

/// What a member asks for, each in a term of its own.
#[derive(Clone, Debug)]
pub struct Op {
    term: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One more entry, with so many bytes; the longer one does not fit into one sector with what is before it.
    Append(usize),
    /// Another entry in place of the last one, and one more.
    Overwrite,
    /// No entry: a term and a vote.
    Vote,
    /// A snapshot of the whole log, of which the last entry is kept.
    Snapshot,
    /// Nothing is written for a while.
    Wait,
}

/// What the disk holds, as far as it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    term: u64,
    snapshot: Option<Position>,
    /// The entries: terms and indexes; what they say follows from those.
    log: Vec<Position>,
}

/// What must be there, and what may.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    saved: State,
    /// As it would be with the operation that was cut short.
    cut: Option<State>,
}

/// The process, and what its member knows.
#[derive(Clone)]
pub struct Running {
    log: Log,
    timers: Timers<Timer>,
    alarms: Vec<Alarm>,
    seq: u64,
    session: u64,
    state: State,
}

impl Op {
    /// What the disk holds after it.
    fn after(&self, before: &State) -> State {
        let mut after = before.clone();
        let last = before.last();
        let new = |index| Position { term: self.term, index };
        match self.kind {
            Kind::Wait => return after,
            Kind::Append(_) => after.log.push(new(last.index + 1)),
            Kind::Overwrite => {
                let covered = before.snapshot.map_or(0, |at| at.index);
                after.log.retain(|at| at.index <= covered || at.index < last.index);
                let first = last.index.max(covered + 1);
                after.log.extend([new(first), new(first + 1)]);
            }
            Kind::Snapshot if last.index > 0 => {
                after.snapshot = Some(last);
                after.log.retain(|at| *at == last);
            }
            Kind::Vote | Kind::Snapshot => {}
        }
        after.term = self.term;
        after
    }

    /// The write that makes `after` of `before`.
    fn write(&self, before: &State, after: &State) -> Write {
        let bytes = if let Kind::Append(bytes) = self.kind { bytes } else { 8 };
        let new = after.log.iter().filter(|at| !before.log.contains(at));
        let snapshot = after.snapshot.filter(|_| after.snapshot != before.snapshot);
        Write {
            hard: Hard { term: after.term, ..Hard::default() },
            entries: new.map(|at| entry(*at, bytes)).collect(),
            snapshot: snapshot.map(|at| (SnapshotMeta { at, configuration: Configuration::default() }, 1)),
            keep_from: after.snapshot.map_or(0, |at| at.index),
        }
    }
}

impl State {
    fn last(&self) -> Position {
        self.log.last().copied().or(self.snapshot).unwrap_or_default()
    }
}

fn entry(at: Position, bytes: usize) -> Entry {
    let mut command = vec![at.term as u8; bytes];
    command[0] = at.index as u8;
    Entry { at, payload: Payload::Command(command.into()) }
}

fn page(at: Position) -> Blob {
    command(&entry(at, 16))
}

fn command(entry: &Entry) -> Blob {
    match &entry.payload {
        Payload::Command(command) => command.clone(),
        Payload::Noop | Payload::Configure(_) => Blob::from(Vec::new()),
    }
}

impl Running {
    /// Delivers a request; the answers.
    fn ask(&mut self, ask: Ask, disk: &mut Disk<'_>) -> Result<Vec<Answer>, String> {
        let reply_to = contract::plan::Directory::known(ME);
        let request = Inbox::Request(Request { reply_to, session: self.session, ask });
        let mut host = Alone::new(disk);
        let handled = self.log.on_message(ME, request, &mut Context::new(&mut host, &mut self.timers));
        self.end(handled, host)
    }

    /// Lets the time pass until the next alarm; the answers, or `None` if no alarm is set.
    fn wait(&mut self, disk: &mut Disk<'_>) -> Result<Option<Vec<Answer>>, String> {
        let due = self.alarms.iter().position(|alarm| self.timers.is_live(*alarm));
        let Some(timer) = due.and_then(|due| self.timers.fire(self.alarms[due])) else { return Ok(None) };
        let mut host = Alone::new(disk);
        let handled = self.log.on_timer(timer, &mut Context::new(&mut host, &mut self.timers));
        self.end(handled, host).map(Some)
    }

    fn end(&mut self, handled: Result<(), contract::Halt>, host: Alone<'_, '_>) -> Result<Vec<Answer>, String> {
        handled.map_err(|halt| halt.reason)?;
        let (alarms, replies) = host.done::<Reply>();
        self.alarms.extend(alarms);
        self.alarms.retain(|alarm| self.timers.is_live(*alarm));
        Ok(replies.into_iter().map(|reply| reply.answer).collect())
    }

    fn write(&mut self, write: Write, disk: &mut Disk<'_>) -> Result<(), String> {
        self.seq += 1;
        let seq = self.seq;
        if let Some((meta, _)) = &write.snapshot {
            self.ask(Ask::Stage { seq, page: 0, data: page(meta.at) }, disk)?;
        }
        let mut answers = self.ask(Ask::Write { seq, write }, disk)?;
        // A refused call is tried again.
        while answers.is_empty() {
            answers = self.wait(disk)?.ok_or("a member was not answered, and nothing will be tried again")?;
        }
        if answers == [Answer::Saved { seq }] { Ok(()) } else { Err(format!("a write was answered {answers:?}")) }
    }

    /// Reads back what is there.
    fn read(&mut self, held: &Held, disk: &mut Disk<'_>) -> Result<State, String> {
        if held.hard.claim.is_some() || held.disk != 1 {
            return Err("Q1: a crash was taken for rot".to_owned());
        }
        let mut log = Vec::new();
        while held.first + log.len() as u64 <= held.last {
            let from = held.first + log.len() as u64;
            let answers = self.ask(Ask::Entries { from }, disk)?;
            let [Answer::Entries { entries, .. }] = answers.as_slice() else {
                return Err(format!("entries from {from} on were asked for, and {answers:?} came"));
            };
            if entries.iter().any(|found| *found != entry(found.at, command(found).len())) {
                return Err("Q1: an entry is not what was written".to_owned());
            }
            log.extend(entries.iter().map(|entry| entry.at));
        }
        let snapshot = held.snapshot.as_ref().map(|(meta, _)| meta.at);
        if let Some(at) = snapshot
            && self.ask(Ask::Page { page: 0 }, disk)? != [Answer::Page { page: 0, data: page(at) }]
        {
            return Err("Q1: a snapshot is not what was written".to_owned());
        }
        Ok(State { term: held.hard.term, snapshot, log })
    }
}

impl FileProtocol for WalFiles {
    type Op = Op;
    type Ack = ();
    type State = Running;
    type Found = State;
    type Model = Model;

    fn name(&self) -> &'static str {
        "consensus-wal"
    }

    fn about(&self) -> &'static str {
        "the append process: entries, votes, snapshots, seals, repair at boot"
    }

    fn operations(&self, step: usize) -> Vec<Op> {
        let kinds = [Kind::Append(8), Kind::Append(300), Kind::Overwrite, Kind::Vote, Kind::Snapshot, Kind::Wait];
        kinds.map(|kind| Op { term: step as u64 + 1, kind }).into()
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, State), String> {
        let mut timers = Timers::default();
        // Rot is not tried here: a seal that lies close by leaves fewer states to try.
        let config = Arc::new(Config { sector_bytes: 0, ..Config::default() });
        let booted = Log::boot(&config, &mut Context::new(&mut Alone::new(disk), &mut timers));
        let log = booted.map_err(|halt| halt.reason)?;
        let mut running = Running { log, timers, alarms: Vec::new(), seq: 0, session: 1, state: State::default() };
        let answers = running.ask(Ask::Open { nonce: 1 }, disk)?;
        let [Answer::Opened { held, .. }] = answers.as_slice() else {
            return Err(format!("a member that opens a session is answered {answers:?}"));
        };
        running.state = running.read(held, disk)?;
        let found = running.state.clone();
        Ok((running, found))
    }

    fn apply(&self, running: &mut Running, op: &Op, disk: &mut Disk<'_>) -> Result<(), String> {
        let after = op.after(&running.state);
        if let Kind::Wait = op.kind {
            running.wait(disk)?;
        } else {
            running.write(op.write(&running.state, &after), disk)?;
        }
        running.state = after;
        Ok(())
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(op, ()) => *model = Model { saved: op.after(&model.saved), cut: None },
            Event::Cut(op) => model.cut = Some(op.after(&model.saved)),
            Event::Found(found) => {
                if *found != model.saved && Some(found) != model.cut.as_ref() {
                    return Err(format!("Q1: {:?} was saved, with {:?} under way", model.saved, model.cut));
                }
                *model = Model { saved: found.clone(), cut: None };
            }
        }
        Ok(())
    }
}
