//! Liveness: which cores of a system are healed on copies of a run, and whether a run that did not converge
//! could have.
//!
//! A run heals everything at its end. That hides whatever only shows while something stays broken, so some
//! copies of the run heal only a core: as many nodes of each role as the role says it needs. The rest stays
//! broken for good, and the core must converge all the same. After TigerBeetle's liveness mode.

use crate::draw::{Drawn, Draws, below};
use crate::scenario::{Group, Scenario};
use contract::time::nanos;
use contract::{NodeId, Time};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// The moment of the check at the end of the storm.
pub const AT_THE_END: Time = Time::MAX;

/// A core that is healed on a copy of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// When, or [`AT_THE_END`] of the storm, when the run itself is healed.
    pub at: Time,
    /// Which nodes, before those that are stricken then are left out instead of others: see [`leave_out`].
    pub core: BTreeSet<NodeId>,
}

/// The checks of a seed in the order of time: none to two in the storm, and one at its end unless that core is
/// everybody, which the run itself checks.
pub fn draw(scenario: &Scenario, drawn: &Drawn) -> Vec<Check> {
    if !scenario.swarm.liveness {
        return Vec::new();
    }
    let draws = Draws { seed: drawn.seed };
    let mut rng = draws.stream("liveness");
    let count = below(&mut rng, 3);
    let mut moments: Vec<Time> = (0..count).map(|_| Time(1 + below(&mut rng, nanos(drawn.safety).max(1)))).collect();
    moments.sort_unstable();
    moments.push(AT_THE_END);
    let cores = (0..moments.len()).map(|nth| draw_core(scenario, &mut draws.stream(&format!("liveness/core/{nth}"))));
    let everybody = all(scenario).len();
    let checks = moments.into_iter().zip(cores).map(|(at, core)| Check { at, core });
    checks.filter(|check| check.at != AT_THE_END || check.core.len() < everybody).collect()
}

/// Every node.
pub fn all(scenario: &Scenario) -> BTreeSet<NodeId> {
    scenario.nodes_where(|_, _| true).into_iter().collect()
}

/// For each group its nodes.
fn groups(scenario: &Scenario) -> impl Iterator<Item = (&Group, Vec<NodeId>)> {
    let mut first = 0;
    scenario.groups.iter().map(move |group| {
        let nodes = (first..first + group.count as u32).map(NodeId).collect();
        first += group.count as u32;
        (group, nodes)
    })
}

/// Of each role some nodes: at least as many as it needs.
fn draw_core(scenario: &Scenario, rng: &mut ChaCha8Rng) -> BTreeSet<NodeId> {
    let mut core = BTreeSet::new();
    for (group, mut nodes) in groups(scenario) {
        let least = group.role.core.of(group.count);
        let size = least + below(rng, (group.count - least + 1) as u64) as usize;
        for _ in 0..size {
            core.insert(nodes.swap_remove(below(rng, nodes.len() as u64) as usize));
        }
    }
    core
}

/// A core of the same size that leaves out `stricken` nodes rather than others of their role: a node outside the
/// core proves something only if it is broken.
pub fn leave_out(scenario: &Scenario, core: &BTreeSet<NodeId>, stricken: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let mut better = core.clone();
    for (_, nodes) in groups(scenario) {
        let is_struck = |node: &&NodeId| stricken.contains(node);
        let spare: Vec<NodeId> =
            nodes.iter().filter(|node| !is_struck(node) && !core.contains(node)).copied().collect();
        let struck = nodes.iter().filter(|node| is_struck(node) && core.contains(node));
        for (struck, spare) in struck.zip(spare) {
            better.remove(struck);
            better.insert(spare);
        }
    }
    better
}

/// Why a run that healed `core` could not converge, if it could not: faults have destroyed for good more than
/// the budget allows, or too few nodes of the core still have their data whole.
pub fn hopeless(scenario: &Scenario, damaged: &BTreeSet<NodeId>, core: &BTreeSet<NodeId>) -> Option<String> {
    if scenario.is_beyond_budget(damaged) {
        return Some(format!("faults destroyed data on {}, more than the budget allows", names(scenario, damaged)));
    }
    groups(scenario).find_map(|(group, nodes)| {
        let inside: BTreeSet<NodeId> = nodes.iter().copied().filter(|node| core.contains(node)).collect();
        let whole = inside.difference(damaged).count();
        let least = group.role.core.of(group.count);
        // With all of a role's nodes healed nothing is missing that still exists anywhere.
        let lacks = inside.len() < group.count && whole < least;
        lacks.then(|| {
            let role = group.role.name;
            format!("a core needs {least} of {} {role} nodes, and has {whole} with their data whole", group.count)
        })
    })
}

/// Nodes by name.
pub fn names(scenario: &Scenario, nodes: &BTreeSet<NodeId>) -> String {
    let all = scenario.node_names();
    let named = nodes.iter().filter_map(|node| all.get(node.0 as usize));
    let named: Vec<&str> = named.map(|name| &**name).collect();
    if named.is_empty() { "no node".to_owned() } else { named.join(", ") }
}
