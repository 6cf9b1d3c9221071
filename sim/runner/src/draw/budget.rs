//! Which nodes may lose durable data in one run: never more of a role than the scenario's budget.

use super::Draws;
use crate::scenario::Scenario;
use contract::NodeId;
use kernel::FaultSpec;
use rand_core::Rng;
use std::collections::BTreeSet;

/// Takes away the targets that a fault may not damage in this run. All faults that damage share the same
/// nodes, since two of them on two nodes would damage two.
pub fn cut(scenario: &Scenario, draws: Draws, spec: &mut FaultSpec) {
    if spec.kind.damages() && !scenario.budget.unsurvivable {
        let allowed = allowed(scenario, draws);
        spec.targets.retain(|target| allowed.contains(target));
    }
}

/// For each role, as many nodes as its budget out of those that some fault would damage. Each node has a number of
/// its own, and the smallest win: another fault or another role changes nothing.
fn allowed(scenario: &Scenario, draws: Draws) -> BTreeSet<NodeId> {
    let names = scenario.node_names();
    let damaging = scenario.faults.iter().filter(|fault| fault.kind.damages());
    let exposed: BTreeSet<NodeId> = damaging.flat_map(|fault| fault.targets.iter().copied()).collect();
    let mut allowed = BTreeSet::new();
    for (group, &most) in scenario.budget.damage.iter().enumerate() {
        let mut nodes: Vec<NodeId> =
            exposed.iter().copied().filter(|node| scenario.group_of(*node) == Some(group)).collect();
        nodes.sort_by_key(|node| draws.stream(&format!("budget/{}", names[node.0 as usize])).next_u64());
        allowed.extend(nodes.into_iter().take(most));
    }
    allowed
}
