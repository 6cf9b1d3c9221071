//! How soon planted defects are found: the first failing seed in each of several disjoint ranges.

use crate::exit::Exit;
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use crate::verdict::{Seconds, Verdict};
use contract::plan::PlanError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How one planted defect was found.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// Its id.
    pub defect: String,
    /// The negative scenario.
    pub scenario: String,
    /// The oracle that must catch it.
    pub caught_by: String,
    /// Ranges of seeds that were searched.
    pub ranges: u64,
    /// Seeds in each range.
    pub budget: u64,
    /// Ranges in which nothing was found.
    pub missed: u64,
    /// Which oracle, or which other end of a run, came first, and in how many ranges.
    pub first_by: BTreeMap<String, u64>,
    /// Runs in which an assertion of the system itself came before any oracle. The search went on behind them: such a
    /// run says nothing of the oracle.
    pub asserted: u64,
    /// Seeds run until detection, the median and the most; `None` if it was never found.
    pub seeds_median: Option<u64>,
    /// See there.
    pub seeds_max: Option<u64>,
    /// Virtual time of the run that failed, until it failed: median and most, in seconds.
    #[serde(serialize_with = "seconds")]
    pub time_median: Option<u64>,
    /// See there.
    #[serde(serialize_with = "seconds")]
    pub time_max: Option<u64>,
    /// The command that shows the first one.
    pub replay: Option<String>,
}

/// Searches `ranges` disjoint ranges of `budget` seeds each, on `jobs` threads.
pub fn detect(
    scenario: &Scenario,
    registry: &Registry,
    ranges: u64,
    budget: u64,
    jobs: usize,
) -> Result<Detection, PlanError> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(range) = Some(next.fetch_add(1, Relaxed)).filter(|range| *range < ranges) {
                    let first = search(scenario, registry, range * budget, budget);
                    // A poisoned lock means that another thread panicked; the scope passes that on.
                    let Ok(mut found) = found.lock() else { return };
                    found.insert(range, first);
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = found.into_values().collect::<Result<Vec<_>, _>>()?;
    Ok(summarise(scenario, &found, ranges, budget))
}

/// What a range of seeds gave: the seeds run until the first failure and its verdict, and how many runs stopped at an
/// assertion before.
type Searched = (Option<(u64, Verdict)>, u64);

fn search(scenario: &Scenario, registry: &Registry, start: u64, budget: u64) -> Result<Searched, PlanError> {
    let mut asserted = 0;
    for tried in 1..=budget {
        let verdict = run::run(scenario, registry, start + tried - 1, Keep::LITTLE)?.verdict;
        if verdict.exit == Exit::Panicked {
            asserted += 1;
        } else if verdict.failed() {
            return Ok((Some((tried, verdict)), asserted));
        }
    }
    Ok((None, asserted))
}

fn summarise(scenario: &Scenario, found: &[Searched], ranges: u64, budget: u64) -> Detection {
    let hits: Vec<&(u64, Verdict)> = found.iter().filter_map(|(hit, _)| hit.as_ref()).collect();
    let mut first_by = BTreeMap::new();
    for (_, verdict) in &hits {
        let by = verdict.oracle.clone().unwrap_or_else(|| verdict.exit.word().to_owned());
        *first_by.entry(by).or_default() += 1;
    }
    let mut seeds: Vec<u64> = hits.iter().map(|(tried, _)| *tried).collect();
    let mut times: Vec<u64> = hits.iter().map(|(_, verdict)| verdict.virtual_time).collect();
    seeds.sort_unstable();
    times.sort_unstable();
    let median = |sorted: &[u64]| sorted.get(sorted.len() / 2).copied();
    Detection {
        defect: scenario.expect.defect.unwrap_or_default().to_owned(),
        scenario: scenario.path.clone(),
        caught_by: scenario.expect.caught_by.unwrap_or_default().to_owned(),
        ranges,
        budget,
        missed: found.len() as u64 - hits.len() as u64,
        first_by,
        asserted: found.iter().map(|(_, asserted)| asserted).sum(),
        seeds_median: median(&seeds),
        seeds_max: seeds.last().copied(),
        time_median: median(&times),
        time_max: times.last().copied(),
        replay: hits.first().map(|(_, verdict)| verdict.replay()),
    }
}

impl Detection {
    /// Whether every range found it, and each time by the stated oracle.
    pub fn is_as_stated(&self) -> bool {
        self.missed == 0 && self.first_by.keys().all(|by| *by == self.caught_by)
    }
}

fn seconds<S: serde::Serializer>(nanos: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    nanos.map(Seconds).serialize(serializer)
}
