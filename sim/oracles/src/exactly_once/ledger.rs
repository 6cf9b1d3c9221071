//! What is known of one ledger: which records it holds, and as far as known in which order.

use std::collections::BTreeMap;

/// The records of one ledger, by their distance from its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The LSN of the first record; unknown until a record is applied under our eyes.
    base: Option<u64>,
    /// For each position the record there. `None` where a recovery found several records whose marks
    /// were lost: they fill these positions in an order that the next scan tells.
    order: Vec<Option<u64>>,
    /// For each record its position, if known.
    positions: BTreeMap<u64, Option<usize>>,
}

/// How a scan disagrees with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The record was in the scan before.
    Twice { id: u64 },
    /// The record, or another one, has that position.
    OutOfOrder { id: u64, at: usize },
}

impl Ledger {
    /// How many records it holds.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The records, ascending by id.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.positions.keys().copied()
    }

    /// Whether it holds the record.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.positions.contains_key(&id)
    }

    /// A record that it did not hold was applied at `lsn`; fails with the LSN that was next.
    pub(super) fn append(&mut self, id: u64, lsn: u64) -> Result<(), u64> {
        assert!(!self.contains(id), "whoever appends has looked for the record");
        let held = self.order.len() as u64;
        let base = *self.base.get_or_insert(lsn.saturating_sub(held));
        if lsn != base + held {
            return Err(base + held);
        }
        self.positions.insert(id, Some(self.order.len()));
        self.order.push(Some(id));
        assert!(self.order.len() == self.positions.len(), "each record has one position");
        Ok(())
    }

    /// A recovery found these records beside the known ones: they come after them.
    pub(super) fn recover(&mut self, new: &[u64]) {
        let first = self.order.len();
        match new {
            [id] => {
                self.positions.insert(*id, Some(first));
                self.order.push(Some(*id));
            }
            several => {
                self.positions.extend(several.iter().map(|&id| (id, None)));
                self.order.resize(first + several.len(), None);
            }
        }
        assert!(self.order.len() == self.positions.len(), "each record has one position");
    }

    /// Checks that `scan`, whose records it all holds, shows the ledger from its start in its order, and
    /// learns positions from it.
    pub(super) fn check_scan(&mut self, scan: impl Iterator<Item = u64>) -> Result<(), Misplaced> {
        for (at, id) in scan.enumerate() {
            let known =
                self.positions.get_mut(&id).unwrap_or_else(|| unreachable!("the caller looked for record {id}"));
            match (*known, self.order.get(at)) {
                (Some(position), _) if position == at => {}
                (None, Some(None)) => {
                    *known = Some(at);
                    self.order[at] = Some(id);
                }
                (Some(position), _) if position < at => return Err(Misplaced::Twice { id }),
                _ => return Err(Misplaced::OutOfOrder { id, at }),
            }
        }
        Ok(())
    }
}
