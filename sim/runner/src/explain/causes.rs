//! What had to happen before the facts of a verdict: the happens-before cone of its evidence, and inside
//! it the chains of direct causes.
//!
//! The graph has an edge from each event to what it could know of: the handler that sent its message or
//! set its timer, the event before it in the same process, the last change of a file that it opened by
//! another process, and the fault that it met.

use super::model::{Deed, Run};
use kernel::What;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeFiltered, EdgeRef, Reversed, Visitable};
use std::collections::{BTreeMap, BTreeSet};

/// Why an event could not have happened as it did without an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It carries a message that the other sent, or a timer that it set.
    Cause,
    /// It starts a process that the other ended.
    Restart,
    /// It met a fault that the other began.
    Fault,
    /// It follows in the same process.
    Before,
    /// It uses a file that the other changed in another process.
    File,
}

/// How near an event is to the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Near {
    /// It could not have mattered.
    #[default]
    Outside,
    /// It happened before: it may have mattered.
    Before,
    /// It lies on a chain of messages, timers, restarts and faults that ends in the evidence, or is where a
    /// process first met a fault.
    Direct,
    /// It carried the facts.
    Evidence,
}

/// The causal slice of a run.
#[derive(Clone, Debug)]
pub struct Slice {
    /// For each event, how near it is.
    pub near: Vec<Near>,
    /// For each event, the earlier ones that it depends on.
    pub because: Vec<Vec<(usize, Because)>>,
    /// The events that carried the facts.
    pub evidence: Vec<usize>,
}

/// The slice of a run with respect to its verdict's evidence.
pub fn slice(run: &Run) -> Slice {
    let graph = graph(run);
    let evidence = evidence(run);
    let mut near = vec![Near::Outside; run.events.len()];
    raise(&mut near, Near::Before, ancestors(&graph, &evidence, false));
    raise(&mut near, Near::Direct, ancestors(&graph, &evidence, true));
    first_meetings(run, &mut near);
    raise(&mut near, Near::Evidence, evidence.iter().copied());
    let omitted = omissions(run, &mut near);
    raise(&mut near, Near::Before, ancestors(&graph, &omitted, false));
    let because = graph.node_indices().map(|node| {
        let edges = graph.edges_directed(node, petgraph::Incoming);
        let mut causes: Vec<(usize, Because)> = edges.map(|edge| (edge.source().index(), *edge.weight())).collect();
        causes.reverse();
        causes
    });
    Slice { near, because: because.collect(), evidence }
}

impl Slice {
    /// Whether an event belongs to the causal cone.
    pub fn holds(&self, event: usize) -> bool {
        self.near[event] > Near::Outside
    }

    /// Events at least so near.
    pub fn count(&self, least: Near) -> usize {
        self.near.iter().filter(|near| **near >= least).count()
    }
}

fn raise(near: &mut [Near], level: Near, events: impl IntoIterator<Item = usize>) {
    events.into_iter().for_each(|event| near[event] = near[event].max(level));
}

/// The events from which a path leads to one of `ends`, and these.
fn ancestors(graph: &DiGraph<(), Because>, ends: &[usize], direct: bool) -> Vec<usize> {
    let wanted = move |because: &Because| !direct || !matches!(because, Because::Before | Because::File);
    let near = EdgeFiltered::from_fn(graph, move |edge| wanted(edge.weight()));
    let backwards = Reversed(&near);
    let ends = ends.iter().map(|&event| NodeIndex::new(event)).collect();
    let mut search = Dfs::from_parts(ends, graph.visit_map());
    let mut found = Vec::new();
    while let Some(node) = search.next(backwards) {
        found.push(node.index());
    }
    found
}

