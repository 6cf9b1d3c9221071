//! The editor: asks the programs of one workspace to save and load files, to append to and read the ledger and to hold
//! locks, then reads every file and all of the ledger.
//!
//! It records a history of `save`, `load`, `append`, `read`, `hold` and `litter`. None is ever given up, so an operation without an end
//! means that the system has not converged. An editor keeps its progress in memory only: as a workload it is not to
//! be killed. What it learns is judged by the marks that programs state ([`crate::atomic`], [`crate::ledger`],
//! [`crate::lock`]).

use crate::ledger::NewEvent;
use crate::message::{Answer, Ask, Reply, Request};
use contract::calls::{Calls, Retry};
use contract::history::{Done, Op, Outcome};
use contract::{Actor, Addr, Context, Duration, Halt, Mark, ProcessId, Time, Value, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an editor is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which editor it is: the upper half of its calls.
    pub index: u32,
    /// The programs of its workspace.
    pub programs: Vec<Addr<Request>>,
    /// How much it asks for before it reads everything.
    pub requests: u32,
    /// Time between two requests, on average.
    pub interval: Duration,
    /// Requests without an answer, at most.
    pub window: usize,
    /// How likely each kind of request is.
    pub mix: Mix,
    /// Files, and locks that are only held.
    pub names: u64,
    /// Events of one append, at most.
    pub events: u64,
    /// The longest payload of an event, in bytes.
    pub event_bytes: usize,
    /// The longest content of a file, in bytes.
    pub text_bytes: usize,
    /// The longest time for which a lock is held.
    pub hold: Duration,
    /// How it asks; without a deadline.
    pub retry: Retry,
}

/// Weights of the kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Saves of files.
    pub saves: u64,
    /// Readings of files.
    pub loads: u64,
    /// Locks that are held.
    pub holds: u64,
    /// Empty lock files.
    pub litters: u64,
    /// Appends to the ledger.
    pub appends: u64,
    /// Readings of the ledger.
    pub reads: u64,
}

inbox! {
    /// What an editor accepts.
    pub enum Inbox {
        /// From programs.
        Reply(Reply),
    }
}

/// The editor's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for the next request.
    Issue,
    /// Some request has not been answered.
    Retry,
}

/// One editor.
#[derive(Clone, Debug)]
pub struct Editor {
    config: Arc<Config>,
    /// Requests so far.
    issued: u32,
    asking: Calls<u64, Request>,
    /// When each of them was asked for first.
    began: BTreeMap<u64, Time>,
    /// Whether every file is being read.
    ending: bool,
}

impl Actor for Editor {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(!config.programs.is_empty() && config.window > 0, "an editor can ask somebody");
        assert!(config.retry.deadline.is_none(), "an editor never gives up");
        let asking = Calls::new(config.retry);
        let mut editor =
            Editor { config: Arc::clone(config), issued: 0, asking, began: BTreeMap::new(), ending: false };
        editor.pause(ctx);
        Ok(editor)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Reply(reply) = message;
        self.on_reply(&reply, ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Issue => self.issue(ctx),
            Timer::Retry => {
                let given_up = self.asking.poll(ctx);
                assert!(given_up.is_empty(), "a call without a deadline is not given up");
                self.asking.schedule(Timer::Retry, ctx);
            }
        }
        Ok(())
    }
}

impl Editor {
    /// Sets the timer for the next request, or begins to end.
    fn pause(&mut self, ctx: &mut Context<'_, Self>) {
        if self.issued < self.config.requests {
            let interval = self.config.interval;
            let wait = ctx.random_between(interval / 2, interval + interval / 2);
            ctx.set_timer(Timer::Issue, wait);
        } else if self.asking.is_empty() && !self.ending {
            self.read_everything(ctx);
        } else if self.asking.is_empty() {
            ctx.mark(mark!("workload.done", client = self.config.index));
        }
    }

    fn issue(&mut self, ctx: &mut Context<'_, Self>) {
        if self.asking.len() < self.config.window {
            let ask = self.draw(ctx);
            self.ask(ask, ctx);
        }
        self.pause(ctx);
    }

    /// Every program reads every file: none of them may have an older one.
    fn read_everything(&mut self, ctx: &mut Context<'_, Self>) {
        self.ending = true;
        for name in 0..self.config.names {
            self.ask(Ask::Load { name: file(name) }, ctx);
        }
        if self.config.mix.appends + self.config.mix.reads > 0 {
            self.ask(Ask::Read { from: 1 }, ctx);
        }
        if self.asking.is_empty() {
            self.pause(ctx);
        }
    }

