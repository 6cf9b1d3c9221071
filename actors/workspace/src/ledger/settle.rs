//! Where the ledger ends, and the repair that makes it so: all of it under the `events` lock.

use super::batch::{self, End, Seen};
use super::line::BATCH_BYTES_MAX;
use super::watermark::{self, Watermark, Watermarks};
use super::{LedgerError, attempt, on, tell_damage};
use crate::places::Places;
use crate::planted::Defect;
use crate::prepare::is_unsupported;
use crate::telemetry;
use crate::turn::{Step, Turn};
use contract::disk::Stat;
use contract::{DiskError, File, Open, mark};
use serde_json::json;

/// The ledger's files, open, and its settled end as this process knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    pub(super) file: File,
    pub(super) marks: File,
    pub(super) inode: u64,
    /// Where the next batch begins.
    pub(super) end: u64,
    /// The number of the last event.
    pub(super) last: u64,
    /// The slot that holds the watermark.
    pub(super) slot: usize,
}

impl Tail {
    /// The number of the last event; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The ledger's length in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }
}

/// The first look at the end of a ledger takes this many bytes; each further one twice as many.
const WINDOW: u64 = 64 * 1024;
/// The last complete batch and an incomplete one behind it lie within this many bytes.
const WINDOW_MAX: u64 = 2 * BATCH_BYTES_MAX as u64;

/// Finds the settled end and cuts off what is behind it, under the `events` lock. `known` is what this process knew
/// when it last held that lock; it is given up, and what comes back takes its place.
///
/// # Errors
/// When the disk refuses, or the ledger is damaged. Nothing was promised then, and nothing settled was touched.
pub fn catch_up(turn: &mut Turn<'_>, places: &Places, known: Option<Tail>) -> Step<Result<Tail, LedgerError>> {
    let path = places.ledger();
    if let Some(tail) = known {
        // Whoever has appended since has left the file longer: what is settled is never cut.
        if matches!(turn.stat(&path)?, Ok(stat) if (stat.inode, stat.len) == (tail.inode, tail.end)) {
            return Ok(Ok(tail));
        }
        forget(turn, tail)?;
    }
    let file = attempt!(turn.open(&path, Open::Create), on(&path));
    let marks = match turn.open(&places.watermark(), Open::Create)? {
        Ok(marks) => marks,
        Err(error) => {
            turn.close(file)?;
            return Ok(Err(on(&places.watermark())(error)));
        }
    };
    let tail = look(turn, places, file, marks)?;
    if let Err(error) = &tail {
        tell_damage(turn, error)?;
        turn.close(file)?;
        turn.close(marks)?;
    }
    Ok(tail)
}

/// Closes the files.
pub fn forget(turn: &mut Turn<'_>, tail: Tail) -> Step<()> {
    turn.close(tail.file)?;
    turn.close(tail.marks)
}

/// To be called under the `events` lock, after [`catch_up`], before another file is put in the ledger's place: what
/// the watermark says is about the old one.
///
/// # Errors
/// When it could not be removed; nothing may be replaced then.
pub fn replaced(turn: &mut Turn<'_>, places: &Places) -> Step<Result<(), LedgerError>> {
    Ok(match turn.unlink(&places.watermark())? {
        Ok(()) | Err(DiskError::NotFound) => Ok(()),
        Err(error) => Err(on(&places.watermark())(error)),
    })
}

fn look(turn: &mut Turn<'_>, places: &Places, file: File, marks: File) -> Step<Result<Tail, LedgerError>> {
    let path = places.ledger();
    let stat = attempt!(turn.stat(&path), on(&path));
    let known = attempt!(watermark::read(turn, marks), on(&places.watermark()));
    let boot = turn.identity()?.boot;
    let Some((slot, mark)) = known.newest(boot, stat.inode) else {
        return adopt(turn, places, file, marks, stat, &known);
    };
    if mark.end > stat.len {
        return Ok(Err(LedgerError::Damaged { path, at: stat.len }));
    }
    let mut tail = Tail { file, marks, inode: stat.inode, end: mark.end, last: mark.last, slot };
    attempt!(cut(turn, places, &mut tail, stat.len), |error| error);
    Ok(Ok(tail))
}

/// Nobody has written in this boot: what is there is durable, as far as it is whole.
fn adopt(
    turn: &mut Turn<'_>,
    places: &Places,
    file: File,
    marks: File,
    stat: Stat,
    known: &Watermarks,
) -> Step<Result<Tail, LedgerError>> {
    let path = places.ledger();
    let (end, last) = attempt!(find_end(turn, &path, file, stat.len), |error| error);
    if end < known.ever(stat.inode) {
        // An earlier boot had made durable what is unreadable now: no crash did that.
        return Ok(Err(LedgerError::Damaged { path, at: end }));
    }
    let mut tail = Tail { file, marks, inode: stat.inode, end, last, slot: 0 };
    attempt!(cut(turn, places, &mut tail, stat.len), |error| error);
    // A copy of a workspace may not be on the disk yet, nor the name of a ledger that was just made.
    attempt!(turn.sync(file), on(&path));
    match turn.sync_dir(places.root())? {
        Err(error) if !is_unsupported(error) => return Ok(Err(on(places.root())(error))),
        _ => {}
    }
    let mark = Watermark { boot: turn.identity()?.boot, inode: stat.inode, end: tail.end, last };
    attempt!(watermark::write(turn, marks, tail.slot, mark), on(&places.watermark()));
    Ok(Ok(tail))
}

/// Where the last complete batch ends, and its last event's number, from the last bytes of a ledger of that length.
fn find_end(turn: &mut Turn<'_>, path: &str, file: File, len: u64) -> Step<Result<(u64, u64), LedgerError>> {
    let mut window = WINDOW;
    loop {
        let from = len.saturating_sub(window);
        let bytes = attempt!(turn.read(file, from, (len - from) as usize), on(path));
        if turn.has(Defect::P12)
            && let Some(End { end, last }) = batch::end_by_last_line(&bytes)
        {
            return Ok(Ok((from + end as u64, last)));
        }
        match batch::end(&bytes, (from == 0).then_some(0)) {
            Seen::End(End { end, last }) => return Ok(Ok((from + end as u64, last))),
            Seen::Short if window < WINDOW_MAX => window *= 2,
            Seen::Short => return Ok(Err(LedgerError::Damaged { path: path.to_owned(), at: from })),
            Seen::Damage(at) => return Ok(Err(LedgerError::Damaged { path: path.to_owned(), at: from + at as u64 })),
        }
    }
}

/// Cuts off what is behind the end and makes sure that it does not come back.
fn cut(turn: &mut Turn<'_>, places: &Places, tail: &mut Tail, len: u64) -> Step<Result<(), LedgerError>> {
    if len == tail.end {
        return Ok(Ok(()));
    }
    if turn.has(Defect::P08) {
        tail.end = len;
        return Ok(Ok(()));
    }
    let (path, bytes) = (places.ledger(), len - tail.end);
    // Said before it is done: a crash between would hide it.
    turn.mark(mark!("ledger.cut", ledger = path.as_str(), last = tail.last, bytes = bytes))?;
    attempt!(turn.truncate(tail.file, tail.end), on(&path));
    attempt!(turn.sync(tail.file), on(&path));
    telemetry::tell(turn, places, "CORRUPT_TAIL_RECOVERY", json!({ "at": tail.end, "bytes": bytes }))?;
    Ok(Ok(()))
}
