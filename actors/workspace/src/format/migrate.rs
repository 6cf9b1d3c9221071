//! Migrations: the files of an older format become those of the next one, step by step, and a crash loses nothing.
//!
//! | from | to | what |
//! |---|---|---|
//! | 1 | 2 | each line of the ledger becomes a batch of one event, with a key and a checksum |
//!
//! The new ledger is written beside the old one and takes its name at once. Lines that are of format 2 already are
//! kept as they are, so that a migration that a crash cut short is simply done again.

use super::{CURRENT, Status, status, write};
use crate::ledger::line::{self, LINE_BYTES_MAX, NewEvent};
use crate::places::Places;
use crate::telemetry::tell;
use crate::turn::{Step, Turn};
use crate::whole::{self, Failed, ok, on};
use contract::{DiskError, File, Open};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt;

/// The ledger is read in pieces of this many bytes.
const PIECE: usize = 1 << 20;

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The format before.
    pub from: u32,
    /// Events that were converted or kept.
    pub events: u64,
    /// Bytes of an append that was never acknowledged, which were left behind.
    pub cut: u64,
}

/// Why a workspace was not migrated. It is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateError {
    /// There is nothing to do, or nothing that can be done.
    Status(Status),
    /// A line of the ledger is unreadable although others follow it, or is out of order.
    Damaged {
        /// Counted from 1.
        line: u64,
        /// Where it begins, in bytes.
        offset: u64,
    },
    /// An event is too long for the new format.
    TooLong {
        /// Which one.
        event: u64,
    },
    /// The disk refused.
    Disk(Failed),
}

impl From<Failed> for MigrateError {
    fn from(failed: Failed) -> Self {
        MigrateError::Disk(failed)
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MigrateError::Status(status) => write!(f, "there is nothing to migrate: {status:?}"),
            MigrateError::Damaged { line, offset } => {
                write!(f, "LEDGER_DAMAGED: line {line} at byte {offset} is unreadable or out of order")
            }
            MigrateError::TooLong { event } => write!(f, "event {event} takes more than {LINE_BYTES_MAX} bytes"),
            MigrateError::Disk(failed) => failed.fmt(f),
        }
    }
}

impl std::error::Error for MigrateError {}

/// Brings the workspace up to date. The caller holds the lock `events`, and took a snapshot if it wants a way back.
///
/// # Errors
/// When there is nothing to migrate, the old ledger is damaged, or the disk refuses.
pub fn migrate(turn: &mut Turn<'_>, places: &Places, tool: &str) -> Step<Result<Migrated, MigrateError>> {
    let from = match ok!(status(turn, places)?) {
        Status::NeedsMigration { from } => from,
        other => return Ok(Err(MigrateError::Status(other))),
    };
    assert_eq!((from, CURRENT), (1, 2), "each step between two versions is written down here");
    let temporary = places.temporary("migrate");
    let ledger = places.ledger();
    // Read and converted first: a damaged ledger is found before anything is changed.
    let converted = ok!(convert(turn, &ledger, &temporary)?);
    ok!(write(turn, places, from, CURRENT, tool)?);
    if converted.is_some() {
        ok!(whole::remove(turn, &places.watermark())?);
        ok!(turn.rename(&temporary, &ledger)?.map_err(on("replace", &ledger)));
    }
    ok!(whole::sync_dir(turn, places.root())?);
    // No power loss brings the temporary files back once it is said that all is done.
    ok!(whole::sync_dir(turn, &places.temporaries())?);
    ok!(write(turn, places, CURRENT, CURRENT, tool)?);
    let Converted { events, cut, .. } = converted.unwrap_or_default();
    if cut > 0 {
        tell(turn, places, "CORRUPT_TAIL_RECOVERY", json!({ "bytes": cut, "by": "migration" }))?;
    }
    Ok(Ok(Migrated { from, events, cut }))
}

/// How far a conversion has come.
#[derive(Debug, Default)]
struct Converted {
    /// The last event's number, which is also how many there are.
    events: u64,
    lines: u64,
    /// Where the next line begins.
    offset: u64,
    /// The first unreadable line and where it begins.
    bad: Option<(u64, u64)>,
    cut: u64,
}

