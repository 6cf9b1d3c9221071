//! Causal consistency (CC) of registers: nobody sees an effect without its causes.
//!
//! Judged from the clients' histories: `read` and `write`, as [`crate::linearizability`] reads them. An
//! operation is caused by what its client had completed before, by the write whose value it read, and by
//! their causes. With values that are unique for each key, causal consistency is the absence of three
//! patterns (Bouajjani, Enea, Guerraoui, Hamza, "On verifying causal consistency", POPL 2017, section 5):
//!
//! - a read of a value that nobody wrote, or whose write failed (ThinAirRead);
//! - a read of no value although a write of the key is among its causes (WriteCOInitRead);
//! - a read of a write that another write of the key, also among the read's causes, has among its own
//!   (WriteCORead).
//!
//! The fourth, a cycle of causes, would need a read to return before the write was invoked, which is the
//! first. It is weaker than linearizability: reads may be stale, as long as each client's view is closed under
//! causes. A write whose outcome is unknown is a cause only once somebody read it. A client that ended begins
//! anew without causes. Reads of a value that was written twice, and keys with a `cas`, are *undecided*.
//!
//! Each fact costs the number of clients that wrote its key.

mod clock;

use crate::fact::{Fact, read, senseless};
use crate::linearizability::register::{Action, Request, nothing};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use clock::{Clock, Lanes};
use contract::history::Outcome;
use contract::{Observed, ProcessId, Value};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug)]
pub struct Causal {
    keys: BTreeMap<Value, Key>,
    writes: Vec<Write>,
    clients: BTreeMap<ProcessId, Client>,
    lanes: Lanes,
    operations: Operations<Option<Asked>>,
    judged: u64,
    undecided: u64,
}

#[derive(Clone, Debug, Default)]
struct Key {
    /// The write of each value; `None` if several wrote it.
    by_value: BTreeMap<Value, Option<usize>>,
    /// The writes of each lane, by their number there.
    by_lane: BTreeMap<u32, BTreeMap<u64, usize>>,
    swapped: bool,
}

/// A write of a history.
#[derive(Clone, Debug)]
struct Write {
    value: Value,
    lane: u32,
    number: u64,
    causes: Clock,
    event: u64,
    failed: bool,
    /// The event of the first read of it.
    seen: Option<u64>,
}

/// What a client has seen and done, in its incarnation.
#[derive(Clone, Debug, Default)]
struct Client {
    known: Clock,
    incarnation: u32,
}

/// An open operation on a register.
#[derive(Clone, Debug)]
enum Asked {
    Read { key: Value, causes: Clock, incarnation: u32 },
    Write { key: Value, write: usize, incarnation: u32 },
    Swap { key: Value },
}

