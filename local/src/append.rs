//! Group commit: threads that append at the same time share one write and one sync.
//!
//! Whoever finds nobody at work leads: it takes everything that waits, appends it as one batch, tells each thread its
//! number, and makes the first of those that came meanwhile the next leader. A leader keeps the lock `events` for the
//! next one while somebody waits. After [`Pace::keep`], kept or taken again and again, it leaves the lock alone for
//! [`Pace::rest`], so that other processes get their turn.
//!
//! ```text
//!            nobody leads                      its batch is settled, or refused
//!   Waiting --------------> leads -------------------------------------------------> Done
//!      |                                              ^
//!      +-- another leads: its batch has my events ----+
//!      +-- another leads, and leaves the lead to me --> leads
//! ```

use crate::error::Error;
use crate::hand::{Hand, Hands};
use ::workspace::ledger::line::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use ::workspace::ledger::{self, NewEvent, Tail, Unfit, line};
use ::workspace::lock::{self, Held};
use ::workspace::places::Places;
use ::workspace::prepare::is_unsupported;
use ::workspace::snapshot::restore;
use ::workspace::turn::{Step, Turn};
use contract::Duration;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How the lock is shared between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Batches follow each other under one lock for at most this long.
    pub keep: Duration,
    /// Then the lock is left alone for this long, so that others find it free.
    pub rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { keep: Duration::from_millis(50), rest: Duration::from_millis(2) }
    }
}

/// What the threads of one program append through.
pub struct Appender {
    queue: Mutex<Queue>,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether somebody leads, or was told to.
    led: bool,
}

/// The events of one call.
struct Job {
    events: Vec<NewEvent>,
    bytes: usize,
    slot: Arc<Slot>,
}

/// Where a thread waits.
#[derive(Default)]
struct Slot {
    turn: Mutex<Turned>,
    bell: Condvar,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Turned {
    #[default]
    Waiting,
    Leads,
    Done(Result<u64, Error>),
}

/// What only the leader uses.
#[derive(Default)]
struct Writer {
    hand: Option<Hand>,
    tail: Option<Tail>,
    held: Option<Held>,
    pace: Pace,
    /// Since when this program has had the lock, again and again, without leaving it alone.
    busy_since: Option<Instant>,
    /// When it left it last.
    left: Option<Instant>,
}

impl Appender {
    /// Nobody waits.
    pub fn new(pace: Pace) -> Appender {
        Appender { queue: Mutex::default(), writer: Mutex::new(Writer { pace, ..Writer::default() }) }
    }

    /// Appends `events` in one batch, all or none; returns their numbers once they are durable.
    ///
    /// # Errors
    /// When they are not acknowledged. Whether they are in the ledger all the same, the error says.
    pub fn append(&self, hands: &Hands, events: &[NewEvent]) -> Result<Range<u64>, Error> {
        let bytes = measure(events)?;
        let slot = Arc::new(Slot::default());
        let count = events.len() as u64;
        let mut queue = held(&self.queue);
        queue.jobs.push_back(Job { events: events.to_vec(), bytes, slot: Arc::clone(&slot) });
        if !std::mem::replace(&mut queue.led, true) {
            slot.tell(Turned::Leads);
        }
        drop(queue);
        loop {
            match slot.wait() {
                Turned::Done(first) => return first.map(|first| first..first + count),
                Turned::Leads => {
                    slot.tell(Turned::Waiting);
                    self.lead(hands);
                }
                Turned::Waiting => unreachable!("a waiting thread is woken with news"),
            }
        }
    }

    /// One batch, and the lead for the next waiting thread.
    fn lead(&self, hands: &Hands) {
        let lead = Lead(self);
        let batch = Batch(self.next_batch());
        let outcome = held(&self.writer).commit(hands, &batch);
        batch.settle(outcome);
        let more = !held(&self.queue).jobs.is_empty();
        held(&self.writer).pause(more);
        drop(lead);
    }

    /// As many of the waiting calls, in their order, as fit into one batch.
    fn next_batch(&self) -> Vec<Job> {
        let mut queue = held(&self.queue);
        let (mut jobs, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(job) = queue.jobs.front() {
            (events, bytes) = (events + job.events.len(), bytes + job.bytes);
            if !jobs.is_empty() && (events > BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX) {
                break;
            }
            jobs.extend(queue.jobs.pop_front());
        }
        assert!(!jobs.is_empty(), "who leads has an event of its own in the queue");
        jobs
    }

    /// Gives up the lock and the open files, at the end or before somebody else changes the ledger's file.
    pub fn close(&self, hands: &Hands) {
        let mut writer = held(&self.writer);
        writer.let_go();
        let tail = writer.tail.take();
        if let Some(mut hand) = writer.hand.take() {
            if let Some(tail) = tail {
                hand.here.run(|turn| ledger::forget(turn, tail));
            }
            hands.give_back(hand);
        }
    }
}

/// The lead is left to the next waiting thread, also by a leader that panics.
struct Lead<'a>(&'a Appender);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = held(&self.0.queue);
        match queue.jobs.front() {
            Some(job) => job.slot.tell(Turned::Leads),
            None => queue.led = false,
        }
    }
}

