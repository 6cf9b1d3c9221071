//! Processes and nodes by their names.

use contract::plan::Plan;
use contract::{NodeId, ProcessId};

/// The process of that name.
pub fn process(plan: &Plan, name: &str) -> Result<ProcessId, String> {
    let names = plan.processes.iter().map(|process| &*process.name);
    find(names, "process", name).map(|index| ProcessId(index as u32))
}

/// The node of that name.
pub fn node(plan: &Plan, name: &str) -> Result<NodeId, String> {
    let names = plan.nodes.iter().map(|node| &*node.name);
    find(names, "node", name).map(|index| NodeId(index as u32))
}

fn find<'p>(names: impl Iterator<Item = &'p str> + Clone, what: &str, name: &str) -> Result<usize, String> {
    names.clone().position(|it| it == name).ok_or_else(|| {
        let all: Vec<&str> = names.collect();
        format!("there is no {what} `{name}`; there are {}", all.join(" "))
    })
}
