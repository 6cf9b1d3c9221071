//! Many seeds of many scenarios on many threads. What is reported does not depend on the number of threads.
//!
//! Workers take chunks of seeds by number; one collector takes their results in the order of the numbers,
//! so that everything after it (results, groups, when to stop) sees one fixed sequence.

pub mod defects;
pub mod github;
pub mod junit;
pub mod progress;
mod source;
pub mod tally;
mod worker;

use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::plan::PlanError;
use contract::time::Duration;
pub use source::Shard;
use source::Source;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc;
use tally::Tally;

/// What to sweep.
#[derive(Clone)]
pub struct Options {
    /// Which seeds; `None` for each scenario's own, or [`USUAL_SEEDS`].
    pub seeds: Option<Range<u64>>,
    /// Go on from the first seed until so much time has passed, instead of up to the last seed.
    pub time: Option<Duration>,
    /// Worker threads.
    pub jobs: usize,
    /// Which part of the seeds.
    pub shard: Shard,
    /// Every seed that this divides runs a second time and must do the same; 0 for none.
    pub recheck: u64,
    /// Stop after so many failed runs.
    pub stop_after: Option<u64>,
}

/// The seeds of a scenario that names none.
pub const USUAL_SEEDS: Range<u64> = 0..1_000;

/// Results of one chunk of seeds.
struct Chunk {
    number: u64,
    file: usize,
    verdicts: Result<Vec<Verdict>, PlanError>,
    wall: Duration,
}

/// What watches a sweep on its way, in the order of the seeds.
pub trait Watcher {
    /// A run is over.
    fn finished(&mut self, scenario: &Scenario, verdict: &Verdict) -> std::io::Result<()>;
    /// Chunks done and, where it is known, how many there are; at least once a second.
    fn tick(&mut self, runs: u64, planned: Option<u64>, failed: u64);
}

/// What workers and collector share.
struct Shared<'a> {
    scenarios: &'a [Scenario],
    registry: &'a Registry,
    source: Source,
    recheck: u64,
    next: AtomicU64,
    stop: AtomicBool,
    /// Scenarios about which all is known.
    closed: Vec<AtomicBool>,
}

/// Runs the sweep; one tally for each scenario. An error is the machine's: a plan that cannot be built, a full disk.
pub fn sweep(
    scenarios: &[Scenario],
    registry: &Registry,
    options: &Options,
    watcher: &mut dyn Watcher,
) -> Result<Vec<Tally>, String> {
    let shared = Shared {
        scenarios,
        registry,
        source: Source::new(scenarios, options),
        recheck: options.recheck,
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        closed: scenarios.iter().map(|_| AtomicBool::new(false)).collect(),
    };
    let (results, collected) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            let (shared, results) = (&shared, results.clone());
            scope.spawn(move || worker::work(shared, &results));
        }
        drop(results);
        let outcome = Collector::new(&shared, options).collect(&collected, watcher);
        shared.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        // Workers may wait for room in the channel; what they still say is not wanted.
        while collected.recv().is_ok() {}
        outcome
    })
}

/// Takes chunks in order.
struct Collector<'a> {
    shared: &'a Shared<'a>,
    stop_after: Option<u64>,
    tallies: Vec<Tally>,
    waiting: BTreeMap<u64, Chunk>,
    next: u64,
    runs: u64,
    failed: u64,
}

impl<'a> Collector<'a> {
    fn new(shared: &'a Shared<'a>, options: &Options) -> Self {
        Collector {
            shared,
            stop_after: options.stop_after,
            tallies: shared.scenarios.iter().map(Tally::new).collect(),
            waiting: BTreeMap::new(),
            next: 0,
            runs: 0,
            failed: 0,
        }
    }

    fn collect(mut self, chunks: &mpsc::Receiver<Chunk>, watcher: &mut dyn Watcher) -> Result<Vec<Tally>, String> {
        loop {
            match chunks.recv_timeout(Duration::from_millis(200)) {
                Ok(chunk) => {
                    self.waiting.insert(chunk.number, chunk);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            while let Some(chunk) = self.waiting.remove(&self.next) {
                self.next += 1;
                if !self.take(chunk, watcher)? {
                    return Ok(self.tallies);
                }
            }
            watcher.tick(self.runs, self.shared.source.planned(), self.failed);
        }
        assert!(self.waiting.is_empty(), "every chunk that was handed out came back");
        Ok(self.tallies)
    }

    /// Takes the next chunk; `false` when the sweep has failed often enough.
    fn take(&mut self, chunk: Chunk, watcher: &mut dyn Watcher) -> Result<bool, String> {
        let scenario = &self.shared.scenarios[chunk.file];
        self.tallies[chunk.file].wall += chunk.wall;
        let verdicts = chunk.verdicts.map_err(|error| format!("{}: {error}", scenario.path))?;
        for verdict in verdicts {
            let tally = &mut self.tallies[chunk.file];
            if tally.is_decided() {
                break;
            }
            tally.add(&verdict);
            if tally.is_decided() {
                self.shared.closed[chunk.file].store(true, std::sync::atomic::Ordering::Relaxed);
            }
            watcher.finished(scenario, &verdict).map_err(|error| format!("cannot write results: {error}"))?;
            self.runs += 1;
            self.failed += u64::from(verdict.failed() && !scenario.is_negative());
            if self.stop_after.is_some_and(|limit| self.failed >= limit) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
