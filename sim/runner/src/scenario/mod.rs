//! A scenario file, read and checked: everything that a run is made of except its seed.

pub mod keys;
pub mod knob;
mod parse;
mod parse_budget;
pub(crate) mod parse_fault;
mod parse_hardware;
pub mod reader;
pub mod write;

use crate::diagnostic::{Diagnostic, FileErrors};
use crate::explore::{Fork, Strategy};
use crate::registry::Registry;
use crate::units::Bounds;
use contract::plan::{Plan, PlanError, Population, Role, RoleKind};
use contract::time::Duration;
use contract::{NodeId, knobs::Knobs};
use kernel::{DiskSettings, FaultKind, NetworkSettings, Scope, Settings, Span};
use std::collections::BTreeSet;
use std::ops::Range;

/// A scenario.
#[derive(Clone)]
pub struct Scenario {
    /// As given on the command line, with `/` between components.
    pub path: String,
    /// Of the file's bytes: tells a replay whether the file has changed.
    pub hash: u64,
    /// What it is about.
    pub title: String,
    /// The nodes; their order gives the identities.
    pub groups: Vec<Group>,
    /// When a run is over.
    pub limits: Limits,
    /// What machines, disks and links are like when nothing is wrong.
    pub hardware: Hardware,
    /// What each seed draws.
    pub swarm: Swarm,
    /// What goes wrong; the index is the fault's slot.
    pub faults: Vec<FaultAsk>,
    /// How much durable data may be destroyed.
    pub budget: Budget,
    /// Who judges.
    pub expect: Expect,
    /// The seed of `run` when none is given.
    pub seed: Option<u64>,
    /// The seeds of `sweep` when none are given.
    pub seeds: Option<Range<u64>>,
    /// Where other seeds take over, in the order of time.
    pub forks: Vec<Fork>,
    /// The strategy that has changed what the file says, if one has.
    pub strategy: Strategy,
}

/// The nodes of one role.
#[derive(Clone)]
pub struct Group {
    /// The role.
    pub role: Role,
    /// How many nodes.
    pub count: usize,
    /// The knobs that the file sets.
    pub set: knob::Set,
}

/// What machines, disks and links are like when nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Availability zones.
    pub zones: u32,
    /// The largest process number.
    pub pid_max: u32,
    /// The network's quiet behaviour.
    pub network: NetworkSettings,
    /// Every n-th message moves as bytes.
    pub codec_sample: u64,
    /// The disks' quiet behaviour, but for their room.
    pub disk: DiskSettings,
    /// Bytes of a disk.
    pub capacity: Bounds,
    /// Files and directories of a disk.
    pub inodes: Bounds,
    /// The keys of the three tables that the file has: the swarm leaves them alone.
    pub said: BTreeSet<&'static str>,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations of all workloads together.
    pub requests: u64,
    /// Virtual time during which faults strike.
    pub safety: Duration,
    /// Virtual time that a healed system gets.
    pub liveness: Duration,
    /// Events of a whole run.
    pub events: u64,
    /// From the end of a process to its next start.
    pub restart: Span,
}

/// What each seed draws for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// Which faults exist, and their rates.
    pub faults: bool,
    /// Knobs.
    pub knobs: bool,
    /// What the file leaves open of machines, disks and links.
    pub capacities: bool,
    /// Rare legal choices of actors.
    pub choices: bool,
    /// When the system is healed.
    pub safety: bool,
    /// Which cores are healed on copies of the run, and when.
    pub liveness: bool,
}

/// A fault as the file asks for it; what is `None` is the kind's usual strength, or drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultAsk {
    /// What.
    pub kind: FaultKind,
    /// Whom.
    pub targets: Vec<NodeId>,
    /// The other ends of its links; nobody for everybody else.
    pub peers: Vec<NodeId>,
    /// How many targets at once.
    pub scope: Scope,
    /// The kind of mark that it waits for.
    pub after: Option<String>,
    /// From one occurrence to the next.
    pub every: Option<Span>,
    /// How long.
    pub lasts: Option<Span>,
    /// How likely, in parts per million.
    pub chance_ppm: Option<u32>,
    /// How much.
    pub amount: Option<Span>,
    /// How often at most.
    pub limit: Option<u32>,
    /// Written with `at`: part of a story, never left out.
    pub scripted: bool,
    /// What keys its draws in place of its slot.
    pub key: Option<u32>,
    /// The only occurrences that strike.
    pub occurrences: Option<BTreeSet<u32>>,
    /// The only messages that it meets, by identity.
    pub messages: Option<BTreeSet<u64>>,
}

/// How much durable data a run may lose for good: what the other copies must make up for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// For each group of nodes, how many of them faults that damage may strike in one run.
    pub damage: Vec<usize>,
    /// The run may lose every copy: then it must fail loudly, never lie and never acknowledge what it lost.
    pub unsurvivable: bool,
}

/// Who judges, and what a negative scenario must find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The judges; empty for all.
    pub oracles: Vec<&'static str>,
    /// The planted defect that is switched on.
    pub defect: Option<&'static str>,
    /// The oracle that must catch it.
    pub caught_by: Option<&'static str>,
    /// The failure that this file reproduces.
    pub signature: Option<String>,
}

