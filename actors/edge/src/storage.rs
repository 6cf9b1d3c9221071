//! Files of records: layout, append, reading back, and what a read-back means.
//!
//! **Layout.** A file is a sequence of log records of [`contract::codec::write_record`] (length, checksum,
//! body). A body is one [`Batch`], all of what one append wrote: a checksum covers the whole append, so that a
//! torn append is always damage at the end of the file and never damage between whole records.
//!
//! **Health.** After a failed append the tail is cut back before the next one ([`Health::Torn`]). After a
//! failed sync nothing is appended any more ([`Health::Sealed`]): the page cache may have forgotten what it
//! had to write, and a second sync would report success; the records go to a new file instead.
//!
//! **Recovery table** of one file, by what [`parse`] finds:
//!
//! | found | means | buffer does | ledger does |
//! |---|---|---|---|
//! | whole records to the end | all was written | takes them | takes them |
//! | damage to the end | an append that was never acked | takes what is before | cuts it off |
//! | damage, then whole records | rot, or a hole that was written again later | takes all, keeps the file aside | goes on if no LSN is missing, else halts |
//!
//! What is read is not trusted to be durable: the page cache may hold what a failed sync never wrote. The
//! buffer writes it again to a new file, the ledger appends its last entry once more.

use crate::message::Record;
use contract::codec::{self, RecordAt};
use contract::{Disk, DiskError, File, Open};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where a process keeps its files.
pub const DIRECTORY: &str = ".";
/// No batch holds more payload than this, in bytes: it must stay under [`codec::BODY_MAX`] with its ids.
pub const BATCH_BYTES: usize = 256 * 1024;

/// What one append writes. The variant is the layout's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Batch {
    /// Records in the order in which they came.
    V1(Vec<Record>),
}

/// What stands in a file of log records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The whole entries with the offset and the length of each.
    pub entries: Vec<(u64, u64, T)>,
    /// The offset after the last whole entry.
    pub good: u64,
    /// What else there is.
    pub damage: Damage,
}

/// What a file holds besides whole entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// Bytes after the last whole entry: an append that did not end.
    Tail,
    /// Bytes between whole entries.
    Middle,
}

/// Readings of a file before what they say is believed.
const READINGS: usize = 6;

/// The bytes of a file and what stands in them. A device hands out another place's bytes now and then, and what a
/// recovery cuts off because of them is gone for good: a file is taken as it is once two readings agree
/// and are sound, and else as the reading, of six, with the most whole entries.
pub fn read_surely<T: DeserializeOwned>(file: File, disk: &mut Disk<'_>) -> Result<(Vec<u8>, Parsed<T>), DiskError> {
    let mut bytes = disk.read_all(file)?;
    let mut best = (parse(&bytes), bytes.clone());
    for _ in 1..READINGS {
        let again = disk.read_all(file)?;
        let parsed = parse(&again);
        let agree = again == bytes && parsed.damage == Damage::None;
        if agree || parsed.entries.len() > best.0.entries.len() {
            best = (parsed, again.clone());
        }
        if agree {
            break;
        }
        bytes = again;
    }
    Ok((best.1, best.0))
}

/// Reads all entries of a file's bytes. A whole record that is no `T` counts as damage.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Parsed<T> {
    let mut parsed = Parsed { entries: Vec::new(), good: 0, damage: Damage::None };
    let mut skipped = false;
    let mut at = 0;
    loop {
        match codec::read_record(bytes, at) {
            RecordAt::Record(body, next) => {
                match codec::decode(body) {
                    Ok(entry) => {
                        parsed.entries.push((at as u64, (next - at) as u64, entry));
                        parsed.good = next as u64;
                        parsed.damage = if skipped { Damage::Middle } else { Damage::None };
                    }
                    Err(_) => skipped = true,
                }
                assert!(next > at, "reading goes forward");
                at = next;
            }
            RecordAt::Damaged { resumes_at: Some(next) } => {
                skipped = true;
                at = next;
            }
            RecordAt::Damaged { resumes_at: None } => {
                skipped = true;
                break;
            }
            RecordAt::End => break,
        }
    }
    if skipped && parsed.damage == Damage::None {
        parsed.damage = Damage::Tail;
    }
    parsed
}

