//! The bench of oracles of one run: takes marks in the order of time, counts coverage, knows who still waits.
//!
//! It is the same for simulated and for real runs.

use crate::registry::Registry;
use crate::scenario::Scenario;
use contract::mark::Name;
use contract::plan::{Plan, RoleKind};
use contract::{Observed, ProcessId};
use oracles::{Oracle, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// The mark by which a workload's process says that it has nothing left to do.
const DONE: &str = "workload.done";
/// The mark by which a host says that a process started.
const BOOT: &str = "system.boot";

/// The judges of one run and what they have seen.
#[derive(Clone)]
pub struct Judge {
    oracles: Vec<Box<dyn Oracle>>,
    /// Whether the scenario names its oracles: then each of them must have judged something.
    named: bool,
    clients: BTreeSet<ProcessId>,
    done: BTreeSet<ProcessId>,
    coverage: BTreeMap<Name, u64>,
    violation: Option<Violation>,
}

impl Judge {
    /// The scenario's judges, or all of them.
    pub fn new(scenario: &Scenario, plan: &Plan, registry: &Registry) -> Judge {
        let named = !scenario.expect.oracles.is_empty();
        let wanted = |name: &str| !named || scenario.expect.oracles.contains(&name);
        let oracles = registry.oracles.iter().filter(|kind| wanted(kind.name)).map(|kind| (kind.make)()).collect();
        let is_client =
            |process: &contract::plan::ProcessPlan| plan.nodes[process.node.0 as usize].kind == RoleKind::Workload;
        let processes = plan.processes.iter().enumerate();
        let clients = processes.filter(|(_, process)| is_client(process)).map(|(id, _)| ProcessId(id as u32)).collect();
        Judge { oracles, named, clients, done: BTreeSet::new(), coverage: BTreeMap::new(), violation: None }
    }

    /// Takes the next fact; `false` once an invariant is broken. Facts after that are not judged.
    pub fn observe(&mut self, seen: &Observed) -> bool {
        if self.violation.is_some() {
            return false;
        }
        match self.coverage.get_mut(&seen.mark.kind) {
            Some(count) => *count += 1,
            None => {
                self.coverage.insert(seen.mark.kind.clone(), 1);
            }
        }
        if seen.mark.kind == DONE {
            self.done.insert(seen.process);
        } else if seen.mark.kind == BOOT {
            self.done.remove(&seen.process);
        }
        self.violation = self.oracles.iter_mut().find_map(|oracle| oracle.observe(seen).err());
        self.violation.is_none()
    }

    /// Every workload is done, and no oracle waits for anything.
    pub fn is_quiescent(&self) -> bool {
        self.clients_are_done() && !self.clients.is_empty() && self.converged()
    }

    /// No oracle waits for anything.
    pub fn converged(&self) -> bool {
        self.oracles.iter().all(|oracle| oracle.pending().is_none())
    }

    /// Whether every client has said that it is done.
    pub fn clients_are_done(&self) -> bool {
        self.clients.is_subset(&self.done)
    }

    /// Who waits for what: each oracle's name and its sentence.
    pub fn pending(&self) -> Vec<(&'static str, String)> {
        self.oracles.iter().filter_map(|oracle| Some((oracle.name(), oracle.pending()?))).collect()
    }

    /// What must hold at quiescence; to be called once, when the system has converged.
    pub fn finish(&mut self) {
        if self.violation.is_none() {
            self.violation = self.oracles.iter_mut().find_map(|oracle| oracle.finish().err());
        }
    }

    /// The broken promise, if one was found.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The oracles that judged nothing although the scenario asked for their judgement.
    pub fn idle_oracles(&self) -> Vec<&'static str> {
        let idle: Vec<&str> =
            self.oracles.iter().filter(|oracle| oracle.judged() == 0).map(|oracle| oracle.name()).collect();
        if self.named || idle.len() == self.oracles.len() { idle } else { Vec::new() }
    }

    /// The judges, by name.
    pub fn names(&self) -> Vec<&'static str> {
        self.oracles.iter().map(|oracle| oracle.name()).collect()
    }

    /// How often each kind of mark was seen.
    pub fn coverage(&self) -> &BTreeMap<Name, u64> {
        &self.coverage
    }
}
