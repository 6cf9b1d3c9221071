//! A client of registers: reads, writes and swaps a few keys, one operation at a time.
//!
//! It records a history of `read`, `write` and `cas`. Every written value is the number of its operation, so that no two
//! are equal. An operation that is given up has an unknown outcome, and the client goes on with the next one.

use crate::rcs::client::{self as rcs, Ended};
use crate::rcs::message::{
    Answer, Compare, Done, Keys, Operation, Range, Read, Relation, Reply, Step, StepDone, Target, Transaction,
};
use contract::history::{self, Op, Outcome};
use contract::{Actor, Blob, Context, Duration, Halt, ProcessId, Value, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a client is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which client it is.
    pub index: u32,
    /// How it asks the service; after the deadline an outcome is unknown.
    pub service: Arc<rcs::Config>,
    /// How many operations it issues.
    pub requests: u64,
    /// Time between two operations, on average.
    pub interval: Duration,
    /// How many keys there are.
    pub keys: u64,
    /// How likely each kind of operation is.
    pub mix: Mix,
}

/// Weights of the kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Reads.
    pub reads: u64,
    /// Writes, whatever is there.
    pub writes: u64,
    /// Swaps of what the client saw last for something new.
    pub swaps: u64,
    /// Swaps of what the client saw last for nothing.
    pub deletes: u64,
}

inbox! {
    /// What a client accepts.
    pub enum Inbox {
        /// From members.
        Reply(Reply),
    }
}

/// The client's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for the next operation.
    Issue,
    /// The question has not been answered.
    Retry,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<Config>,
    service: rcs::Client,
    /// The number of the operation before this incarnation's first.
    base: u64,
    issued: u64,
    open: Option<Current>,
    /// What it saw last of each key: the value and the revision that made it.
    seen: BTreeMap<u64, Seen>,
}

/// A value and the revision that wrote it.
type Seen = Option<(u64, u64)>;

/// The open operation.
#[derive(Clone, Debug)]
struct Current {
    id: u64,
    key: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    /// From what, and whether to nothing.
    Swap {
        from: Seen,
        delete: bool,
    },
}

impl Actor for Client {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.keys > 0, "a client has a key to work on");
        assert!(config.service.retry.deadline.is_some(), "a client gives up some time");
        let service = rcs::Client::new(Arc::clone(&config.service), ctx);
        // Another upper half in each life, so that operations of two are never taken for one.
        let base = ctx.random() & !u64::from(u32::MAX);
        let config = Arc::clone(config);
        let mut client = Client { config, service, base, issued: 0, open: None, seen: BTreeMap::new() };
        client.pause(ctx);
        Ok(client)
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
            Timer::Issue => self.issue(ctx),
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

impl Client {
    /// Sets the timer for the next operation, or says that there is none.
    fn pause(&mut self, ctx: &mut Context<'_, Self>) {
        if self.issued < self.config.requests {
            let interval = self.config.interval;
            let wait = ctx.random_between(interval / 2, interval + interval / 2);
            ctx.set_timer(Timer::Issue, wait);
        } else {
            ctx.mark(mark!("workload.done", client = self.config.index));
        }
    }

    fn issue(&mut self, ctx: &mut Context<'_, Self>) {
        assert!(self.open.is_none(), "one operation at a time");
        self.issued += 1;
        let id = self.base + self.issued;
        let key = ctx.random_below(self.config.keys);
        let kind = self.draw(key, ctx);
        let (action, input) = kind.told(id, key);
        ctx.invoke(Op { id, action, input });
        self.open = Some(Current { id, key, kind });
        match kind.operation(id, key, ctx.random_below(2) == 0) {
            Some(operation) => self.service.write(operation, id, ctx),
            None => self.service.read(read(id, key), ctx),
        };
    }

    fn draw(&self, key: u64, ctx: &mut Context<'_, Self>) -> Kind {
        let Mix { reads, writes, swaps, deletes } = self.config.mix;
        let from = self.seen.get(&key).copied().flatten();
        let drawn = ctx.random_below((reads + writes + swaps + deletes).max(1));
        if drawn < reads {
            Kind::Read
        } else if drawn < reads + writes {
            Kind::Write
        } else {
            // There is nothing to delete where nothing was seen.
            Kind::Swap { from, delete: drawn >= reads + writes + swaps && from.is_some() }
        }
    }

