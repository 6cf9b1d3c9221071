//! Batches: the events that are written and made durable together, and what bytes of a ledger hold of them.
//!
//! Everything here is a function of bytes, and none of it panics on any.
//!
//! Each batch is durable before the next one is begun, so that a crash can have left only the last one incomplete:
//! cut short, with zeros or garbage in it, or with an earlier line gone while a later one is whole. What follows the
//! last complete batch is therefore a *tail* that nobody was promised anything about; bad bytes with a complete batch
//! behind them are *damage*, which no crash explains.

use super::line::{self, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Event, NewEvent, Unfit};

/// A complete batch inside some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its events, numbered one after the other.
    pub events: Vec<Event>,
    /// Where the bytes behind it begin.
    pub end: usize,
}

impl Batch {
    /// The number of its first event.
    pub fn first(&self) -> u64 {
        self.events.first().map_or(0, |event| event.id)
    }

    /// The number of its last event.
    pub fn last(&self) -> u64 {
        self.events.last().map_or(0, |event| event.id)
    }
}

/// The lines of a new batch, and the checksum of each.
///
/// # Errors
/// When an event or the batch does not fit.
pub fn write(events: &[NewEvent], first: u64, at: i64) -> Result<(Vec<u8>, Vec<u32>), Unfit> {
    if events.is_empty() || events.len() > BATCH_EVENTS_MAX {
        return Err(Unfit::Batch);
    }
    let (mut bytes, mut sums) = (Vec::new(), Vec::new());
    for (event, place) in events.iter().zip(1..) {
        sums.push(line::write(event, first + u64::from(place) - 1, at, (place, events.len() as u32), &mut bytes)?);
    }
    if bytes.len() > BATCH_BYTES_MAX { Err(Unfit::Batch) } else { Ok((bytes, sums)) }
}

/// The complete batch that begins at `from`; `None` if there is none.
pub fn read(bytes: &[u8], from: usize) -> Option<Batch> {
    let mut events: Vec<Event> = Vec::new();
    let mut end = from;
    loop {
        let next = next_line(bytes, end)?;
        let event = line::read(&bytes[end..next])?;
        let expected = match events.first() {
            None => (event.id, 1, event.batch.1),
            Some(first) => (first.id + events.len() as u64, events.len() as u32 + 1, first.batch.1),
        };
        if (event.id, event.batch.0, event.batch.1) != expected {
            return None;
        }
        end = next;
        let complete = event.batch.0 == event.batch.1;
        events.push(event);
        if complete {
            return (end - from <= BATCH_BYTES_MAX).then_some(Batch { events, end });
        }
    }
}

/// How a ledger ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Where the last complete batch ends.
    pub end: usize,
    /// The number of its last event; 0 if there is none.
    pub last: u64,
}

/// What the last bytes of a ledger tell about its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Where it ends; what is behind that is an incomplete batch.
    End(End),
    /// No complete batch begins in these bytes: look at more of them.
    Short,
    /// Bad bytes lie there with a complete batch behind them.
    Damage(usize),
}

/// Looks for the end of a ledger in its last bytes. Where a batch is known to begin with the first byte, `before` is
/// the number of the event before it, 0 for none. Otherwise bytes before the first complete batch are not judged:
/// they may be the rest of one that began earlier.
pub fn end(bytes: &[u8], before: Option<u64>) -> Seen {
    let mut bad = None;
    let mut last = before.map(|last| End { end: 0, last });
    let mut at = if before.is_some() { Some(0) } else { next_line(bytes, 0) };
    while let Some(from) = at.filter(|at| *at < bytes.len()) {
        match read(bytes, from) {
            Some(batch) if bad.is_none() && last.is_none_or(|end| batch.first() == end.last + 1) => {
                last = Some(End { end: batch.end, last: batch.last() });
                at = Some(batch.end);
            }
            Some(_) => return Seen::Damage(bad.unwrap_or(from)),
            None => {
                bad = bad.or(last.is_some().then_some(from));
                at = next_line(bytes, from);
            }
        }
    }
    last.map_or(Seen::Short, Seen::End)
}

/// Where the ledger ends for someone who looks at the last whole line and at nothing before it.
pub fn end_by_last_line(bytes: &[u8]) -> Option<End> {
    let (mut at, mut last) = (0, None);
    while let Some(next) = next_line(bytes, at) {
        if let Some(event) = line::read(&bytes[at..next]) {
            last = Some(End { end: next, last: event.id });
        }
        at = next;
    }
    last
}

/// Where the line behind the one at `from` begins.
fn next_line(bytes: &[u8], from: usize) -> Option<usize> {
    Some(from + bytes.get(from..)?.iter().position(|byte| *byte == b'\n')? + 1)
}

#[cfg(test)]
mod tests;
