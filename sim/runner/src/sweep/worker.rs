//! One thread of a sweep.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long runs take is reported, never judged")]

use crate::determinism;
use crate::engine::Alarm;
use crate::explore::{Strategy, Way, multiverse};
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
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
        let (recheck, limit) = (shared.recheck, shared.run_limit);
        let (scenario, way) = (&shared.scenarios[file], &shared.ways[file]);
        let recipe = Recipe { scenario, way, registry: shared.registry, recheck, limit };
        let verdicts = wanted.map(|seed| recipe.run(seed)).collect();
        if results.send(Chunk { number, file, verdicts, wall: start.elapsed() }).is_err() {
            return;
        }
    }
}

/// How the seeds of a scenario are run.
pub struct Recipe<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// How runs are chosen.
    pub way: &'a Way,
    /// What it may name.
    pub registry: &'a Registry,
    /// Every seed that this divides runs twice; 0 for none.
    pub recheck: u64,
    /// A run that takes longer is given up.
    pub limit: Option<Duration>,
}

impl Recipe<'_> {
    /// Runs a seed, and a sample of seeds a second time. Fails where the plan cannot be built.
    pub fn run(&self, seed: u64) -> Result<Verdict, String> {
        self.run_and_check(seed).map_err(|PlanError(why)| format!("{}: {why}", self.scenario.path))
    }

    fn run_and_check(&self, seed: u64) -> Result<Verdict, PlanError> {
        let (registry, Way { strategy, lessons }) = (self.registry, self.way);
        let scenario = &*strategy.plan(self.scenario, seed, lessons);
        let run = || match strategy {
            Strategy::Multiverse => {
                let universe = multiverse::explore(scenario, registry, seed, &lessons.seen, true, self.alarm())?;
                Ok(universe.verdict)
            }
            _ => Ok(run::run_until_alarm(scenario, registry, seed, Keep::LITTLE, self.alarm())?.verdict),
        };
        let verdict = run()?;
        if self.recheck == 0 || !seed.is_multiple_of(self.recheck) || verdict.is_late() {
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
    fn alarm(&self) -> Option<Alarm> {
        let limit = self.limit?;
        let start = Instant::now();
        Some(Arc::new(move || start.elapsed() > limit))
    }
}