impl Causal {
    /// As in a scenario file.
    pub const NAME: &'static str = "causal";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["CC", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Causal {
            keys: BTreeMap::new(),
            writes: Vec::new(),
            clients: BTreeMap::new(),
            lanes: Lanes::default(),
            operations: Operations::new(Self::NAME),
            judged: 0,
            undecided: 0,
        }
    }

    fn client(&mut self, seen: &Observed) -> &mut Client {
        let client = self.clients.entry(seen.process).or_default();
        if client.incarnation != seen.incarnation {
            *client = Client { known: Clock::default(), incarnation: seen.incarnation };
        }
        client
    }

    fn invoked(&mut self, op: u64, action: &str, input: &Value, seen: &Observed) -> Result<(), Violation> {
        let request = Request::of(action, input).map_err(|why| senseless(Self::NAME, seen, why))?;
        let Some(Request { key, action }) = request else { return self.operations.invoke(op, None, seen) };
        let causes = self.client(seen).known.clone();
        let incarnation = seen.incarnation;
        let entry = self.keys.entry(key.clone()).or_default();
        let asked = match action {
            Action::Read => Asked::Read { key, causes, incarnation },
            Action::Cas { .. } => {
                entry.swapped = true;
                Asked::Swap { key }
            }
            Action::Write(value) => {
                let write = self.writes.len();
                let (lane, number) = self.lanes.take(seen.process);
                entry.by_value.entry(value.clone()).and_modify(|known| *known = None).or_insert(Some(write));
                entry.by_lane.entry(lane).or_default().insert(number, write);
                let event = seen.event;
                self.writes.push(Write { value, lane, number, causes, event, failed: false, seen: None });
                Asked::Write { key, write, incarnation }
            }
        };
        self.operations.invoke(op, Some(asked), seen)
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Some((operation, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        match (operation.note, end.outcome) {
            (Some(Asked::Read { key, causes, incarnation }), Outcome::Ok) => {
                self.was_read(&key, &causes, incarnation, end.output, operation.event, seen)
            }
            (Some(Asked::Write { write, incarnation, .. }), Outcome::Ok) => {
                let Write { lane, number, .. } = self.writes[write];
                self.lanes.give_back(seen.process, lane);
                let client = self.client(seen);
                if client.incarnation == incarnation {
                    client.known.reach(lane, number);
                }
                Ok(())
            }
            (Some(Asked::Write { key, write, .. }), Outcome::Failed) => self.failed(&key, write, seen),
            (Some(Asked::Swap { key }), _) => {
                self.keys.entry(key).or_default().swapped = true;
                self.undecided += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn failed(&mut self, key: &Value, write: usize, seen: &Observed) -> Result<(), Violation> {
        let failed = &mut self.writes[write];
        failed.failed = true;
        self.lanes.give_back(seen.process, failed.lane);
        if let Some(lane) = self.keys.get_mut(key).and_then(|key| key.by_lane.get_mut(&failed.lane)) {
            lane.remove(&failed.number);
        }
        match failed.seen {
            Some(read) => Err(thin_air(key, failed, read, seen)),
            None => Ok(()),
        }
    }

    fn was_read(
        &mut self,
        name: &Value,
        causes: &Clock,
        incarnation: u32,
        value: &Value,
        invoked: u64,
        seen: &Observed,
    ) -> Result<(), Violation> {
        let Some(key) = self.keys.get(name) else { unreachable!("the invocation entered the key") };
        let by = key.by_value.get(value).copied();
        if key.swapped || by == Some(None) {
            self.undecided += 1;
            return Ok(());
        }
        self.judged += 1;
        let newest = key.by_lane.iter().filter_map(|(lane, writes)| {
            writes.range(..=causes.of(*lane)).next_back().map(|(_, write)| &self.writes[*write])
        });
        let Some(Some(write)) = by else {
            let overwritten = newest.min_by_key(|write| write.event);
            return match overwritten {
                None if *value == nothing() => Ok(()),
                Some(cause) if *value == nothing() => {
                    Err(broken("read of no value although a write is among its causes")
                        .because(format!("a read of {name} returned no value, and {} is among its causes", cause.value))
                        .seen_in(&[cause.event, invoked, seen.event]))
                }
                _ => Err(broken("read of a value that nobody wrote")
                    .because(format!("a read of {name} returned {value}, which nobody wrote"))
                    .seen_in(&[invoked, seen.event])),
            };
        };
        let read = &self.writes[write];
        if read.failed {
            return Err(thin_air(name, read, seen.event, seen));
        }
        let after = |later: &&Write| {
            later.causes.of(read.lane) >= read.number || (later.lane == read.lane && later.number > read.number)
        };
        if let Some(later) = newest.into_iter().find(after) {
            return Err(broken("read of a value that its causes had overwritten")
                .because(format!(
                    "a read of {name} returned {value} at {}, and among its causes is the write of {}, which comes after",
                    seen.at, later.value
                ))
                .seen_in(&[read.event, later.event, invoked, seen.event]));
        }
        let (lane, number, mut learned) = (read.lane, read.number, read.causes.clone());
        learned.reach(lane, number);
        self.writes[write].seen.get_or_insert(seen.event);
        let client = self.client(seen);
        if client.incarnation == incarnation {
            client.known.join(&learned);
        }
        Ok(())
    }
}

fn thin_air(key: &Value, write: &Write, read: u64, seen: &Observed) -> Violation {
    broken("read of a write that failed")
        .because(format!("a read of {key} returned {}, whose write failed", write.value))
        .seen_in(&[write.event, read, seen.event])
}

fn broken(shape: &str) -> Violation {
    Violation::new(Causal::NAME, "CC", shape)
}

impl Default for Causal {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for Causal {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => self.invoked(op, action, input, seen),
            Fact::Complete { .. } => self.completed(&fact, seen),
            Fact::Exit => {
                self.operations.abandon(seen.process);
                self.clients.remove(&seen.process);
                self.lanes.abandon(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn undecided(&self) -> u64 {
        self.undecided
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
