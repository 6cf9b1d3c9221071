//! A search: seed after seed under one strategy, until its budget is spent.
//!
//! Seeds go in rounds. The seeds of a round know the states that the rounds before have shown, so that what is found
//! does not depend on the number of threads.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a search may be limited by the machine's time"
)]

use super::multiverse::{self, Universe};
use super::{Lessons, Strategy};
use crate::crash_points::pipeline::{self, Done};
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::plan::PlanError;
use contract::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

/// Seeds of a round.
const ROUND: u64 = 16;

/// When a search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// After so many events of runs, those of its last seed included.
    Events(u64),
    /// After so much time on the machine's clock.
    Time(Duration),
}

/// What to search.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How.
    pub strategy: Strategy,
    /// The first seed.
    pub seed: u64,
    /// How long.
    pub budget: Budget,
    /// Worker threads.
    pub jobs: usize,
    /// Whether the first failure is enough.
    pub until_failure: bool,
}

/// What a search has come to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Seeds.
    pub seeds: u64,
    /// Runs, forks included.
    pub runs: u64,
    /// Events that were handled; of a fork those after it.
    pub events: u64,
    /// States that were shown and that the lessons had not.
    pub states: u64,
    /// Failures of one signature, by that signature.
    pub failures: BTreeMap<String, Failure>,
}

/// Failures of one signature.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In how many seeds.
    pub count: u64,
    /// The first.
    pub first: Verdict,
    /// Runs up to and including it.
    pub runs: u64,
    /// Events up to and including it.
    pub events: u64,
}

impl Found {
    /// The failure that came first.
    pub fn first(&self) -> Option<&Failure> {
        self.failures.values().min_by_key(|failure| failure.events)
    }

    fn add(&mut self, universe: &Universe) {
        self.seeds += 1;
        self.runs += universe.runs;
        self.events += universe.events;
        if universe.verdict.failed() {
            let verdict = &universe.verdict;
            let signature = verdict.signature.clone().unwrap_or_else(|| verdict.exit.word().to_owned());
            let (runs, events) = (self.runs, self.events);
            let new = || Failure { count: 0, first: verdict.clone(), runs, events };
            self.failures.entry(signature).or_insert_with(new).count += 1;
        }
    }
}

/// Searches. `tell` hears how far it is after each seed, and says whether to go on. Fails only where the scenario's
/// plan cannot be built.
pub fn search(
    scenario: &Scenario,
    registry: &Registry,
    lessons: &Lessons,
    options: &Options,
    tell: &mut dyn FnMut(&Found) -> bool,
) -> Result<Found, PlanError> {
    let (mut found, mut seen) = (Found::default(), lessons.seen.clone());
    let started = Instant::now();
    let is_spent = |found: &Found| match options.budget {
        Budget::Events(events) => found.events >= events,
        Budget::Time(time) => started.elapsed() >= time,
    };
    let mut seeds = options.seed..u64::MAX;
    while !is_spent(&found) && !seeds.is_empty() {
        let round: Vec<u64> = seeds.by_ref().take(ROUND as usize).collect();
        let run = |seed: u64| {
            let planned = options.strategy.plan(scenario, seed, lessons);
            multiverse::explore(&planned, registry, seed, &seen, options.strategy == Strategy::Multiverse, None)
        };
        let mut universes = Vec::new();
        let is_enough = |universe: &Result<Universe, PlanError>| match universe {
            Ok(universe) => options.until_failure && universe.verdict.failed(),
            Err(_) => true,
        };
        pipeline::run(
            options.jobs,
            |feed| {
                round.into_iter().all(feed);
            },
            |seed| {
                let result = run(seed);
                Done { is_last: is_enough(&result), result }
            },
            |universe| universes.push(universe),
        );
        for universe in universes {
            let universe = universe?;
            found.add(&universe);
            found.states += universe.states.iter().filter(|state| seen.add(**state)).count() as u64;
            let is_enough = options.until_failure && !found.failures.is_empty();
            if is_enough || is_spent(&found) || !tell(&found) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
