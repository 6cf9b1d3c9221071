//! Along which dimensions a scenario can be smaller, and what the scenario without some items is.

use crate::scenario::{FaultAsk, Hardware, Scenario};
use contract::NodeId;
use contract::plan::RoleKind;
use contract::time::{Duration, nanos};
use kernel::Span;
use std::collections::BTreeSet;
use std::ops::Range;

/// The storm is shortened by so much at a time.
const STORM_STEP: u64 = 100_000_000;

/// One dimension.
#[derive(Clone, Copy)]
pub struct Dimension {
    /// For reports.
    pub name: &'static str,
    /// Whether its items differ from each other.
    pub shape: Shape,
    /// How many items a scenario has that could be taken away.
    pub count: fn(&Scenario) -> usize,
    /// The scenario without some of them.
    pub without: fn(&Scenario, &Range<usize>) -> Scenario,
}

/// What the items of a dimension are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each is itself.
    List,
    /// Only their number counts.
    Number,
}

/// All of them, the coarsest first.
pub const DIMENSIONS: [Dimension; 9] = [FORKS, FAULTS, NODES, REQUESTS, KNOBS, TIMING, STORM, OCCURRENCES, MESSAGES];

/// Forks of the run.
pub const FORKS: Dimension = Dimension {
    name: "forks",
    shape: Shape::List,
    count: |scenario| scenario.forks.len(),
    without: |scenario, gone| {
        let mut smaller = scenario.clone();
        drop(smaller.forks.drain(gone.clone()));
        smaller
    },
};

/// Whole faults.
pub const FAULTS: Dimension = Dimension {
    name: "faults",
    shape: Shape::List,
    count: |scenario| scenario.faults.len(),
    without: |scenario, gone| {
        let mut smaller = scenario.clone();
        drop(smaller.faults.drain(gone.clone()));
        smaller
    },
};

/// Machines, the last of their role first.
pub const NODES: Dimension = Dimension {
    name: "nodes",
    shape: Shape::List,
    count: |scenario| scenario.groups.iter().map(|group| group.count).sum(),
    without: without_nodes,
};

/// Operations of the workloads beyond the first.
pub const REQUESTS: Dimension = Dimension {
    name: "requests",
    shape: Shape::Number,
    count: |scenario| scenario.limits.requests.saturating_sub(1) as usize,
    without: |scenario, gone| {
        let mut smaller = scenario.clone();
        smaller.limits.requests -= gone.len() as u64;
        smaller
    },
};

/// Knobs that the file sets; without, they are at their default.
pub const KNOBS: Dimension = Dimension {
    name: "knobs",
    shape: Shape::List,
    count: |scenario| scenario.groups.iter().map(|group| group.set.len()).sum(),
    without: |scenario, gone| {
        let mut smaller = scenario.clone();
        let mut index = 0..;
        for group in &mut smaller.groups {
            group.set.retain(|_, _| index.next().is_some_and(|index| !gone.contains(&index)));
        }
        smaller
    },
};

/// Spans of time that are wider than nothing, and other departures from an even schedule.
pub const TIMING: Dimension = Dimension {
    name: "timing",
    shape: Shape::List,
    count: |scenario| departures(scenario).len(),
    without: |scenario, gone| {
        let mut smaller = scenario.clone();
        for departure in &departures(scenario)[gone.clone()] {
            departure.end(&mut smaller);
        }
        smaller
    },
};

/// Time in which faults strike, in steps.
pub const STORM: Dimension = Dimension {
    name: "storm",
    shape: Shape::Number,
    count: |scenario| (nanos(scenario.limits.safety).saturating_sub(1) / STORM_STEP) as usize,
    without: |scenario, gone| {
        let steps = nanos(scenario.limits.safety).div_ceil(STORM_STEP) - gone.len() as u64;
        let mut smaller = scenario.clone();
        smaller.limits.safety = Duration::from_nanos(steps.max(1) * STORM_STEP);
        smaller
    },
};

/// Occurrences of faults that strike in the occurrences they name.
pub const OCCURRENCES: Dimension = Dimension {
    name: "occurrences",
    shape: Shape::List,
    count: |scenario| named(scenario, |fault| fault.occurrences.as_ref().map_or(0, BTreeSet::len)),
    without: |scenario, gone| without_named(scenario, gone, |fault| fault.occurrences.as_mut()),
};

/// Messages of faults that meet the messages they name.
pub const MESSAGES: Dimension = Dimension {
    name: "messages",
    shape: Shape::List,
    count: |scenario| named(scenario, |fault| fault.messages.as_ref().map_or(0, BTreeSet::len)),
    without: |scenario, gone| without_named(scenario, gone, |fault| fault.messages.as_mut()),
};

fn named(scenario: &Scenario, count: impl Fn(&FaultAsk) -> usize) -> usize {
    scenario.faults.iter().map(count).sum()
}

/// Without some items of a list that faults name; a fault with none left goes.
fn without_named<T: Ord>(
    scenario: &Scenario,
    gone: &Range<usize>,
    list: impl Fn(&mut FaultAsk) -> Option<&mut BTreeSet<T>>,
) -> Scenario {
    let mut smaller = scenario.clone();
    let mut index = 0..;
    smaller.faults.retain_mut(|fault| {
        let Some(items) = list(fault) else { return true };
        items.retain(|_| index.next().is_some_and(|index| !gone.contains(&index)));
        !items.is_empty()
    });
    smaller
}

