//! Boot: whatever the three files hold goes into one new staging file, and only then is the buffer open.
//!
//! Nothing that is read is trusted to be durable: an earlier incarnation may have met a failed sync, after
//! which the page cache holds what the disk does not, and a new sync would report success. So everything is
//! written again, to a file with a new inode. A crash in between finds the old files, the new one, or both.

use super::drain::unique;
use super::{ACTIVE, Buffer, Config, DRAFT, QUARANTINE, STAGING};
use crate::gate::Gate;
use crate::message::Record;
use crate::storage::{DIRECTORY, Damage, Log, read_surely, records_of};
use contract::{Context, DiskError, Halt, Open, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Damaged files are kept aside under these names, for whoever wants to look; no more than this many.
const ASIDE_MAX: u32 = 8;

/// Reads, rewrites and states what this node holds.
pub(super) fn recover(config: &Arc<Config>, ctx: &mut Context<'_, Buffer>) -> Result<Buffer, Halt> {
    assert!(config.batch_records > 0 && config.records_max > 0, "knobs have their least values");
    let gate = Gate::new(ctx.random(), config.gate_timeout);
    let mut buffer = Buffer {
        config: Arc::clone(config),
        active: ACTIVE,
        quarantine: QUARANTINE,
        staging: STAGING,
        volatile: BTreeMap::new(),
        gate,
        nudged: false,
    };
    let mut all = Vec::new();
    let mut present = Vec::new();
    // Staging first: its records are the oldest.
    for log in [STAGING, QUARANTINE, ACTIVE] {
        if let Some(records) = read(&log, ctx)? {
            all.extend(records);
            present.push(log);
        }
    }
    buffer.rewrite(&unique(all), present, ctx)?;
    buffer.state_places(ctx);
    Ok(buffer)
}

impl Buffer {
    fn rewrite(&mut self, records: &[Record], present: Vec<Log>, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let mut old = present;
        if !records.is_empty() {
            let draft = Log::draft(DRAFT, records, &mut ctx.disk())?;
            self.staging.adopt(draft, &mut ctx.disk())?;
            ctx.disk().sync_dir(DIRECTORY)?;
            old.retain(|log| log.path() != STAGING.path());
        }
        for log in &old {
            ctx.disk().unlink(log.path())?;
        }
        if !old.is_empty() {
            ctx.disk().sync_dir(DIRECTORY)?;
        }
        assert!(self.staging.count() == records.len(), "each record is in staging once");
        Ok(())
    }

    /// One mark for each place, also for empty ones.
    fn state_places(&self, ctx: &mut Context<'_, Self>) {
        assert!(!self.active.exists() && !self.quarantine.exists(), "everything was brought into staging");
        for log in [&self.active, &self.quarantine, &self.staging] {
            self.config.places.found(log.place(), log.ids(), ctx);
        }
        self.config.places.recovered(ctx);
    }
}

/// The readable records of one file; `None` if there is no such file.
fn read(log: &Log, ctx: &mut Context<'_, Buffer>) -> Result<Option<Vec<Record>>, Halt> {
    let file = match ctx.disk().open(log.path(), Open::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let read = read_surely(file, &mut ctx.disk());
    ctx.disk().close(file);
    let (_, parsed) = read?;
    match parsed.damage {
        Damage::None => {}
        Damage::Tail => ctx.mark(mark!("edge.tail_repaired", place = log.place(), good = parsed.good)),
        Damage::Middle => {
            ctx.mark(mark!("edge.rot", place = log.place()));
            keep_aside(log, ctx)?;
        }
    }
    Ok(Some(records_of(parsed)))
}

/// Gives a damaged file a second name, so that its bytes outlive the rewrite.
fn keep_aside(log: &Log, ctx: &mut Context<'_, Buffer>) -> Result<(), Halt> {
    for number in 0..ASIDE_MAX {
        match ctx.disk().link(log.path(), &format!("rot-{number}.log")) {
            Err(DiskError::Exists) => {}
            other => return Ok(other?),
        }
    }
    ctx.mark(mark!("edge.rot_not_kept", place = log.place()));
    Ok(())
}
