//! The primary ledger: append-only, each record once, durable before the answer.
//!
//! Records get dense log sequence numbers from 1. Submissions may be grouped: all that come within
//! `group_wait` share one append and one sync. A failed append is cut back and its submissions are refused; a
//! failed sync halts the process, since nothing written may be trusted or acknowledged then.
//!
//! The ids of all records are in memory (about 100 bytes each): exactly-once for ever needs all of them.

mod entries;
mod recovery;

use crate::message::ledger::{Answer, Ask, Reply, Request, Row};
use crate::message::{Record, ledger};
use crate::places::Places;
use crate::storage::weight;
use contract::{Actor, Addr, Context, Duration, File, Halt, ProcessId, inbox, mark};
use entries::Entries;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger's file.
pub const PATH: &str = "ledger.log";
/// Its place in marks.
pub const PLACE: &str = "ledger";

/// What a ledger is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its node's places.
    pub places: Places,
    /// The longest payload of a record, in bytes.
    pub record_bytes_max: usize,
    /// How long a submission waits for others to share its sync; zero for not at all.
    pub group_wait: Duration,
    /// Submissions that share a sync, at most.
    pub group_records: usize,
    /// Rows in the answer to a scan, at most.
    pub scan_records: usize,
    /// Payload in the answer to a scan, in bytes; one row is always given.
    pub scan_bytes: usize,
}

inbox! {
    /// What a ledger accepts.
    pub enum Inbox {
        /// From uplinks and readers.
        Request(ledger::Request),
    }
}

/// The ledger's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The group has waited long enough.
    Flush,
}

/// Who waits for the answer about a submission.
#[derive(Clone, Copy, Debug)]
struct Asker {
    call: u64,
    reply_to: Addr<Reply>,
}

/// The ledger of the primary node.
#[derive(Clone, Debug)]
pub struct Ledger {
    config: Arc<Config>,
    file: File,
    entries: Entries,
    lsn_of: BTreeMap<u64, u64>,
    /// An append failed: cut the file back to its good length before the next one.
    torn: bool,
    /// Submissions that wait for the next append, by arrival.
    group: Vec<(Record, Vec<Asker>)>,
    group_bytes: usize,
}

impl Actor for Ledger {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        recovery::recover(config, ctx)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Request(Request { call, reply_to, ask }) = message;
        match ask {
            Ask::Submit(record) => self.on_submit(record, Asker { call, reply_to }, ctx),
            Ask::Scan { from_lsn, limit } => {
                let answer = self.scan(from_lsn, limit, ctx)?;
                ctx.send(reply_to, Reply { call, answer });
                Ok(())
            }
        }
    }

    fn on_timer(&mut self, Timer::Flush: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.flush(ctx)
    }
}

impl Ledger {
    fn on_submit(&mut self, record: Record, asker: Asker, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if record.payload.len() > self.config.record_bytes_max {
            ctx.mark(mark!("ledger.record_too_long", id = record.id, bytes = record.payload.len()));
            ctx.send(asker.reply_to, Reply { call: asker.call, answer: Answer::TooLong });
            return Ok(());
        }
        if let Some(&lsn) = self.lsn_of.get(&record.id) {
            ctx.mark(mark!("ledger.duplicate", id = record.id));
            ctx.send(asker.reply_to, Reply { call: asker.call, answer: Answer::Duplicate { lsn } });
            return Ok(());
        }
        self.join_group(record, asker, ctx);
        let full = self.group.len() >= self.config.group_records || self.group_bytes >= crate::storage::BATCH_BYTES;
        if full || self.config.group_wait.is_zero() {
            return self.flush(ctx);
        }
        if !ctx.timer_is_set(Timer::Flush) {
            ctx.set_timer(Timer::Flush, self.config.group_wait);
        }
        Ok(())
    }

    fn join_group(&mut self, record: Record, asker: Asker, ctx: &mut Context<'_, Self>) {
        assert!(!self.lsn_of.contains_key(&record.id), "what the ledger has is not written again");
        if let Some((_, askers)) = self.group.iter_mut().find(|(waiting, _)| waiting.id == record.id) {
            ctx.mark(mark!("ledger.duplicate", id = record.id));
            // Each retry comes with its own call; beyond a few, the earlier ones have given up.
            if askers.len() < ASKERS_MAX {
                askers.push(asker);
            }
            return;
        }
        self.group_bytes += weight(&record);
        self.group.push((record, vec![asker]));
    }