/// Writes the ledger `from` in the new format to `to`, durably; `None` where there is no ledger.
fn convert(turn: &mut Turn<'_>, from: &str, to: &str) -> Step<Result<Option<Converted>, MigrateError>> {
    let source = match turn.open(from, Open::Read)? {
        Ok(source) => source,
        Err(DiskError::NotFound) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(on("open", from)(error).into())),
    };
    let converted = convert_file(turn, source, from, to)?;
    turn.close(source)?;
    Ok(converted.map(Some))
}

fn convert_file(turn: &mut Turn<'_>, source: File, from: &str, to: &str) -> Step<Result<Converted, MigrateError>> {
    let target = ok!(whole::fresh(turn, to)?);
    let mut converted = convert_lines(turn, source, target, from, to)?;
    if converted.is_ok()
        && let Err(error) = turn.sync(target)?
    {
        converted = Err(on("sync", to)(error).into());
    }
    turn.close(target)?;
    Ok(converted)
}

fn convert_lines(
    turn: &mut Turn<'_>,
    source: File,
    target: File,
    from: &str,
    to: &str,
) -> Step<Result<Converted, MigrateError>> {
    let mut so_far = Converted::default();
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let at = so_far.offset + rest.len() as u64;
        let piece = ok!(turn.read(source, at, PIECE)?.map_err(on("read", from)));
        rest.extend_from_slice(&piece);
        let mut written = Vec::new();
        let taken = ok!(so_far.take(&rest, &mut written));
        rest.drain(..taken);
        if rest.len() > LINE_BYTES_MAX && !piece.is_empty() {
            return Ok(Err(MigrateError::Damaged { line: so_far.lines + 1, offset: so_far.offset }));
        }
        ok!(turn.append(target, &written)?.map_err(on("write", to)));
        if piece.is_empty() {
            return Ok(so_far.end(rest.len() as u64).map(|()| so_far));
        }
    }
}

impl Converted {
    /// Converts the whole lines of `bytes`; returns how many bytes those are.
    fn take(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> Result<usize, MigrateError> {
        let mut taken = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(content) = line.strip_suffix(b"\n") else { break };
            self.lines += 1;
            // Each line was synced before the next one was begun: a crash leaves one bad line, and nothing behind it.
            match (self.line(line, content, into)?, self.bad) {
                (_, Some((line, offset))) => return Err(MigrateError::Damaged { line, offset }),
                (false, None) => self.bad = Some((self.lines, self.offset)),
                (true, None) => {}
            }
            self.offset += line.len() as u64;
            taken += line.len();
        }
        Ok(taken)
    }

    /// At the end of the ledger, where `rest` bytes have no newline: what is cut off.
    fn end(&mut self, rest: u64) -> Result<(), MigrateError> {
        let end = self.offset + rest;
        match self.bad {
            Some((line, offset)) if rest > 0 => return Err(MigrateError::Damaged { line, offset }),
            Some((_, offset)) => self.cut = end - offset,
            None => self.cut = rest,
        }
        Ok(())
    }

    /// Converts one line, with and without its newline; whether it is a good one.
    fn line(&mut self, line: &[u8], content: &[u8], into: &mut Vec<u8>) -> Result<bool, MigrateError> {
        let (id, event) = match (line::read(line), serde_json::from_slice::<Old<'_>>(content)) {
            (Some(sealed), _) => (sealed.id, None),
            (None, Ok(old)) => (old.event_id, Some(old)),
            (None, Err(_)) => return Ok(false),
        };
        if self.bad.is_none() && id != self.events + 1 {
            return Err(MigrateError::Damaged { line: self.lines, offset: self.offset });
        }
        match event {
            None => into.extend_from_slice(line),
            Some(Old { domain, at, key, payload, .. }) => {
                let payload = payload.map_or("null", RawValue::get).to_owned();
                let new = NewEvent { domain, key, payload };
                line::write(&new, id, at, (1, 1), into).map_err(|_| MigrateError::TooLong { event: id })?;
            }
        }
        self.events = id;
        Ok(true)
    }
}

/// A line of format 1. A line of format 2 whose checksum is wrong is none: it says that it has one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Old<'l> {
    event_id: u64,
    domain: String,
    #[serde(default)]
    at: i64,
    #[serde(default)]
    key: String,
    #[serde(borrow, default)]
    payload: Option<&'l RawValue>,
}
