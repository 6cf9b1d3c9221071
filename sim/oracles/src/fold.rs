//! Fold (R1): a machine's state is the fold of its log, whoever folds it and from wherever it began.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `fold.loaded {machine, lsn, digest}` | a replica of the machine | it took over a state: a snapshot, or that of another replica |
//! | `fold.applied {machine, lsn, digest}` | a replica of the machine | its state is that after the entry at `lsn`, and has this digest |
//!
//! The log decides the state, so equal LSNs of one machine mean equal digests: across replicas, across
//! incarnations, and for a snapshot with its tail against a full replay. Digests may be stated now and then
//! only. One incarnation never goes back without `fold.loaded`: a state machine does not un-apply. A digest
//! is stated for committed entries only.
//!
//! After Schneider, "Implementing Fault-Tolerant Services Using the State Machine Approach" (1990), and the
//! storage checker of TigerBeetle's simulator. Each fact costs the logarithm of the number of facts.

use crate::fact::Reader;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId, Value};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    machines: BTreeMap<String, Machine>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Machine {
    states: BTreeMap<u64, State>,
    replicas: BTreeMap<ProcessId, Place>,
}

/// A state, as first stated.
#[derive(Clone, Debug)]
struct State {
    digest: Value,
    by: ProcessId,
    incarnation: u32,
    event: u64,
}

/// How far a replica is.
#[derive(Clone, Copy, Debug)]
struct Place {
    incarnation: u32,
    lsn: u64,
    event: u64,
}

impl Fold {
    /// As in a scenario file.
    pub const NAME: &'static str = "fold";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["R1", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn stated(&mut self, name: &str, lsn: u64, digest: &Value, loaded: bool, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        if !self.machines.contains_key(name) {
            self.machines.insert(name.to_owned(), Machine::default());
        }
        let Some(machine) = self.machines.get_mut(name) else { unreachable!("the machine was just entered") };
        let place = Place { incarnation: seen.incarnation, lsn, event: seen.event };
        let before = machine.replicas.insert(seen.process, place);
        let before = before.filter(|before| before.incarnation == seen.incarnation && !loaded);
        if let Some(before) = before.filter(|before| before.lsn > lsn) {
            return Err(broken("state went back")
                .because(format!(
                    "process {} had applied LSN {} to {name} and stated LSN {lsn} at {} without loading a state",
                    seen.process.0, before.lsn, seen.at
                ))
                .seen_in(&[before.event, seen.event]));
        }
        machine.compare(name, lsn, digest, loaded, seen)
    }
}

impl Machine {
    fn compare(
        &mut self,
        name: &str,
        lsn: u64,
        digest: &Value,
        loaded: bool,
        seen: &Observed,
    ) -> Result<(), Violation> {
        let first = self.states.entry(lsn).or_insert_with(|| State {
            digest: digest.clone(),
            by: seen.process,
            incarnation: seen.incarnation,
            event: seen.event,
        });
        if first.digest == *digest {
            return Ok(());
        }
        let shape = match (loaded, first.by == seen.process) {
            (true, _) => "loaded state is not the fold of the log",
            (false, true) => "replay gives another state",
            (false, false) => "replicas have different states",
        };
        Err(broken(shape)
            .because(format!(
                "{name} at LSN {lsn} is {} to process {} (incarnation {}) and {digest} to process {} (incarnation {})",
                first.digest, first.by.0, first.incarnation, seen.process.0, seen.incarnation
            ))
            .seen_in(&[first.event, seen.event]))
    }
}

fn broken(shape: &str) -> Violation {
    Violation::new(Fold::NAME, "R1", shape)
}

impl Oracle for Fold {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let loaded = match &*seen.mark.kind {
            "fold.applied" => false,
            "fold.loaded" => true,
            _ => return Ok(()),
        };
        let reader = Reader::new(Self::NAME, seen);
        self.stated(reader.text("machine")?, reader.number("lsn")?, reader.value("digest")?, loaded, seen)
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
