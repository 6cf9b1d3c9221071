//! Boot: reads the whole ledger, and makes its end durable again.
//!
//! An entry is appended only after the one before it was synced. So only the LAST entry may be in the page
//! cache and not on the disk: its sync failed, or was never made. A new sync would not help (it may report
//! success for what the cache has forgotten), and writing over the entry in place could tear it. Therefore the
//! last entry is appended once more. Copies of an entry are recognised by their log sequence number, and a
//! hole where the first copy should be is harmless: nothing is missing.
//!
//! For the same reason an empty ledger is unlinked and made anew: its name may not be durable, and only the
//! start that made a file with a durable name has ever appended to it.

use super::{Config, Ledger, PATH, PLACE};
use crate::ledger::entries::{Entries, Entry, Extent};
use crate::storage::{DIRECTORY, Damage, Parsed, create, parse, read_surely};
use contract::{Context, DiskError, File, Halt, Open, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads, repairs and states what this node holds.
pub(super) fn recover(config: &Arc<Config>, ctx: &mut Context<'_, Ledger>) -> Result<Ledger, Halt> {
    assert!(config.group_records > 0 && config.scan_records > 0, "knobs have their least values");
    let old = match ctx.disk().open(PATH, Open::Write) {
        Ok(file) => Some(file),
        Err(DiskError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let (bytes, parsed) = match old {
        Some(file) => read_surely(file, &mut ctx.disk())?,
        None => (Vec::new(), parse(&[])),
    };
    let (mut entries, lsn_of) = read(parsed, ctx)?;
    let file = match (old, entries.last()) {
        (Some(file), Some(last)) => {
            repeat(file, last, &mut entries, &bytes, ctx)?;
            file
        }
        (empty, _) => {
            if let Some(file) = empty {
                ctx.disk().close(file);
            }
            create(PATH, &mut ctx.disk())?
        }
    };
    let ledger =
        Ledger { config: Arc::clone(config), file, entries, lsn_of, torn: false, group: Vec::new(), group_bytes: 0 };
    let ids = ledger.lsn_of.keys().copied().collect();
    config.places.found(PLACE, ids, ctx);
    config.places.recovered(ctx);
    assert!(ledger.lsn_of.len() as u64 + 1 == ledger.entries.next_lsn(), "sequence numbers are dense");
    Ok(ledger)
}

/// The entries in their order. Copies of the last one are merged; a missing one is rot and stops the process.
fn read(parsed: Parsed<Entry>, ctx: &mut Context<'_, Ledger>) -> Result<(Entries, BTreeMap<u64, u64>), Halt> {
    match parsed.damage {
        Damage::None => {}
        Damage::Tail => ctx.mark(mark!("ledger.tail_repaired", good = parsed.good)),
        Damage::Middle => ctx.mark(mark!("ledger.hole")),
    }
    let mut entries = Entries::default();
    let mut lsn_of = BTreeMap::new();
    for (offset, len, Entry::V1 { first_lsn, records }) in parsed.entries {
        let extent = Extent { first_lsn, offset, len };
        let count = records.len() as u64;
        if first_lsn > entries.next_lsn() || count == 0 {
            return rot(entries.next_lsn(), ctx);
        }
        if first_lsn == entries.next_lsn() {
            for (record, lsn) in records.iter().zip(first_lsn..) {
                if lsn_of.insert(record.id, lsn).is_some() {
                    return rot(lsn, ctx);
                }
            }
            entries.place(extent, count);
        } else {
            let known = records.iter().zip(first_lsn..).all(|(record, lsn)| lsn_of.get(&record.id) == Some(&lsn));
            if !known || first_lsn + count != entries.next_lsn() {
                return rot(first_lsn, ctx);
            }
            entries.replace_last(extent);
        }
    }
    Ok((entries, lsn_of))
}

/// Records that were acknowledged cannot be read: nothing may be said about this ledger any more.
fn rot<T>(lsn: u64, ctx: &mut Context<'_, Ledger>) -> Result<T, Halt> {
    ctx.mark(mark!("ledger.rot", lsn = lsn));
    Err(Halt::new(format!("the ledger is damaged at lsn {lsn}: an operator must restore it")))
}

/// Cuts off what is behind the last entry and appends that entry once more.
fn repeat(
    file: File,
    last: Extent,
    entries: &mut Entries,
    bytes: &[u8],
    ctx: &mut Context<'_, Ledger>,
) -> Result<(), Halt> {
    let end = entries.end();
    assert!(end <= bytes.len() as u64, "entries lie inside the file");
    let mut disk = ctx.disk();
    if end < bytes.len() as u64 {
        disk.truncate(file, end)?;
    }
    let copy = &bytes[last.offset as usize..(last.offset + last.len) as usize];
    disk.append_all(file, copy)?;
    disk.sync(file)?;
    entries.replace_last(Extent { offset: end, ..last });
    Ok(disk.sync_dir(DIRECTORY)?)
}
