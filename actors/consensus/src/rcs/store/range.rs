//! Reads and watches: what the store tells, in answers of bounded size.

use super::Store;
use crate::planted::Defect;
use crate::rcs::limits::ITEM_BYTES;
use crate::rcs::message::{Answer, Change, Keys, Range, Read, Refusal, Row, Watch};

/// What is left of an answer.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Budget(bytes)
    }

    /// Takes `bytes` if so many are left.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        self.0 -= if fits { bytes } else { 0 };
        fits
    }
}

impl Store {
    /// Answers a read from what is here. Whether this is new enough for [`Read::linearizable`] is for the caller to know.
    pub fn read(&self, read: &Read) -> Answer {
        let revision = if read.revision == 0 { self.revision } else { read.revision };
        if let Err(refusal) = self.limits.check_keys(&read.keys).and_then(|()| self.readable(revision)) {
            return Answer::Refused(refusal);
        }
        let mut budget = Budget::new(self.limits.answer_bytes);
        Answer::Range(self.range(&read.keys, revision, read.limit, &mut budget))
    }

    /// The changes that a watcher may be told now. If there are none, the question can wait for some: the answer then
    /// says how far it is complete, and that claims nothing while the store has not reached [`Watch::from`].
    pub fn changes(&self, watch: &Watch) -> Answer {
        if let Err(refusal) = self.limits.check_keys(&watch.keys) {
            return Answer::Refused(refusal);
        }
        if watch.from < self.compacted {
            return Answer::Refused(Refusal::Compacted(self.compacted));
        }
        let (changes, cut) = self.page(watch);
        let complete = match cut {
            Some(_) if self.planted.has(Defect::P33) => self.revision,
            Some(next) => next - 1,
            None => self.revision,
        };
        Answer::Changes { from: watch.from, until: complete.max(watch.from.saturating_sub(1)), changes }
    }

    fn readable(&self, revision: u64) -> Result<(), Refusal> {
        if revision > self.revision {
            Err(Refusal::Future)
        } else if revision < self.compacted {
            Err(Refusal::Compacted(self.compacted))
        } else {
            Ok(())
        }
    }

    /// As many keys as are wanted and fit, as of `revision`.
    pub(super) fn range(&self, keys: &Keys, revision: u64, limit: u64, budget: &mut Budget) -> Range {
        let mut range = Range { revision, ..Range::default() };
        for row in self.table.rows(keys, revision) {
            let full = limit > 0 && range.rows.len() as u64 >= limit;
            if full || !budget.take(row_bytes(&row)) {
                range.more = true;
                break;
            }
            range.rows.push(row);
        }
        range
    }

    /// The first changes of a watch, whole revisions only and at least one, and the first revision that was left out.
    fn page(&self, watch: &Watch) -> (Vec<Change>, Option<u64>) {
        let mut changes: Vec<Change> = Vec::new();
        let mut budget = Budget::new(self.limits.answer_bytes);
        // Where the revision that is being taken began.
        let (mut current, mut start) = (0, 0);
        for (revision, change) in self.table.changes(watch.from) {
            if !watch.keys.contains(change_key(&change)) {
                continue;
            }
            if revision != current {
                (current, start) = (revision, changes.len());
            }
            changes.push(change);
            let fits = budget.take(changes.last().map_or(0, change_bytes));
            let wanted = watch.limit == 0 || changes.len() as u64 <= watch.limit;
            if start > 0 && !(fits && wanted) {
                changes.truncate(start);
                return (changes, Some(revision));
            }
        }
        (changes, None)
    }
}

fn row_bytes(row: &Row) -> usize {
    ITEM_BYTES + row.key.len() + row.value.len()
}

fn change_key(change: &Change) -> &[u8] {
    match change {
        Change::Put(row) => &row.key,
        Change::Deleted { key, .. } => key,
    }
}

fn change_bytes(change: &Change) -> usize {
    match change {
        Change::Put(row) => row_bytes(row),
        Change::Deleted { key, .. } => ITEM_BYTES + key.len(),
    }
}
