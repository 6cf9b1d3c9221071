//! The first phase of a pass: everything in custody goes into one durable staging file, then pages are given.

use super::{Buffer, DRAFT, Volatile};
use crate::gate::Entry;
use crate::message::Record;
use crate::message::drain::{Answer, Page, PassId};
use crate::planted::Defect;
use crate::storage::{Log, ReadBack, weight};
use contract::{Context, DiskError, Halt, ProcessId, mark};
use std::collections::BTreeSet;

/// Why a pass could not begin.
enum Trouble {
    /// The disk refused, everything is where it was: try again.
    Refused(DiskError),
    /// What the disk holds is not known any more: start again and read it.
    Lost(Halt),
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Self {
        Trouble::Refused(error)
    }
}

impl From<ReadBack> for Trouble {
    fn from(error: ReadBack) -> Self {
        match error {
            ReadBack::Refused(error) => Trouble::Refused(error),
            ReadBack::Rotten => Trouble::Lost(Halt::new("durable records cannot be read back")),
        }
    }
}

impl Buffer {
    pub(super) fn on_open(
        &mut self,
        worker: ProcessId,
        call: u64,
        ctx: &mut Context<'_, Self>,
    ) -> Result<Answer, Halt> {
        match self.gate.enter(worker, call, ctx.now()) {
            Entry::Again => return Ok(self.first_page()),
            Entry::Busy(holder) => {
                ctx.mark(mark!("edge.gate_busy"));
                return Ok(Answer::Busy { holder });
            }
            Entry::TakenOver(pass) => ctx.mark(mark!("edge.gate_taken_over", pass = pass.number)),
            Entry::Free => {}
        }
        assert!(self.gate.holder().is_none(), "whoever is let in finds the gate free");
        self.nudged = false;
        let records = match self.prepare(ctx) {
            Ok(records) => records,
            Err(Trouble::Refused(error)) => {
                ctx.mark(mark!("edge.drain_refused", error = error.to_string()));
                return Ok(Answer::Unavailable(error));
            }
            Err(Trouble::Lost(halt)) => return Err(halt),
        };
        if records.is_empty() {
            return Ok(Answer::Empty);
        }
        self.gate.open(worker, call, records, ctx.now());
        Ok(self.first_page())
    }

    pub(super) fn on_page(
        &mut self,
        worker: ProcessId,
        pass: PassId,
        from: u64,
        ctx: &mut Context<'_, Self>,
    ) -> Answer {
        let now = ctx.now();
        if self.gate.held(pass, worker, now).is_none() {
            ctx.mark(mark!("edge.stale_page", pass = pass.number));
            return Answer::Stale;
        }
        self.page(from)
    }

    fn first_page(&self) -> Answer {
        self.page(0)
    }

    /// The page of the pass in force that starts at index `from`; an index beyond the end gives an empty last page.
    fn page(&self, from: u64) -> Answer {
        let Some(pass) = self.gate.holder() else { return Answer::Stale };
        let start = usize::try_from(from).map_or(pass.records.len(), |from| from.min(pass.records.len()));
        let rest = &pass.records[start..];
        let mut bytes = 0;
        let fits = rest.iter().take(self.config.batch_records).take_while(|record| {
            bytes += weight(record);
            bytes <= self.config.batch_bytes
        });
        let count = fits.count().max(1).min(rest.len());
        let end = start + count;
        let next = (end < pass.records.len()).then_some(end as u64);
        assert!(next.is_none_or(|next| next > from), "each page goes forward");
        Answer::Page(Page { pass: pass.id, records: rest[..count].to_vec(), next })
    }

