//! Many seeds of many scenarios on many threads. What is reported does not depend on the number of threads.
//!
//! Workers take chunks of seeds by number; one collector takes their results in the order of the numbers,
//! so that everything after it (results, groups, when to stop) sees one fixed sequence.

pub mod defects;
pub mod findings;
pub mod github;
pub mod interrupt;
pub mod journal;
pub mod junit;
pub mod novelty;
pub mod progress;
pub mod queue;
mod record;
mod source;
pub mod summary;
pub mod tally;
mod worker;

use crate::explore::{Strategy, Way};
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::time::Duration;
use journal::Past;
use queue::Posting;
use source::Source;
pub use source::{CHUNK, Shard};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use tally::Tally;

/// What to sweep.
#[derive(Clone)]
pub struct Options {
    /// Which seeds; `None` for each scenario's own, or [`USUAL_SEEDS`].
    pub seeds: Option<Range<u64>>,
    /// Go on from the first seed until so much time has passed, instead of up to the last seed.
    pub time: Option<Duration>,
    /// Worker threads, where no queue is given.
    pub jobs: usize,
    /// Seeds that a worker takes at once; [`CHUNK`] for threads.
    pub chunk: u64,
    /// Workers on other machines run it.
    pub queue: Option<Posting>,
    /// Which part of the seeds.
    pub shard: Shard,
    /// Every seed that this divides runs a second time and must do the same; 0 for none.
    pub recheck: u64,
    /// Stop after so many failed runs.
    pub stop_after: Option<u64>,
    /// A scenario is over once the chance that its next run shows something new is below this.
    pub quiet_below: Option<f64>,
    /// A run that takes longer is a finding.
    pub run_limit: Option<Duration>,
    /// How each seed's run is chosen.
    pub strategy: Strategy,
    /// Raised by whoever wants the sweep to end early.
    pub interrupted: Arc<AtomicBool>,
}

impl Options {
    /// Whether the sweep goes round all scenarios until something else than its seeds ends it.
    fn goes_round(&self) -> bool {
        self.time.is_some() || self.quiet_below.is_some()
    }
}

/// The seeds of a scenario that names none.
pub const USUAL_SEEDS: Range<u64> = 0..1_000;

/// Results of one chunk of seeds.
struct Chunk {
    number: u64,
    file: usize,
    verdicts: Result<Vec<Verdict>, String>,
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
    /// For each scenario how its runs are chosen.
    ways: Vec<Way>,
    source: Source,
    recheck: u64,
    run_limit: Option<Duration>,
    /// Where the results of earlier runs end.
    start: Position,
    next: AtomicU64,
    /// Chunks that the collector has taken: workers do not run ahead of it for ever.
    taken: AtomicU64,
    stop: AtomicBool,
    interrupted: &'a AtomicBool,
    /// Scenarios about which all is known.
    closed: Vec<AtomicBool>,
}

impl Shared<'_> {
    /// Whether no run should begin any more.
    fn is_over(&self) -> bool {
        self.stop.load(Relaxed) || self.interrupted.load(Relaxed)
    }
}

/// A place in the order of a sweep.
#[derive(Clone, Copy)]
struct Position {
    /// Chunks before this one are done,
    chunk: u64,
    /// and of this one the seeds before that.
    seed: u64,
}

/// Runs the sweep, after what `past` already has; one tally for each scenario. An error is the machine's: a plan
/// that cannot be built, a full disk, results of another sweep.
pub fn sweep(
    scenarios: &[Scenario],
    registry: &Registry,
    options: &Options,
    past: Option<Past>,
    watcher: &mut dyn Watcher,
) -> Result<Vec<Tally>, String> {
    let mut shared = Shared {
        scenarios,
        registry,
        ways: Way::all(options.strategy, scenarios, registry)?,
        source: Source::new(scenarios, options),
        recheck: options.recheck,
        run_limit: options.run_limit,
        start: Position { chunk: 0, seed: 0 },
        next: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        interrupted: &options.interrupted,
        closed: scenarios.iter().map(|_| AtomicBool::new(false)).collect(),
    };
    let mut sums = Sums::new(scenarios, options);
    if let Some(past) = past {
        let Some(start) = sums.recall(&shared, past)? else { return Ok(sums.tallies) };
        shared.start = start;
        shared.next = AtomicU64::new(start.chunk);
        shared.taken = AtomicU64::new(start.chunk);
    }
    let (results, collected) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        let shared = &shared;
        if let Some(posting) = &options.queue {
            scope.spawn(move || queue::dispatch(shared, posting, &results));
        } else {
            for _ in 0..options.jobs.max(1) {
                let results = results.clone();
                scope.spawn(move || worker::work(shared, &results));
            }
            drop(results);
        }
        let collector = Collector { shared, sums, waiting: BTreeMap::new(), next: shared.start.chunk };
        let outcome = collector.collect(&collected, watcher);
        shared.stop.store(true, Relaxed);
        // Workers may wait for room in the channel; what they still say is not wanted.
        while collected.recv().is_ok() {}
        outcome
    })
}

