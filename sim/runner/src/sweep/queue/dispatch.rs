//! The sweep's end of the queue: posts ranges ahead of the collector and hands it what comes back.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "what the queue lost is posted again in time")]

use super::message::{Outcome, Range};
use super::{Keep, Posted, Posting};
use crate::sweep::{Chunk, Shared};
use contract::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// So many ranges are posted ahead of the one that the collector waits for: as many threads can work at once, and
/// the results of as many wait in memory.
const AHEAD_MAX: u64 = 1_024;
/// How often the queue is asked for results.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After so long without a result, everything that is awaited is posted again; what the queue still has it ignores.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// A queue that cannot be reached for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one try to reach it to the next.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Posts chunks until there are no more, nobody listens, or the sweep stops; then closes the sweep.
///
/// A failure is sent in place of the first chunk that is missing: the collector waits for it.
pub fn dispatch(shared: &Shared<'_>, posting: &Posting, results: &SyncSender<Chunk>) {
    let sweep = posting.sweep();
    let heard = Instant::now();
    let awaited = BTreeMap::new();
    let mut dispatcher = Dispatcher { shared, posting, sweep, results, awaited, last: 0, heard, exhausted: false };
    let stop = dispatcher.run();
    let keep = if matches!(stop, Stop::Done) { Keep::Nothing } else { Keep::Results };
    // Ranges that stay although nobody collects them cost workers time, and nothing else.
    let _ = posting.queue.close(&dispatcher.sweep, keep);
    if let Stop::Failed(why) = stop {
        let number = dispatcher.first_missing();
        // A collector that has gone has a failure of its own.
        let _ = results.send(Chunk { number, file: 0, verdicts: Err(why), wall: Duration::ZERO });
    }
}

/// Why a dispatcher stops.
enum Stop {
    /// Nobody wants to know more.
    Done,
    /// Somebody wants the sweep to end early, and may go on with it.
    Interrupted,
    /// The queue cannot be reached, or a range cannot be run.
    Failed(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Failed(why)
    }
}

struct Dispatcher<'a> {
    shared: &'a Shared<'a>,
    posting: &'a Posting,
    sweep: String,
    results: &'a SyncSender<Chunk>,
    /// Posted ranges by number, with their scenario and seeds.
    awaited: BTreeMap<u64, (usize, Vec<u64>)>,
    /// The place of the last result that was seen,
    last: u64,
    /// and when that was.
    heard: Instant,
    /// Whether there are no more chunks, or no time for them.
    exhausted: bool,
}

