//! Runs candidates and says which is the first that fails the same way.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a search ends when its time is up, and says so"
)]

use super::Options;
use crate::crash_points::pipeline::{self, Done, Feed};
use crate::draw;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use crate::scenario::write::{Comments, write};
use crate::verdict::Verdict;
use contract::time::Duration;
use kernel::Decision;
use std::collections::BTreeSet;
use std::time::Instant;

/// A candidate may have so many times the events of the run that was given ...
const EVENTS_FACTOR: u64 = 2;
/// ... and so many more.
const EVENTS_MORE: u64 = 2_000;

/// Where candidates are tried.
pub struct Bench<'a> {
    registry: &'a Registry,
    seed: u64,
    signature: String,
    events_max: u64,
    jobs: usize,
    deadline: Option<Instant>,
    /// Candidates that do not fail, by the hash of their text.
    passed: BTreeSet<u64>,
    runs: u64,
    events: u64,
    late: bool,
}

/// A candidate that fails the same way, and what struck in its run.
#[derive(Clone)]
pub struct Failing {
    /// What struck, with how long each occurrence lasts.
    pub struck: Vec<(Decision, Duration)>,
    /// The length of its run.
    pub events: u64,
}

/// The first of several candidates that fails the same way.
pub struct Found {
    /// Its place in the list.
    pub index: usize,
    /// The candidate.
    pub scenario: Scenario,
    /// Its run.
    pub failing: Failing,
}

/// What became of a candidate.
enum Tried {
    /// Tried before: it does not fail.
    Known,
    /// It does not fail, or in another way.
    Passed { hash: u64, events: u64 },
    /// It fails.
    Fails(Box<Found>),
    /// The time was up.
    Late,
}

impl<'a> Bench<'a> {
    /// For candidates that are to fail like `verdict`.
    pub fn new(registry: &'a Registry, seed: u64, verdict: &Verdict, options: &Options) -> Self {
        Bench {
            registry,
            seed,
            signature: verdict.signature.clone().unwrap_or_default(),
            events_max: match verdict.oracle.is_none() && verdict.exit == Exit::NotConverged {
                // A livelock is known by the events that it uses up.
                true => u64::MAX,
                false => verdict.events.saturating_mul(EVENTS_FACTOR).saturating_add(EVENTS_MORE),
            },
            jobs: options.jobs.max(1),
            deadline: options.time.and_then(|time| Instant::now().checked_add(time)),
            passed: BTreeSet::new(),
            runs: 0,
            events: 0,
            late: false,
        }
    }

    /// Runs, without those that only another thread began.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Events of those runs.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the time is up: from then on nothing is tried.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// The first candidate, in the order of the list, that fails the same way.
    pub fn first(&mut self, candidates: impl IntoIterator<Item = Scenario, IntoIter: Send>) -> Option<Found> {
        self.first_within(self.events_max, candidates)
    }

    /// The same, for runs of at most so many events.
    pub fn first_within(
        &mut self,
        events_max: u64,
        candidates: impl IntoIterator<Item = Scenario, IntoIter: Send>,
    ) -> Option<Found> {
        let mut candidates = candidates.into_iter().enumerate();
        let mut tried = Vec::new();
        if self.jobs == 1 {
            for (index, candidate) in candidates {
                let Done { result, is_last } = self.attempt(index, candidate, events_max);
                tried.push(result);
                if is_last {
                    break;
                }
            }
        } else {
            let this = &*self;
            let produce = |feed: Feed<'_, (usize, Scenario)>| while candidates.next().is_some_and(&mut *feed) {};
            pipeline::run(
                this.jobs,
                produce,
                |(index, it)| this.attempt(index, it, events_max),
                |result| tried.push(result),
            );
        }
        self.take(tried)
    }

    /// Notes what was tried; the last one may fail.
    fn take(&mut self, tried: Vec<Tried>) -> Option<Found> {
        for result in tried {
            match result {
                Tried::Known => {}
                Tried::Passed { hash, events } => {
                    if self.passed.insert(hash) {
                        (self.runs, self.events) = (self.runs + 1, self.events + events);
                    }
                }
                Tried::Fails(found) => {
                    (self.runs, self.events) = (self.runs + 1, self.events + found.failing.events);
                    return Some(*found);
                }
                Tried::Late => self.late = true,
            }
        }
        None
    }

    fn attempt(&self, index: usize, candidate: Scenario, events_max: u64) -> Done<Tried> {
        if self.late || self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Done { result: Tried::Late, is_last: true };
        }
        // A run that was cut at fewer events may fail with more.
        let text = format!("{events_max}\n{}", write(&candidate, &Comments::default()));
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        if self.passed.contains(&hash) {
            return Done { result: Tried::Known, is_last: false };
        }
        match self.run(&candidate, events_max) {
            Ok(failing) => {
                Done { result: Tried::Fails(Box::new(Found { index, scenario: candidate, failing })), is_last: true }
            }
            Err(events) => Done { result: Tried::Passed { hash, events }, is_last: false },
        }
    }

    /// Runs a candidate, or says how many events showed that it does not fail. A plan that cannot be built has none.
    fn run(&self, candidate: &Scenario, events_max: u64) -> Result<Failing, u64> {
        let drawn = draw::draw(candidate, self.seed, Keep::LITTLE.trace, Keep::LITTLE.narrate);
        let mut drawn = drawn.map_err(|_| 0_u64)?;
        // A run ends with the slice of time in which it fails: one that is cut before that looks shorter than it is.
        let cut = events_max.saturating_mul(EVENTS_FACTOR).saturating_add(EVENTS_MORE).min(self.events_max);
        drawn.settings.events_max = drawn.settings.events_max.min(cut);
        let finished = run::run_drawn(candidate, self.registry, &drawn);
        let world = &finished.world;
        if finished.verdict.signature.as_ref() != Some(&self.signature) || world.events() > events_max {
            return Err(world.events());
        }
        let struck = world.decisions().iter().map(|decision| (*decision, world.lasting(decision))).collect();
        Ok(Failing { struck, events: world.events() })
    }
}
