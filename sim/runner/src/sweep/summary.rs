//! A sweep as one JSON object, and its sums over all scenarios.

use crate::exit::Exit;
use crate::sweep::tally::Tally;
use crate::verdict::{Faults, Seconds};
use contract::Time;
use contract::time::{Duration, nanos};
use kernel::{FaultCount, FaultKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// Sums over all scenarios.
pub struct Sums {
    /// Runs.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Asked and fired, by kind.
    pub faults: Vec<(FaultKind, FaultCount)>,
    /// How often each mark was seen.
    pub coverage: BTreeMap<String, u64>,
}

impl Sums {
    /// Adds up.
    pub fn new(tallies: &[Tally]) -> Sums {
        let mut faults: BTreeMap<FaultKind, FaultCount> = BTreeMap::new();
        let mut coverage = BTreeMap::new();
        for tally in tallies {
            for (kind, count) in &tally.faults {
                let sum = faults.entry(*kind).or_default();
                sum.asked += count.asked;
                sum.fired += count.fired;
            }
            for (mark, count) in &tally.coverage {
                *coverage.entry(mark.to_string()).or_default() += count;
            }
        }
        let runs = tallies.iter().map(|tally| tally.runs).sum();
        let events = tallies.iter().map(|tally| tally.events).sum();
        Sums { runs, events, faults: faults.into_iter().collect(), coverage }
    }
}

/// The sweep as one JSON object, the last line of `--json`.
#[derive(Serialize)]
pub struct Summary<'a> {
    sweep: &'static str,
    exit: u8,
    runs: u64,
    events: u64,
    wall_time: Seconds,
    scenarios: Vec<OneScenario<'a>>,
}

#[derive(Serialize)]
struct OneScenario<'a> {
    scenario: &'a str,
    verdict: &'static str,
    why: Vec<String>,
    runs: u64,
    passed: u64,
    vacuous: u64,
    warned: u64,
    warning: Option<FirstWarning<'a>>,
    events: u64,
    virtual_time: f64,
    faults: FaultMap,
    coverage: BTreeMap<&'a str, u64>,
    novelty: Rarity,
    failures: Vec<Failures<'a>>,
    unlisted: u64,
}

/// How rare new behaviour has become.
#[derive(Serialize)]
struct Rarity {
    traits: usize,
    seen_once: u64,
    chance: Option<f64>,
}

#[derive(Serialize)]
struct FirstWarning<'a> {
    seed: u64,
    warning: &'a str,
}

#[derive(Serialize)]
struct Failures<'a> {
    signature: &'a str,
    count: u64,
    first_seed: u64,
    first_at: String,
    replay: String,
}

struct FaultMap(Vec<(FaultKind, FaultCount)>);

impl Serialize for FaultMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Faults(&self.0).serialize(serializer)
    }
}

impl<'a> Summary<'a> {
    /// Its last line.
    pub fn new(tallies: &'a [Tally], wall: Duration, exit: Exit) -> Summary<'a> {
        Summary {
            sweep: exit.word(),
            exit: exit.code(),
            runs: tallies.iter().map(|tally| tally.runs).sum(),
            events: tallies.iter().map(|tally| tally.events).sum(),
            wall_time: Seconds(nanos(wall)),
            scenarios: tallies.iter().map(OneScenario::new).collect(),
        }
    }
}

impl<'a> OneScenario<'a> {
    fn new(tally: &'a Tally) -> OneScenario<'a> {
        let (exit, why) = tally.outcome();
        let failures = tally.failures().into_iter().map(|(signature, group)| Failures {
            signature,
            count: group.count,
            first_seed: group.first.seed,
            first_at: Time(group.first.virtual_time).to_string(),
            replay: group.first.replay(),
        });
        let (traits, seen_once) = tally.novelty.seen_and_once();
        OneScenario {
            scenario: &tally.path,
            verdict: exit.word(),
            why,
            runs: tally.runs,
            passed: tally.passed,
            vacuous: tally.vacuous,
            warned: tally.warned,
            warning: tally.warning.as_ref().map(|(seed, warning)| FirstWarning { seed: *seed, warning }),
            events: tally.events,
            virtual_time: tally.virtual_time as f64 / 1e9,
            faults: FaultMap(tally.faults.iter().map(|(kind, count)| (*kind, *count)).collect()),
            coverage: tally.coverage.iter().map(|(mark, count)| (&**mark, *count)).collect(),
            novelty: Rarity { traits, seen_once, chance: tally.novelty.chance() },
            failures: failures.collect(),
            unlisted: tally.unlisted,
        }
    }
}
