//! Linearizability (C1) of registers by key: every operation seems to happen at one instant between its
//! invocation and its return (Herlihy and Wing, "Linearizability", TOPLAS 1990).
//!
//! Judged from the clients' histories alone:
//!
//! | action | input | output |
//! |---|---|---|
//! | `read` | the key | the value; `[]` where there is none |
//! | `write` | `[key value]` | not judged |
//! | `cas` | `[key expected new]` | whether it swapped |
//!
//! A key and a value are any [`Value`]; `[]` is "no value": every key begins with it, writing it deletes, and
//! a `cas` that expects it creates. An operation that failed never happens. One whose outcome is unknown, or
//! that never returns, happens at any time after its invocation, or never.
//!
//! [`Linearizability`] searches for an order, key by key, since a history is linearizable if and only if that
//! of each key is (Herlihy and Wing's locality; Horn and Kroening, "Faster linearizability checking via
//! P-compositionality", FORTE 2015). The problem is NP-complete, so the search has a limit for each return; a
//! key that reaches it is *undecided* from there on: neither accepted nor rejected, and each of its returns is
//! counted by [`Oracle::undecided`]. [`LinearizationPoints`] is told the order by the system and checks it in linear
//! time; the two know nothing of each other, and the tests hold one against the other.

pub(crate) mod register;
mod search;
mod timeline;
mod witness;

pub use witness::LinearizationPoints;

use crate::fact::{Fact, read, senseless};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::history::Outcome;
use contract::{Observed, Value};
use register::{Action, Request};
use std::collections::BTreeMap;
use timeline::{Operation, Result as Ended, Timeline};

/// The search; see the module.
#[derive(Clone, Debug)]
pub struct Linearizability {
    keys: BTreeMap<Value, Timeline>,
    operations: Operations<Option<Asked>>,
    /// The next operation's number, which is never used again.
    serial: u64,
    steps_max: u64,
    judged: u64,
    undecided: u64,
}

/// An open operation on a register.
#[derive(Clone, Debug)]
struct Asked {
    key: Value,
    serial: u64,
    swaps: bool,
}

impl Linearizability {
    /// As in a scenario file.
    pub const NAME: &'static str = "linearizability";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["C1", Violation::MARKS];
    /// How many configurations the search visits for the return of one operation before it gives the key up.
    pub const STEPS_MAX: u64 = 50_000;

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::with_limit(Self::STEPS_MAX)
    }

    /// A judge that gives a key up when one return takes more than `steps_max` configurations.
    pub fn with_limit(steps_max: u64) -> Self {
        Linearizability {
            keys: BTreeMap::new(),
            operations: Operations::new(Self::NAME),
            serial: 0,
            steps_max,
            judged: 0,
            undecided: 0,
        }
    }

    fn invoked(&mut self, op: u64, action: &str, input: &Value, seen: &Observed) -> Result<(), Violation> {
        let Some(request) = Request::of(action, input).map_err(|why| senseless(Self::NAME, seen, why))? else {
            return self.operations.invoke(op, None, seen);
        };
        let swaps = matches!(request.action, Action::Cas { .. });
        let asked = Asked { key: request.key.clone(), serial: self.serial, swaps };
        self.serial += 1;
        self.keys.entry(asked.key.clone()).or_default().invoke(asked.serial, request, seen);
        self.operations.invoke(op, Some(asked), seen)
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Some((operation, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        let Some(Asked { key, serial, swaps }) = operation.note else { return Ok(()) };
        let Some(timeline) = self.keys.get_mut(&key) else { unreachable!("its invocation entered the key") };
        match end.outcome {
            Outcome::Ok if swaps && !matches!(end.output, Value::Flag(_)) => {
                return Err(senseless(Self::NAME, seen, "the output of a cas is a flag"));
            }
            Outcome::Ok => timeline.complete(serial, end.output, seen),
            Outcome::Failed => timeline.give_up(serial, Ended::Failed),
            Outcome::Unknown => timeline.give_up(serial, Ended::Unknown),
        }
        self.advance(&key).map_err(|violation| violation.seen_in(&[seen.event]))
    }

    fn abandon(&mut self, seen: &Observed) -> Result<(), Violation> {
        let of_client = self.operations.open().filter(|(_, operation)| operation.client == seen.process);
        let open: Vec<Asked> = of_client.filter_map(|(_, operation)| operation.note.clone()).collect();
        self.operations.abandon(seen.process);
        for Asked { key, serial, .. } in open {
            let Some(timeline) = self.keys.get_mut(&key) else { unreachable!("its invocation entered the key") };
            timeline.give_up(serial, Ended::Unknown);
            self.advance(&key).map_err(|violation| violation.seen_in(&[seen.event]))?;
        }
        Ok(())
    }

    /// Searches as far as results are known.
    fn advance(&mut self, key: &Value) -> Result<(), Violation> {
        let Some(timeline) = self.keys.get_mut(key) else { return Ok(()) };
        let progress = timeline.advance(self.steps_max);
        self.judged += progress.explained;
        self.undecided += progress.undecided;
        match progress.impossible {
            None => Ok(()),
            Some((operation, before)) => Err(unexplained(&operation, &before)),
        }
    }
}

fn unexplained(operation: &Operation, before: &str) -> Violation {
    let Operation { request, since, invoked, returned, .. } = operation;
    let Some((at, event, output)) = returned else { unreachable!("only a return can be impossible") };
    Violation::new(Linearizability::NAME, "C1", format!("no order explains a {}", request.action.word()))
        .because(format!(
            "{request}, from {since} to {at}, returned {output}, and no order of the operations on that key \
             explains it (just before that return the key could hold {before})"
        ))
        .seen_in(&[*invoked, *event])
}

impl Default for Linearizability {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for Linearizability {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => self.invoked(op, action, input, seen),
            Fact::Complete { .. } => self.completed(&fact, seen),
            Fact::Exit => self.abandon(seen),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let keys: Vec<Value> = self.keys.keys().cloned().collect();
        for key in keys {
            self.keys.entry(key.clone()).or_default().close();
            self.advance(&key)?;
        }
        Ok(())
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
