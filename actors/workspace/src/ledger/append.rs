//! Appending: one write, one sync, the watermark; and what a writer does when one of them fails.

use super::watermark::{self, Watermark};
use super::{LedgerError, NewEvent, Tail, batch, catch_up, forget, on};
use crate::lock::Held;
use crate::places::Places;
use crate::planted::Defect;
use crate::turn::{Step, Turn};
use contract::mark;
use std::fmt;

/// Events that are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// What this process knows now.
    pub tail: Tail,
    /// The number of the first of them.
    pub first: u64,
    /// The checksum of each line.
    pub sums: Vec<u32>,
}

/// Why events were not acknowledged. What the process knew of the end is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendError {
    /// Whether they may be in the ledger all the same, after a power loss.
    pub unknown: bool,
    /// What failed.
    pub error: LedgerError,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.unknown { "the events may or may not be in the ledger" } else { "nothing was appended" };
        write!(f, "{}; {outcome}", self.error)
    }
}

impl std::error::Error for AppendError {}

/// Appends `events` as one batch, under the `events` lock, which may be kept for further batches. `known` is what this
/// process knew when it last held that lock; it is given up, whatever comes back.
///
/// # Errors
/// When they were not acknowledged.
pub fn append(
    turn: &mut Turn<'_>,
    places: &Places,
    _lock: &Held,
    known: Option<Tail>,
    events: &[NewEvent],
) -> Step<Result<Appended, AppendError>> {
    let tail = match catch_up(turn, places, known)? {
        Ok(tail) => tail,
        Err(error) => return Ok(Err(AppendError { unknown: false, error })),
    };
    let last = if turn.has(Defect::P10) { known.map_or(tail.last, |known| known.last) } else { tail.last };
    let at = turn.wall()?.0 / 1_000_000;
    let appended = match batch::write(events, last + 1, at) {
        Ok((bytes, sums)) => settle(turn, places, Tail { last, ..tail }, &bytes, sums)?,
        Err(unfit) => Err(AppendError { unknown: false, error: LedgerError::Unfit(unfit) }),
    };
    match &appended {
        Ok(Appended { first, sums, .. }) => {
            let digests: Vec<u32> = sums.clone();
            turn.mark(mark!("ledger.acked", ledger = places.ledger(), first = *first, digests = digests))?;
        }
        Err(_) => forget(turn, tail)?,
    }
    Ok(appended)
}

/// Writes the lines of a batch and makes them durable.
fn settle(
    turn: &mut Turn<'_>,
    places: &Places,
    tail: Tail,
    lines: &[u8],
    sums: Vec<u32>,
) -> Step<Result<Appended, AppendError>> {
    let mut written = turn.append(tail.file, lines)?;
    if written.is_ok() && !turn.has(Defect::P09) {
        written = turn.sync(tail.file)?;
    }
    if let Err(error) = written {
        let unknown = !take_back(turn, tail)?;
        return Ok(Err(AppendError { unknown, error: on(&places.ledger())(error) }));
    }
    let (first, slot) = (tail.last + 1, 1 - tail.slot);
    let tail = Tail { end: tail.end + lines.len() as u64, last: tail.last + sums.len() as u64, slot, ..tail };
    let mark = Watermark { boot: turn.identity()?.boot, inode: tail.inode, end: tail.end, last: tail.last };
    if let Err(error) = watermark::write(turn, tail.marks, slot, mark)? {
        // It may be readable all the same, and then the batch is settled: only the next holder can tell.
        return Ok(Err(AppendError { unknown: true, error: on(&places.watermark())(error) }));
    }
    Ok(Ok(Appended { tail, first, sums }))
}

/// Removes what was written behind the end; whether it is certain not to come back.
fn take_back(turn: &mut Turn<'_>, tail: Tail) -> Step<bool> {
    if turn.truncate(tail.file, tail.end)?.is_err() {
        return Ok(false);
    }
    Ok(turn.sync(tail.file)?.is_ok())
}
