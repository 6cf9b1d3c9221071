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

#[cfg(test)]
mod tests {
    use super::{Head, Name, Page, Parsed, Place, Says, Step, parse, write};
    use crate::raft::{Entry, Hard, MemberId, Payload, Position};
    use std::borrow::Cow;

    const FILE: Name = Name::Log(3);

    fn place(offset: u64) -> Place {
        Place { disk: 9, file: FILE, offset }
    }

    fn step(term: u64) -> Step<'static> {
        let at = Position { term, index: 2 };
        let entry = Entry { at, payload: Payload::Command(vec![7, 8].into()) };
        Step {
            hard: Hard { term, vote: Some(MemberId { slot: 1, disk: 300 }), claim: None },
            keep_from: 1,
            previous: Position { term: 1, index: 1 },
            says: Says::Entries(Cow::Owned(vec![entry])),
        }
    }

    fn two_steps() -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        write(place(0), &step(4), &mut bytes).unwrap();
        let first = bytes.len();
        write(place(first as u64), &step(5), &mut bytes).unwrap();
        (bytes, first)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn layout_is_pinned() {
        let (bytes, first) = two_steps();
        let place = "090003";
        let step = "040101fb2c0100010101010104020102".to_owned() + "0708";
        assert_eq!(hex(&bytes[16..first]), format!("{place}00{step}"));
        let head = Step { says: Says::Head(Head::default()), ..step_without_vote() };
        let mut bytes = Vec::new();
        write(Place { disk: 9, file: Name::Snapshot(Position { term: 2, index: 5 }), offset: 1 }, &head, &mut bytes)
            .unwrap();
        assert_eq!(hex(&bytes[16..]), "0901020501".to_owned() + &"00".repeat(9));
        let mut bytes = Vec::new();
        write(
            super::Place { disk: 9, file: FILE, offset: 0 },
            &Page { page: 1, pages: 2, data: vec![3].into() },
            &mut bytes,
        )
        .unwrap();
        assert_eq!(hex(&bytes[16..]), "0900030001020103");
    }

    fn step_without_vote() -> Step<'static> {
        Step { hard: Hard::default(), keep_from: 0, previous: Position::default(), says: Says::Head(Head::default()) }
    }

    #[test]
    fn a_record_is_read_where_it_was_written_and_nowhere_else() {
        let (bytes, first) = two_steps();
        let whole = parse::<Step<'static>>(&bytes, FILE);
        let expected =
            Parsed { disk: Some(9), records: vec![step(4), step(5)], good: bytes.len() as u64, holes: false };
        assert_eq!(whole, expected);
        let nothing = Parsed { disk: None, records: Vec::<Step<'static>>::new(), good: 0, holes: false };
        assert_eq!(parse(&bytes, Name::Log(4)), nothing);
        assert_eq!(parse(&bytes[first..], FILE), nothing);
        let swapped = [&bytes[first..], &bytes[..first]].concat();
        assert_eq!(parse(&swapped, FILE), nothing);
    }

    #[test]
    fn a_flipped_bit_costs_one_record() {
        let (bytes, first) = two_steps();
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let left = if bit / 8 < first { step(5) } else { step(4) };
            assert_eq!(parse::<Step<'static>>(&rotten, FILE).records, [left], "bit {bit}");
        }
    }

    #[test]
    fn a_record_inside_a_command_is_not_believed() {
        let (inner, _) = two_steps();
        let entry = Entry { at: Position { term: 4, index: 2 }, payload: Payload::Command(inner.into()) };
        let outer = Step { says: Says::Entries(Cow::Owned(vec![entry])), ..step(4) };
        let mut bytes = Vec::new();
        write(place(0), &outer, &mut bytes).unwrap();
        let end = bytes.len();
        write(place(end as u64), &step(6), &mut bytes).unwrap();
        bytes[3] ^= 1;
        assert_eq!(parse::<Step<'static>>(&bytes, FILE).records, [step(6)]);
    }
}
