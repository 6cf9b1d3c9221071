//! Reading: settled batches only, without the lock and beside any writer.
//!
//! What the watermark of this boot covers does not change any more. Where there is none, nobody has written in this
//! boot, and what was complete when it began is settled; a watermark that appears meanwhile is asked again.

use super::batch::{self, Seen};
use super::line::BATCH_BYTES_MAX;
use super::watermark::{self, Watermarks};
use super::{Event, LedgerError, attempt, on, tell_damage};
use crate::places::Places;
use crate::turn::{Step, Turn};
use contract::disk::Stat;
use contract::{DiskError, File, Open, mark};

/// Where a reader goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The number of the next event.
    pub next: u64,
    offset: u64,
    /// Which file that is in, once it is known.
    inode: Option<u64>,
}

impl Cursor {
    /// Before the first event.
    pub const START: Cursor = Cursor { next: 1, offset: 0, inode: None };
}

/// Some settled events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their numbers, whole batches.
    pub events: Vec<Event>,
    /// Where the next page begins.
    pub cursor: Cursor,
    /// Whether more was settled when this was read.
    pub more: bool,
}

/// What a check of every line found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events are settled: the number of the last one.
    pub events: u64,
    /// Where they end, in bytes.
    pub end: u64,
}

/// A replacement is met between two of a reader's calls at most this often before it gives up.
const ATTEMPTS: usize = 8;

/// Reads what is settled from `cursor` on: at least one batch if there is one, and about `bytes` at most.
///
/// # Errors
/// [`LedgerError::Damaged`] where settled bytes are not as they were written; a tail in the making is none.
pub fn read(turn: &mut Turn<'_>, places: &Places, cursor: Cursor, bytes: usize) -> Step<Result<Page, LedgerError>> {
    turn.mark(mark!("ledger.reading", ledger = places.ledger()))?;
    let read = attempts(turn, places, cursor, bytes)?;
    match &read {
        Ok(Page { events, more, .. }) => {
            let digests: Vec<u32> = events.iter().map(|event| event.crc).collect();
            let from = cursor.next;
            turn.mark(mark!("ledger.read", ledger = places.ledger(), from = from, digests = digests, more = *more))?;
        }
        Err(error) => tell_damage(turn, error)?,
    }
    Ok(read)
}

fn attempts(turn: &mut Turn<'_>, places: &Places, cursor: Cursor, bytes: usize) -> Step<Result<Page, LedgerError>> {
    let path = places.ledger();
    for _ in 0..ATTEMPTS {
        let before = match turn.stat(&path)? {
            Ok(stat) => stat,
            Err(DiskError::NotFound) => return Ok(Ok(Page { events: Vec::new(), cursor, more: false })),
            Err(error) => return Ok(Err(on(&path)(error))),
        };
        let file = attempt!(turn.open(&path, Open::Read), on(&path));
        let page = page(turn, places, file, before, cursor, bytes)?;
        turn.close(file)?;
        match page {
            Ok(None) => {}
            Ok(Some(page)) => return Ok(Ok(page)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Err(LedgerError::Replaced { path }))
}

/// Checks every settled line from the first one on, `bytes` at a time.
///
/// # Errors
/// As [`read()`].
pub fn verify(turn: &mut Turn<'_>, places: &Places, bytes: usize) -> Step<Result<Verified, LedgerError>> {
    let mut cursor = Cursor::START;
    loop {
        let page = attempt!(read(turn, places, cursor, bytes), |error| error);
        cursor = page.cursor;
        if !page.more {
            return Ok(Ok(Verified { events: cursor.next - 1, end: cursor.offset }));
        }
    }
}

/// One attempt; `None` if the ledger changed in a way that makes it void.
fn page(
    turn: &mut Turn<'_>,
    places: &Places,
    file: File,
    before: Stat,
    cursor: Cursor,
    bytes: usize,
) -> Step<Result<Option<Page>, LedgerError>> {
    let path = places.ledger();
    let marks = attempt!(watermarks(turn, places), |error| error);
    let boot = turn.identity()?.boot;
    let mark = marks.newest(boot, before.inode);
    // Between the two looks the file was opened: the same name means the same file.
    let same = matches!(turn.stat(&path)?, Ok(after) if after.inode == before.inode);
    if !same {
        return Ok(Ok(None));
    }
    if cursor.inode.is_some_and(|inode| inode != before.inode) {
        return Ok(Err(LedgerError::Replaced { path }));
    }
    let limit = mark.map_or(before.len, |(_, mark)| mark.end);
    let Some(left) = limit.checked_sub(cursor.offset) else {
        return Ok(Err(LedgerError::Damaged { path, at: limit }));
    };
    let cursor = Cursor { inode: Some(before.inode), ..cursor };
    let read = attempt!(batches(turn, &path, file, cursor, left, bytes, mark.is_some()), |error| error);
    if mark.is_none() {
        let now = attempt!(watermarks(turn, places), |error| error);
        if now.newest(boot, before.inode).is_some() {
            return Ok(Ok(None));
        }
    }
    Ok(read.map(Some))
}

fn watermarks(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Watermarks, LedgerError>> {
    let path = places.watermark();
    let file = match turn.open(&path, Open::Read)? {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(Ok(Watermarks::default())),
        Err(error) => return Ok(Err(on(&path)(error))),
    };
    let marks = watermark::read(turn, file)?;
    turn.close(file)?;
    Ok(marks.map_err(on(&path)))
}

/// The batches in the next `left` bytes, about `want` of them; `sure` if all of those are settled. The outer error is
/// the disk's, the inner one is judged only when the reading turns out to count.
fn batches(
    turn: &mut Turn<'_>,
    path: &str,
    file: File,
    cursor: Cursor,
    left: u64,
    want: usize,
    sure: bool,
) -> Step<Result<Result<Page, LedgerError>, LedgerError>> {
    let damaged =
        |at: usize| Ok(Ok(Err(LedgerError::Damaged { path: path.to_owned(), at: cursor.offset + at as u64 })));
    let mut want = want.clamp(1, BATCH_BYTES_MAX) as u64;
    loop {
        let bytes = attempt!(turn.read(file, cursor.offset, left.min(want) as usize), on(path));
        let (mut events, mut at, mut next) = (Vec::new(), 0, cursor.next);
        while let Some(batch) = batch::read(&bytes, at).filter(|batch| batch.first() == next) {
            (at, next) = (batch.end, batch.last() + 1);
            events.extend(batch.events);
        }
        let all = bytes.len() as u64 == left;
        if !all && at == 0 && want < BATCH_BYTES_MAX as u64 && bytes.len() as u64 == want {
            want = (want * 2).min(BATCH_BYTES_MAX as u64);
            continue;
        }
        let torn = bytes.len() > at;
        match batch::end(&bytes[at..], Some(next - 1)) {
            _ if torn && all && sure => return damaged(at),
            Seen::Damage(_) if torn && all => return damaged(at),
            _ if !all && at == 0 => return damaged(at),
            _ => {}
        }
        let cursor = Cursor { next, offset: cursor.offset + at as u64, inode: cursor.inode };
        return Ok(Ok(Ok(Page { events, cursor, more: !all })));
    }
}