/// The calls that are appended together; whoever panics on the way leaves nobody waiting.
struct Batch(Vec<Job>);

impl Batch {
    /// Tells each thread the number of its first event.
    fn settle(mut self, first: Result<u64, Error>) {
        let mut next = first;
        for job in self.0.drain(..) {
            let own = next.clone();
            next = next.map(|next| next + job.events.len() as u64);
            job.slot.tell(Turned::Done(own));
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for job in &self.0 {
            job.slot.tell(Turned::Done(Err(Error::Abandoned)));
        }
    }
}

impl Slot {
    fn tell(&self, news: Turned) {
        *held(&self.turn) = news;
        self.bell.notify_one();
    }

    fn wait(&self) -> Turned {
        let waiting = |turned: &mut Turned| *turned == Turned::Waiting;
        let turned = self.bell.wait_while(held(&self.turn), waiting);
        turned.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Writer {
    /// Appends the batch under the lock; returns the number of its first event.
    fn commit(&mut self, hands: &Hands, batch: &Batch) -> Result<u64, Error> {
        self.take_lock(hands)?;
        let (Some(hand), Some(held)) = (&mut self.hand, &self.held) else {
            unreachable!("the lock has just been taken with a hand");
        };
        let events: Vec<NewEvent> = batch.0.iter().flat_map(|job| job.events.iter().cloned()).collect();
        let known = self.tail.take();
        match hand.here.run(|turn| ledger::append(turn, hands.places(), held, known, &events)) {
            Ok(appended) => {
                self.tail = Some(appended.tail);
                Ok(appended.first)
            }
            Err(error) => {
                self.let_go();
                Err(error.into())
            }
        }
    }

    fn take_lock(&mut self, hands: &Hands) -> Result<(), Error> {
        if self.held.is_some() {
            return Ok(());
        }
        self.rest();
        let hand = match &mut self.hand {
            Some(hand) => hand,
            empty => empty.insert(hands.take()?),
        };
        let Hand { here, locker } = hand;
        let places = hands.places();
        let held = here.run(|turn| lock::acquire(turn, locker, ledger::DOMAIN))?;
        let recovered = held.recovered;
        self.held = Some(held);
        self.busy_since.get_or_insert_with(Instant::now);
        if let Err(error) = here.run(|turn| usable(turn, places, recovered)) {
            self.let_go();
            return Err(error);
        }
        Ok(())
    }

    /// Gives the lock back. What cannot be given back is free for others when this process ends.
    fn let_go(&mut self) {
        if let (Some(Hand { here, locker }), Some(held)) = (&mut self.hand, self.held.take()) {
            let _ = here.run(|turn| lock::release(turn, locker, &held));
            self.left = Some(Instant::now());
        }
    }

    /// After a batch: the lock stays for the next one if somebody waits, unless others have been kept out too long.
    fn pause(&mut self, more: bool) {
        let enough = self.busy_since.is_some_and(|since| since.elapsed() >= self.pace.keep);
        if !more || enough {
            self.let_go();
        }
    }

    /// Before the lock is taken: leaves it alone for a moment if this program has had it, on and off, for too long.
    fn rest(&mut self) {
        let (Some(since), Some(left)) = (self.busy_since, self.left) else { return };
        let idle = left.elapsed();
        if idle < self.pace.rest && since.elapsed() < self.pace.keep {
            return;
        }
        if idle < self.pace.rest {
            std::thread::sleep(self.pace.rest - idle);
        }
        self.busy_since = None;
    }
}

/// Whether the ledger may be changed by whoever has just taken the lock.
///
/// A dead holder may have left a restore half done. It may also have finished one without having made the end safe:
/// a power loss would bring its intent back, and with that the snapshot over everything appended since.
fn usable(turn: &mut Turn<'_>, places: &Places, recovered: bool) -> Step<Result<(), Error>> {
    match restore::unfinished(turn, places)? {
        Ok(false) if recovered => {}
        Ok(false) => return Ok(Ok(())),
        Ok(true) => return Ok(Err(Error::RestoreUnfinished)),
        Err(failed) => return Ok(Err(failed.into())),
    }
    Ok(match turn.sync_dir(places.root())? {
        Err(error) if !is_unsupported(error) => Err(Error::disk("sync", places.root(), error)),
        _ => Ok(()),
    })
}

/// The bytes that events will take in the ledger, at most.
///
/// # Errors
/// When one of them, or all together, cannot be written; then no other call's events suffer from it.
fn measure(events: &[NewEvent]) -> Result<usize, Unfit> {
    let mut lines = Vec::new();
    for event in events {
        let widest = BATCH_EVENTS_MAX as u32;
        line::write(event, u64::MAX, i64::MAX, (widest, widest), &mut lines)?;
    }
    let fits = !events.is_empty() && events.len() <= BATCH_EVENTS_MAX && lines.len() <= BATCH_BYTES_MAX;
    if fits { Ok(lines.len()) } else { Err(Unfit::Batch) }
}

/// The guard of a mutex whose content every panic leaves whole.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
