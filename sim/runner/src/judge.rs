//! The bench of oracles of one run: gives marks to the panel, counts coverage, knows which clients are done.
//!
//! It is the same for simulated and for real runs.

use crate::registry::Registry;
use crate::scenario::Scenario;
use contract::mark::Name;
use contract::plan::{Plan, ProcessPlan, RoleKind};
use contract::{Observed, ProcessId};
use oracles::{OracleKind, Panel, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// The mark by which a workload's process says that it has nothing left to do.
const DONE: &str = "workload.done";
/// The mark by which a host says that a process started.
const BOOT: &str = "system.boot";

/// The judges of one run and what they have seen.
#[derive(Clone)]
pub struct Judge {
    panel: Panel,
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
        let wanted = |kind: &&OracleKind| !named || scenario.expect.oracles.contains(&kind.name);
        let kinds: Vec<OracleKind> = registry.oracles.iter().filter(wanted).copied().collect();
        let is_client = |process: &ProcessPlan| plan.nodes[process.node.0 as usize].kind == RoleKind::Workload;
        let processes = plan.processes.iter().enumerate();
        let clients = processes.filter(|(_, process)| is_client(process)).map(|(id, _)| ProcessId(id as u32)).collect();
        Judge {
            panel: Panel::new(&kinds),
            named,
            clients,
            done: BTreeSet::new(),
            coverage: BTreeMap::new(),
            violation: None,
        }
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
        self.violation = self.panel.observe(seen).err();
        self.violation.is_none()
    }

    /// The process stays broken for good: nothing that only it could do is waited for.
    pub fn excuse(&mut self, process: ProcessId) {
        self.clients.remove(&process);
        self.panel.excuse(process);
    }

    /// Every workload is done, and no oracle waits for anything.
    pub fn is_quiescent(&self) -> bool {
        self.clients_are_done() && !self.clients.is_empty() && self.converged()
    }

    /// No oracle waits for anything.
    pub fn converged(&self) -> bool {
        !self.panel.is_waiting()
    }

    /// Whether every client has said that it is done.
    pub fn clients_are_done(&self) -> bool {
        self.clients.is_subset(&self.done)
    }

    /// Who waits for what: each oracle's name and its sentence.
    pub fn pending(&self) -> Vec<(&'static str, String)> {
        self.panel.pending()
    }

    /// What must hold at quiescence; to be called once, when the system has converged.
    pub fn finish(&mut self) {
        if self.violation.is_none() {
            self.violation = self.panel.finish().err();
        }
    }

    /// The broken promise, if one was found.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The oracles that judged nothing although the scenario asked for their judgement.
    pub fn idle_oracles(&self) -> Vec<&'static str> {
        let judged = self.panel.judged();
        let idle: Vec<&str> = judged.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
        if self.named || idle.len() == judged.len() { idle } else { Vec::new() }
    }

    /// How many facts each oracle could judge neither way; those with none are left out.
    pub fn undecided(&self) -> Vec<(&'static str, u64)> {
        self.panel.undecided()
    }

    /// The judges, by name.
    pub fn names(&self) -> Vec<&'static str> {
        self.panel.names()
    }

    /// How often each kind of mark was seen.
    pub fn coverage(&self) -> &BTreeMap<Name, u64> {
        &self.coverage
    }
}
