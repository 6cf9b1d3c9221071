//! The ledger's layout: one log record an append, and where each append lies in the file.

use crate::message::Record;
use crate::storage::{Parsed, parse, write_entry};
use contract::DiskError;
use serde::{Deserialize, Serialize};

/// What one append writes. The variant is the layout's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Records with consecutive log sequence numbers.
    V1 {
        /// That of the first.
        first_lsn: u64,
        /// At least one.
        records: Vec<Record>,
    },
}

/// The bytes of the log record that holds one append.
pub fn encode(first_lsn: u64, records: &[Record]) -> Result<Vec<u8>, DiskError> {
    assert!(first_lsn > 0 && !records.is_empty(), "an entry has numbered records");
    let mut bytes = Vec::new();
    write_entry(&Entry::V1 { first_lsn, records: records.to_vec() }, &mut bytes)?;
    Ok(bytes)
}

/// The one append that `bytes` hold.
pub fn decode(bytes: &[u8]) -> Option<(u64, Vec<Record>)> {
    let Parsed { mut entries, .. } = parse::<Entry>(bytes);
    match (entries.pop(), entries.is_empty()) {
        (Some((0, len, Entry::V1 { first_lsn, records })), true) if len == bytes.len() as u64 => {
            Some((first_lsn, records))
        }
        _ => None,
    }
}

/// Where one append lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Of its first record.
    pub first_lsn: u64,
    /// In bytes from the start of the file.
    pub offset: u64,
    /// In bytes.
    pub len: u64,
}

/// All appends of a file, in order, without a gap in their log sequence numbers.
#[derive(Clone, Debug)]
pub struct Entries {
    extents: Vec<Extent>,
    next_lsn: u64,
    end: u64,
}

impl Default for Entries {
    fn default() -> Self {
        Entries { extents: Vec::new(), next_lsn: 1, end: 0 }
    }
}

impl Entries {
    /// The log sequence number of the next record.
    pub fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// The good length of the file, in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// An append of `count` records was written at the end.
    pub fn push(&mut self, first_lsn: u64, len: u64, count: u64) {
        self.place(Extent { first_lsn, offset: self.end, len }, count);
    }

    /// An append of `count` records was found behind all others.
    pub fn place(&mut self, extent: Extent, count: u64) {
        assert!(extent.first_lsn == self.next_lsn, "an entry goes on where the last one ended");
        assert!(extent.offset >= self.end && count > 0, "entries do not overlap");
        self.extents.push(extent);
        self.next_lsn += count;
        self.end = extent.offset + extent.len;
    }

    /// The last append was found, or written, once more: this copy counts.
    pub fn replace_last(&mut self, extent: Extent) {
        assert!(extent.offset >= self.end, "a copy lies behind its original");
        let last = self.extents.last_mut().filter(|last| last.first_lsn == extent.first_lsn);
        if let Some(last) = last {
            *last = extent;
        }
        self.end = extent.offset + extent.len;
    }

    /// The last append.
    pub fn last(&self) -> Option<Extent> {
        self.extents.last().copied()
    }

    /// The append that holds `lsn`; `None` beyond the end.
    pub fn at(&self, lsn: u64) -> Option<Extent> {
        let after = self.extents.partition_point(|extent| extent.first_lsn <= lsn);
        if lsn >= self.next_lsn { None } else { after.checked_sub(1).map(|index| self.extents[index]) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entries, Extent, decode, encode};
    use crate::message::Record;

    #[test]
    fn layout_is_pinned() {
        let bytes =
            encode(3, &[Record { id: 1, taken_at: contract::Wall::default(), payload: vec![9].into() }]).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, concat!("07000000", "959e12783607aff7", "7beb2474", "00", "03", "01", "01", "00", "01", "09"));
    }

    #[test]
    fn a_damaged_or_longer_entry_is_not_read() {
        let bytes =
            encode(3, &[Record { id: 1, taken_at: contract::Wall::default(), payload: vec![9].into() }]).unwrap();
        assert!(decode(&bytes).is_some());
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&rotten), None, "bit {bit}");
        }
        assert_eq!(decode(&[bytes.clone(), bytes].concat()), None);
    }

    #[test]
    fn every_lsn_is_found_in_its_entry() {
        let mut entries = Entries::default();
        for (first_lsn, count) in [(1, 2), (3, 1), (4, 3)] {
            entries.push(first_lsn, 10, count);
        }
        let found: Vec<Option<u64>> = (1..9).map(|lsn| entries.at(lsn).map(|extent| extent.first_lsn)).collect();
        let expected = [Some(1), Some(1), Some(3), Some(4), Some(4), Some(4), None, None];
        assert_eq!(found, expected);
        entries.replace_last(Extent { first_lsn: 4, offset: 30, len: 10 });
        assert_eq!((entries.end(), entries.next_lsn(), entries.at(6).map(|e| e.offset)), (40, 7, Some(30)));
    }
}
