//! Snapshots: copies of a whole workspace at one moment, each with a manifest that proves it.
//!
//! A snapshot is the directory `snapshots/<id>/` with copies under the workspace's own paths and `manifest.json`,
//! which is written last and atomically. Whoever takes or restores one holds the lock `events` and the lock of every
//! saved file ([`domains`]): the ledger is a prefix of whole batches, and every saved file is the one that was
//! current at its end. A file that is saved for the first time meanwhile may be missing.
//!
//! | to | call |
//! |---|---|
//! | take one | [`take`] |
//! | know which there are | [`list`] |
//! | prove that one is whole | [`verify`] |
//! | go back to one | [`restore::restore`], and [`restore::finish`] after a crash |
//! | remove one, or what an unfinished one left | [`remove`], [`sweep`] |

pub mod manifest;
pub mod restore;

use crate::date;
use crate::places::Places;
use crate::turn::{Step, Turn};
use crate::whole::{self, Failed, ok, on};
use contract::DiskError;
use manifest::{Entry, MANIFEST_BYTES_MAX, Manifest};
use std::fmt;

/// A snapshot's name has at most this many bytes.
pub const ID_BYTES_MAX: usize = 64;

/// Why a snapshot was not taken, not verified or not restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Names are 1 to [`ID_BYTES_MAX`] letters, digits, `-`, `_` and `.`, and do not begin with a dot.
    BadName(String),
    /// There is one of that name.
    Exists(String),
    /// There is none of that name.
    Unknown(String),
    /// An unfinished restore needs it.
    InUse(String),
    /// It is not what its manifest says, or has no readable one: each problem in a sentence.
    Damaged(String, Vec<String>),
    /// The disk refused.
    Disk(Failed),
}

