//! Strikes every boundary of a run, then a sample of the recoveries.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a certificate may be limited by the machine's time"
)]

use super::base::{Base, walk};
use super::boundary::{Blow, Boundary, Force};
use super::pipeline::{self, Done};
use super::sample::{self, Pick, Recovery, Second};
use super::strike::{Field, copies, moments};
use super::tally::Tally;
use crate::engine::Engine;
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::time::Duration;
use std::time::Instant;

/// How thoroughly.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Samples of what a power loss leaves, where something was unsynced.
    pub variants: u32,
    /// Second crashes.
    pub second: Second,
    /// Worker threads.
    pub jobs: usize,
    /// No boundary is begun after so long.
    pub limit: Option<Duration>,
}

/// A run that did not recover.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was struck, in order: one boundary, or one and another of its recovery.
    pub struck: Vec<(Boundary, Blow)>,
    /// What was found.
    pub verdict: Verdict,
}

/// What was struck and how it went.
#[derive(Debug, Default)]
pub struct Certificate {
    /// Counts, up to the first failure.
    pub tally: Tally,
    /// Boundaries of the base run that were struck.
    pub struck: u64,
    /// Boundaries that were not there: a drawn crash had taken their effects back.
    pub gone: u64,
    /// Second crashes that were tried, and how many of them there are.
    pub second: (u64, u64),
    /// Samples of what a power loss leaves.
    pub variants: u32,
    /// Runs in all.
    pub runs: u64,
    /// The first in the order of boundaries, second crashes after all first ones.
    pub failure: Option<Failure>,
    /// Whether time was up before everything was struck.
    pub cut_short: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it is about second crashes.
    pub second: bool,
    /// Of `of`.
    pub done: u64,
    /// Boundaries, or second crashes.
    pub of: u64,
}

/// What striking one boundary, or recoveries from it, gave.
#[derive(Default)]
struct Struck {
    boundary: usize,
    runs: u64,
    recoveries: Vec<Recovery>,
    seconds: u64,
    failure: Option<Failure>,
}

/// Strikes every boundary of `base`, which has passed.
pub fn certify(
    scenario: &Scenario,
    registry: &Registry,
    base: &Base,
    options: &Options,
    tick: &mut dyn FnMut(Progress),
) -> Certificate {
    let deadline = options.limit.and_then(|limit| Instant::now().checked_add(limit));
    let field = Field { scenario, drawn: &base.drawn };
    let engine = || Engine::new(scenario, &base.drawn, registry);
    let run = Run { base, field, options, deadline };
    let mut certificate = Certificate { variants: options.variants, ..Certificate::default() };
    let recoveries = run.first_crashes(engine(), &mut certificate, tick);
    if certificate.failure.is_none() && !certificate.cut_short {
        run.second_crashes(engine(), &recoveries, &mut certificate, tick);
    }
    certificate
}

struct Run<'a> {
    base: &'a Base,
    field: Field<'a>,
    options: &'a Options,
    deadline: Option<Instant>,
}

