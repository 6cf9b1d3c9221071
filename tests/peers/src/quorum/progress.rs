//! How far a run of workload B has come, and what its driver must do next.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{APPENDS_PER_CRASH, REPLICAS};

/// What the driver of a simulation must react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// This follower must crash now.
    Crash(usize),
    /// Every client has its answers and every replica every record.
    Finished,
}

/// How far a run has come. Shared by all nodes and the driver of one simulation, all on one
/// thread; the atomics only satisfy peers that ask for `Send`.
#[derive(Debug)]
pub struct Progress {
    appends: u64,
    answered: AtomicU64,
    durable: [AtomicU64; REPLICAS],
    crashes: AtomicU64,
    violations: AtomicU64,
}

impl Progress {
    pub fn new(appends: u64) -> Self {
        Self {
            appends,
            answered: AtomicU64::new(0),
            durable: [const { AtomicU64::new(0) }; REPLICAS],
            crashes: AtomicU64::new(0),
            violations: AtomicU64::new(0),
        }
    }

    /// A client got an answer.
    pub fn answered(&self) {
        // A load and a store, not one atomic step: there is no second thread to race with.
        self.answered.store(self.answered.load(Relaxed) + 1, Relaxed);
    }

    /// A replica has synced its first `records` records.
    pub fn durable(&self, replica: usize, records: u64) {
        self.durable[replica].store(records, Relaxed);
    }

    /// Something happened that a correct run cannot contain.
    pub fn violation(&self) {
        self.violations.fetch_add(1, Relaxed);
    }

    pub fn finished(&self) -> bool {
        self.answered.load(Relaxed) == self.appends
            && self.durable.iter().all(|records| records.load(Relaxed) == self.appends)
    }

    /// Whether the driver has something to do; for peers whose driver must be woken.
    pub fn event_due(&self) -> bool {
        self.crash_due() || self.finished()
    }

    /// The next event, if one is due. A crash is returned once.
    pub fn event(&self) -> Option<Event> {
        if self.crash_due() {
            let crashes = self.crashes.load(Relaxed);
            self.crashes.store(crashes + 1, Relaxed);
            return Some(Event::Crash(if crashes.is_multiple_of(2) { 1 } else { 2 }));
        }
        self.finished().then_some(Event::Finished)
    }

    fn crash_due(&self) -> bool {
        let crashes = self.crashes.load(Relaxed);
        crashes < self.crashes_wanted() && (crashes + 1) * APPENDS_PER_CRASH <= self.answered.load(Relaxed)
    }

    /// Crashes before the last append: one that follows the last answer would test nothing.
    fn crashes_wanted(&self) -> u64 {
        (self.appends - 1) / APPENDS_PER_CRASH
    }

    pub(super) fn violations(&self) -> u64 {
        self.violations.load(Relaxed)
    }

    pub(super) fn all_crashes_happened(&self) -> bool {
        self.crashes.load(Relaxed) == self.crashes_wanted()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Progress};

    #[test]
    fn followers_crash_in_turn_and_never_after_the_end() {
        let progress = Progress::new(3_000);
        let mut crashed = Vec::new();
        for _ in 0..3_000 {
            progress.answered();
            if let Some(Event::Crash(follower)) = progress.event() {
                crashed.push(follower);
            }
        }
        assert_eq!(crashed, [1, 2]);
        assert_eq!(progress.event(), None, "replicas have nothing yet");
        for replica in 0..3 {
            progress.durable(replica, 3_000);
        }
        assert_eq!(progress.event(), Some(Event::Finished));
    }
}