impl From<Failed> for SnapshotError {
    fn from(failed: Failed) -> Self {
        SnapshotError::Disk(failed)
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::BadName(name) => {
                write!(f, "{name:?} is no name for a snapshot: 1 to {ID_BYTES_MAX} letters, digits, '-', '_' and '.'")
            }
            SnapshotError::Exists(id) => write!(f, "there is a snapshot {id} already"),
            SnapshotError::Unknown(id) => write!(f, "there is no snapshot {id}"),
            SnapshotError::InUse(id) => write!(f, "snapshot {id} is being restored"),
            SnapshotError::Damaged(id, problems) => write!(f, "snapshot {id} is damaged: {}", problems.join("; ")),
            SnapshotError::Disk(failed) => failed.fmt(f),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// The lock domains that must be held, in the order in which everybody takes them.
///
/// # Errors
/// When the saved files cannot be listed.
pub fn domains(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Vec<String>, Failed>> {
    let saved = ok!(saved(turn, &places.states())?);
    let domains = saved.iter().map(|name| format!("state-{name}"));
    Ok(Ok(["events".to_owned()].into_iter().chain(domains).collect()))
}

/// Takes a snapshot. The caller holds the locks of [`domains`].
///
/// # Errors
/// When the name is bad or taken, or the disk refuses; then nothing but an empty directory is left.
pub fn take(turn: &mut Turn<'_>, places: &Places, id: &str, tool: &str) -> Step<Result<Manifest, SnapshotError>> {
    ok!(named(id));
    let directory = places.snapshot(id);
    ok!(whole::directory(turn, &places.snapshots())?);
    ok!(whole::directory(turn, &directory)?);
    if ok!(whole::read(turn, &places.manifest(id), MANIFEST_BYTES_MAX)?).is_some() {
        return Ok(Err(SnapshotError::Exists(id.to_owned())));
    }
    let taken = write(turn, places, id, tool)?;
    if taken.is_err() {
        // Best effort: what stays has no manifest and is swept later.
        let _ = empty(turn, places, id)?;
    }
    Ok(taken.map_err(SnapshotError::Disk))
}

fn write(turn: &mut Turn<'_>, places: &Places, id: &str, tool: &str) -> Step<Result<Manifest, Failed>> {
    let (root, directory) = (places.root(), places.snapshot(id));
    ok!(empty(turn, places, id)?);
    ok!(whole::directory(turn, &format!("{directory}/state"))?);
    let mut files = Vec::new();
    for path in ok!(sources(turn, places)?) {
        let sum = ok!(whole::copy(turn, &format!("{root}/{path}"), &format!("{directory}/{path}"))?);
        files.push(Entry { path, size: sum.size, blake3: sum.blake3 });
    }
    let manifest = Manifest::of(date::iso(turn.wall()?), tool.to_owned(), files);
    ok!(whole::sync_dir(turn, &format!("{directory}/state"))?);
    ok!(whole::sync_dir(turn, &directory)?);
    ok!(whole::sync_dir(turn, &places.snapshots())?);
    ok!(whole::sync_dir(turn, root)?);
    ok!(whole::replace(turn, places, &directory, &places.manifest(id), &manifest.encode())?);
    Ok(Ok(manifest))
}

/// The snapshots that exist, by name.
///
/// # Errors
/// When the disk refuses.
pub fn list(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Vec<String>, Failed>> {
    let mut complete = Vec::new();
    for id in ok!(whole::names(turn, &places.snapshots())?) {
        match turn.stat(&places.manifest(&id))? {
            Ok(_) => complete.push(id),
            Err(DiskError::NotFound | DiskError::NotDirectory) => {}
            Err(error) => return Ok(Err(on("look at", &places.manifest(&id))(error))),
        }
    }
    Ok(Ok(complete))
}

/// Reads every byte of a snapshot and compares it with the manifest.
///
/// # Errors
/// [`SnapshotError::Damaged`] with every problem, not only the first; or what the disk says.
pub fn verify(turn: &mut Turn<'_>, places: &Places, id: &str) -> Step<Result<Manifest, SnapshotError>> {
    ok!(named(id));
    let Some(bytes) = ok!(whole::read(turn, &places.manifest(id), MANIFEST_BYTES_MAX)?) else {
        return Ok(Err(SnapshotError::Unknown(id.to_owned())));
    };
    let manifest = match Manifest::decode(&bytes) {
        Ok(manifest) => manifest,
        Err(why) => return Ok(Err(SnapshotError::Damaged(id.to_owned(), vec![format!("manifest.json: {why}")]))),
    };
    // Whoever took it may have died before its name was safe; a restore that begins now must find it again.
    ok!(whole::sync_dir(turn, &places.snapshot(id))?);
    let mut problems = Vec::new();
    for entry in &manifest.files {
        match whole::sum(turn, &format!("{}/{}", places.snapshot(id), entry.path))? {
            Ok(sum) if sum.size != entry.size => {
                problems.push(format!("{}: {} bytes, not {}", entry.path, sum.size, entry.size));
            }
            Ok(sum) if sum.blake3 != entry.blake3 => problems.push(format!("{}: other bytes", entry.path)),
            Ok(_) => {}
            Err(Failed { error: DiskError::NotFound, .. }) => problems.push(format!("{}: missing", entry.path)),
            Err(failed) => return Ok(Err(failed.into())),
        }
    }
    let damaged = !problems.is_empty();
    Ok(if damaged { Err(SnapshotError::Damaged(id.to_owned(), problems)) } else { Ok(manifest) })
}

/// Removes a snapshot: first its manifest, so that half of one is none. Its empty directory stays. The caller holds
/// the lock `events`.
///
/// # Errors
/// When there is none of that name, when an unfinished restore needs it, or the disk refuses.
pub fn remove(turn: &mut Turn<'_>, places: &Places, id: &str) -> Step<Result<(), SnapshotError>> {
    ok!(named(id));
    if !ok!(list(turn, places)?).iter().any(|known| known == id) {
        return Ok(Err(SnapshotError::Unknown(id.to_owned())));
    }
    if ok!(restore::intent(turn, places)?).as_deref() == Some(id) {
        return Ok(Err(SnapshotError::InUse(id.to_owned())));
    }
    ok!(empty(turn, places, id)?);
    Ok(Ok(()))
}

/// Removes what unfinished snapshots left; returns how many files. The caller holds the lock `events`, so that none
/// of them is being taken.
///
/// # Errors
/// When the disk refuses.
pub fn sweep(turn: &mut Turn<'_>, places: &Places) -> Step<Result<u64, Failed>> {
    let complete = ok!(list(turn, places)?);
    let mut removed = 0;
    for id in ok!(whole::names(turn, &places.snapshots())?) {
        if !complete.contains(&id) {
            removed += ok!(empty(turn, places, &id)?);
        }
    }
    Ok(Ok(removed))
}

/// Removes the files of one snapshot; the system call for removing directories is not in the contract.
fn empty(turn: &mut Turn<'_>, places: &Places, id: &str) -> Step<Result<u64, Failed>> {
    // First of all, or a crash would leave a snapshot that lacks files.
    ok!(whole::remove(turn, &places.manifest(id))?);
    ok!(whole::sync_dir(turn, &places.snapshot(id))?);
    let mut removed = 0;
    for folder in [format!("{}/state", places.snapshot(id)), places.snapshot(id)] {
        for name in ok!(whole::names(turn, &folder)?).iter().filter(|name| *name != "state") {
            ok!(whole::remove(turn, &format!("{folder}/{name}"))?);
            removed += 1;
        }
    }
    Ok(Ok(removed))
}

/// The paths that a snapshot copies, below the workspace.
fn sources(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Vec<String>, Failed>> {
    let mut paths = Vec::new();
    for (path, name) in [(places.ledger(), "events.jsonl"), (places.format(), "format.json")] {
        match turn.stat(&path)? {
            Ok(_) => paths.push(name.to_owned()),
            Err(DiskError::NotFound) => {}
            Err(error) => return Ok(Err(on("look at", &path)(error))),
        }
    }
    let saved = ok!(saved(turn, &places.states())?);
    paths.extend(saved.iter().map(|name| format!("state/{name}.json")));
    Ok(Ok(paths))
}

/// The names of the saved files in a directory.
fn saved(turn: &mut Turn<'_>, directory: &str) -> Step<Result<Vec<String>, Failed>> {
    let names = ok!(whole::names(turn, directory)?);
    Ok(Ok(names.iter().filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()))
}

/// Whether that is a name: it becomes a path.
pub fn named(id: &str) -> Result<(), SnapshotError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.starts_with('.') && id.bytes().all(fine) {
        Ok(())
    } else {
        Err(SnapshotError::BadName(id.to_owned()))
    }
}
