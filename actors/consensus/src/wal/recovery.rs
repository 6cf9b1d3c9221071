//! Boot: what the files say is read, judged, and written anew.
//!
//! Appends are synced one by one, so only the last one can be torn by a crash. What the newest log file shows:
//!
//! | found | means | done |
//! |---|---|---|
//! | no log file | a new disk | an id is drawn |
//! | whole records to the end | all was written | all is kept |
//! | damage behind the last whole record | an append that was never acknowledged | it is cut off |
//! | damage, then a record that follows from what is before it | a seal that did not end, or rot in what says nothing of the log | all is kept |
//! | damage, then a record that does not | rot: entries are gone that were acknowledged | what is before it is kept, and the end that the newest record shows is claimed |
//! | the snapshot is damaged or gone | rot | the log is kept if it goes back to the first entry, else nothing; the end is claimed |
//! | no whole head, or a bad sector behind the last whole record | a promise may be gone, and nobody knows which | the disk is another one from now on: an id is drawn |
//!
//! Whatever is kept is written to a new file: what was read may be in the page cache alone (a failed sync, a
//! rename that is not durable), and a torn tail must not come back. Files that lost something are set aside,
//! never removed: `damaged-<number of the new file>-<name>`; whoever has looked at them may remove them.
//!
//! **What stays open.** Rot in the last record looks like an append that did not end, as long as nothing follows
//! it. A seal follows [`super::Config::seal_after`] after the last write; a machine whose last record rots before
//! that, and which then starts anew, forgets that record without knowing.

use super::kept::{Kept, Tail};
use super::message::Founding;
use super::reading::{self, Image};
use super::record::{self, Head, Name, Page, Parsed, Says, Step};
use super::segment::{self, DIRECTORY, DRAFT, Segment};
use crate::raft::{Position, SnapshotMeta};
use contract::{Blob, Disk, DiskError};

/// What a boot found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the disk is new.
    Fresh,
    /// Everything that was acknowledged.
    Whole {
        /// Bytes behind the last whole record, which are cut off.
        torn: u64,
    },
    /// Not all of it.
    Rotten {
        /// The end of the log as it was.
        claim: Position,
    },
    /// Not enough to keep a promise: the disk is another one from now on.
    Forgotten,
}

/// A disk that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What is kept.
    pub kept: Kept,
    /// What was found.
    pub verdict: Verdict,
}

/// Looks at a file before it is believed that something is missing from it.
const LOOKS: usize = 4;

/// Reads and judges the newest log file. `fresh` is the id that the disk gets if it needs one. A device that hands out
/// another place's bytes may do so twice alike: where something seems to be missing, the best of several looks counts.
///
/// # Errors
/// When the disk fails rather than a part of it: try again later.
pub fn read(names: &[Name], fresh: u64, disk: &mut Disk<'_>) -> Result<Recovered, DiskError> {
    let mut best = look(names, fresh, disk)?;
    for _ in 1..LOOKS {
        if best.verdict.missing() == (0, 0) {
            break;
        }
        let again = look(names, fresh, disk)?;
        if again.verdict.missing() < best.verdict.missing() {
            best = again;
        }
    }
    Ok(best)
}

impl Verdict {
    /// How much seems to be missing, for comparing two looks at one file.
    fn missing(&self) -> (u8, u64) {
        match self {
            Verdict::Fresh => (0, 0),
            Verdict::Whole { torn } => (0, *torn),
            Verdict::Rotten { .. } => (1, 0),
            Verdict::Forgotten => (2, 0),
        }
    }
}

fn look(names: &[Name], fresh: u64, disk: &mut Disk<'_>) -> Result<Recovered, DiskError> {
    let Some(number) = newest(names) else {
        return Ok(Recovered { kept: Kept::fresh(fresh), verdict: Verdict::Fresh });
    };
    let file = Name::Log(number);
    let image = reading::read(&segment::path(file), disk)?;
    let parsed = record::parse::<Step<'static>>(&image.bytes, file);
    let (Some(disk_id), Some(head)) = (parsed.disk, head_of(&parsed, &image)) else {
        return Ok(Recovered { kept: Kept::fresh(fresh), verdict: Verdict::Forgotten });
    };
    let snapshot = match &head.snapshot {
        Some(meta) => read_snapshot(disk_id, meta, disk)?,
        None => None,
    };
    let torn = image.bytes.len() as u64 - parsed.good;
    Ok(replay(disk_id, head.founding.clone(), snapshot, &parsed.records, torn))
}

