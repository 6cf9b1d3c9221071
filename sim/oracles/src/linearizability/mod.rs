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
//! P-compositionality", FORTE 2015). The problem is NP-complete, so the search has a limit for each key; a key
//! that reaches it is *undecided* from there on: neither accepted nor rejected, and counted by
//! [`Oracle::undecided`]. [`LinearizationPoints`] is told the order by the system and checks it in linear
//! time; the two know nothing of each other, and the tests hold one against the other.

mod register;
mod search;
mod witness;

pub use witness::LinearizationPoints;

use crate::fact::{Fact, read, senseless};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::history::Outcome;
use contract::{Observed, Value};
use register::{Action, Request};
use search::{Answer, Search, Verdict};
use std::collections::BTreeMap;

/// The search; see the module.
#[derive(Clone, Debug)]
pub struct Linearizability {
    keys: BTreeMap<Value, Search>,
    operations: Operations<Option<Asked>>,
    /// The next operation's number, which is never used again.
    serial: u64,
    steps_max: u64,
    judged: u64,
    undecided: u64,
}

/// What an open operation asks for.
#[derive(Clone, Debug)]
struct Asked {
    request: Request,
    serial: u64,
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
        let request = Request::of(action, input).map_err(|why| senseless(Self::NAME, seen, why))?;
        let asked = request.map(|request| Asked { request, serial: self.serial });
        if let Some(Asked { request, serial }) = &asked {
            self.serial += 1;
            let key = self.keys.entry(request.key.clone()).or_default();
            key.invoke(*serial, &request.action);
        }
        self.operations.invoke(op, asked, seen)
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Some((operation, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        let Some(Asked { request, serial }) = operation.note else { return Ok(()) };
        let Some(key) = self.keys.get_mut(&request.key) else { unreachable!("its invocation entered the key") };
        if end.outcome == Outcome::Unknown {
            key.forget(serial);
            return Ok(());
        }
        let answer = match (end.outcome, &request.action, end.output) {
            (Outcome::Failed, ..) => Answer::Never,
            (_, Action::Write(_), _) => Answer::Done,
            (_, Action::Read, value) => Answer::Value(value),
            (_, Action::Cas { .. }, Value::Flag(swapped)) => Answer::Swapped(*swapped),
            (_, Action::Cas { .. }, _) => return Err(senseless(Self::NAME, seen, "the output of a cas is a flag")),
        };
        match key.complete(serial, answer, self.steps_max) {
            Verdict::Explained => self.judged += 1,
            Verdict::Undecided => self.undecided += 1,
            Verdict::Impossible => {
                let ended =
                    if answer == Answer::Never { "failed".to_owned() } else { format!("returned {}", end.output) };
                return Err(Violation::new(Self::NAME, "C1", format!("no order explains a {}", request.action.word()))
                    .because(format!(
                        "{request}, from {} to {}, {ended}, and no order of the operations on that key explains it \
                         (before it returned the key held {})",
                        operation.since,
                        seen.at,
                        key.states()
                    ))
                    .seen_in(&[operation.event, seen.event]));
            }
        }
        Ok(())
    }

    fn abandon(&mut self, seen: &Observed) {
        let of_client = self.operations.open().filter(|(_, operation)| operation.client == seen.process);
        for Asked { request, serial } in of_client.filter_map(|(_, operation)| operation.note.as_ref()) {
            let Some(key) = self.keys.get_mut(&request.key) else { unreachable!("its invocation entered the key") };
            key.forget(*serial);
        }
        self.operations.abandon(seen.process);
    }
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
            Fact::Exit => {
                self.abandon(seen);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        Ok(())
    }

    fn pending(&self) -> Option<String> {
        None
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