/// Takes chunks in order.
struct Collector<'a> {
    shared: &'a Shared<'a>,
    sums: Sums,
    waiting: BTreeMap<u64, Chunk>,
    next: u64,
}

impl Collector<'_> {
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
                // A chunk that came after the interruption may be a part of itself: it is run again.
                if self.shared.interrupted.load(Relaxed) {
                    return Ok(self.sums.cut_short());
                }
                self.next += 1;
                self.shared.taken.store(self.next, Relaxed);
                if !self.take(chunk, watcher)? {
                    return Ok(self.sums.tallies);
                }
            }
            watcher.tick(self.sums.runs, self.shared.source.planned(), self.sums.failed);
        }
        if self.shared.interrupted.load(Relaxed) {
            return Ok(self.sums.cut_short());
        }
        assert!(self.waiting.is_empty(), "every chunk that was handed out came back");
        Ok(self.sums.tallies)
    }

    /// Takes the next chunk; `false` when the sweep is over.
    fn take(&mut self, chunk: Chunk, watcher: &mut dyn Watcher) -> Result<bool, String> {
        let scenario = &self.shared.scenarios[chunk.file];
        self.sums.tallies[chunk.file].wall += chunk.wall;
        for verdict in chunk.verdicts? {
            if self.sums.tallies[chunk.file].is_over() {
                break;
            }
            watcher.finished(scenario, &verdict).map_err(|error| format!("cannot write results: {error}"))?;
            if !self.sums.add(self.shared, chunk.file, &verdict) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What is known so far.
struct Sums {
    stop_after: Option<u64>,
    tallies: Vec<Tally>,
    runs: u64,
    failed: u64,
}

impl Sums {
    fn new(scenarios: &[Scenario], options: &Options) -> Sums {
        let tallies = scenarios.iter().map(|scenario| Tally::new(scenario, options.quiet_below)).collect();
        Sums { stop_after: options.stop_after, tallies, runs: 0, failed: 0 }
    }

    /// Adds the next run; `false` when the sweep is over.
    fn add(&mut self, shared: &Shared<'_>, file: usize, verdict: &Verdict) -> bool {
        let tally = &mut self.tallies[file];
        tally.add(verdict);
        if tally.is_over() {
            shared.closed[file].store(true, Relaxed);
        }
        self.runs += 1;
        self.failed += u64::from(verdict.failed() && !shared.scenarios[file].is_negative());
        let failed_enough = self.stop_after.is_some_and(|limit| self.failed >= limit);
        !failed_enough && !self.tallies.iter().all(Tally::is_over)
    }

    /// Adds earlier runs, in the order in which they were run; where to go on, or `None` if all is done.
    fn recall(&mut self, shared: &Shared<'_>, mut past: Past) -> Result<Option<Position>, String> {
        for number in 0.. {
            let Some((file, seeds)) = shared.source.chunk(number) else { break };
            for seed in seeds {
                if self.tallies[file].is_over() {
                    break;
                }
                match past.next(&shared.scenarios[file], seed, shared.registry)? {
                    Some(verdict) if self.add(shared, file, &verdict) => {}
                    Some(_) => return Ok(None),
                    None => return Ok(Some(Position { chunk: number, seed })),
                }
            }
        }
        Ok(None)
    }

    /// The sums of a sweep that was interrupted.
    fn cut_short(mut self) -> Vec<Tally> {
        for tally in &mut self.tallies {
            tally.cut_short = true;
        }
        self.tallies
    }
}