/// The number of the newest log file.
pub fn newest(names: &[Name]) -> Option<u64> {
    let numbers = names.iter().filter_map(|name| if let Name::Log(number) = name { Some(*number) } else { None });
    numbers.max()
}

/// Our files in the directory.
///
/// # Errors
/// As the disk says.
pub fn names(disk: &mut Disk<'_>) -> Result<Vec<Name>, DiskError> {
    Ok(disk.list(DIRECTORY)?.iter().filter_map(|path| segment::name(path)).collect())
}

/// The newest head, if no promise is missing behind the last whole record.
fn head_of<'p>(parsed: &'p Parsed<Step<'static>>, image: &Image) -> Option<&'p Head> {
    if image.unreadable_to > parsed.good {
        return None;
    }
    parsed.records.iter().rev().find_map(|step| match &step.says {
        Says::Head(head) => Some(head),
        Says::Entries(_) | Says::Filler(_) => None,
    })
}

type Pages = (SnapshotMeta, Vec<Blob>);

/// The snapshot's pages; `None` if any of them is damaged or gone.
fn read_snapshot(disk_id: u64, meta: &SnapshotMeta, disk: &mut Disk<'_>) -> Result<Option<Pages>, DiskError> {
    let file = Name::Snapshot(meta.at);
    let image = match reading::read(&segment::path(file), disk) {
        Ok(image) => image,
        // The log could be read, so that the disk as a whole is not to blame.
        Err(DiskError::NotFound | DiskError::Io) => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = record::parse::<Page>(&image.bytes, file);
    let whole = parsed.records.iter().zip(0..).all(|(page, index)| page.page == index)
        && parsed.records.last().is_some_and(|last| last.pages as usize == parsed.records.len());
    if !whole || parsed.disk != Some(disk_id) {
        return Ok(None);
    }
    Ok(Some((meta.clone(), parsed.records.into_iter().map(|page| page.data).collect())))
}

/// Goes through the records in order.
fn replay(disk: u64, founding: Option<Founding>, snapshot: Option<Pages>, steps: &[Step<'_>], torn: u64) -> Recovered {
    let mut kept = Kept { founding, snapshot, ..Kept::fresh(disk) };
    let covered = kept.covered();
    kept.log = Tail::behind(covered);
    let mut end = Position::default();
    for step in steps {
        take(&mut kept.log, covered, step);
        (kept.hard, kept.keep_from, end) = (step.hard, step.keep_from, step.end());
    }
    if kept.log.last().index < covered.index {
        kept.log = Tail::behind(covered);
    }
    // Without its snapshot a log goes back to the first entry, and is filled from there again.
    kept.keep_from = kept.keep_from.min(covered.index.saturating_add(1));
    kept.log.trim(kept.keep_from);
    if kept.log.last() == end {
        return Recovered { kept, verdict: Verdict::Whole { torn } };
    }
    let claim = kept.hard.claim.map_or(end, |earlier| earlier.max(end));
    kept.hard.claim = Some(claim);
    Recovered { kept, verdict: Verdict::Rotten { claim } }
}

/// Takes a record's entries, unless something is missing before them that no snapshot covers.
fn take(log: &mut Tail, covered: Position, step: &Step<'_>) {
    if !log.holds(step.previous) {
        if step.previous.index > covered.index {
            return;
        }
        *log = Tail::behind(step.previous);
    }
    log.replace_after(step.previous, step.entries());
}

/// Removes what is no longer needed, and sets aside what lost something.
///
/// # Errors
/// The first that the disk reports; what it left behind, the next boot finds.
pub fn retire(names: &[Name], now: &Segment, recovered: &Recovered, disk: &mut Disk<'_>) -> Result<(), DiskError> {
    let lost = matches!(recovered.verdict, Verdict::Rotten { .. } | Verdict::Forgotten);
    let newest = newest(names);
    let snapshot = recovered.kept.snapshot.as_ref().map(|(meta, _)| Name::Snapshot(meta.at));
    let mut result = Ok(());
    for &name in names.iter().filter(|name| Some(**name) != snapshot) {
        let evidence = match name {
            Name::Log(number) => lost && Some(number) == newest,
            Name::Snapshot(_) => lost,
        };
        let path = segment::path(name);
        let done =
            if evidence { disk.rename(&path, &format!("damaged-{}-{path}", now.number())) } else { disk.unlink(&path) };
        result = result.and(done);
    }
    if disk.exists(DRAFT)? {
        result = result.and(disk.unlink(DRAFT));
    }
    result.and(disk.sync_dir(DIRECTORY))
}
