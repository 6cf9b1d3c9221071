//! One sweep on several machines: ranges of seeds in a work queue, taken by `stormproof worker`.
//!
//! The sweep posts what it is (its [header](super::journal::header)) and then its ranges; workers that have the
//! same program and the same scenario files run them and post the results, which the sweep takes in its own order.
//! A range is known by its sweep and its number, and a sweep by the hash of its header: whatever is posted
//! twice is recognised, and since a run depends on nothing else, it does not matter whose result counts.

mod dispatch;
mod message;
pub mod serve;

pub(super) use dispatch::dispatch;

use crate::verdict::hex;
use contract::time::Duration;
use serde_json::Value;
use std::sync::Arc;

/// A range that was begun so often and never ended ends its workers: nobody begins it again.
pub const ATTEMPTS_MAX: u64 = 5;

/// A queue that several machines reach. Every error is a sentence about the queue or the way to it.
///
/// Ranges and results are kept until the sweep is closed, also while nobody is there. A queue that loses some, or
/// all, costs time and nothing else: they are posted again.
pub trait WorkQueue: Send + Sync {
    /// Begins a sweep, or goes on with it: workers see it from now on. Returns the place of the last result there
    /// is. Makes good what the queue has lost, and harms nothing that it still has.
    fn open(&self, sweep: &str, header: &str) -> Result<u64, String>;

    /// Posts a range. Nothing happens if it is waiting or on its way already.
    fn submit(&self, sweep: &str, range: u64, body: &[u8]) -> Result<(), String>;

    /// Takes a range back. Whoever holds it may still post its result.
    fn withdraw(&self, sweep: &str, range: u64) -> Result<(), String>;

    /// The result of a range, if one was posted.
    fn result(&self, sweep: &str, range: u64) -> Result<Option<Posted>, String>;

    /// The first result posted after a place in the queue; 0 is before all. `None` if there is none now.
    fn next_result(&self, sweep: &str, after: u64) -> Result<Option<Posted>, String>;

    /// Takes back the result of a range, so that the range can be run again.
    fn discard(&self, sweep: &str, range: u64) -> Result<(), String>;

    /// Ends the sweep: its ranges go, and its results if they are not needed any more.
    fn close(&self, sweep: &str, results: Keep) -> Result<(), String>;

    /// The sweeps that are open.
    fn sweeps(&self) -> Result<Vec<String>, String>;

    /// The header of a sweep, if it is open.
    fn header(&self, sweep: &str) -> Result<Option<String>, String>;

    /// Takes a range of the sweep; waits for one for at most so long.
    fn take(&self, sweep: &str, wait: Duration) -> Result<Option<Box<dyn Lease>>, String>;

    /// Bytes that a result may have.
    fn room(&self) -> usize;
}

/// What becomes of the results of a sweep that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are kept for the same sweep when it is started again.
    Results,
    /// They go.
    Nothing,
}

/// A result as the queue keeps it.
pub struct Posted {
    /// Where it stands in the queue.
    pub place: u64,
    /// Of which range.
    pub range: u64,
    /// What was posted.
    pub body: Vec<u8>,
}

/// A range that was taken. The queue hands it to somebody else unless it hears from its holder; a holder that lets
/// go of it without a word is as good as dead.
pub trait Lease {
    /// What was posted.
    fn body(&self) -> &[u8];

    /// How often the range was handed out, this time included.
    fn attempt(&self) -> u64;

    /// The holder is well and need not be heard of again for so long.
    fn extend(&self, time: Duration);

    /// Posts the result, and only then takes the range out of the queue.
    fn complete(&self, result: &[u8]) -> Result<(), String>;

    /// Lets somebody else have it at once.
    fn give_back(&self);
}

/// A sweep that is run by workers.
#[derive(Clone)]
pub struct Posting {
    /// Where.
    pub queue: Arc<dyn WorkQueue>,
    /// What decides which runs there are.
    pub header: Value,
}

impl Posting {
    /// What tells the sweep from every other.
    pub fn sweep(&self) -> String {
        hex(xxhash_rust::xxh3::xxh3_64(self.header.to_string().as_bytes()))
    }
}
