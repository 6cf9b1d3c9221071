//! Priority schedules, after Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with
//! probabilistic guarantees of finding bugs" (ASPLOS 2010).
//!
//! There, each thread has a random priority, the highest that can run does, and at d - 1 random steps a thread
//! falls below all others: a defect that needs d ordering constraints is then found with a known probability. Here,
//! nodes take the place of threads, and lateness that of waiting: what a node sends and is sent is late by its
//! level times a unit of time that the seed draws. That is an ordinary `delay_tail` on every message, so that the
//! run is an ordinary run. Where the scenario loses messages anyway, every other seed slows the receivers instead,
//! which reaches messages within a node too. The guarantee of the paper does not carry over: time goes on
//! while a message is late.

use super::Lessons;
use crate::draw::{Draws, below};
use crate::scenario::{FaultAsk, Scenario};
use contract::NodeId;
use contract::time::{Duration, nanos};
use kernel::{FaultKind, Scope, Span};
use rand_chacha::ChaCha8Rng;

/// At most so many constraints, d: defects of distributed systems rarely need more.
const DEPTH_MAX: u64 = 4;
/// The unit is the longest latency times a power of two up to this one.
const OCTAVES: u64 = 9;
/// No message is later because of one end.
const LATE_MAX: Duration = Duration::from_secs(5);

/// From a moment on, a node has a level; 0 is the highest and is never late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: u64,
    node: usize,
    level: u64,
}

/// Adds the seed's schedule to the scenario's faults.
pub(super) fn prioritise(scenario: &mut Scenario, draws: Draws, lessons: &Lessons) {
    let mut rng = draws.stream("explore/priority");
    let nodes = scenario.node_names().len();
    let unit = nanos(scenario.hardware.network.latency.most).max(1) << below(&mut rng, OCTAVES);
    let kind = match loses(scenario) && below(&mut rng, 2) == 0 {
        true => FaultKind::SlowReceiver,
        false => FaultKind::DelayTail,
    };
    let changes = schedule(&mut rng, nodes, lessons.busy_nanos());
    let end = nanos(scenario.limits.safety);
    for node in 0..nodes {
        let own: Vec<&Change> = changes.iter().filter(|change| change.node == node).collect();
        for (nth, change) in own.iter().enumerate() {
            let until = own.get(nth + 1).map_or(end, |next| next.at);
            if change.level > 0 && change.at < until {
                let late = unit.saturating_mul(change.level).min(nanos(LATE_MAX));
                scenario.faults.push(slowness(kind, node, change.at..until, late));
            }
        }
    }
}

/// The levels at the start, a random order, and d - 1 falls below all others. In the order of time for each node.
fn schedule(rng: &mut ChaCha8Rng, nodes: usize, busy: u64) -> Vec<Change> {
    let mut levels: Vec<u64> = (0..nodes as u64).collect();
    for last in (1..nodes).rev() {
        levels.swap(last, below(rng, last as u64 + 1) as usize);
    }
    let mut changes: Vec<Change> =
        levels.into_iter().enumerate().map(|(node, level)| Change { at: 0, node, level }).collect();
    let falls = below(rng, DEPTH_MAX);
    let mut moments: Vec<u64> = (0..falls).map(|_| 1 + below(rng, busy)).collect();
    moments.sort_unstable();
    for (nth, at) in moments.into_iter().enumerate() {
        changes.push(Change { at, node: below(rng, nodes as u64) as usize, level: (nodes + nth) as u64 });
    }
    changes
}

fn slowness(kind: FaultKind, node: usize, time: std::ops::Range<u64>, late: u64) -> FaultAsk {
    let exactly = |nanos: u64| Some(Span::exactly(Duration::from_nanos(nanos)));
    FaultAsk {
        kind,
        targets: vec![NodeId(node as u32)],
        peers: Vec::new(),
        scope: Scope::Node,
        after: None,
        every: exactly(time.start),
        lasts: exactly(time.end - time.start),
        chance_ppm: (kind == FaultKind::DelayTail).then_some(1_000_000),
        amount: exactly(late),
        limit: Some(1),
        scripted: true,
        key: None,
        occurrences: None,
        messages: None,
    }
}

/// Whether a message may be lost in this scenario anyway: a slow receiver loses what its buffer cannot hold.
fn loses(scenario: &Scenario) -> bool {
    scenario.faults.iter().any(|fault| {
        matches!(
            fault.kind,
            FaultKind::Loss
                | FaultKind::Partition
                | FaultKind::OneWayPartition
                | FaultKind::PartialPartition
                | FaultKind::Reset
                | FaultKind::HalfOpen
                | FaultKind::SlowReceiver
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_node_begins_on_a_level_of_its_own_and_falls_below_all_others() {
        let mut falls = BTreeSet::new();
        for seed in 0..200 {
            let changes = schedule(&mut Draws { seed }.stream("test"), 5, 1_000);
            let first: BTreeSet<u64> = changes[..5].iter().map(|change| change.level).collect();
            assert_eq!(first, (0..5).collect());
            for (nth, fall) in changes[5..].iter().enumerate() {
                assert_eq!(fall.level, 5 + nth as u64);
                assert!((1..=1_000).contains(&fall.at) && fall.node < 5);
            }
            assert!(changes[5..].is_sorted_by_key(|fall| fall.at));
            falls.insert(changes.len() - 5);
        }
        assert_eq!(falls, (0..DEPTH_MAX as usize).collect(), "every depth is drawn");
    }
}
