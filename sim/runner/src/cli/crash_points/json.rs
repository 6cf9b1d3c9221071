//! A certificate as one JSON object; its keys are part of the command line's contract.

use super::Subject;
use crate::crash_points::{Base, Certificate, Group};
use crate::exit::Exit;
use crate::verdict::{Seconds, Verdict};
use contract::time::{Duration, nanos};
use serde::Serialize;

/// The whole.
#[derive(Serialize)]
pub struct Object<'a> {
    scenario: &'a str,
    seed: u64,
    verdict: &'static str,
    exit: u8,
    faults: &'static str,
    /// Of the base run.
    effects: u64,
    boundaries: u64,
    struck: u64,
    runs: u64,
    wall_time: Option<Seconds>,
    recovered: Option<Group>,
    groups: Vec<OneGroup<'a>>,
    second: Sampled,
    /// Samples of what each power loss leaves.
    variants: u32,
    /// The base run's own failure.
    pub without_crash: Option<Found<'a>>,
    /// The first boundary that is not recovered from.
    pub failure: Option<Found<'a>>,
    replay: String,
}

#[derive(Serialize)]
struct OneGroup<'a> {
    effect: &'static str,
    process: &'a str,
    #[serde(flatten)]
    counts: Group,
}

#[derive(Default, Serialize)]
struct Sampled {
    tried: u64,
    of: u64,
}

/// What went wrong, and where.
#[derive(Serialize)]
pub struct Found<'a> {
    at: Vec<String>,
    verdict: &'static str,
    signature: Option<&'a str>,
    oracle: Option<&'a str>,
    invariant: Option<&'a str>,
    facts: &'a [String],
}

impl<'a> Object<'a> {
    /// Before anything was struck.
    pub fn new(subject: &Subject<'a>, base: &Base, exit: Exit, replay: String) -> Object<'a> {
        Object {
            scenario: &subject.scenario.path,
            seed: subject.seed,
            verdict: exit.word(),
            exit: exit.code(),
            faults: subject.weather.word(),
            effects: base.boundaries.effects,
            boundaries: base.boundaries.list.len() as u64,
            struck: 0,
            runs: 0,
            wall_time: None,
            recovered: None,
            groups: Vec::new(),
            second: Sampled::default(),
            variants: 0,
            without_crash: None,
            failure: None,
            replay,
        }
    }

    /// Adds what was struck.
    pub fn judge(&mut self, certificate: &'a Certificate, wall: Duration) {
        self.struck = certificate.struck;
        self.runs = certificate.runs;
        self.variants = certificate.variants;
        self.wall_time = Some(Seconds(nanos(wall)));
        self.recovered = Some(certificate.tally.sum());
        let group = |(what, process, counts): (kernel::EffectKind, &'a str, &Group)| OneGroup {
            effect: what.word(),
            process,
            counts: *counts,
        };
        self.groups = certificate.tally.groups().map(group).collect();
        let (tried, of) = certificate.second;
        self.second = Sampled { tried, of };
    }
}

impl<'a> Found<'a> {
    /// From a verdict, with the boundaries in words.
    pub fn new(verdict: &'a Verdict, at: Vec<String>) -> Found<'a> {
        Found {
            at,
            verdict: verdict.exit.word(),
            signature: verdict.signature.as_deref(),
            oracle: verdict.oracle.as_deref(),
            invariant: verdict.invariant.as_deref(),
            facts: &verdict.facts,
        }
    }
}
