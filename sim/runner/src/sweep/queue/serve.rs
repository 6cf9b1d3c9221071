//! A worker: takes ranges from the queue, runs them, posts what they found.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long work takes and is waited for")]

use super::message::{Outcome, Range};
use super::{ATTEMPTS_MAX, Lease, WorkQueue};
use crate::explore::{Strategy, Way};
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::sweep::worker::Recipe;
use crate::verdict::{Verdict, hex};
use contract::time::Duration;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Instant;

/// So long a thread waits at the queue before it looks for other sweeps and for Ctrl-C.
const WAIT: Duration = Duration::from_secs(1);
/// A queue that cannot be reached for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// A seed may run four times: alone, again, and twice in lock-step. So many limits long nobody worries.
const RUNS_A_SEED: u32 = 4;
/// The time of a run that has no limit: a year.
const UNLIMITED: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a worker works with.
pub struct Worker<'a> {
    /// What scenarios may name.
    pub registry: &'a Registry,
    /// Where the work is.
    pub queue: &'a dyn WorkQueue,
    /// Which machine and process it is, for whoever reads a complaint.
    pub name: String,
    /// What the program is: only sweeps of the same program are run.
    pub build: Option<String>,
    /// Threads.
    pub jobs: usize,
    /// It ends after so long without work.
    pub idle: Option<Duration>,
    /// Raised by whoever wants it to end.
    pub interrupted: &'a AtomicBool,
}

/// What a worker has to tell on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A range is done: so many runs, so many of them failed.
    Done {
        /// Runs of the range.
        runs: u64,
        /// Those that failed.
        failed: u64,
    },
    /// A sentence worth showing.
    Note(String),
}

/// Why a worker ends before it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Every sweep on the queue is of another program, or of other scenario files.
    Refused(String),
    /// The queue cannot be reached.
    Lost(String),
}

impl Worker<'_> {
    /// Works until it is interrupted, or idle for too long; `tell` hears of it about once a second or more often.
    pub fn work(&self, tell: &mut dyn FnMut(Option<News>)) -> Result<(), Trouble> {
        let failed = AtomicBool::new(false);
        let (news, heard) = mpsc::channel();
        std::thread::scope(|scope| {
            let hands = (0..self.jobs.max(1)).map(|_| {
                let (failed, news) = (&failed, news.clone());
                let hand = Hand { worker: self, failed, news, sweeps: BTreeMap::new(), trouble: None };
                scope.spawn(move || hand.work())
            });
            let hands: Vec<_> = hands.collect();
            drop(news);
            loop {
                match heard.recv_timeout(WAIT) {
                    Ok(news) => tell(Some(news)),
                    Err(mpsc::RecvTimeoutError::Timeout) => tell(None),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            // A panic here is the program's own: actors' panics are caught in their runs.
            let ends = hands.into_iter().map(|hand| hand.join().expect("a thread that runs seeds ends by itself"));
            ends.collect::<Vec<_>>().into_iter().collect()
        })
    }
}

/// What decides the runs of a sweep, out of its header.
#[derive(Deserialize)]
struct Header {
    build: Option<String>,
    scenarios: Vec<Named>,
    strategy: String,
    recheck: u64,
    run_limit_nanos: Option<u64>,
}

#[derive(Deserialize)]
struct Named {
    path: String,
    hash: String,
}

/// A sweep that this worker can run.
struct Sweep {
    scenarios: Vec<Scenario>,
    /// For each of them how its runs are chosen.
    ways: Vec<Way>,
    recheck: u64,
    limit: Option<Duration>,
}

/// One thread of a worker.
struct Hand<'a> {
    worker: &'a Worker<'a>,
    /// Another thread met trouble: all end.
    failed: &'a AtomicBool,
    news: mpsc::Sender<News>,
    /// The sweeps seen so far; why not, for those that cannot be run here.
    sweeps: BTreeMap<String, Result<Sweep, String>>,
    /// The queue could not be reached since then.
    trouble: Option<Instant>,
}

