//! Who waits for whom in a run that did not converge: to whom each process of the core sends in vain.
//!
//! It is read off the trace of the end of the run, which is run again with a trace that keeps everything.

use contract::time::Duration;
use contract::{NodeId, ProcessId, Time};
use kernel::{Traffic, World};
use std::collections::BTreeSet;

/// How much of the end is looked at.
const LOOK_BACK: Duration = Duration::from_secs(10);
/// Virtual time between two looks at the number of events.
const SLICE: Duration = Duration::from_millis(100);
/// The trace keeps about this many events at most.
const EVENTS_MAX: u64 = 1 << 19;
/// No report names more pairs of processes, or more of those that are down.
const LINES_MAX: usize = 8;

/// The sentences about a run that ended as `end` and was healed as `healed`, before its last phase.
pub fn explain(healed: World, end: &World, core: &BTreeSet<NodeId>) -> Vec<String> {
    let mut lines = in_vain(healed, end, core).unwrap_or_default();
    let standing = end.waiting();
    let more = standing.len().saturating_sub(LINES_MAX);
    lines.extend(standing.into_iter().take(LINES_MAX));
    if more > 0 {
        lines.push(format!("and {more} more that do not simply run"));
    }
    lines
}

/// `None` where the run cannot be had again, because somebody struck it by hand.
fn in_vain(mut world: World, end: &World, core: &BTreeSet<NodeId>) -> Option<Vec<String>> {
    let since = Time(end.now().0.saturating_sub(LOOK_BACK.as_nanos() as u64)).max(world.now());
    let _ = world.run_until(since);
    world.keep_whole_trace();
    let first = world.events();
    while world.now() < end.now() && world.events() - first < EVENTS_MAX {
        let _ = world.run_until((world.now() + SLICE).min(end.now()));
    }
    if world.now() == end.now() && world.fingerprint() != end.fingerprint() {
        return None;
    }
    let plan = end.plan();
    let node_of = |process: ProcessId| plan.processes[process.0 as usize].node;
    let traffic = world.traffic(since);
    let answered: BTreeSet<(ProcessId, ProcessId)> =
        traffic.iter().filter(|it| it.delivered > 0).map(|it| (it.to, it.from)).collect();
    let mut vain: Vec<(&Traffic, bool)> = traffic.iter().map(|it| (it, answered.contains(&(it.from, it.to)))).collect();
    let is_vain = |it: &Traffic, answered: bool| !answered || it.lost + it.held > it.delivered;
    vain.retain(|(it, answered)| core.contains(&node_of(it.from)) && is_vain(it, *answered));
    vain.sort_by_key(|(it, _)| std::cmp::Reverse((it.lost + it.held, it.delivered)));
    let span = world.now().since(since);
    let mut lines: Vec<String> =
        vain.iter().take(LINES_MAX).map(|(it, answered)| sentence(&world, it, *answered, span)).collect();
    if vain.len() > LINES_MAX {
        lines.push(format!("and {} more pairs of processes", vain.len() - LINES_MAX));
    }
    if lines.is_empty() {
        lines.push(format!("nobody sent anything in vain in the last {} s", span.as_secs_f64()));
    }
    Some(lines)
}

fn sentence(world: &World, it: &Traffic, answered: bool, span: Duration) -> String {
    let name = |process: ProcessId| &*world.plan().processes[process.0 as usize].name;
    let why = world.obstacle(it.from, it.to).map_or(String::new(), |why| format!(" ({why})"));
    let mut ends = Vec::new();
    if it.lost > 0 {
        ends.push(format!("{} lost{why}", it.lost));
    }
    if it.held > 0 {
        ends.push(format!("{} under way or waiting{}", it.held, if it.lost > 0 { "" } else { &why }));
    }
    if it.delivered > 0 {
        ends.push(format!("{} delivered", it.delivered));
    }
    ends.push(if answered { "some answered" } else { "none answered" }.to_owned());
    let count = it.lost + it.held + it.delivered;
    let plural = if count == 1 { "" } else { "s" };
    let (from, to, span) = (name(it.from), name(it.to), span.as_secs_f64());
    format!("{from} sent {count} message{plural} to {to} in the last {span} s: {}", ends.join(", "))
}