    fn draw(&self, ctx: &mut Context<'_, Self>) -> Ask {
        let Mix { saves, loads, holds, litters, appends, reads } = self.config.mix;
        let name = ctx.random_below(self.config.names);
        let kind = ctx.random_below((saves + loads + holds + appends + reads + litters).max(1));
        if kind < saves {
            let len = 1 + ctx.random_below(self.config.text_bytes as u64) as usize;
            Ask::Save { name: file(name), text: text(ctx.random(), len) }
        } else if kind < saves + loads {
            Ask::Load { name: file(name) }
        } else if kind < saves + loads + holds {
            let time = ctx.random_between(Duration::ZERO, self.config.hold);
            Ask::Hold { domain: format!("domain-{name}"), time }
        } else if kind < saves + loads + holds + appends {
            Ask::Append { events: self.draw_events(ctx) }
        } else if kind < saves + loads + holds + appends + reads {
            // Within a ledger to which about everybody appended as much, or behind its end.
            Ask::Read { from: 1 + ctx.random_below(u64::from(self.issued) * 4 + 1) }
        } else {
            Ask::Litter { domain: format!("domain-{name}") }
        }
    }

    fn draw_events(&self, ctx: &mut Context<'_, Self>) -> Vec<NewEvent> {
        let count = 1 + ctx.random_below(self.config.events);
        let event = |nth: u64| {
            let len = ctx.random_below(self.config.event_bytes as u64) as usize;
            let key = format!("{}-{}-{nth}", self.config.index, self.issued);
            NewEvent { domain: "edit".to_owned(), key, payload: format!("\"{}\"", text(ctx.random(), len)) }
        };
        (0..count).map(event).collect()
    }

    fn ask(&mut self, ask: Ask, ctx: &mut Context<'_, Self>) {
        let call = (u64::from(self.config.index) << 32) | u64::from(self.issued);
        self.issued += 1;
        let (action, about) = match &ask {
            Ask::Save { name, .. } => ("save", Value::from(name.as_str())),
            Ask::Load { name } => ("load", Value::from(name.as_str())),
            Ask::Hold { domain, .. } => ("hold", Value::from(domain.as_str())),
            Ask::Append { events } => ("append", Value::from(events.len())),
            Ask::Read { from } => ("read", Value::from(*from)),
            Ask::Litter { domain } => ("litter", Value::from(domain.as_str())),
        };
        self.began.insert(call, ctx.now());
        ctx.invoke(Op { id: call, action, input: about });
        let to = self.config.programs[ctx.random_below(self.config.programs.len() as u64) as usize];
        let request = Request { call, reply_to: ctx.addr(), ask };
        self.asking.begin(call, to, request, ctx);
        self.asking.schedule(Timer::Retry, ctx);
    }

    fn on_reply(&mut self, reply: &Reply, ctx: &mut Context<'_, Self>) {
        let output = match &reply.answer {
            // The call goes on asking.
            Answer::Failed { .. } => return,
            Answer::Saved { version, .. } | Answer::Loaded { version, .. } => *version,
            Answer::Appended { first } => *first,
            Answer::Events { next, .. } => *next,
            Answer::Done => 0,
        };
        let Some(call) = self.asking.finish(reply.call) else { return };
        if let (true, Answer::Events { next, more: true, .. }) = (self.ending, &reply.answer) {
            self.ask(Ask::Read { from: *next }, ctx);
        }
        let since = self.began.remove(&reply.call).unwrap_or_default();
        self.learn(&call.message.ask, output, since, ctx);
        ctx.complete(Done { id: reply.call, outcome: Outcome::Ok, output: Value::from(output) });
        self.asking.schedule(Timer::Retry, ctx);
        if self.issued >= self.config.requests {
            self.pause(ctx);
        }
    }
}

impl Editor {
    /// What the answers promise this editor: it never sees a file go back behind what it saw or did.
    fn learn(&self, ask: &Ask, version: u64, since: Time, ctx: &mut Context<'_, Self>) {
        let session = format!("editor-{}", self.config.index);
        let of = |mark: Mark, name: &str| {
            mark.with("session", session.as_str()).with("key", name).with("version", version).with("since", since.0)
        };
        match ask {
            Ask::Save { name, .. } => ctx.mark(of(mark!("session.wrote"), name)),
            Ask::Load { name } => ctx.mark(of(mark!("session.read"), name)),
            Ask::Append { .. } | Ask::Read { .. } | Ask::Hold { .. } | Ask::Litter { .. } => {}
        }
    }
}

fn file(number: u64) -> String {
    format!("file-{number}")
}

/// Printable characters that depend on the seed only (splitmix64).
fn text(seed: u64, len: usize) -> String {
    let characters = (0..len as u64).map(|index| {
        let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        char::from(b'a' + ((word >> 40) % 26) as u8)
    });
    characters.collect()
}
