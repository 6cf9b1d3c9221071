//! The strikes of one seed against real processes, from the fault specifications that the simulator would use.
//!
//! Each fault slot has a `rand_chacha` stream of its own. The times are planned, not promised: a real
//! machine has its own idea of when something happens.

use contract::plan::Plan;
use contract::time::{Duration, nanos};
use contract::{NodeId, ProcessId};
use host::{Planned, Skipped, Strike, drive};
use kernel::{FaultKind, FaultSpec, Span};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use runner::draw::Drawn;
use std::collections::BTreeSet;

/// No slot strikes more often in one run.
const STRIKES_MAX: u32 = 1_000;

/// Everything that will go wrong on purpose.
pub struct Storm {
    /// In the order of slots; the cluster sorts them by time.
    pub strikes: Vec<Planned>,
    /// The nodes whose disk will be full.
    pub small_disks: BTreeSet<NodeId>,
    /// The kinds that real machines are not given, with the reason.
    pub skipped: Vec<Skipped>,
}

/// The storm of one seed.
pub fn plan(drawn: &Drawn) -> Storm {
    let mut storm = Storm { strikes: Vec::new(), small_disks: BTreeSet::new(), skipped: Vec::new() };
    for (slot, spec) in drawn.settings.faults.iter().enumerate().filter(|(slot, _)| drawn.present[*slot]) {
        if let Err(skipped) = drive::supports(spec.kind.name()) {
            if !storm.skipped.contains(&skipped) {
                storm.skipped.push(skipped);
            }
            continue;
        }
        if spec.kind == FaultKind::DiskFull {
            storm.small_disks.extend(&spec.targets);
        }
        storm.strikes.extend(occurrences(spec, &drawn.plan, drawn.safety, &mut stream(drawn.seed, slot)));
    }
    storm
}

fn occurrences(spec: &FaultSpec, plan: &Plan, end: Duration, rng: &mut ChaCha8Rng) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut at = Duration::ZERO;
    for _ in 0..spec.limit.min(STRIKES_MAX) {
        at += within(spec.every, rng);
        let lasts = within(spec.lasts, rng);
        if at >= end || spec.targets.is_empty() {
            break;
        }
        let node = spec.targets[below(rng, spec.targets.len() as u64) as usize];
        planned.extend(strike(spec.kind, node, lasts, plan, rng).map(|strike| Planned { at, strike }));
        at += lasts;
    }
    planned
}

fn strike(kind: FaultKind, node: NodeId, lasts: Duration, plan: &Plan, rng: &mut ChaCha8Rng) -> Option<Strike> {
    match kind {
        FaultKind::ProcessCrash => {
            let processes: Vec<ProcessId> = plan.on_node(node).collect();
            let process = *processes.get(below(rng, processes.len().max(1) as u64) as usize)?;
            Some(Strike::Crash { process, down: lasts })
        }
        FaultKind::Pause => Some(Strike::Pause { node, lasts }),
        FaultKind::DiskFull => Some(Strike::DiskFull { node, lasts }),
        _ => None,
    }
}

fn stream(seed: u64, slot: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(b"realworl");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(slot as u64);
    rng
}

fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    assert!(bound > 0, "no number lies below zero");
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

fn within(span: Span, rng: &mut ChaCha8Rng) -> Duration {
    let width = nanos(span.most).saturating_sub(nanos(span.least)).saturating_add(1);
    span.least + Duration::from_nanos(below(rng, width))
}