/// Why a file is no scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// It cannot be read.
    Unreadable {
        /// Which file.
        path: String,
        /// Why, in the system's words.
        why: String,
    },
    /// It says something wrong.
    Wrong(Box<FileErrors>),
}

impl Scenario {
    /// Reads and checks a file, and builds its plan once.
    pub fn load(path: &str, registry: &Registry) -> Result<Scenario, LoadError> {
        match std::fs::read_to_string(path) {
            Ok(source) => Scenario::parse(path, &source, registry).map_err(|errors| LoadError::Wrong(Box::new(errors))),
            Err(error) => Err(LoadError::Unreadable { path: path.to_owned(), why: error.to_string() }),
        }
    }

    /// Checks the text of a file, and builds its plan once.
    pub fn parse(path: &str, source: &str, registry: &Registry) -> Result<Scenario, FileErrors> {
        let wrong = |errors| FileErrors { path: path.to_owned(), source: source.to_owned(), errors };
        let (scenario, nodes) = parse::parse(path, source, registry).map_err(wrong)?;
        match scenario.build(None) {
            Ok(_) => Ok(scenario),
            Err(PlanError(why)) => {
                let label = "these nodes cannot be built".to_owned();
                Err(wrong(vec![Diagnostic { message: why, span: nodes, label, help: None }]))
            }
        }
    }

    /// The plan with the knobs that the file sets, or with `knobs`, one for each group.
    pub fn build(&self, knobs: Option<&[Knobs]>) -> Result<Plan, PlanError> {
        let written = |group: &Group| group.knobs();
        let populations: Vec<Population<'_>> = self
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| Population {
                role: &group.role,
                count: group.count,
                knobs: knobs.map_or_else(|| written(group), |knobs| knobs[index].clone()),
            })
            .collect();
        let defects: BTreeSet<String> = self.expect.defect.iter().map(|id| (*id).to_owned()).collect();
        Plan::build(&populations, &defects, self.limits.requests)
    }

    /// The seed of a file that reproduces one failure, as shrinking writes it.
    pub fn saved_seed(&self) -> Option<u64> {
        self.seed.filter(|_| self.expect.signature.is_some())
    }

    /// Whether it must find a planted defect.
    pub fn is_negative(&self) -> bool {
        self.expect.defect.is_some()
    }

    /// Whether damage to these nodes is more than the budget promises: nothing says that a copy is left.
    pub fn is_beyond_budget(&self, damaged: &BTreeSet<NodeId>) -> bool {
        let mut struck = vec![0; self.groups.len()];
        for group in damaged.iter().filter_map(|node| self.group_of(*node)) {
            struck[group] += 1;
        }
        struck.iter().zip(&self.budget.damage).any(|(struck, allowed)| struck > allowed)
    }

    /// The index of a node's group.
    pub fn group_of(&self, node: NodeId) -> Option<usize> {
        let mut end = 0;
        self.groups.iter().position(|group| {
            end += group.count;
            (node.0 as usize) < end
        })
    }

    /// The names of the nodes, in the order of their identities.
    pub fn node_names(&self) -> Vec<String> {
        self.groups.iter().flat_map(|group| (0..group.count).map(|i| format!("{}-{i}", group.role.name))).collect()
    }

    /// The nodes of every system role.
    pub fn system_nodes(&self) -> Vec<NodeId> {
        self.nodes_where(|group, _| group.role.kind == RoleKind::System)
    }

    /// The nodes that `keep` wants, by group and index within it.
    pub fn nodes_where(&self, keep: impl Fn(&Group, usize) -> bool) -> Vec<NodeId> {
        let all = self.groups.iter().flat_map(|group| (0..group.count).map(move |index| (group, index)));
        all.enumerate().filter(|(_, (group, index))| keep(group, *index)).map(|(id, _)| NodeId(id as u32)).collect()
    }
}

impl Group {
    /// The role's defaults with what the file sets.
    pub fn knobs(&self) -> Knobs {
        let mut knobs = Knobs::defaults(self.role.knobs);
        for knob in self.role.knobs {
            if let Some(&value) = self.set.get(knob.name) {
                knobs.set(knob, value);
            }
        }
        knobs
    }
}

impl Default for Hardware {
    fn default() -> Self {
        let Settings { zones, pid_max, network, codec_sample, disk, .. } = Settings::default();
        let (capacity, inodes) = (Bounds::exactly(disk.capacity), Bounds::exactly(disk.inodes));
        Hardware { zones, pid_max, network, codec_sample, disk, capacity, inodes, said: BTreeSet::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 200,
            safety: Duration::from_secs(60),
            liveness: Duration::from_secs(60),
            events: 20_000_000,
            restart: Settings::default().restart,
        }
    }
}

impl Default for Swarm {
    fn default() -> Self {
        Swarm { faults: true, knobs: true, capacities: true, choices: true, safety: true, liveness: true }
    }
}