    fn on_ended(&mut self, ended: Ended, ctx: &mut Context<'_, Self>) {
        let Some(Current { id, key, kind }) = self.open.take() else { unreachable!("only its operation can end") };
        let (outcome, output) = match (ended.outcome, kind) {
            (rcs::Outcome::Unknown, _) => (Outcome::Unknown, Value::from(false)),
            (rcs::Outcome::Unsent, _) => (Outcome::Failed, Value::from(false)),
            (rcs::Outcome::Answered(Answer::Range(range)), Kind::Read) => {
                self.seen.insert(key, value_of(&range));
                (Outcome::Ok, told(value_of(&range)))
            }
            (rcs::Outcome::Answered(Answer::Done { revision, done: Done::Transacted { held, steps } }), _) => {
                self.seen.insert(key, after(kind, held, id, revision, &steps));
                (Outcome::Ok, Value::from(held))
            }
            (rcs::Outcome::Answered(answer), _) => panic!("operation {id}, {kind:?}, was answered {answer:?}"),
        };
        ctx.complete(history::Done { id, outcome, output });
        self.pause(ctx);
    }
}

impl Kind {
    /// The action and its input, for the history.
    fn told(self, id: u64, key: u64) -> (&'static str, Value) {
        let key = Value::from(name(key));
        match self {
            Kind::Read => ("read", key),
            Kind::Write => ("write", Value::List(vec![key, Value::Number(id)])),
            Kind::Swap { from, delete } => {
                let new = if delete { told(None) } else { Value::Number(id) };
                ("cas", Value::List(vec![key, told(from), new]))
            }
        }
    }

    /// What is asked of the service; a read is no operation. A value is compared by itself or by its revision: one
    /// revision makes one value.
    fn operation(self, id: u64, key: u64, by_revision: bool) -> Option<Operation> {
        let key = Blob::from(name(key).as_bytes());
        let put = Step::Put { key: key.clone(), value: id.to_le_bytes()[..].into(), lease: 0 };
        let transaction = match self {
            Kind::Read => return None,
            Kind::Write => Transaction { then: vec![put], ..Transaction::default() },
            Kind::Swap { from, delete } => {
                let target = match from {
                    None => Target::Created(0),
                    Some((_, revision)) if by_revision => Target::Modified(revision),
                    Some((value, _)) => Target::Value(value.to_le_bytes()[..].into()),
                };
                let then = if delete { Step::Delete(Keys::One(key.clone())) } else { put };
                let look = Step::Range { keys: Keys::One(key.clone()), limit: 0 };
                let compare = vec![Compare { key, target, relation: Relation::Equal }];
                Transaction { compare, then: vec![then], otherwise: vec![look] }
            }
        };
        Some(Operation::Transact(transaction))
    }
}

fn read(id: u64, key: u64) -> Read {
    let keys = Keys::One(Blob::from(name(key).as_bytes()));
    Read { keys, revision: 0, limit: 0, linearizable: true, traced: id }
}

/// What a client knows of a key after a transaction at `revision`.
fn after(kind: Kind, held: bool, id: u64, revision: u64, steps: &[StepDone]) -> Seen {
    match (kind, held, steps) {
        (Kind::Swap { delete: true, .. }, true, _) => None,
        (_, true, _) => Some((id, revision)),
        (_, false, [StepDone::Range(range)]) => value_of(range),
        (_, false, _) => panic!("a refused swap {id} tells what is there"),
    }
}

fn value_of(range: &Range) -> Seen {
    let row = range.rows.first()?;
    let bytes: [u8; 8] = (*row.value).try_into().unwrap_or_else(|_| panic!("a foreign value under {:?}", row.key));
    Some((u64::from_le_bytes(bytes), row.modified))
}

fn told(seen: Seen) -> Value {
    seen.map_or_else(|| Value::List(Vec::new()), |(value, _)| Value::Number(value))
}

fn name(key: u64) -> String {
    format!("registers/{key}")
}
