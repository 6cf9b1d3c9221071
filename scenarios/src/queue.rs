//! The work queue of a sweep, over the host's gateway to NATS JetStream.

use contract::time::Duration;
use host::gateway::nats::{self, Queue, Task};
use runner::sweep::queue::{Keep, Lease, Posted, WorkQueue};
use std::sync::Arc;

/// A queue for sweeps.
pub struct Ranges(Arc<Queue>);

impl Ranges {
    /// Connects; an error says how to mend it.
    pub fn connect(url: &str) -> Result<Arc<dyn WorkQueue>, String> {
        Ok(Arc::new(Ranges(Arc::new(Queue::connect(url)?))))
    }
}

impl WorkQueue for Ranges {
    fn open(&self, sweep: &str, header: &str) -> Result<u64, String> {
        self.0.open(sweep, header)
    }

    fn submit(&self, sweep: &str, range: u64, body: &[u8]) -> Result<(), String> {
        self.0.submit(sweep, range, body)
    }

    fn withdraw(&self, sweep: &str, range: u64) -> Result<(), String> {
        self.0.withdraw(sweep, range)
    }

    fn result(&self, sweep: &str, range: u64) -> Result<Option<Posted>, String> {
        Ok(self.0.result(sweep, range)?.map(posted))
    }

    fn next_result(&self, sweep: &str, after: u64) -> Result<Option<Posted>, String> {
        Ok(self.0.next_result(sweep, after)?.map(posted))
    }

    fn discard(&self, sweep: &str, range: u64) -> Result<(), String> {
        self.0.discard(sweep, range)
    }

    fn close(&self, sweep: &str, results: Keep) -> Result<(), String> {
        self.0.close(sweep, results == Keep::Results)
    }

    fn sweeps(&self) -> Result<Vec<String>, String> {
        self.0.batches()
    }

    fn header(&self, sweep: &str) -> Result<Option<String>, String> {
        self.0.header(sweep)
    }

    fn take(&self, sweep: &str, wait: Duration) -> Result<Option<Box<dyn Lease>>, String> {
        let task = self.0.take(sweep, wait)?;
        Ok(task.map(|task| Box::new(Taken(task)) as Box<dyn Lease>))
    }

    fn room(&self) -> usize {
        self.0.room()
    }
}

/// A range that this process holds.
struct Taken(Task);

impl Lease for Taken {
    fn body(&self) -> &[u8] {
        &self.0.body
    }

    fn attempt(&self) -> u64 {
        self.0.delivery
    }

    fn extend(&self, time: Duration) {
        self.0.extend(time);
    }

    fn complete(&self, result: &[u8]) -> Result<(), String> {
        self.0.complete(result)
    }

    fn give_back(&self) {
        self.0.give_back();
    }
}

fn posted(found: nats::Posted) -> Posted {
    Posted { place: found.sequence, range: found.number, body: found.body }
}