impl Hand<'_> {
    fn work(mut self) -> Result<(), Trouble> {
        let mut busy = Instant::now();
        while !self.is_over() && self.worker.idle.is_none_or(|idle| busy.elapsed() < idle) {
            match self.round() {
                Ok(0) => {}
                Ok(_) => busy = Instant::now(),
                Err(trouble) => {
                    self.failed.store(true, Relaxed);
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.worker.interrupted.load(Relaxed) || self.failed.load(Relaxed)
    }

    /// Works off what is there now; returns how many ranges that were.
    fn round(&mut self) -> Result<u64, Trouble> {
        let looked = self.look();
        let Some(open) = self.patiently(looked)? else { return Ok(0) };
        if open.is_empty() {
            if let Some(why) = self.sweeps.values().find_map(|sweep| sweep.as_ref().err()) {
                return Err(Trouble::Refused(why.clone()));
            }
            std::thread::sleep(WAIT);
            return Ok(0);
        }
        let mut ranges = 0;
        for id in open {
            while !self.is_over() {
                let taken = self.worker.queue.take(&id, WAIT).and_then(|lease| match (lease, &self.sweeps[&id]) {
                    (Some(lease), Ok(sweep)) => self.serve(sweep, &*lease).map(|()| true),
                    _ => Ok(false),
                });
                if !self.patiently(taken)?.unwrap_or(false) {
                    break;
                }
                ranges += 1;
            }
        }
        Ok(ranges)
    }

    /// The open sweeps that this worker can run.
    fn look(&mut self) -> Result<Vec<String>, String> {
        let open = self.worker.queue.sweeps()?;
        self.sweeps.retain(|id, _| open.contains(id));
        for id in &open {
            if !self.sweeps.contains_key(id)
                && let Some(header) = self.worker.queue.header(id)?
            {
                let prepared = self.prepare(&header);
                if let Err(why) = &prepared {
                    let _ = self.news.send(News::Note(why.clone()));
                }
                self.sweeps.insert(id.clone(), prepared);
            }
        }
        let mine = self.sweeps.iter().filter(|(_, sweep)| sweep.is_ok());
        Ok(mine.map(|(id, _)| id.clone()).collect())
    }

    /// Reads the scenarios of a sweep; an error says why it cannot be run here.
    fn prepare(&self, header: &str) -> Result<Sweep, String> {
        let header: Header = serde_json::from_str(header)
            .map_err(|error| format!("a sweep of another version is on the queue ({error}): use its program"))?;
        let (theirs, ours) = (header.build.as_deref().unwrap_or("?"), self.worker.build.as_deref().unwrap_or("?"));
        if header.build.is_none() || theirs != ours {
            return Err(format!(
                "the sweep on the queue is of build {theirs}, this worker is of build {ours}: \
                 start the workers from the very program that the sweep was started from"
            ));
        }
        let scenarios = header.scenarios.iter().map(|named| self.load(named)).collect::<Result<Vec<_>, String>>()?;
        let strategy = Strategy::from_name(&header.strategy)
            .ok_or_else(|| format!("the sweep's strategy `{}` is not known here: use its program", header.strategy))?;
        let ways = Way::all(strategy, &scenarios, self.worker.registry)?;
        let limit = header.run_limit_nanos.map(Duration::from_nanos);
        Ok(Sweep { scenarios, ways, recheck: header.recheck, limit })
    }

    fn load(&self, named: &Named) -> Result<Scenario, String> {
        let Named { path, hash } = named;
        let place = std::env::current_dir().map_or_else(|_| String::new(), |dir| format!(" in {}", dir.display()));
        let remedy = "start the worker in a folder with the sweep's own files";
        let scenario = Scenario::load(path, self.worker.registry)
            .map_err(|_| format!("the sweep's scenario {path} cannot be read{place}: {remedy}"))?;
        if hex(scenario.hash) == *hash {
            return Ok(scenario);
        }
        let ours = hex(scenario.hash);
        Err(format!("{path}{place} has the hash {ours}, the sweep's has {hash}: {remedy}"))
    }

    /// Runs a range and posts what it found.
    fn serve(&self, sweep: &Sweep, lease: &dyn Lease) -> Result<(), String> {
        let start = Instant::now();
        let verdicts = if lease.attempt() > ATTEMPTS_MAX {
            let attempts = lease.attempt() - 1;
            Err(format!("given up: workers took it {attempts} times and never finished; run these seeds alone"))
        } else {
            match self.run(sweep, lease) {
                Some(verdicts) => verdicts,
                None => {
                    lease.give_back();
                    return Ok(());
                }
            }
        };
        let mut outcome = Outcome { wall: start.elapsed(), verdicts };
        let mut body = outcome.write(&self.worker.name)?;
        let (bytes, room) = (body.len(), self.worker.queue.room());
        if bytes > room {
            let why = format!("its results are {bytes} bytes, the queue takes {room}: sweep with a smaller --range");
            outcome.verdicts = Err(why);
            body = outcome.write(&self.worker.name)?;
        }
        lease.complete(&body)?;
        let verdicts = outcome.verdicts.unwrap_or_default();
        let failed = verdicts.iter().filter(|verdict| verdict.failed()).count() as u64;
        // Nobody listens any more only when the worker ends.
        let _ = self.news.send(News::Done { runs: verdicts.len() as u64, failed });
        Ok(())
    }

    /// The runs of a range, or why there are none; `None` if it was interrupted.
    fn run(&self, sweep: &Sweep, lease: &dyn Lease) -> Option<Result<Vec<Verdict>, String>> {
        let range = match Range::read(lease.body()) {
            Ok(range) => range,
            Err(why) => return Some(Err(why)),
        };
        let named = |scenario: &Scenario| scenario.path == range.scenario && hex(scenario.hash) == range.hash;
        let Some((scenario, way)) = sweep.scenarios.iter().zip(&sweep.ways).find(|(scenario, _)| named(scenario))
        else {
            return Some(Err(format!("the sweep's header names no {} with this hash", range.scenario)));
        };
        let (registry, recheck, limit) = (self.worker.registry, sweep.recheck, sweep.limit);
        let recipe = Recipe { scenario, way, registry, recheck, limit };
        let mut verdicts = Vec::new();
        for seed in range.seeds() {
            if self.is_over() {
                return None;
            }
            lease.extend(sweep.limit.map_or(UNLIMITED, |limit| limit.saturating_mul(RUNS_A_SEED)));
            match recipe.run(seed) {
                Ok(verdict) => verdicts.push(verdict),
                Err(why) => return Some(Err(why)),
            }
        }
        Some(Ok(verdicts))
    }

    /// What came of asking the queue: `None` if it could not be reached, which is borne for a while.
    fn patiently<T>(&mut self, outcome: Result<T, String>) -> Result<Option<T>, Trouble> {
        let why = match outcome {
            Ok(value) => {
                self.trouble = None;
                return Ok(Some(value));
            }
            Err(why) => why,
        };
        if self.trouble.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(Trouble::Lost(why));
        }
        let _ = self.news.send(News::Note(format!("{why}; trying again")));
        std::thread::sleep(WAIT);
        Ok(None)
    }
}
