//! The layout of the append process's files: log records that know where they belong.
//!
//! A file is a sequence of records of [`contract::codec::write_record`] (length, checksum, body). A body says
//! first where it belongs: the disk, the file and the offset. A device may write or read the right bytes at the
//! wrong place, and a client's bytes may look like a record; neither is believed. All of one append but a seal's
//! is one record, so that a torn append is damage at the end of the file and never damage between whole records.

use super::message::Founding;
use crate::raft::{Entry, Hard, Position, SnapshotMeta};
use contract::Blob;
use contract::codec::{self, CodecError, RecordAt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// A log file, by its number.
    Log(u64),
    /// A snapshot, by the last entry that it covers.
    Snapshot(Position),
}

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The disk's id.
    pub disk: u64,
    /// The file.
    pub file: Name,
    /// In bytes from the start of the file.
    pub offset: u64,
}

/// A record of a log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<'a> {
    /// The state from here on: the newest whole record has the newest.
    pub hard: Hard,
    /// Entries below this index are no longer needed.
    pub keep_from: u64,
    /// The entry before the first one of this record; the log's end if the record has none. What comes after
    /// it in the log goes. Two logs that hold the same position are equal up to it (Raft, section 5.3), so a
    /// reader that holds this position has lost nothing before it.
    pub previous: Position,
    /// The rest.
    pub says: Says<'a>,
}

/// What a record of a log file says besides. A new layout is a new variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says<'a> {
    /// Everything but the log itself. A file begins with one, and one more follows what was written last.
    Head(Head),
    /// A write, with the entries that it adds, if any.
    Entries(Cow<'a, [Entry]>),
    /// Nothing: keeps its neighbours apart, so that they share no sector.
    Filler(Blob),
}

/// What stays the same while a log file is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The cluster that the disk belongs to.
    pub founding: Option<Founding>,
    /// The snapshot that the log goes on from.
    pub snapshot: Option<SnapshotMeta>,
}

/// A record of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Which, from 0.
    pub page: u32,
    /// How many there are.
    pub pages: u32,
    /// The page.
    pub data: Blob,
}

impl Step<'_> {
    /// The entries; none for a record of another kind.
    pub fn entries(&self) -> &[Entry] {
        match &self.says {
            Says::Entries(entries) => entries,
            Says::Head(_) | Says::Filler(_) => &[],
        }
    }

    /// The log's end after this record.
    pub fn end(&self) -> Position {
        self.entries().last().map_or(self.previous, |entry| entry.at)
    }
}

/// Appends the record that says `body` at `place` to `out`.
///
/// # Errors
/// When it is longer than the codec allows.
pub fn write<T: Serialize>(place: Place, body: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    codec::write_record(&codec::encode(&(place, body))?, out)
}

/// What stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The disk that the records name; `None` if there is none.
    pub disk: Option<u64>,
    /// The whole records that stand where they belong, in order.
    pub records: Vec<T>,
    /// The offset after the last of them.
    pub good: u64,
    /// Whether there is anything else before that.
    pub holes: bool,
}

/// Reads all records of a file's bytes. What stands in the wrong place is damage like any other.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], file: Name) -> Parsed<T> {
    let mut parsed = Parsed { disk: None, records: Vec::new(), good: 0, holes: false };
    let mut at = 0;
    loop {
        match codec::read_record(bytes, at) {
            RecordAt::Record(body, next) => {
                assert!(next > at, "reading goes forward");
                // Behind a record that is not believed, the next one may begin anywhere.
                at = if parsed.take(body, at as u64, next as u64, file) { next } else { at + 1 };
            }
            RecordAt::Damaged { resumes_at: Some(next) } => at = next,
            RecordAt::Damaged { resumes_at: None } | RecordAt::End => return parsed,
        }
    }
}

impl<T: DeserializeOwned> Parsed<T> {
    /// Takes the record if it belongs here.
    fn take(&mut self, body: &[u8], offset: u64, next: u64, file: Name) -> bool {
        let Ok((place, record)) = codec::decode::<(Place, T)>(body) else { return false };
        let disk = *self.disk.get_or_insert(place.disk);
        if place != (Place { disk, file, offset }) {
            if self.records.is_empty() {
                self.disk = None;
            }
            return false;
        }
        self.records.push(record);
        self.holes |= offset > self.good;
        self.good = next;
        true
    }
}