impl Dispatcher<'_> {
    fn run(&mut self) -> Stop {
        let mut going = self.patiently(Self::open).map(drop);
        while going.is_ok() {
            going = self.post().and_then(|()| self.collect());
        }
        going.err().unwrap_or(Stop::Done)
    }

    /// Posts as many chunks as there is room for.
    fn post(&mut self) -> Result<(), Stop> {
        let is_room = |shared: &Shared<'_>| shared.next.load(Relaxed) < shared.taken.load(Relaxed) + AHEAD_MAX;
        while !self.exhausted && !self.shared.is_over() && is_room(self.shared) {
            let Some((number, file, seeds)) = self.next_chunk() else {
                self.exhausted = true;
                break;
            };
            if seeds.is_empty() || self.shared.closed[file].load(Relaxed) {
                self.send(Chunk { number, file, verdicts: Ok(Vec::new()), wall: Duration::ZERO })?;
                continue;
            }
            self.awaited.insert(number, (file, seeds));
            // An earlier sweep like this one, which ended too soon, may have left it.
            match self.patiently(|this| this.posting.queue.result(&this.sweep, number))? {
                Some(posted) => self.hand_over(&posted)?,
                None => self.submit(number)?,
            }
        }
        Ok(())
    }

    /// The next chunk; `None` if there are no more, or no time for them.
    fn next_chunk(&self) -> Option<(u64, usize, Vec<u64>)> {
        if self.shared.source.time_is_up() {
            return None;
        }
        let number = self.shared.next.load(Relaxed);
        let (file, seeds) = self.shared.source.chunk(number)?;
        self.shared.next.store(number + 1, Relaxed);
        Some((number, file, seeds.collect()))
    }

    fn submit(&self, number: u64) -> Result<(), Stop> {
        let Some((file, seeds)) = self.awaited.get(&number) else { return Ok(()) };
        let body = Range::new(number, &self.shared.scenarios[*file], seeds).write();
        self.patiently(|this| this.posting.queue.submit(&this.sweep, number, &body))
    }

    /// Takes the next result, or waits a little for it.
    fn collect(&mut self) -> Result<(), Stop> {
        if self.shared.interrupted.load(Relaxed) {
            return Err(Stop::Interrupted);
        }
        self.withdraw()?;
        if self.shared.is_over() || (self.awaited.is_empty() && self.exhausted) {
            return Err(Stop::Done);
        }
        let last = self.last;
        match self.posting.queue.next_result(&self.sweep, last) {
            Ok(Some(posted)) => {
                (self.last, self.heard) = (posted.place, Instant::now());
                self.hand_over(&posted)
            }
            Ok(None) if self.heard.elapsed() < QUIET_MAX => {
                std::thread::sleep(LOOK_EVERY);
                Ok(())
            }
            Ok(None) => {
                self.heard = Instant::now();
                self.restore()
            }
            Err(why) if self.heard.elapsed() > PATIENCE => Err(Stop::Failed(why)),
            Err(_) => {
                std::thread::sleep(RETRY_EVERY);
                self.restore()
            }
        }
    }

    fn open(&self) -> Result<u64, String> {
        self.posting.queue.open(&self.sweep, &self.posting.header.to_string())
    }

    /// Opens the sweep once more and posts everything that is awaited. A queue that has lost its results counts them
    /// anew.
    fn restore(&mut self) -> Result<(), Stop> {
        if self.patiently(Self::open)? < self.last {
            self.last = 0;
        }
        self.awaited.keys().try_for_each(|number| self.submit(*number))
    }

    /// Takes back what was posted of scenarios about which all is known.
    fn withdraw(&mut self) -> Result<(), Stop> {
        let is_closed = |file: usize| self.shared.closed[file].load(Relaxed);
        let closed = self.awaited.iter().filter(|(_, (file, _))| is_closed(*file));
        let closed: Vec<(u64, usize)> = closed.map(|(number, (file, _))| (*number, *file)).collect();
        for (number, file) in closed {
            self.patiently(|this| this.posting.queue.withdraw(&this.sweep, number))?;
            self.awaited.remove(&number);
            self.send(Chunk { number, file, verdicts: Ok(Vec::new()), wall: Duration::ZERO })?;
        }
        Ok(())
    }

    /// Hands a result to the collector. One that nobody waits for is a repetition.
    fn hand_over(&mut self, posted: &Posted) -> Result<(), Stop> {
        let number = posted.range;
        let Some((file, seeds)) = self.awaited.get(&number) else { return Ok(()) };
        let (file, scenario) = (*file, &self.shared.scenarios[*file]);
        let outcome = Outcome::read(&posted.body, scenario, seeds, self.shared.registry);
        let (verdicts, wall) = match outcome.and_then(|outcome| Ok((outcome.verdicts?, outcome.wall))) {
            Ok(told) => told,
            Err(why) => {
                // It must not stand in the way of the next attempt.
                self.posting.queue.discard(&self.sweep, number)?;
                let ends = seeds.first().zip(seeds.last());
                let ends = ends.map_or(String::new(), |(first, last)| format!("{first}..{}", last.saturating_add(1)));
                return Err(Stop::Failed(format!("seeds {ends} of {}: {why}", scenario.path)));
            }
        };
        self.awaited.remove(&number);
        let first = if number == self.shared.start.chunk { self.shared.start.seed } else { 0 };
        let verdicts = Ok(verdicts.into_iter().skip_while(|verdict| verdict.seed < first).collect());
        self.send(Chunk { number, file, verdicts, wall })
    }

    fn send(&self, chunk: Chunk) -> Result<(), Stop> {
        self.results.send(chunk).map_err(|_| Stop::Done)
    }

    /// The chunk that the collector waits for, or will.
    fn first_missing(&self) -> u64 {
        self.awaited.keys().next().copied().unwrap_or_else(|| self.shared.next.load(Relaxed))
    }

    /// Does what may fail for a while. A server that restarts may have lost what was opened.
    fn patiently<T>(&self, attempt: impl Fn(&Self) -> Result<T, String>) -> Result<T, Stop> {
        let start = Instant::now();
        loop {
            match attempt(self) {
                Err(_) if start.elapsed() < PATIENCE && !self.shared.is_over() => std::thread::sleep(RETRY_EVERY),
                outcome => return outcome.map_err(Stop::Failed),
            }
            // What keeps it from being opened keeps the next attempt from succeeding.
            let _ = self.open();
        }
    }
}