    /// Writes the group, syncs, and only then answers.
    fn flush(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        ctx.cancel_timer(Timer::Flush);
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        if group.is_empty() {
            return Ok(());
        }
        let (records, askers): (Vec<Record>, Vec<Vec<Asker>>) = group.into_iter().unzip();
        let first_lsn = self.entries.next_lsn();
        if !self.write(first_lsn, &records, ctx)? {
            answer_all(askers.iter().flatten(), &Answer::Unavailable, ctx);
            return Ok(());
        }
        let ids: Vec<u64> = records.iter().map(|record| record.id).collect();
        self.config.places.stored(PLACE, ids.clone(), ctx);
        for ((id, askers), lsn) in ids.into_iter().zip(&askers).zip(first_lsn..) {
            let before = self.lsn_of.insert(id, lsn);
            assert!(before.is_none(), "a record has one log sequence number");
            ctx.mark(mark!("ledger.applied", id = id, lsn = lsn));
            answer_all(askers.iter(), &Answer::Applied { lsn }, ctx);
        }
        assert!(self.lsn_of.len() as u64 + 1 == self.entries.next_lsn(), "sequence numbers are dense");
        Ok(())
    }

    /// Whether the records are durable now; if not, nothing has changed but a tail that will be cut off.
    fn write(&mut self, first_lsn: u64, records: &[Record], ctx: &mut Context<'_, Self>) -> Result<bool, Halt> {
        let bytes = match entries::encode(first_lsn, records) {
            Ok(bytes) => bytes,
            Err(_) => return Err(Halt::new("a group does not fit one entry: group_records is too large")),
        };
        let (file, good) = (self.file, self.entries.end());
        let mut disk = ctx.disk();
        let appended = if self.torn { disk.truncate(file, good) } else { Ok(()) };
        self.torn = true;
        if let Err(error) = appended.and_then(|()| disk.append_all(file, &bytes)) {
            ctx.mark(mark!("ledger.write_failed", error = error.to_string()));
            return Ok(false);
        }
        disk.sync(file).map_err(|error| Halt::new(format!("the ledger cannot be synced: {error}")))?;
        self.torn = false;
        self.entries.push(first_lsn, bytes.len() as u64, records.len() as u64);
        assert!(self.entries.end() == good + bytes.len() as u64, "entries lie one after the other");
        Ok(true)
    }

    /// Rows from the disk, in order, as many as the limits allow.
    fn scan(&mut self, from_lsn: u64, limit: u64, ctx: &mut Context<'_, Self>) -> Result<Answer, Halt> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, self.config.scan_records);
        let mut rows: Vec<Row> = Vec::new();
        let mut bytes = 0;
        let mut lsn = from_lsn.max(1);
        while let Some(extent) = self.entries.at(lsn) {
            let Ok(read) = ctx.disk().read_range(self.file, extent.offset, extent.len as usize) else {
                ctx.mark(mark!("ledger.read_failed"));
                return Ok(Answer::Unavailable);
            };
            // A device may hand out another place's bytes, sound in themselves.
            let found = entries::decode(&read).filter(|(first_lsn, _)| *first_lsn == extent.first_lsn);
            let Some((first_lsn, records)) = found else {
                return Err(Halt::new(format!("the entry with lsn {lsn} cannot be read back")));
            };
            for record in records.into_iter().skip((lsn - first_lsn) as usize) {
                bytes += weight(&record);
                if rows.len() == limit || (bytes > self.config.scan_bytes && !rows.is_empty()) {
                    return Ok(Answer::Rows { rows, next: Some(lsn) });
                }
                rows.push(Row { lsn, record });
                lsn += 1;
            }
        }
        assert!(rows.iter().zip(from_lsn.max(1)..).all(|(row, lsn)| row.lsn == lsn), "rows are dense");
        Ok(Answer::Rows { rows, next: None })
    }
}

/// Answers kept for one record of a group, at most.
const ASKERS_MAX: usize = 8;

fn answer_all<'a>(askers: impl Iterator<Item = &'a Asker>, answer: &Answer, ctx: &mut Context<'_, Ledger>) {
    for asker in askers {
        ctx.send(asker.reply_to, Reply { call: asker.call, answer: answer.clone() });
    }
}