impl Run<'_> {
    fn time_is_up(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Strikes every boundary; what each recovery offers to a second crash.
    fn first_crashes(
        &self,
        engine: Engine,
        certificate: &mut Certificate,
        tick: &mut dyn FnMut(Progress),
    ) -> Vec<Recovery> {
        let (list, plan) = (&self.base.boundaries.list, &self.base.drawn.plan);
        let stops = moments(list.iter());
        let mut recoveries = Vec::new();
        pipeline::run(
            self.options.jobs,
            |feed| walk(engine, &stops, |index, copy| !self.time_is_up() && feed((index, copy))),
            |(index, copy)| done(self.strike(index, &copy)),
            |struck| {
                tick(Progress { second: false, done: struck.boundary as u64 + 1, of: list.len() as u64 });
                if struck.runs == 0 {
                    certificate.gone += 1;
                    return;
                }
                certificate.struck += 1;
                certificate.runs += struck.runs;
                recoveries.extend(struck.recoveries);
                let (boundary, failure) = (&list[struck.boundary], &struck.failure);
                let failed_by = failure.as_ref().map(|failure| failure.struck[0].1.force);
                certificate.tally.first(boundary, plan, Force::Crash, failed_by != Some(Force::Crash));
                if boundary.first_on_node && failed_by != Some(Force::Crash) {
                    certificate.tally.first(boundary, plan, Force::Power(0), failed_by.is_none());
                }
                certificate.failure = struck.failure;
            },
        );
        let reached = certificate.struck + certificate.gone;
        certificate.cut_short = certificate.failure.is_none() && reached < list.len() as u64;
        recoveries
    }

    /// Strikes one boundary with every force, from a copy of the run that stands there.
    fn strike(&self, index: usize, copy: &Engine) -> Struck {
        let boundary = &self.base.boundaries.list[index];
        let mut struck = Struck { boundary: index, ..Struck::default() };
        if !copy.world().is_running(boundary.effect.process) {
            return struck; // A drawn crash or a halt took this effect back.
        }
        let wanted = if boundary.first_on_node { self.options.variants } else { 0 };
        let powers = (0..self.field.variants(copy, boundary, wanted)).map(Force::Power);
        for force in std::iter::once(Force::Crash).chain(powers) {
            let blow = boundary.blow(force);
            let mut engine = copy.clone();
            self.field.hit(&mut engine, blow);
            let places = self.field.recover(&mut engine, blow).len() as u32;
            let verdict = self.field.end(engine).verdict;
            struck.runs += 1;
            if verdict.failed() {
                struck.failure = Some(Failure { struck: vec![(boundary.clone(), blow)], verdict });
                break;
            }
            struck.recoveries.push(Recovery { boundary: index, force, places });
        }
        struck
    }

    /// Strikes a sample of the recoveries.
    fn second_crashes(
        &self,
        engine: Engine,
        recoveries: &[Recovery],
        certificate: &mut Certificate,
        tick: &mut dyn FnMut(Progress),
    ) {
        let (list, plan) = (&self.base.boundaries.list, &self.base.drawn.plan);
        let total = sample::square(recoveries);
        let numbers = self.options.second.of(total, self.base.drawn.seed);
        let picks = sample::picks(recoveries, &numbers);
        let stops = moments(picks.iter().map(|(index, _)| &list[*index]));
        certificate.second = (0, total);
        pipeline::run(
            self.options.jobs,
            |feed| walk(engine, &stops, |stop, copy| !self.time_is_up() && feed((stop, copy))),
            |(stop, copy): (usize, Engine)| done(self.strike_recoveries(picks[stop].0, &picks[stop].1, &copy)),
            |struck| {
                certificate.second.0 += struck.seconds;
                certificate.runs += struck.runs;
                let boundary = &list[struck.boundary];
                let failed = u64::from(struck.failure.is_some());
                for number in 0..struck.seconds {
                    certificate.tally.second(boundary, plan, number + failed < struck.seconds);
                }
                certificate.failure = struck.failure;
                tick(Progress { second: true, done: certificate.second.0, of: numbers.len() as u64 });
            },
        );
        certificate.cut_short = certificate.failure.is_none() && certificate.second.0 < numbers.len() as u64;
    }

    /// Tries second crashes after crashes at one boundary.
    fn strike_recoveries(&self, index: usize, picks: &[Pick], copy: &Engine) -> Struck {
        let first = &self.base.boundaries.list[index];
        let mut struck = Struck { boundary: index, ..Struck::default() };
        for alike in picks.chunk_by(|one, other| one.first == other.first) {
            let blow = first.blow(alike[0].first);
            let mut engine = copy.clone();
            self.field.hit(&mut engine, blow);
            let recovery = self.field.recover(&mut engine.clone(), blow);
            let places = copies(engine, &recovery, alike.iter().map(|pick| pick.place));
            for ((second, mut engine), pick) in places.zip(alike) {
                let again = second.blow(pick.second);
                self.field.hit(&mut engine, again);
                self.field.recover(&mut engine, again);
                let verdict = self.field.end(engine).verdict;
                struck.runs += 1;
                struck.seconds += 1;
                if verdict.failed() {
                    let blows = vec![(first.clone(), blow), (second.clone(), again)];
                    struck.failure = Some(Failure { struck: blows, verdict });
                    return struck;
                }
            }
        }
        struck
    }
}

fn done(struck: Struck) -> Done<Struck> {
    Done { is_last: struck.failure.is_some(), result: struck }
}
