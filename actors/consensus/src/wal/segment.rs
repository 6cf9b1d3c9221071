//! Files that are written: the log file that grows, and the whole files that replace others.

use super::kept::Kept;
use super::record::{self, Name, Page, Place, Says, Step};
use crate::raft::{Entry, Payload, Position};
use contract::{Blob, Disk, DiskError, File, Open};
use std::borrow::Cow;

/// Where the files are.
pub const DIRECTORY: &str = ".";
/// A file that is being written and has no name yet.
pub const DRAFT: &str = "draft";
/// Commands in one record of a rewritten log, in bytes; one entry is always taken.
const RECORD_BYTES: usize = 256 * 1024;

/// Why something was not written, by what is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing has changed. Try again after a while.
    Later(DiskError),
    /// What is durable now is unknown: only a restart can tell.
    Unknown(&'static str, DiskError),
    /// It can never be written.
    TooLong,
}

/// A log file that is open at its end.
#[derive(Clone, Debug)]
pub struct Segment {
    file: File,
    number: u64,
    /// Bytes between a record and its seal.
    apart: usize,
    good: u64,
    /// Its length when it was new.
    born: u64,
    /// An append failed: what is behind `good` must be cut off before the next one.
    torn: bool,
}

/// As a file is called.
pub fn path(name: Name) -> String {
    match name {
        Name::Log(number) => format!("wal-{number}"),
        Name::Snapshot(at) => format!("snap-{}-{}", at.index, at.term),
    }
}

/// What the file of that name is; `None` for a name that is not ours.
pub fn name(path: &str) -> Option<Name> {
    let name = if let Some(number) = path.strip_prefix("wal-") {
        Name::Log(number.parse().ok()?)
    } else {
        let (index, term) = path.strip_prefix("snap-")?.split_once('-')?;
        Name::Snapshot(Position { term: term.parse().ok()?, index: index.parse().ok()? })
    };
    (self::path(name) == path).then_some(name)
}

impl Segment {
    /// A new log file that holds exactly `kept`, durable with its name.
    ///
    /// # Errors
    /// On [`Failure::Later`] there is no such file.
    pub fn create(number: u64, kept: &Kept, apart: usize, disk: &mut Disk<'_>) -> Result<Segment, Failure> {
        let mut log = Records { place: Place { disk: kept.disk, file: Name::Log(number), offset: 0 }, apart, kept };
        let file = publish(&path(Name::Log(number)), disk, |write| {
            let mut previous = kept.log.base();
            write(&log.next(previous, Says::Head(kept.head()))?)?;
            loop {
                let part = fitting(kept.log.from(previous.index + 1), RECORD_BYTES);
                let Some(last) = part.last().map(|entry| entry.at) else { break };
                write(&log.next(previous, Says::Entries(Cow::Owned(part)))?)?;
                previous = last;
            }
            // By a call of its own: a device that loses one of the two has not lost the head.
            write(&[])?;
            write(&log.seal()?)
        })?;
        Ok(Segment { file, number, apart, good: log.place.offset, born: log.place.offset, torn: false })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether it has grown beyond `bytes`, and beyond twice what it was when it was new.
    pub fn is_long(&self, bytes: u64) -> bool {
        self.good > bytes && self.good / 2 > self.born
    }

    /// Makes one more record durable, with the state as it will be with it.
    ///
    /// # Errors
    /// On [`Failure::Later`] it is not there.
    pub fn step(&mut self, kept: &Kept, step: &Step<'_>, disk: &mut Disk<'_>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        record::write(self.end(kept), step, &mut bytes).map_err(|_| Failure::TooLong)?;
        self.append(&bytes, disk)
    }

    /// Makes durable that nothing more was written until now, so that rot in the last record is told from an
    /// append that did not end.
    ///
    /// # Errors
    /// As [`Segment::step`].
    pub fn seal(&mut self, kept: &Kept, disk: &mut Disk<'_>) -> Result<(), Failure> {
        let bytes = Records { place: self.end(kept), apart: self.apart, kept }.seal()?;
        self.append(&bytes, disk)
    }

    /// Closes the file.
    pub fn close(self, disk: &mut Disk<'_>) {
        disk.close(self.file);
    }

    fn end(&self, kept: &Kept) -> Place {
        Place { disk: kept.disk, file: Name::Log(self.number), offset: self.good }
    }

    fn append(&mut self, bytes: &[u8], disk: &mut Disk<'_>) -> Result<(), Failure> {
        if self.torn {
            disk.truncate(self.file, self.good).map_err(Failure::Later)?;
        }
        self.torn = true;
        disk.append_all(self.file, bytes).map_err(Failure::Later)?;
        disk.sync(self.file).map_err(|error| Failure::Unknown("sync the log", error))?;
        self.torn = false;
        self.good += bytes.len() as u64;
        Ok(())
    }
}

/// A snapshot's pages as a file of their own, durable with its name. A log file that names it may follow.
///
/// # Errors
/// As [`Segment::create`].
pub fn write_snapshot(disk_id: u64, at: Position, pages: &[Blob], disk: &mut Disk<'_>) -> Result<(), Failure> {
    let file = Name::Snapshot(at);
    let mut offset = 0;
    let written = publish(&path(file), disk, |write| {
        for (page, data) in (0..).zip(pages) {
            let page = Page { page, pages: pages.len() as u32, data: data.clone() };
            let mut bytes = Vec::new();
            record::write(Place { disk: disk_id, file, offset }, &page, &mut bytes).map_err(|_| Failure::TooLong)?;
            offset += bytes.len() as u64;
            write(&bytes)?;
        }
        Ok(())
    })?;
    disk.close(written);
    Ok(())
}

/// The records of a log file, one after the other.
struct Records<'k> {
    place: Place,
    apart: usize,
    kept: &'k Kept,
}

