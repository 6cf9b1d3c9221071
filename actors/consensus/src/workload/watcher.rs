//! A watcher: lists the keys under a prefix, then follows their changes by long polls, and lists anew when what it lacks
//! was compacted.
//!
//! It asks whichever member answers, so that a watch goes on at another replica, and now and then it stops and starts
//! again where it was. Under another name in each life: what it lists anew it need not have been told.

use crate::rcs::client::{Client, Config as Service, Ended, Outcome};
use crate::rcs::message::{Answer, Change, Keys, Range, Read, Refusal, Reply, Watch};
use contract::{Actor, Blob, Context, Duration, Halt, Mark, ProcessId, inbox, mark};
use std::sync::Arc;

/// What a watcher is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which watcher it is.
    pub index: u32,
    /// How it asks the service.
    pub service: Arc<Service>,
    /// It watches the keys that begin so.
    pub prefix: String,
    /// Rows of a page of the list, at most; 0 for as many as fit.
    pub page: u64,
    /// Changes in an answer, at most.
    pub changes: u64,
    /// The longest pause between two polls.
    pub slow: Duration,
}

inbox! {
    /// What a watcher accepts.
    pub enum Inbox {
        /// From members.
        Reply(Reply),
    }
}

/// The watcher's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for the next poll.
    Poll,
    /// The question has not been answered.
    Retry,
}

/// One watcher.
#[derive(Clone, Debug)]
pub struct Watcher {
    config: Arc<Config>,
    service: Client,
    /// Its name in this life.
    name: String,
    /// The first revision that it has not seen; `None` while it lists.
    from: Option<u64>,
    /// Whether it has ever listed everything.
    listed: bool,
}

impl Actor for Watcher {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let service = Client::new(Arc::clone(&config.service), ctx);
        let name = format!("watcher-{}.{:x}", config.index, ctx.random());
        let mut watcher = Watcher { config: Arc::clone(config), service, name, from: None, listed: false };
        watcher.list_anew(ctx);
        watcher.service.schedule(Timer::Retry, ctx);
        Ok(watcher)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Reply(reply) = message;
        if let Some(ended) = self.service.on_reply(from, reply, ctx) {
            self.on_ended(ended, ctx);
        }
        self.service.schedule(Timer::Retry, ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Poll => self.poll(ctx),
            Timer::Retry => {
                for ended in self.service.poll(ctx) {
                    self.on_ended(ended, ctx);
                }
            }
        }
        self.service.schedule(Timer::Retry, ctx);
        Ok(())
    }
}

impl Watcher {
    /// Asks for the keys from this one on, as they were at `revision`; 0 for the first page, as they are.
    fn list(&mut self, first: Blob, revision: u64, ctx: &mut Context<'_, Self>) {
        let keys = match first.is_empty() {
            true => Keys::Prefix(self.config.prefix.as_bytes().into()),
            false => Keys::Between(first, end_of(self.config.prefix.as_bytes())),
        };
        let read = Read { keys, revision, limit: self.config.page, linearizable: true, traced: 0 };
        self.service.read(read, ctx);
    }

    fn on_ended(&mut self, ended: Ended, ctx: &mut Context<'_, Self>) {
        let Outcome::Answered(answer) = ended.outcome else { return self.list_anew(ctx) };
        match (answer, self.from) {
            (Answer::Range(range), None) => self.on_page(&range, ctx),
            (Answer::Changes { from, until, changes }, Some(wanted)) => {
                assert!(from == wanted, "an answer repeats the question");
                self.on_changes(from, until, &changes, ctx);
            }
            (Answer::Refused(Refusal::Compacted(revision)), from) => {
                if from.is_some() {
                    ctx.mark(self.about(mark!("watch.compacted"), revision));
                }
                self.list_anew(ctx);
            }
            (answer, from) => panic!("{}, which watches from {from:?} on, was answered {answer:?}", self.name),
        }
    }

    fn list_anew(&mut self, ctx: &mut Context<'_, Self>) {
        self.from = None;
        self.list(Blob::from(&[][..]), 0, ctx);
    }

    fn on_page(&mut self, range: &Range, ctx: &mut Context<'_, Self>) {
        match range.rows.last().filter(|_| range.more) {
            Some(last) => self.list(successor(&last.key), range.revision, ctx),
            None => {
                self.start(range.revision + 1, ctx);
                if !std::mem::replace(&mut self.listed, true) {
                    ctx.mark(mark!("workload.done", client = self.config.index));
                }
            }
        }
    }

    fn start(&mut self, from: u64, ctx: &mut Context<'_, Self>) {
        self.from = Some(from);
        let (watcher, prefix) = (self.name.as_str(), self.config.prefix.as_str());
        ctx.mark(mark!("watch.started", watcher = watcher, from = from, prefix = prefix));
        self.pause(ctx);
    }

    fn pause(&self, ctx: &mut Context<'_, Self>) {
        let wait = ctx.random_between(Duration::ZERO, self.config.slow);
        ctx.set_timer(Timer::Poll, wait);
    }

    fn poll(&mut self, ctx: &mut Context<'_, Self>) {
        let Some(from) = self.from else { return };
        if ctx.random_below(16) == 0 {
            let watcher = self.name.as_str();
            ctx.mark(mark!("watch.stopped", watcher = watcher));
            return self.start(from, ctx);
        }
        let keys = Keys::Prefix(self.config.prefix.as_bytes().into());
        self.service.watch(Watch { keys, from, limit: self.config.changes }, ctx);
    }

    fn on_changes(&mut self, from: u64, until: u64, changes: &[Change], ctx: &mut Context<'_, Self>) {
        for change in changes {
            let (key, revision) = match change {
                Change::Put(row) => (&row.key, row.modified),
                Change::Deleted { key, revision } => (key, *revision),
            };
            let key = String::from_utf8_lossy(key).into_owned();
            ctx.mark(self.about(mark!("watch.event"), revision).with("key", key));
        }
        if until >= from {
            ctx.mark(self.about(mark!("watch.progress"), until));
            self.from = Some(until + 1);
        }
        self.pause(ctx);
    }

    fn about(&self, mark: Mark, revision: u64) -> Mark {
        mark.with("watcher", self.name.as_str()).with("revision", revision)
    }
}

/// The next key after this one.
fn successor(key: &[u8]) -> Blob {
    [key, &[0]].concat().into()
}

/// The first key that is greater than all with this prefix, or one that no key reaches.
pub(crate) fn end_of(prefix: &[u8]) -> Blob {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end.into();
        }
    }
    // Longer than any key, of the greatest byte.
    vec![u8::MAX; 1 << 10].into()
}