/// The bytes of the log records that hold `records`, in batches of at most [`BATCH_BYTES`] of payload.
pub fn encode(records: &[Record]) -> Result<Vec<u8>, DiskError> {
    let mut bytes = Vec::new();
    for batch in batches(records) {
        write_entry(&Batch::V1(batch.to_vec()), &mut bytes)?;
    }
    Ok(bytes)
}

/// Appends one log record whose body is `entry`. An entry beyond the codec's limit is refused as a device would.
pub fn write_entry<T: Serialize>(entry: &T, out: &mut Vec<u8>) -> Result<(), DiskError> {
    let body = codec::encode(entry).map_err(|_| DiskError::Invalid)?;
    codec::write_record(&body, out).map_err(|_| DiskError::Invalid)
}

/// Cuts `records` into slices that each fit one batch; none is empty.
pub fn batches(records: &[Record]) -> impl Iterator<Item = &[Record]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut size = 0;
        let fits = rest.iter().take_while(|record| {
            size += weight(record);
            size <= BATCH_BYTES
        });
        // One record alone always fits: `record_bytes_max` is below the limit of a batch.
        let count = fits.count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// About what a record takes in a batch or a page, in bytes.
pub fn weight(record: &Record) -> usize {
    record.payload.len() + 16
}

/// Makes a new, empty file with a durable name. A file of that name is unlinked, never written over: its
/// inode may have a failed sync behind it.
pub fn create(path: &str, disk: &mut Disk<'_>) -> Result<File, DiskError> {
    let file = match disk.open(path, Open::CreateNew) {
        Err(DiskError::Exists) => {
            disk.unlink(path)?;
            disk.open(path, Open::CreateNew)?
        }
        other => other?,
    };
    if let Err(error) = disk.sync_dir(DIRECTORY) {
        disk.close(file);
        // The next try makes a new name; whether this one goes away does not matter, nothing is in it.
        let _ = disk.unlink(path);
        return Err(error);
    }
    Ok(file)
}

/// Whether a log's end can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All that was written is synced.
    Sound,
    /// An append failed: what is behind the good length must be cut off first.
    Torn,
    /// A sync failed: nothing is appended any more.
    Sealed,
}

/// An append-only file of records, which may not exist yet.
#[derive(Clone, Debug)]
pub struct Log {
    place: &'static str,
    path: &'static str,
    segment: Option<Segment>,
}

/// A file that exists, and what of it is durable.
#[derive(Clone, Debug)]
struct Segment {
    file: File,
    good: u64,
    ids: BTreeSet<u64>,
    health: Health,
}

/// Why a log could not be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The disk refused; try again.
    Refused(DiskError),
    /// Durable records are not there any more: only a new start can tell what is left.
    Rotten,
}

impl Log {
    /// A log without a file.
    pub const fn absent(place: &'static str, path: &'static str) -> Self {
        Log { place, path, segment: None }
    }

