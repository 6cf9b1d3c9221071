//! One thread of a sweep.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long runs take is reported, never judged")]

use crate::determinism;
use crate::run::{self, Keep};
use crate::sweep::{Chunk, Shared};
use crate::verdict::Verdict;
use contract::plan::PlanError;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// Takes chunks until there are no more, nobody listens, or the sweep stops.
///
/// A chunk that was taken is always sent, if only in part: the collector waits for every number.
pub fn work(shared: &Shared<'_>, results: &SyncSender<Chunk>) {
    while !shared.stop.load(Relaxed) && !shared.source.time_is_up() {
        let number = shared.next.fetch_add(1, Relaxed);
        let Some((file, seeds)) = shared.source.chunk(number) else { return };
        let start = Instant::now();
        let wanted = seeds.take_while(|_| !shared.stop.load(Relaxed) && !shared.closed[file].load(Relaxed));
        let verdicts = wanted.map(|seed| run_seed(shared, file, seed)).collect();
        if results.send(Chunk { number, file, verdicts, wall: start.elapsed() }).is_err() {
            return;
        }
    }
}

/// Runs a seed, and a sample of seeds a second time.
fn run_seed(shared: &Shared<'_>, file: usize, seed: u64) -> Result<Verdict, PlanError> {
    let (scenario, registry) = (&shared.scenarios[file], shared.registry);
    let verdict = run::run(scenario, registry, seed, Keep::LITTLE)?.verdict;
    if shared.recheck == 0 || !seed.is_multiple_of(shared.recheck) {
        return Ok(verdict);
    }
    let again = run::run(scenario, registry, seed, Keep::LITTLE)?.verdict;
    if again == verdict {
        return Ok(verdict);
    }
    let unexplained = || vec!["two runs ended differently, but two runs in lock-step did not".to_owned()];
    let difference = determinism::difference(scenario, registry, seed)?.unwrap_or_else(unexplained);
    Ok(verdict.not_deterministic(difference))
}
