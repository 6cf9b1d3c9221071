//! What runs where: roles that components offer, and the cluster plan that both hosts start from.

use crate::address::{Addr, NodeId, ProcessId};
use crate::cell::Blueprint;
use crate::knobs::{Knob, Knobs};
use crate::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A kind of node that scenario files may ask for.
#[derive(Clone, Copy)]
pub struct Role {
    /// As in the scenario file, for example `"edge"`.
    pub name: &'static str,
    /// One sentence for `stormproof list`.
    pub about: &'static str,
    /// Whether it is a system under test or a workload that drives one.
    pub kind: RoleKind,
    /// How many of its nodes must be sound for the system to go on while the others stay broken.
    pub core: Core,
    /// Its knobs.
    pub knobs: &'static [Knob],
    /// The names of the processes on each node of this role, for example `["buffer", "worker-0"]`.
    pub processes: fn(&Knobs) -> Vec<String>,
    /// Builds one process.
    pub build: Build,
    /// Builds one process as another version of the program, an older or a newer one, where there is one:
    /// the fault `version_skew` runs it for a while on the files and beside the peers of the first.
    pub other_build: Option<Build>,
}

/// How a role builds one of its processes.
pub type Build = fn(&Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError>;

/// What a role is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// Part of the system under test.
    System,
    /// A client of it that records a history.
    Workload,
}

/// How many nodes of a role a healed core needs: with these sound, and whatever else broken for good, the
/// system must converge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Core {
    /// Every node: each holds what no other has.
    #[default]
    All,
    /// More than half of the nodes: a quorum.
    Majority,
    /// So many, or all if there are fewer: one of several equal gateways, a write quorum.
    AtLeast(usize),
}

impl Core {
    /// The least number out of `count` nodes.
    pub fn of(self, count: usize) -> usize {
        match self {
            Core::All => count,
            Core::Majority => (count / 2 + 1).min(count),
            Core::AtLeast(least) => least.min(count),
        }
    }
}

/// Where one process will run and whom it can find.
pub struct Site<'a> {
    /// The process to build.
    pub me: ProcessId,
    /// Its name on its node, as listed by [`Role::processes`].
    pub process: &'a str,
    /// Which node of its role this is, from 0.
    pub index: usize,
    /// The role's knobs in this run.
    pub knobs: &'a Knobs,
    /// Everybody.
    pub directory: &'a Directory,
    /// The planted defects that are switched on, by id (`"P01"`).
    pub defects: &'a BTreeSet<String>,
    /// How many operations the workloads together may issue.
    pub requests: u64,
}

/// Why a plan cannot be built; shown to whoever wrote the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError(pub String);

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanError {}

/// All processes by role, for building configurations.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    entries: Vec<Entry>,
    uses: std::cell::RefCell<Vec<(ProcessId, crate::Protocol, &'static str)>>,
}

#[derive(Clone, Debug)]
struct Entry {
    role: &'static str,
    index: usize,
    process: String,
    id: ProcessId,
}

impl Directory {
    /// The address of process `process` on node `index` of `role`. Whether it accepts `M` is checked
    /// when the plan is complete, before anything runs.
    pub fn addr<M: Message>(&self, role: &str, index: usize, process: &str) -> Result<Addr<M>, PlanError> {
        let found = self.entries.iter().find(|e| e.role == role && e.index == index && e.process == process);
        let Some(entry) = found else {
            return Err(PlanError(format!(
                "process {process:?} of node {index} of role {role:?} is needed; add it under `nodes`, e.g. nodes = {{ {role} = {} }}",
                index + 1
            )));
        };
        self.uses.borrow_mut().push((entry.id, M::PROTOCOL, M::NAME));
        Ok(Addr::new(entry.id))
    }

    /// An address whose process is known to accept `M` by construction of the plan, for tests and
    /// benchmarks that lay out their own. A wrong one is refused by the receiver, never misread.
    pub fn known<M: Message>(process: ProcessId) -> Addr<M> {
        Addr::new(process)
    }

