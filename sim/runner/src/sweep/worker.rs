//! One thread of a sweep.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long runs take is reported, never judged")]

use crate::determinism;
use crate::engine::Alarm;
use crate::run::{self, Keep};
use crate::sweep::{Chunk, Shared};
use crate::verdict::Verdict;
use contract::plan::PlanError;
use contract::time::Duration;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// So many chunks a worker may be ahead of the one that the collector waits for: what waits fills memory.
const AHEAD_MAX: u64 = 256;

/// Takes chunks until there are no more, nobody listens, or the sweep stops.
///
/// A chunk that was taken is always sent, if only in part: the collector waits for every number.
pub fn work(shared: &Shared<'_>, results: &SyncSender<Chunk>) {
    while !shared.is_over() && !shared.source.time_is_up() {
        let number = shared.next.fetch_add(1, Relaxed);
        let Some((file, seeds)) = shared.source.chunk(number) else { return };
        while number >= shared.taken.load(Relaxed) + AHEAD_MAX && !shared.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        let done = if number == shared.start.chunk { shared.start.seed } else { 0 };
        let seeds = seeds.skip_while(|seed| *seed < done);
        let wanted = seeds.take_while(|_| !shared.is_over() && !shared.closed[file].load(Relaxed));
        let verdicts = wanted.map(|seed| run_seed(shared, file, seed)).collect();
        if results.send(Chunk { number, file, verdicts, wall: start.elapsed() }).is_err() {
            return;
        }
    }
}

/// Runs a seed, and a sample of seeds a second time.
fn run_seed(shared: &Shared<'_>, file: usize, seed: u64) -> Result<Verdict, PlanError> {
    let (scenario, registry) = (&shared.scenarios[file], shared.registry);
    let run = || Ok(run::run_until_alarm(scenario, registry, seed, Keep::LITTLE, alarm(shared))?.verdict);
    let verdict = run()?;
    if shared.recheck == 0 || !seed.is_multiple_of(shared.recheck) || verdict.is_late() {
        return Ok(verdict);
    }
    let again = run()?;
    if again == verdict || again.is_late() {
        return Ok(verdict);
    }
    let unexplained = || vec!["two runs ended differently, but two runs in lock-step did not".to_owned()];
    let difference = determinism::difference(scenario, registry, seed)?.unwrap_or_else(unexplained);
    Ok(verdict.not_deterministic(difference))
}

/// Rings when a run that begins now takes too long.
fn alarm(shared: &Shared<'_>) -> Option<Alarm> {
    let limit = shared.run_limit?;
    let start = Instant::now();
    Some(Arc::new(move || start.elapsed() > limit))
}
