//! The log in memory: a snapshot, the entries that are kept, and which configuration holds where.

use super::types::{Configuration, Entry, Payload, Position, Snapshot};
use std::collections::{BTreeMap, VecDeque};

/// A log whose beginning may be a snapshot. Indices are dense.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// What is behind the kept entries, and some of those as well.
    pub(super) snapshot: Snapshot,
    /// The place before the first kept entry.
    before: Position,
    entries: VecDeque<Entry>,
    /// The configurations that kept entries state, by index; the snapshot's where there is none.
    configurations: BTreeMap<u64, Configuration>,
}

impl Log {
    /// A log as it was read back. The entries follow on `before`, which the snapshot covers.
    pub(super) fn new(snapshot: Snapshot, before: Position, entries: Vec<Entry>) -> Self {
        assert!(before.index <= snapshot.meta.at.index, "what is not kept is in the snapshot");
        let mut log = Log { snapshot, before, entries: VecDeque::new(), configurations: BTreeMap::new() };
        for entry in entries {
            log.push(entry);
        }
        assert!(log.last().index >= log.snapshot.meta.at.index, "a snapshot does not end behind its log");
        log
    }

    /// The place of the last entry.
    pub(super) fn last(&self) -> Position {
        self.entries.back().map_or(self.before, |entry| entry.at)
    }

    /// The index of the first kept entry.
    pub(super) fn first_index(&self) -> u64 {
        self.before.index + 1
    }

    /// The term of the entry at `index`; `None` if it is not known any more, or not yet.
    pub(super) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.before.index {
            return Some(self.before.term);
        }
        if index == self.snapshot.meta.at.index {
            return Some(self.snapshot.meta.at.term);
        }
        self.get(index).map(|entry| entry.at.term)
    }

    /// The kept entry at `index`.
    pub(super) fn get(&self, index: u64) -> Option<&Entry> {
        let offset = index.checked_sub(self.first_index())?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// Kept entries from `from` on: at most `count`, and at most `bytes` of commands, but one at least.
    pub(super) fn slice(&self, from: u64, count: usize, bytes: usize) -> Vec<Entry> {
        assert!(from >= self.first_index(), "what is asked for is kept");
        let skip = (from - self.first_index()) as usize;
        let mut weight = 0;
        let mut slice: Vec<Entry> = Vec::new();
        for entry in self.entries.iter().skip(skip).take(count) {
            weight += entry.weight();
            if weight > bytes && !slice.is_empty() {
                break;
            }
            slice.push(entry.clone());
        }
        slice
    }

    /// Appends the next entry.
    pub(super) fn push(&mut self, entry: Entry) {
        let last = self.last();
        assert!(entry.at.index == last.index + 1, "indices are dense");
        assert!(entry.at.term >= last.term, "terms never fall along a log");
        if let Payload::Configure(configuration) = &entry.payload {
            self.configurations.insert(entry.at.index, configuration.clone());
        }
        self.entries.push_back(entry);
    }

    /// Drops the entry at `index` and all after it.
    pub(super) fn truncate(&mut self, index: u64) {
        assert!(index > self.snapshot.meta.at.index, "what a snapshot covers is committed");
        self.entries.truncate((index - self.first_index()) as usize);
        drop(self.configurations.split_off(&index));
    }

    /// Takes a newer snapshot of this very log and drops entries that are more than `keep` behind it.
    pub(super) fn compact(&mut self, snapshot: Snapshot, keep: u64) {
        let at = snapshot.meta.at;
        assert!(self.term_at(at.index) == Some(at.term), "a snapshot stands for a prefix of the log");
        let before = at.index.saturating_sub(keep);
        if before > self.before.index {
            let Some(term) = self.term_at(before) else { unreachable!("a kept entry has its term") };
            self.entries.drain(..(before - self.before.index) as usize);
            self.before = Position { term, index: before };
        }
        self.configurations = self.configurations.split_off(&(at.index + 1));
        self.snapshot = snapshot;
    }

    /// Becomes what `snapshot` stands for, and nothing more.
    pub(super) fn restore(&mut self, snapshot: &Snapshot) {
        assert!(snapshot.meta.at.index > self.snapshot.meta.at.index, "a snapshot is replaced by a newer one");
        *self = Log::new(snapshot.clone(), snapshot.meta.at, Vec::new());
    }

    /// The configuration that holds at the end of the log, and the index of the entry that states it.
    pub(super) fn configuration(&self) -> (u64, &Configuration) {
        match self.configurations.last_key_value() {
            Some((&index, configuration)) => (index, configuration),
            None => (self.snapshot.meta.at.index, &self.snapshot.meta.configuration),
        }
    }

    /// The configuration that holds again if the entry that states the one in force is lost.
    pub(super) fn configuration_before(&self) -> &Configuration {
        let before = self.configurations.values().rev().nth(1);
        before.unwrap_or(&self.snapshot.meta.configuration)
    }

    /// The configuration as of `index`, which the snapshot does not cover or ends at.
    pub(super) fn configuration_at(&self, index: u64) -> &Configuration {
        assert!(index >= self.snapshot.meta.at.index, "older configurations are forgotten");
        let newest = self.configurations.range(..=index).next_back();
        newest.map_or(&self.snapshot.meta.configuration, |(_, configuration)| configuration)
    }

    /// The last place at or before `index` whose term is at most `term`: where two logs may still agree. `None` if
    /// no kept entry can be common.
    pub(super) fn common(&self, index: u64, term: u64) -> Option<Position> {
        let mut index = index.min(self.last().index);
        loop {
            let found = self.term_at(index).filter(|_| index >= self.before.index)?;
            if found <= term {
                return Some(Position { term: found, index });
            }
            index = index.checked_sub(1)?;
        }
    }
}

impl Entry {
    /// About how many bytes it has on the wire.
    pub(super) fn weight(&self) -> usize {
        const ENVELOPE: usize = 16;
        const MEMBER: usize = 16;
        ENVELOPE
            + match &self.payload {
                Payload::Noop => 0,
                Payload::Command(command) => command.len(),
                Payload::Configure(configuration) => configuration.all().count() * MEMBER,
            }
    }
}
