//! Transactions: compare, then change, all or nothing, in one revision.

use super::Store;
use super::range::Budget;
use crate::rcs::limits::{ITEM_BYTES, invalid};
use crate::rcs::message::{Compare, Done, Keys, Refusal, Relation, Row, Step, StepDone, Target, Transaction};
use contract::Blob;

impl Store {
    /// Does a transaction whose form was checked. Nothing is changed if it is refused.
    pub(super) fn transact(
        &mut self,
        transaction: &Transaction,
        changed: &mut Vec<(u64, Blob)>,
    ) -> Result<Done, Refusal> {
        let held = transaction.compare.iter().all(|compare| self.holds(compare));
        let branch = if held { &transaction.then } else { &transaction.otherwise };
        self.check_branch(branch)?;
        let revision = self.revision + 1;
        let before = changed.len();
        let mut budget = Budget::new(self.limits.answer_bytes);
        let mut steps = Vec::with_capacity(branch.len());
        for step in branch {
            let shown = if changed.len() > before { revision } else { self.revision };
            steps.push(self.step(step, revision, shown, &mut budget, changed));
        }
        if changed.len() > before {
            self.revision = revision;
        }
        Ok(Done::Transacted { held, steps })
    }

    /// Whether a comparison holds.
    fn holds(&self, compare: &Compare) -> bool {
        let row = self.table.row(&compare.key, self.revision);
        let property = |of: fn(&Row) -> u64| row.as_ref().map_or(0, of);
        let order = match &compare.target {
            Target::Created(revision) => property(|row| row.created).cmp(revision),
            Target::Modified(revision) => property(|row| row.modified).cmp(revision),
            Target::Version(version) => property(|row| row.version).cmp(version),
            Target::Lease(lease) => property(|row| row.lease).cmp(lease),
            Target::Value(value) => match &row {
                Some(row) => row.value.cmp(value),
                None => return false,
            },
        };
        match compare.relation {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::Greater => order.is_gt(),
        }
    }

    /// Whether all leases run and what changes fits an answer to a watch: the changes of a revision are never parted.
    fn check_branch(&self, branch: &[Step]) -> Result<(), Refusal> {
        let mut bytes = 0;
        for step in branch {
            match step {
                Step::Put { lease, .. } if *lease > 0 && self.leases.get(*lease).is_none() => {
                    return Err(Refusal::NoLease);
                }
                Step::Put { key, value, .. } => bytes += ITEM_BYTES + key.len() + value.len(),
                Step::Delete(keys) => {
                    // Whether it is too much is clear once it is: the rest need not be looked at.
                    for row in self.table.rows(keys, self.revision) {
                        bytes += ITEM_BYTES + row.key.len();
                        if bytes > self.limits.answer_bytes {
                            break;
                        }
                    }
                }
                Step::Range { .. } => {}
            }
        }
        if bytes > self.limits.answer_bytes {
            let most = self.limits.answer_bytes;
            return Err(invalid(format!("it changes more than {most} bytes at once: change fewer keys at a time")));
        }
        Ok(())
    }

    fn step(
        &mut self,
        step: &Step,
        revision: u64,
        shown: u64,
        budget: &mut Budget,
        changed: &mut Vec<(u64, Blob)>,
    ) -> StepDone {
        match step {
            Step::Put { key, value, lease } => {
                let before = self.table.put(key.clone(), value.clone(), *lease, revision);
                self.leases.moved(key, before, *lease);
                changed.push((revision, key.clone()));
                StepDone::Put
            }
            Step::Delete(keys) => StepDone::Deleted(self.delete(keys, revision, changed)),
            Step::Range { keys, limit } => StepDone::Range(self.range(keys, shown, *limit, budget)),
        }
    }

    /// Deletes keys in `revision` and says how many there were.
    fn delete(&mut self, keys: &Keys, revision: u64, changed: &mut Vec<(u64, Blob)>) -> u64 {
        let there: Vec<Blob> = self.table.rows(keys, revision).map(|row| row.key).collect();
        let count = there.len() as u64;
        for key in there {
            self.delete_one(key, revision, changed);
        }
        count
    }

    pub(super) fn delete_one(&mut self, key: Blob, revision: u64, changed: &mut Vec<(u64, Blob)>) {
        let before = self.table.delete(&key, revision);
        self.leases.moved(&key, before, 0);
        changed.push((revision, key));
    }
}