/// The events that carried the facts; where the verdict names none, the last event of each process that the
/// run ended with, or of the one that panicked.
fn evidence(run: &Run) -> Vec<usize> {
    let named: Vec<usize> = run.verdict.evidence.iter().filter_map(|number| run.index(*number)).collect();
    if !named.is_empty() || !run.verdict.failed() {
        return named;
    }
    if run.verdict.exit == crate::exit::Exit::Panicked {
        return run.events.len().checked_sub(1).into_iter().collect();
    }
    let mut last = BTreeMap::new();
    for (index, event) in run.events.iter().enumerate() {
        if let Some(process) = event.process {
            last.insert(process, index);
        }
    }
    last.into_values().collect()
}

/// The first event of the cone in which each process met each fault: from there on its state can be another,
/// which no message tells.
fn first_meetings(run: &Run, near: &mut [Near]) {
    let mut known = BTreeSet::new();
    for (index, event) in run.events.iter().enumerate() {
        if near[index] == Near::Outside {
            continue;
        }
        for &window in &event.met {
            if known.insert((event.process, window)) {
                let fault = run.windows[window].event;
                near[index] = near[index].max(Near::Direct);
                near[fault] = near[fault].max(Near::Direct);
            }
        }
    }
}

/// A message that was lost changes nothing, so that no path leads on from it; but that it was lost is often
/// the point: somebody waited for an answer. It counts where an event of the cone sent it, or asked for it
/// through a few others, and so does the fault that took it.
fn omissions(run: &Run, near: &mut [Near]) -> Vec<usize> {
    const HOPS_MAX: usize = 4;
    let last = near.iter().rposition(|near| *near == Near::Evidence).unwrap_or_default();
    let mut found = Vec::new();
    let dropped = run.events.iter().enumerate().take(last).filter(|(_, event)| event.what == What::Drop);
    for (index, _) in dropped {
        let chain: Vec<usize> = std::iter::successors(Some(index), |&at| run.events[at].cause).take(HOPS_MAX).collect();
        let Some(asked) = chain.iter().position(|&at| near[at] > Near::Outside) else { continue };
        let level = near[chain[asked]].min(Near::Direct);
        let faults = run.events[index].met.iter().map(|&window| run.windows[window].event);
        let told: Vec<usize> = chain[..asked].iter().copied().chain(faults).collect();
        raise(near, level, told.iter().copied());
        found.extend(told);
    }
    found
}

fn graph(run: &Run) -> DiGraph<(), Because> {
    let mut graph = DiGraph::with_capacity(run.events.len(), 3 * run.events.len());
    let mut last: Vec<Option<usize>> = vec![None; run.processes.len()];
    let mut changed: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (index, event) in run.events.iter().enumerate() {
        let node = graph.add_node(());
        let mut edge = |from: usize, why: Because| {
            graph.add_edge(NodeIndex::new(from), node, why);
        };
        event.met.iter().for_each(|window| edge(run.windows[*window].event, Because::Fault));
        // A drop is nobody's doing but its sender's: the receiver never knew.
        if let Some(process) = event.process.filter(|_| event.what != What::Drop) {
            if let Some(before) = last[process].replace(index) {
                edge(before, if event.what == What::Boot { Because::Restart } else { Because::Before });
            }
            files(run, index, process, &mut changed, &mut edge);
        }
        if let Some(cause) = event.cause {
            edge(cause, Because::Cause);
        }
    }
    graph
}

/// Ties an event to the last change of each file that it uses, where another process made it.
fn files<'r>(
    run: &'r Run,
    index: usize,
    process: usize,
    changed: &mut BTreeMap<(usize, &'r str), usize>,
    edge: &mut impl FnMut(usize, Because),
) {
    let node = run.processes[process].node;
    for effect in run.events[index].effects.iter().filter(|effect| !effect.taken_back) {
        let Deed::Disk(call) = &effect.deed else { continue };
        let key = (node, call.path.as_str());
        if let Some(&before) = changed.get(&key)
            && run.events[before].process != Some(process)
        {
            edge(before, Because::File);
        }
        if call.is_change() && call.outcome.is_ok() {
            changed.insert(key, index);
            if let Some(to) = call.detail.strip_prefix("-> ") {
                changed.insert((node, to), index);
            }
        }
    }
}