    /// The name of the place for marks.
    pub fn place(&self) -> &'static str {
        self.place
    }

    /// The file's path.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.segment.is_some()
    }

    /// Whether there is no file, or one that can be appended to as it is.
    pub fn is_sound(&self) -> bool {
        self.segment.as_ref().is_none_or(|segment| segment.health == Health::Sound)
    }

    /// Durable bytes.
    pub fn len(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| segment.good)
    }

    /// Whether no record is durable here.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many different records are durable here.
    pub fn count(&self) -> usize {
        self.segment.as_ref().map_or(0, |segment| segment.ids.len())
    }

    /// Whether the record is durable here.
    pub fn holds(&self, id: u64) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.ids.contains(&id))
    }

    /// The durable records' ids, in order.
    pub fn ids(&self) -> Vec<u64> {
        self.segment.iter().flat_map(|segment| segment.ids.iter().copied()).collect()
    }

    /// Makes `records`, which fit one batch, durable here; makes the file if there is none. On an error none of
    /// them counts as stored, and whoever calls must keep them elsewhere.
    pub fn append(&mut self, records: &[Record], disk: &mut Disk<'_>) -> Result<(), DiskError> {
        assert!(!records.is_empty(), "an append has something to write");
        let bytes = encode(records)?;
        let segment = match &mut self.segment {
            Some(segment) => segment,
            None => self.segment.insert(Segment::new(create(self.path, disk)?)),
        };
        segment.append(&bytes, disk)?;
        segment.ids.extend(records.iter().map(|record| record.id));
        assert!(segment.health == Health::Sound, "what was just synced is sound");
        Ok(())
    }

    /// A new file at `draft` whose content is exactly `records`, synced. On an error it is dropped.
    pub fn draft(draft: &'static str, records: &[Record], disk: &mut Disk<'_>) -> Result<Draft, DiskError> {
        assert!(!records.is_empty(), "a draft has something to keep");
        let mut segment = Segment::new(create(draft, disk)?);
        match encode(records).and_then(|bytes| segment.append(&bytes, disk)) {
            Ok(()) => {
                segment.ids = records.iter().map(|record| record.id).collect();
                Ok(Draft { path: draft, segment })
            }
            Err(error) => {
                disk.close(segment.file);
                // A draft that stays is found and replaced by the next one.
                let _ = disk.unlink(draft);
                Err(error)
            }
        }
    }

    /// Renames the draft to this log's path, in place of what is there. Its name is durable only after the
    /// directory is synced.
    pub fn adopt(&mut self, draft: Draft, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        if let Err(error) = disk.rename(draft.path, self.path) {
            disk.close(draft.segment.file);
            return Err(error);
        }
        self.close(disk);
        self.segment = Some(draft.segment);
        Ok(())
    }

    /// Renames this log's file to `target`'s path. The name is durable only after the directory is synced.
    pub fn rename_to(&mut self, target: &mut Log, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        assert!(self.exists(), "only a file is renamed");
        disk.rename(self.path, target.path)?;
        target.close(disk);
        target.segment = self.segment.take();
        Ok(())
    }

    /// Unlinks the file. On an error it may stay; it is unlinked before the path is used again.
    pub fn unlink(&mut self, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        self.close(disk);
        disk.unlink(self.path)
    }

    /// The durable records, read from the disk.
    pub fn read_back(&self, disk: &mut Disk<'_>) -> Result<Vec<Record>, ReadBack> {
        let Some(segment) = &self.segment else { return Ok(Vec::new()) };
        let len = usize::try_from(segment.good).map_err(|_| ReadBack::Refused(DiskError::Invalid))?;
        let bytes = disk.read_range(segment.file, 0, len).map_err(ReadBack::Refused)?;
        let records = records_of(parse(&bytes));
        let found: BTreeSet<u64> = records.iter().map(|record| record.id).collect();
        if found == segment.ids { Ok(records) } else { Err(ReadBack::Rotten) }
    }

    fn close(&mut self, disk: &mut Disk<'_>) {
        if let Some(segment) = self.segment.take() {
            disk.close(segment.file);
        }
    }
}

/// A whole, synced file that has not got its name yet.
#[derive(Debug)]
pub struct Draft {
    path: &'static str,
    segment: Segment,
}

impl Segment {
    fn new(file: File) -> Self {
        Segment { file, good: 0, ids: BTreeSet::new(), health: Health::Sound }
    }