impl Records<'_> {
    fn next(&mut self, previous: Position, says: Says<'_>) -> Result<Vec<u8>, Failure> {
        let step = Step { hard: self.kept.hard, keep_from: self.kept.keep_from, previous, says };
        let mut bytes = Vec::new();
        record::write(self.place, &step, &mut bytes).map_err(|_| Failure::TooLong)?;
        self.place.offset += bytes.len() as u64;
        Ok(bytes)
    }

    /// A head at some distance. Half of it may be there after a crash; it says nothing new, so nobody minds.
    fn seal(&mut self) -> Result<Vec<u8>, Failure> {
        let end = self.kept.log.last();
        let mut bytes = self.next(end, Says::Filler(vec![0; self.apart].into()))?;
        bytes.extend(self.next(end, Says::Head(self.kept.head()))?);
        Ok(bytes)
    }
}

/// As many entries as hold about so many bytes, and at least one.
pub fn fitting<'e>(entries: impl Iterator<Item = &'e Entry>, bytes: usize) -> Vec<Entry> {
    let mut size = 0;
    let fits = entries.enumerate().take_while(|(nth, entry)| {
        size += weight(entry);
        *nth == 0 || size <= bytes
    });
    fits.map(|(_, entry)| entry.clone()).collect()
}

/// About what an entry takes, in bytes.
fn weight(entry: &Entry) -> usize {
    const FRAME: usize = 32;
    const MEMBER: usize = 16;
    FRAME
        + match &entry.payload {
            Payload::Noop => 0,
            Payload::Command(command) => command.len(),
            Payload::Configure(configuration) => MEMBER * configuration.all().count(),
        }
}

/// Adds bytes to the file that is being written; none at all ends what is written by one call.
type Append<'a> = dyn FnMut(&[u8]) -> Result<(), Failure> + 'a;

/// Writes a whole new file and gives it its name: draft, sync, rename, sync of the directory.
fn publish(
    path: &str,
    disk: &mut Disk<'_>,
    fill: impl FnOnce(&mut Append<'_>) -> Result<(), Failure>,
) -> Result<File, Failure> {
    let file = draft(disk).map_err(Failure::Later)?;
    let mut gathered = Vec::new();
    let mut append = |bytes: &[u8]| {
        gathered.extend_from_slice(bytes);
        if bytes.is_empty() || gathered.len() >= RECORD_BYTES {
            disk.append_all(file, &gathered).map_err(Failure::Later)?;
            gathered.clear();
        }
        Ok(())
    };
    let filled = fill(&mut append).and_then(|()| append(&[]));
    if let Err(failure) = filled {
        disk.close(file);
        // A draft that stays is found and replaced by the next one.
        let _ = disk.unlink(DRAFT);
        return Err(failure);
    }
    let unknown = |what| move |error| Failure::Unknown(what, error);
    disk.sync(file).map_err(unknown("sync a new file"))?;
    disk.rename(DRAFT, path).map_err(unknown("name a new file"))?;
    disk.sync_dir(DIRECTORY).map_err(unknown("sync the directory"))?;
    Ok(file)
}

/// An empty draft. One that is there is unlinked, never written over: its inode may have a failed sync behind it.
fn draft(disk: &mut Disk<'_>) -> Result<File, DiskError> {
    match disk.open(DRAFT, Open::CreateNew) {
        Err(DiskError::Exists) => {
            disk.unlink(DRAFT)?;
            disk.open(DRAFT, Open::CreateNew)
        }
        other => other,
    }
}
