//! The leader of workload B, without input and output.

use std::collections::VecDeque;

use super::{CLIENTS, Progress, QUORUM, REPLICAS, Record};

/// The decisions of replica 0.
#[derive(Debug)]
pub struct Leader {
    /// All records in memory, for followers that come back.
    log: Vec<Record>,
    /// How many records each replica has synced, as far as the leader knows.
    durable: [u64; REPLICAS],
    committed: u64,
    /// Client and serial of the records that are not committed, oldest first.
    waiting: VecDeque<(u32, u64)>,
    /// The serial that each client must send next.
    expected: [u64; CLIENTS],
}

impl Default for Leader {
    fn default() -> Self {
        Self::new()
    }
}

impl Leader {
    pub fn new() -> Self {
        Self {
            log: Vec::new(),
            durable: [0; REPLICAS],
            committed: 0,
            waiting: VecDeque::with_capacity(CLIENTS),
            expected: [0; CLIENTS],
        }
    }

    pub fn records(&self) -> u64 {
        self.log.len() as u64
    }

    /// Takes a client's record and returns its index in the log. The caller sends it to the
    /// followers, writes and syncs it, and then reports that with [`Leader::durable`].
    pub fn append(&mut self, client: u32, serial: u64, record: Record, progress: &Progress) -> u64 {
        let expected = &mut self.expected[client as usize];
        if serial != *expected {
            progress.violation();
        }
        *expected = serial + 1;
        let index = self.records();
        self.log.push(record);
        self.waiting.push_back((client, serial));
        index
    }

    /// Notes that `replica` has synced its first `records` records and calls `answer` with the
    /// client and the serial of each append that is committed by that, in the order of the log.
    pub fn durable(&mut self, replica: usize, records: u64, mut answer: impl FnMut(u32, u64)) {
        let known = &mut self.durable[replica];
        *known = (*known).max(records);
        let mut descending = self.durable;
        descending.sort_unstable_by(|left, right| right.cmp(left));
        while self.committed < descending[QUORUM - 1] {
            self.committed += 1;
            let (client, serial) =
                self.waiting.pop_front().expect("every record that is not committed has a client waiting");
            answer(client, serial);
        }
    }

    /// The records that a follower with `records` of them lacks, with their indices.
    pub fn records_from(&self, records: u64) -> impl DoubleEndedIterator<Item = (u64, Record)> + use<'_> {
        let from = usize::try_from(records).unwrap_or(usize::MAX).min(self.log.len());
        (from..self.log.len()).map(|index| (index as u64, self.log[index]))
    }
}
