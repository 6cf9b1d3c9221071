//! A node's disk as the append process keeps it: what is durable, and what is on its way.

use consensus::raft::{Configuration, Entry, Hard, Position, Recovered, Snapshot, SnapshotMeta};
use consensus::wal::message::Write;
use std::collections::VecDeque;

/// A write with its number and its snapshot, as the core gives it.
pub type Numbered = (u64, Write, Option<Snapshot>);

/// One disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What is durable beside the log.
    pub hard: Hard,
    snapshot: Snapshot,
    /// The place before the first kept entry.
    before: Position,
    entries: Vec<Entry>,
    /// Asked for and not durable yet, in order.
    pub pending: VecDeque<Numbered>,
    /// Nothing becomes durable until it is said so.
    pub hangs: bool,
}

impl Disk {
    /// The disk of a member that was founded with `genesis`.
    pub fn new(genesis: &Configuration) -> Self {
        let meta = SnapshotMeta { at: Position::default(), configuration: genesis.clone() };
        Disk {
            hard: Hard::default(),
            snapshot: Snapshot { meta, pages: Vec::new().into() },
            before: Position::default(),
            entries: Vec::new(),
            pending: VecDeque::new(),
            hangs: false,
        }
    }

    /// The end of the durable log.
    pub fn last(&self) -> Position {
        self.entries.last().map_or(self.before, |entry| entry.at)
    }

    /// Makes the oldest waiting write durable; its number.
    pub fn save_one(&mut self) -> Option<u64> {
        let (seq, write, snapshot) = self.pending.pop_front()?;
        assert!(write.hard.term >= self.hard.term, "terms never fall");
        if write.hard.term == self.hard.term && self.hard.vote.is_some() {
            assert_eq!(write.hard.vote, self.hard.vote, "a vote is given once in a term");
        }
        self.hard = write.hard;
        if let Some(snapshot) = snapshot {
            let at = snapshot.meta.at;
            assert!(at.index > self.snapshot.meta.at.index, "snapshots only get newer");
            if self.position(at.index) != Some(at) {
                (self.before, self.entries) = (at, Vec::new());
            }
            self.snapshot = snapshot;
        }
        self.append(&write.entries);
        assert!(write.keep_from <= self.snapshot.meta.at.index + 1, "what no snapshot covers is kept");
        self.forget(write.keep_from);
        assert!(self.last().index >= self.snapshot.meta.at.index, "the log does not end inside the snapshot");
        Some(seq)
    }

    fn append(&mut self, entries: &[Entry]) {
        let mut new = entries.iter().filter(|entry| entry.at.index > self.before.index).peekable();
        let Some(first) = new.peek() else { return };
        assert!(first.at.index <= self.last().index + 1, "no gap is written");
        self.entries.truncate((first.at.index - self.before.index - 1) as usize);
        self.entries.extend(new.cloned());
    }

    fn forget(&mut self, keep_from: u64) {
        while let Some(first) = self.entries.first().filter(|first| first.at.index < keep_from) {
            self.before = first.at;
            self.entries.remove(0);
        }
    }

    /// The index before the first kept entry.
    pub fn base(&self) -> u64 {
        self.before.index
    }

    /// The durable entry at an index.
    pub fn position(&self, index: u64) -> Option<Position> {
        if index == self.before.index {
            return Some(self.before);
        }
        let nth = index.checked_sub(self.before.index + 1)?;
        self.entries.get(nth as usize).map(|entry| entry.at)
    }

    /// Loses what is not durable, except the first `kept` writes: those just were not told of.
    pub fn crash(&mut self, kept: usize) {
        for _ in 0..kept {
            self.save_one();
        }
        self.pending.clear();
    }

    /// Loses durable entries from `index` on to damage; the claim stands for them.
    pub fn rot(&mut self, index: u64) {
        assert!(index > self.snapshot.meta.at.index && index <= self.last().index, "it loses something");
        self.hard.claim = self.hard.claim.max(Some(self.last()));
        self.entries.truncate((index - self.before.index - 1) as usize);
    }

    /// The first index that no snapshot covers.
    pub fn uncovered(&self) -> u64 {
        self.snapshot.meta.at.index + 1
    }

    /// What a restarted member reads back.
    pub fn recovered(&self) -> Recovered {
        Recovered {
            hard: self.hard,
            snapshot: self.snapshot.clone(),
            before: self.before,
            entries: self.entries.clone(),
        }
    }
}
