//! What the disk holds, in memory: the state, the snapshot and the log behind it.

use super::message::{Founding, Held, Write};
use super::record::Head;
use crate::raft::{Entry, Hard, Position, SnapshotMeta};
use contract::Blob;
use std::collections::VecDeque;

/// The kept part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The entry before the first kept one.
    base: Position,
    /// In order, without a gap.
    entries: VecDeque<Entry>,
}

/// Everything that a member may ask back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The disk's id.
    pub disk: u64,
    /// The cluster that it belongs to.
    pub founding: Option<Founding>,
    /// The state.
    pub hard: Hard,
    /// Entries below this index are not needed.
    pub keep_from: u64,
    /// The snapshot with its pages.
    pub snapshot: Option<(SnapshotMeta, Vec<Blob>)>,
    /// The log.
    pub log: Tail,
}

impl Tail {
    /// An empty log behind `base`.
    pub fn behind(base: Position) -> Self {
        Tail { base, entries: VecDeque::new() }
    }

    /// The entry before the first kept one.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The index of the first kept entry; one past the last if there is none.
    pub fn first(&self) -> u64 {
        self.base.index.saturating_add(1)
    }

    /// The last entry; the base if there is none.
    pub fn last(&self) -> Position {
        self.entries.back().map_or(self.base, |entry| entry.at)
    }

    /// The kept entries from an index on.
    pub fn from(&self, index: u64) -> impl Iterator<Item = &Entry> {
        let skipped = usize::try_from(index.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.entries.range(skipped.min(self.entries.len())..)
    }

    /// The position at an index, if the log knows it.
    pub fn position(&self, index: u64) -> Option<Position> {
        if index == self.base.index {
            return Some(self.base);
        }
        let nth = usize::try_from(index.checked_sub(self.first())?).ok()?;
        self.entries.get(nth).map(|entry| entry.at)
    }

    /// Whether that very entry is here.
    pub fn holds(&self, at: Position) -> bool {
        self.position(at.index) == Some(at)
    }

    /// What follows `previous` becomes `entries`.
    pub fn replace_after(&mut self, previous: Position, entries: &[Entry]) {
        assert!(self.holds(previous), "a log is continued where it is known");
        self.entries.truncate((previous.index - self.base.index) as usize);
        self.entries.extend(entries.iter().cloned());
    }

    /// Forgets what stands below `index`.
    pub fn trim(&mut self, index: u64) {
        while let Some(first) = self.entries.front().filter(|first| first.at.index < index) {
            self.base = first.at;
            self.entries.pop_front();
        }
    }
}

impl Kept {
    /// What an empty disk holds.
    pub fn fresh(disk: u64) -> Self {
        assert!(disk != 0, "a disk's id is not zero");
        Kept { disk, founding: None, hard: Hard::default(), keep_from: 0, snapshot: None, log: Tail::default() }
    }

    /// The last entry of the snapshot; the place before the first entry if there is none.
    pub fn covered(&self) -> Position {
        self.snapshot.as_ref().map_or(Position::default(), |(meta, _)| meta.at)
    }

    /// For a record.
    pub fn head(&self) -> Head {
        Head { founding: self.founding.clone(), snapshot: self.snapshot.as_ref().map(|(meta, _)| meta.clone()) }
    }

    /// For a member.
    pub fn held(&self) -> Held {
        let pages = |(meta, pages): &(SnapshotMeta, Vec<Blob>)| (meta.clone(), pages.len() as u32);
        Held {
            disk: self.disk,
            founding: self.founding.clone(),
            hard: self.hard,
            snapshot: self.snapshot.as_ref().map(pages),
            first: self.log.first(),
            last: self.log.last().index,
        }
    }

    /// Takes a snapshot; what does not follow from it goes.
    pub fn install(&mut self, meta: SnapshotMeta, pages: Vec<Blob>) {
        if !self.log.holds(meta.at) {
            self.log = Tail::behind(meta.at);
        }
        self.snapshot = Some((meta, pages));
    }

    /// The entry that the first of `entries` follows, and those of them that a snapshot does not cover. A write
    /// that has both is read snapshot first.
    ///
    /// # Errors
    /// Why the entries do not fit.
    pub fn fit<'e>(&self, entries: &'e [Entry]) -> Result<(Position, &'e [Entry]), &'static str> {
        if entries.windows(2).any(|two| two[0].at.index.checked_add(1) != Some(two[1].at.index)) {
            return Err("the entries have a gap");
        }
        let covered = entries.iter().take_while(|entry| entry.at.index <= self.log.base().index).count();
        let Some(first) = entries.get(covered) else { return Ok((self.log.last(), &[])) };
        let Some(previous) = self.log.position(first.at.index - 1) else {
            return Err("the entries do not follow from what is kept");
        };
        let at = self.covered();
        if previous.index < at.index && !entries.iter().any(|entry| entry.at == at) {
            return Err("entries that the snapshot covers would go");
        }
        Ok((previous, &entries[covered..]))
    }

    /// Whether that much of the log may be forgotten.
    pub fn may_forget(&self, keep_from: u64) -> bool {
        keep_from <= self.covered().index.saturating_add(1)
    }

    /// Takes what is durable now.
    pub fn apply(&mut self, write: &Write, (previous, entries): (Position, &[Entry])) {
        assert!(self.may_forget(write.keep_from), "only what a snapshot covers is forgotten");
        self.hard = write.hard;
        self.keep_from = self.keep_from.max(write.keep_from);
        self.log.replace_after(previous, entries);
        self.log.trim(self.keep_from);
        assert!(self.log.base().index <= self.covered().index, "nothing is missing behind the snapshot");
        assert!(self.log.last().index >= self.covered().index, "the log does not end inside the snapshot");
    }
}
