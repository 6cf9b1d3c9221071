//! Convergence: what clients of a healed system still wait for.
//!
//! It reports no violations but of form: liveness is broken only by time, and the runner, who has the
//! clock, turns what is pending at the end of the liveness budget into "not converged".

use crate::fact::{Fact, read};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::{BTreeMap, BTreeSet};

/// No sentence names more operations or clients than this.
const NAMED_MAX: usize = 3;

/// The oracle; see the module.
#[derive(Clone, Debug)]
pub struct Convergence {
    /// Whether each client is done. A process is a client once it states a history or that it is done.
    clients: BTreeMap<ProcessId, bool>,
    /// Nobody waits for these any more: they stay broken for good.
    excused: BTreeSet<ProcessId>,
    operations: Operations<String>,
    judged: u64,
}

impl Convergence {
    /// As in a scenario file.
    pub const NAME: &'static str = "convergence";
    /// What the runner reports in its name when the time is up (`LIVE`), and what it reports itself.
    pub const INVARIANTS: &'static [&'static str] = &["LIVE", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Convergence {
            clients: BTreeMap::new(),
            excused: BTreeSet::new(),
            operations: Operations::new(Self::NAME),
            judged: 0,
        }
    }

    fn waiting_operations(&self) -> Option<String> {
        let waiting = || self.operations.open().filter(|(_, operation)| !self.excused.contains(&operation.client));
        let count = waiting().count();
        if count == 0 {
            return None;
        }
        let named = waiting().take(NAMED_MAX).map(|(op, operation)| {
            format!("client {} for operation {op}, {}, since {}", operation.client.0, operation.note, operation.since)
        });
        Some(format!("{}{}", named.collect::<Vec<_>>().join("; "), more(count)))
    }

    fn waiting_clients(&self) -> Option<String> {
        let waits = |client: &ProcessId, done: &bool| !done && !self.excused.contains(client);
        let waiting = || self.clients.iter().filter(|(client, done)| waits(client, done));
        let count = waiting().count();
        if count == 0 {
            return None;
        }
        let named: Vec<String> = waiting().take(NAMED_MAX).map(|(client, _)| client.0.to_string()).collect();
        Some(format!("client {}{} to be done", named.join(", "), more(count)))
    }
}

fn more(count: usize) -> String {
    if count > NAMED_MAX { format!(" and {} more", count - NAMED_MAX) } else { String::new() }
}

impl Default for Convergence {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for Convergence {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => {
                self.clients.entry(seen.process).or_insert(false);
                self.operations.invoke(op, format!("{action} {input}"), seen)?;
            }
            Fact::Complete { .. } => {
                self.operations.complete(&fact, seen)?;
                self.judged += 1;
            }
            Fact::Done => {
                self.clients.insert(seen.process, true);
                self.judged += 1;
            }
            Fact::Exit => {
                // What it waited for nobody waits for any more; its next incarnation has to be done itself.
                self.operations.abandon(seen.process);
                self.clients.entry(seen.process).and_modify(|done| *done = false);
            }
            _ => {}
        }
        Ok(())
    }

    /// Before any client has begun this waits for one, so that no run ends before it starts.
    fn pending(&self) -> Option<String> {
        if self.clients.is_empty() {
            return Some("waiting for the first client to begin".to_owned());
        }
        let waits: Vec<String> = [self.waiting_operations(), self.waiting_clients()].into_iter().flatten().collect();
        (!waits.is_empty()).then(|| format!("waiting: {}", waits.join("; ")))
    }

    fn excuse(&mut self, process: ProcessId) {
        self.excused.insert(process);
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