fn without_nodes(scenario: &Scenario, gone: &Range<usize>) -> Scenario {
    let mut smaller = scenario.clone();
    let mut first = 0;
    for group in &mut smaller.groups {
        let end = first + group.count;
        group.count -= gone.end.min(end).saturating_sub(gone.start.max(first));
        first = end;
    }
    settle(scenario, &mut smaller);
    smaller
}

/// Gives the nodes of a scenario with smaller groups their new identities, and leaves out what names only nodes
/// that are gone.
pub fn settle(before: &Scenario, after: &mut Scenario) {
    let old = before.node_names();
    let new = after.node_names();
    let moved = |node: &NodeId| {
        let name = old.get(node.0 as usize)?;
        new.iter().position(|other| other == name).map(|index| NodeId(index as u32))
    };
    after.faults.retain_mut(|fault| {
        let had_peers = !fault.peers.is_empty();
        fault.targets = fault.targets.iter().filter_map(moved).collect();
        fault.peers = fault.peers.iter().filter_map(moved).collect();
        !fault.targets.is_empty() && fault.peers.is_empty() != had_peers
    });
    let groups = after.groups.iter().zip(&after.budget.damage).filter(|(group, _)| group.count > 0);
    after.budget.damage = groups.map(|(group, damage)| group.count.min(*damage)).collect();
    after.groups.retain(|group| group.count > 0);
}

/// Whether a scenario can be written as a file at all.
pub fn has_system(scenario: &Scenario) -> bool {
    scenario.groups.iter().any(|group| group.role.kind == RoleKind::System)
}

/// Something that makes a run uneven although no fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Latency,
    Local,
    Read,
    Write,
    Sync,
    Restart,
    Capacity,
    Inodes,
    Profile,
    Buffer,
    Zones,
    PidMax,
    CodecSample,
    Choices,
    Liveness,
}

impl Departure {
    const ALL: [Departure; 15] = [
        Departure::Latency,
        Departure::Local,
        Departure::Read,
        Departure::Write,
        Departure::Sync,
        Departure::Restart,
        Departure::Capacity,
        Departure::Inodes,
        Departure::Profile,
        Departure::Buffer,
        Departure::Zones,
        Departure::PidMax,
        Departure::CodecSample,
        Departure::Choices,
        Departure::Liveness,
    ];

    /// Sets spans to their least, and the rest to what it is when nobody draws.
    fn end(self, scenario: &mut Scenario) {
        let narrow = |span: &mut Span| *span = Span::exactly(span.least);
        match self {
            Departure::Latency => narrow(&mut scenario.hardware.network.latency),
            Departure::Local => narrow(&mut scenario.hardware.network.local),
            Departure::Read => narrow(&mut scenario.hardware.disk.read),
            Departure::Write => narrow(&mut scenario.hardware.disk.write),
            Departure::Sync => narrow(&mut scenario.hardware.disk.sync),
            Departure::Restart => narrow(&mut scenario.limits.restart),
            Departure::Capacity => scenario.hardware.capacity = Hardware::default().capacity,
            Departure::Inodes => scenario.hardware.inodes = Hardware::default().inodes,
            Departure::Profile => scenario.hardware.disk.profile = Hardware::default().disk.profile,
            Departure::Buffer => scenario.hardware.network.buffer = Hardware::default().network.buffer,
            Departure::Zones => scenario.hardware.zones = Hardware::default().zones,
            Departure::PidMax => scenario.hardware.pid_max = Hardware::default().pid_max,
            Departure::CodecSample => scenario.hardware.codec_sample = 0,
            Departure::Choices => scenario.swarm.choices = false,
            Departure::Liveness => scenario.swarm.liveness = false,
        }
    }

    fn is_there(self, scenario: &Scenario) -> bool {
        let wide = |span: &Span| span.most > span.least;
        match self {
            Departure::Latency => wide(&scenario.hardware.network.latency),
            Departure::Local => wide(&scenario.hardware.network.local),
            Departure::Read => wide(&scenario.hardware.disk.read),
            Departure::Write => wide(&scenario.hardware.disk.write),
            Departure::Sync => wide(&scenario.hardware.disk.sync),
            Departure::Restart => wide(&scenario.limits.restart),
            Departure::Capacity => scenario.hardware.capacity != Hardware::default().capacity,
            Departure::Inodes => scenario.hardware.inodes != Hardware::default().inodes,
            Departure::Profile => scenario.hardware.disk.profile != Hardware::default().disk.profile,
            Departure::Buffer => scenario.hardware.network.buffer != Hardware::default().network.buffer,
            Departure::Zones => scenario.hardware.zones != Hardware::default().zones,
            Departure::PidMax => scenario.hardware.pid_max != Hardware::default().pid_max,
            Departure::CodecSample => scenario.hardware.codec_sample != 0,
            Departure::Choices => scenario.swarm.choices,
            Departure::Liveness => scenario.swarm.liveness,
        }
    }
}

fn departures(scenario: &Scenario) -> Vec<Departure> {
    Departure::ALL.into_iter().filter(|departure| departure.is_there(scenario)).collect()
}