    /// How many nodes `role` has.
    pub fn count(&self, role: &str) -> usize {
        self.entries.iter().filter(|e| e.role == role).map(|e| e.index + 1).max().unwrap_or(0)
    }
}

/// One machine of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// For people: role and index, for example `edge-0`.
    pub name: String,
    /// Its role.
    pub role: &'static str,
    /// What the role is for; faults strike systems unless a scenario says otherwise.
    pub kind: RoleKind,
}

/// One process of a plan.
#[derive(Clone)]
pub struct ProcessPlan {
    /// For people: node and process, for example `edge-0/buffer`.
    pub name: String,
    /// Where it runs.
    pub node: NodeId,
    /// How to start it.
    pub blueprint: Arc<dyn Blueprint>,
}

/// A whole cluster: the index of a node is its [`NodeId`], the index of a process its [`ProcessId`].
#[derive(Clone, Default)]
pub struct Plan {
    /// The machines.
    pub nodes: Vec<NodePlan>,
    /// The processes.
    pub processes: Vec<ProcessPlan>,
    /// How to start a process in its other build, for those that have one. It may accept other protocols
    /// than the first, and its types of a protocol may be other Rust types: what crosses builds moves as bytes.
    pub other_builds: BTreeMap<ProcessId, Arc<dyn Blueprint>>,
}

/// How many nodes of which role a plan has, with which knobs.
pub struct Population<'a> {
    /// The role.
    pub role: &'a Role,
    /// How many nodes.
    pub count: usize,
    /// Its knobs.
    pub knobs: Knobs,
}

impl Plan {
    /// Builds every process. The order of `populations` gives the identities.
    pub fn build(populations: &[Population<'_>], defects: &BTreeSet<String>, requests: u64) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        let mut directory = Directory::default();
        let mut sites = Vec::new();
        for population in populations {
            for index in 0..population.count {
                let node = NodeId(plan.nodes.len() as u32);
                let name = format!("{}-{index}", population.role.name);
                for process in (population.role.processes)(&population.knobs) {
                    let id = ProcessId(directory.entries.len() as u32);
                    directory.entries.push(Entry { role: population.role.name, index, process: process.clone(), id });
                    sites.push((population, node, index, id, format!("{name}/{process}"), process));
                }
                plan.nodes.push(NodePlan { name, role: population.role.name, kind: population.role.kind });
            }
        }
        for (population, node, index, me, name, process) in sites {
            let site = Site {
                me,
                process: &process,
                index,
                knobs: &population.knobs,
                directory: &directory,
                defects,
                requests,
            };
            let blueprint = (population.role.build)(&site)?;
            if let Some(other) = population.role.other_build {
                plan.other_builds.insert(me, other(&site)?);
            }
            plan.processes.push(ProcessPlan { name, node, blueprint });
        }
        plan.check_addresses(&directory)?;
        Ok(plan)
    }

    /// The process of that name.
    pub fn process(&self, name: &str) -> Option<ProcessId> {
        self.processes.iter().position(|process| process.name == name).map(|index| ProcessId(index as u32))
    }

    /// The processes on a node.
    pub fn on_node(&self, node: NodeId) -> impl Iterator<Item = ProcessId> + '_ {
        let all = self.processes.iter().enumerate();
        all.filter(move |(_, process)| process.node == node).map(|(index, _)| ProcessId(index as u32))
    }

    fn check_addresses(&self, directory: &Directory) -> Result<(), PlanError> {
        for (process, protocol, name) in directory.uses.borrow().iter() {
            let target = &self.processes[process.0 as usize];
            if !target.blueprint.accepts(*protocol) {
                return Err(PlanError(format!("{} does not accept messages of protocol {name}", target.name)));
            }
        }
        Ok(())
    }
}
