//! The second phase of a pass: what failed goes back, then staging goes; on any doubt staging stays.
//!
//! | still volatile | re-queue refused by the active log | active log torn or sealed | staging |
//! |---|---|---|---|
//! | no | no | no | is unlinked |
//! | any yes | | | stays for the next pass |

use super::{Buffer, Volatile};
use crate::message::Record;
use crate::message::drain::{Answer, PassId};
use crate::planted::Defect;
use crate::storage::{DIRECTORY, batches};
use contract::{Context, ProcessId, mark};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Buffer {
    pub(super) fn on_commit(
        &mut self,
        worker: ProcessId,
        pass: PassId,
        delivered: &[u64],
        failed: &[u64],
        ctx: &mut Context<'_, Self>,
    ) -> Answer {
        let held = self.gate.held(pass, worker, ctx.now()).map(|pass| Arc::clone(&pass.records));
        if held.is_none() && !self.config.planted.has(Defect::P03) {
            ctx.mark(mark!("edge.stale_commit", pass = pass.number));
            return Answer::Stale;
        }
        let undelivered = held.as_deref().map_or_else(Vec::new, |all| left_over(all, delivered, failed, ctx));
        let flushed = self.requeue(&undelivered, ctx);
        let certain = flushed && self.volatile.is_empty() && self.active.is_sound();
        let answer = if certain || self.config.planted.has(Defect::P01) {
            self.remove_staging(ctx);
            Answer::Committed
        } else {
            ctx.mark(mark!("edge.commit_aborted", volatile = self.volatile.len(), flushed = flushed));
            self.nudge(ctx);
            Answer::Aborted
        };
        if held.is_some() {
            self.gate.leave();
        }
        if answer == Answer::Committed {
            assert!(!self.staging.exists(), "after a commit there is no staging");
        }
        answer
    }

    /// Puts records back into the active log. Those that it refuses go where new ones would go: to quarantine,
    /// or to memory. Whether the active log took all of them.
    fn requeue(&mut self, records: &[Record], ctx: &mut Context<'_, Self>) -> bool {
        // An earlier pass whose commit was aborted may have put some of them there already.
        let missing = |record: &&Record| !self.active.holds(record.id) && !self.quarantine.holds(record.id);
        let missing: Vec<Record> = records.iter().filter(missing).cloned().collect();
        let mut flushed = true;
        for batch in batches(&missing) {
            let place = self.store(batch, ctx);
            flushed &= place == Some(self.active.place());
            ctx.mark(mark!("edge.requeued", records = batch.len()));
            if place.is_none() {
                self.shunt(batch, ctx);
            }
        }
        flushed
    }

    /// Keeps re-queued records in memory, as far as there is room: they are in staging, which now stays.
    fn shunt(&mut self, records: &[Record], ctx: &mut Context<'_, Self>) {
        let room = self.config.volatile_max.saturating_sub(self.volatile.len());
        for record in records.iter().take(room) {
            ctx.mark(mark!("edge.volatile", id = record.id));
            self.volatile.entry(record.id).or_insert(Volatile { record: record.clone(), asker: None });
        }
        assert!(self.volatile.len() <= self.config.volatile_max, "the write-error list is bounded");
    }

    /// Unlinks staging. The mark comes first: from here on its records must be elsewhere.
    fn remove_staging(&mut self, ctx: &mut Context<'_, Self>) {
        if !self.staging.exists() {
            return;
        }
        self.config.places.removed(self.staging.place(), ctx);
        let unlinked = self.staging.unlink(&mut ctx.disk());
        if let Err(error) = unlinked.and_then(|()| ctx.disk().sync_dir(DIRECTORY)) {
            // A staging that comes back is delivered once more, and the primary knows its records.
            ctx.mark(mark!("edge.unlink_failed", place = self.staging.place(), error = error.to_string()));
        }
    }
}

/// The records of the pass that were not delivered: those said to have failed, and those not spoken of.
fn left_over(all: &[Record], delivered: &[u64], failed: &[u64], ctx: &mut Context<'_, Buffer>) -> Vec<Record> {
    let delivered: BTreeSet<u64> = delivered.iter().copied().collect();
    let failed: BTreeSet<u64> = failed.iter().copied().collect();
    let (done, rest): (Vec<&Record>, Vec<&Record>) = all.iter().partition(|record| delivered.contains(&record.id));
    let spoken = rest.iter().filter(|record| failed.contains(&record.id)).count();
    if spoken < rest.len() || done.len() != delivered.len() || spoken != failed.len() {
        ctx.mark(mark!("edge.commit_inexact", yielded = all.len(), delivered = delivered.len(), failed = failed.len()));
    }
    rest.into_iter().cloned().collect()
}