    fn append(&mut self, bytes: &[u8], disk: &mut Disk<'_>) -> Result<(), DiskError> {
        match self.health {
            Health::Sealed => return Err(DiskError::Io),
            Health::Torn => disk.truncate(self.file, self.good)?,
            Health::Sound => {}
        }
        self.health = Health::Torn;
        disk.append_all(self.file, bytes)?;
        self.health = Health::Sealed;
        disk.sync(self.file)?;
        self.health = Health::Sound;
        self.good += bytes.len() as u64;
        Ok(())
    }
}

/// The records of all batches, in order.
pub fn records_of(parsed: Parsed<Batch>) -> Vec<Record> {
    parsed.entries.into_iter().flat_map(|(_, _, Batch::V1(records))| records).collect()
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES, Batch, Damage, batches, encode, parse, records_of, write_entry};
    use crate::message::Record;

    fn record(id: u64) -> Record {
        Record { id, taken_at: contract::Wall::default(), payload: vec![id as u8; 3].into() }
    }

    fn two_appends() -> (Vec<u8>, usize) {
        let mut bytes = encode(&[record(1), record(2)]).unwrap();
        let first = bytes.len();
        bytes.extend(encode(&[record(3)]).unwrap());
        (bytes, first)
    }

    fn ids(bytes: &[u8]) -> (Vec<u64>, Damage) {
        let parsed = parse::<Batch>(bytes);
        let damage = parsed.damage;
        (records_of(parsed).iter().map(|record| record.id).collect(), damage)
    }

    #[test]
    fn layout_is_pinned() {
        let bytes =
            encode(&[Record { id: 258, taken_at: contract::Wall::default(), payload: vec![7, 8].into() }]).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, concat!("09000000", "cad6f7cc20089274", "202e9828", "00", "01", "fb0201", "00", "02", "0708"));
    }

    #[test]
    fn every_torn_end_keeps_exactly_the_whole_appends_before_it() {
        let (bytes, first) = two_appends();
        for len in 0..=bytes.len() {
            let expected = match len {
                0 => (vec![], Damage::None),
                _ if len < first => (vec![], Damage::Tail),
                _ if len == first => (vec![1, 2], Damage::None),
                _ if len < bytes.len() => (vec![1, 2], Damage::Tail),
                _ => (vec![1, 2, 3], Damage::None),
            };
            assert_eq!(ids(&bytes[..len]), expected, "cut at {len}");
        }
    }

    #[test]
    fn every_flipped_bit_in_the_first_append_is_rot_and_never_hides_the_second() {
        let (bytes, first) = two_appends();
        for bit in 0..first * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ids(&rotten), (vec![3], Damage::Middle), "bit {bit}");
        }
    }

    #[test]
    fn a_tail_of_zeros_is_a_torn_tail() {
        let (mut bytes, _) = two_appends();
        bytes.extend([0; 512]);
        assert_eq!(ids(&bytes), (vec![1, 2, 3], Damage::Tail));
    }

    #[test]
    fn a_whole_record_of_another_layout_is_damage() {
        let mut bytes = Vec::new();
        write_entry(&(200_u8, "from the future"), &mut bytes).unwrap();
        assert_eq!(ids(&bytes), (vec![], Damage::Tail));
        bytes.extend(encode(&[record(4)]).unwrap());
        assert_eq!(ids(&bytes), (vec![4], Damage::Middle));
    }

    #[test]
    fn batches_cover_all_records_in_order_and_stay_under_their_limit() {
        let large: Vec<Record> = (0..20)
            .map(|id| Record { id, taken_at: contract::Wall::default(), payload: vec![0; BATCH_BYTES / 3].into() })
            .collect();
        let cut: Vec<usize> = batches(&large).map(<[Record]>::len).collect();
        assert_eq!(cut.iter().sum::<usize>(), 20);
        assert!(cut.iter().all(|&len| len == 2), "{cut:?}");
        assert_eq!(batches(&[]).count(), 0);
    }
}