    /// Brings everything into staging, durably, and reads from there what the pass yields.
    fn prepare(&mut self, ctx: &mut Context<'_, Self>) -> Result<Vec<Record>, Trouble> {
        if self.active.exists() && self.active.is_empty() {
            self.discard(Place::Active, ctx);
        }
        let active_missing = !self.active.exists();
        let resumes = self.staging.exists() && !self.config.planted.has(Defect::P04);
        if resumes {
            ctx.mark(mark!("edge.staging_resumed", records = self.staging.count()));
        } else if !active_missing {
            self.rotate(ctx)?;
        }
        let unwritten = active_missing && self.config.planted.has(Defect::P02);
        let volatile: Vec<Record> = self.volatile.values().map(|entry| entry.record.clone()).collect();
        let (written, yielded) = if unwritten { (Vec::new(), volatile) } else { (volatile, Vec::new()) };
        if !written.is_empty() || self.quarantine.exists() || !self.active.is_sound() {
            self.consolidate(written, ctx)?;
        }
        let mut records = self.staging.read_back(&mut ctx.disk())?;
        records.extend(yielded);
        let released: Vec<Volatile> = std::mem::take(&mut self.volatile).into_values().collect();
        self.release(released, ctx);
        assert!(self.volatile.is_empty(), "nothing is yielded while anything is volatile");
        Ok(records)
    }

    /// The active log becomes staging.
    fn rotate(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Trouble> {
        assert!(self.active.exists(), "there is something to rotate");
        self.active.rename_to(&mut self.staging, &mut ctx.disk()).map_err(unless_undone)?;
        self.config.places.moved(self.active.place(), self.staging.place(), ctx);
        self.sync_names(ctx)?;
        assert!(!self.active.exists() && self.staging.exists(), "the active log is staging now");
        Ok(())
    }

    /// Writes staging, quarantine, an active log that cannot go on, and `volatile` to one new staging file. Each
    /// source stays until that file and its name are durable. A record that is in several of them is kept once.
    fn consolidate(&mut self, volatile: Vec<Record>, ctx: &mut Context<'_, Self>) -> Result<(), Trouble> {
        let takes_active = !self.active.is_sound();
        let mut all = self.staging.read_back(&mut ctx.disk())?;
        if takes_active {
            all.extend(self.active.read_back(&mut ctx.disk())?);
        }
        all.extend(self.quarantine.read_back(&mut ctx.disk())?);
        all.extend(volatile);
        let merged = unique(all);
        if !merged.is_empty() {
            let draft = Log::draft(DRAFT, &merged, &mut ctx.disk())?;
            self.staging.adopt(draft, &mut ctx.disk()).map_err(unless_undone)?;
            self.sync_names(ctx)?;
            let ids = merged.iter().map(|record| record.id).collect();
            self.config.places.stored(self.staging.place(), ids, ctx);
        }
        assert!(merged.iter().all(|record| self.staging.holds(record.id)), "all of it is in staging now");
        if takes_active {
            self.discard(Place::Active, ctx);
        }
        if self.quarantine.exists() {
            self.discard(Place::Quarantine, ctx);
        }
        Ok(())
    }

    /// Unlinks a log whose records, if any, are all in staging.
    fn discard(&mut self, place: Place, ctx: &mut Context<'_, Self>) {
        let log = match place {
            Place::Active => &mut self.active,
            Place::Quarantine => &mut self.quarantine,
        };
        self.config.places.removed(log.place(), ctx);
        if let Err(error) = log.unlink(&mut ctx.disk()) {
            // What stays is unlinked before the name is used again, or found at boot as records that are known.
            ctx.mark(mark!("edge.unlink_failed", place = log.place(), error = error.to_string()));
        }
        assert!(!log.exists(), "a discarded log is made anew");
    }

    /// Makes renames durable. After an error nobody knows which names the disk holds.
    fn sync_names(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Trouble> {
        ctx.disk().sync_dir(crate::storage::DIRECTORY).map_err(|error| {
            Trouble::Lost(Halt::new(format!("the directory cannot be synced after a rename: {error}")))
        })
    }
}

/// The logs that are drained into staging.
#[derive(Clone, Copy)]
enum Place {
    Active,
    Quarantine,
}

/// A rename that found no space changed nothing; after any other error it may have happened.
fn unless_undone(error: DiskError) -> Trouble {
    match error {
        DiskError::NoSpace | DiskError::ReadOnly => Trouble::Refused(error),
        other => Trouble::Lost(Halt::new(format!("a rename failed: {other}"))),
    }
}

/// The records without repetitions of an id, the first of each, in order.
pub(super) fn unique(records: Vec<Record>) -> Vec<Record> {
    let mut seen = BTreeSet::new();
    records.into_iter().filter(|record| seen.insert(record.id)).collect()
}
