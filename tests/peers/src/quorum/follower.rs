use std::collections::BTreeMap;

use super::{Progress, Record};

/// The decisions of a follower since its last start.
#[derive(Debug)]
pub struct Follower {
    replica: usize,
    /// Records on its disk.
    records: u64,
    /// Records that overtook an earlier one on the network. Bounded by what the clients have under
    /// way and by what the follower missed while it was down.
    early: BTreeMap<u64, Record>,
}

impl Follower {
    /// A follower that found `records` records on its disk.
    pub fn recover(replica: usize, records: u64) -> Self {
        Self {
            replica,
            records,
            early: BTreeMap::new(),
        }
    }

    pub fn replica(&self) -> usize {
        self.replica
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes a record from the leader; one that it has already is ignored.
    pub fn offer(&mut self, index: u64, record: Record) {
        if self.records <= index {
            self.early.insert(index, record);
        }
    }

    /// The record to write now, if the next one of the log is here. The caller writes and syncs
    /// it and then calls [`Follower::written`].
    pub fn next_record(&mut self) -> Option<Record> {
        self.early.remove(&self.records)
    }

    /// Notes that one more record is synced and returns how many are.
    pub fn written(&mut self, progress: &Progress) -> u64 {
        self.records += 1;
        progress.durable(self.replica, self.records);
        self.records
    }
}
