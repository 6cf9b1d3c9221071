//! A follower of workload B, without input and output.

use std::collections::VecDeque;

use super::{Progress, Record};

/// The decisions of a follower since its last start.
#[derive(Debug)]
pub struct Follower {
    replica: usize,
    /// Records on its disk.
    records: u64,
    /// What has arrived of the records from `records` on; `None` where the network let a later one
    /// overtake. Bounded by what the clients have under way and what was missed while down.
    arrived: VecDeque<Option<Record>>,
}

impl Follower {
    /// A follower that found `records` records on its disk.
    pub fn recover(replica: usize, records: u64) -> Self {
        Self { replica, records, arrived: VecDeque::new() }
    }

    pub fn replica(&self) -> usize {
        self.replica
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes a record from the leader; one that it has already is ignored.
    pub fn offer(&mut self, index: u64, record: Record) {
        let Some(ahead) = index.checked_sub(self.records) else {
            return;
        };
        let ahead = usize::try_from(ahead).expect("the leader sends what fits in its memory");
        if self.arrived.len() <= ahead {
            self.arrived.resize(ahead + 1, None);
        }
        self.arrived[ahead] = Some(record);
    }

    /// The record to write now, if the next one of the log is here. The caller writes and syncs
    /// it and then calls [`Follower::written`].
    pub fn next_record(&self) -> Option<Record> {
        self.arrived.front().copied().flatten()
    }

    /// Notes that one more record is synced and returns how many are.
    pub fn written(&mut self, progress: &Progress) -> u64 {
        self.arrived.pop_front();
        self.records += 1;
        progress.durable(self.replica, self.records);
        self.records
    }
}
