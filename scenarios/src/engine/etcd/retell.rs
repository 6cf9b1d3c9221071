//! What a transaction of the past has answered, told again from the store as it was just before it.

use super::space::{ROWS_MAX, Room, Space};
use consensus::rcs::message::{Keys, Range, Row, Step, StepDone};
use contract::Blob;
use host::gateway::etcd::{self, Etcd, EtcdError, Read};
use std::collections::BTreeMap;

/// Whether the step has changed something.
pub fn changed(step: Option<&StepDone>) -> bool {
    matches!(step, Some(StepDone::Put | StepDone::Deleted(1..)))
}

/// The answers to the steps of the branch that was taken in `revision`.
///
/// # Errors
/// [`EtcdError::Compacted`] when the store before it can no longer be read; it is not needed if all steps write.
pub fn steps(etcd: &Etcd, space: &Space, branch: &[Step], revision: u64) -> Result<Vec<StepDone>, EtcdError> {
    if branch.iter().all(|step| matches!(step, Step::Put { .. })) {
        return Ok(branch.iter().map(|_| StepDone::Put).collect());
    }
    let mut past = Past { etcd, space, revision, changes: BTreeMap::new(), room: Room::new() };
    let mut done = Vec::new();
    for step in branch {
        done.push(past.step(step, done.iter().any(|step| changed(Some(step))))?);
    }
    Ok(done)
}

/// The store within a transaction of the past.
struct Past<'a> {
    etcd: &'a Etcd,
    space: &'a Space,
    revision: u64,
    /// What its steps have made of keys so far; `None` for a deleted one.
    changes: BTreeMap<Blob, Option<Row>>,
    room: Room,
}

impl Past<'_> {
    fn step(&mut self, step: &Step, changed: bool) -> Result<StepDone, EtcdError> {
        match step {
            Step::Put { key, value, lease } => {
                let before = self.rows(&Keys::One(key.clone()))?.remove(key);
                let (created, version) = before.map_or((self.revision, 1), |row| (row.created, row.version + 1));
                let (key, value, modified, lease) = (key.clone(), value.clone(), self.revision, *lease);
                self.changes.insert(key.clone(), Some(Row { key, value, created, modified, version, lease }));
                Ok(StepDone::Put)
            }
            Step::Delete(keys) => {
                let there = self.rows(keys)?;
                let count = there.len() as u64;
                self.changes.extend(there.into_keys().map(|key| (key, None)));
                Ok(StepDone::Deleted(count))
            }
            Step::Range { keys, limit } => {
                let shown = if changed { self.revision } else { self.revision - 1 };
                let mut range = Range { revision: shown, ..Range::default() };
                for row in self.rows(keys)?.into_values() {
                    let full = *limit > 0 && range.rows.len() as u64 >= *limit;
                    if full || !self.room.take(row.key.len() + row.value.len()) {
                        range.more = true;
                        break;
                    }
                    range.rows.push(row);
                }
                Ok(StepDone::Range(range))
            }
        }
    }

    /// The keys as the steps so far have left them.
    fn rows(&self, keys: &Keys) -> Result<BTreeMap<Blob, Row>, EtcdError> {
        let mut rows = BTreeMap::new();
        let mut wanted = self.space.keys(keys);
        loop {
            let read = Read { keys: wanted, revision: self.revision - 1, limit: ROWS_MAX, linearizable: true };
            let page = self.etcd.range(&read)?;
            let last = page.rows.last().map(|row| row.key.clone());
            rows.extend(page.rows.into_iter().filter_map(|row| self.space.row(row)).map(|row| (row.key.clone(), row)));
            match last {
                // The next key in the order of bytes is this one with a zero behind it.
                Some(last) if page.more => wanted = etcd::Keys { first: [&*last, &[0]].concat(), end: read.keys.end },
                _ => break,
            }
        }
        for (key, row) in self.changes.iter().filter(|(key, _)| keys.contains(key)) {
            match row {
                Some(row) => drop(rows.insert(key.clone(), row.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(rows)
    }
}
