//! Whole files, for whoever has the workspace to itself: copies, sums and replacements.
//!
//! Snapshots, restores and migrations hold every lock while they run. Their temporary files therefore have fixed
//! names: what a crash left behind is overwritten by the next attempt and never piles up.

use crate::places::Places;
use crate::prepare::is_unsupported;
use crate::turn::{Step, Turn};
use contract::{DiskError, File, Open};
use std::fmt;

/// Files are copied and summed in pieces of this many bytes.
const PIECE: usize = 1 << 20;

/// A system call that failed, and on what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failed {
    /// The call, as a verb.
    pub what: &'static str,
    /// The path, below the data directory.
    pub path: String,
    /// What the system said.
    pub error: DiskError,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.what, self.path, self.error)
    }
}

impl std::error::Error for Failed {}

/// The length and the BLAKE3 hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub blake3: String,
}

/// The value, or leaves the operation with its inner error.
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}
pub(crate) use ok;

/// Says which call on which path failed.
pub(crate) fn on(what: &'static str, path: &str) -> impl FnOnce(DiskError) -> Failed {
    move |error| Failed { what, path: path.to_owned(), error }
}

/// The bytes of a file; `None` where there is none.
///
/// # Errors
/// When it cannot be read, or has more than `bytes_max` bytes ([`DiskError::Invalid`]).
pub fn read(turn: &mut Turn<'_>, path: &str, bytes_max: u64) -> Step<Result<Option<Vec<u8>>, Failed>> {
    let file = match turn.open(path, Open::Read)? {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(on("open", path)(error))),
    };
    let bytes = match turn.len(file)? {
        Ok(len) if len > bytes_max => Err(DiskError::Invalid),
        Ok(_) => turn.read_all(file)?,
        Err(error) => Err(error),
    };
    turn.close(file)?;
    Ok(bytes.map(|bytes| Some(bytes.to_vec())).map_err(on("read", path)))
}

/// The length of a file in bytes; 0 where there is none.
///
/// # Errors
/// When the disk refuses.
pub fn length(turn: &mut Turn<'_>, path: &str) -> Step<Result<u64, Failed>> {
    match turn.stat(path)? {
        Ok(stat) => Ok(Ok(stat.len)),
        Err(DiskError::NotFound) => Ok(Ok(0)),
        Err(error) => Ok(Err(on("look at", path)(error))),
    }
}

/// The sum of a file.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn sum(turn: &mut Turn<'_>, path: &str) -> Step<Result<Sum, Failed>> {
    let file = ok!(turn.open(path, Open::Read)?.map_err(on("open", path)));
    let summed = pieces(turn, file, path, |_, _| Ok(Ok(())))?;
    turn.close(file)?;
    Ok(summed)
}

/// Copies `from` to `to`, which is overwritten, and makes the copy's bytes safe; its name is not yet.
///
/// # Errors
/// When either cannot be used; the copy may be there in part.
pub fn copy(turn: &mut Turn<'_>, from: &str, to: &str) -> Step<Result<Sum, Failed>> {
    let source = ok!(turn.open(from, Open::Read)?.map_err(on("open", from)));
    let copied = copy_into(turn, source, from, to)?;
    turn.close(source)?;
    Ok(copied)
}

fn copy_into(turn: &mut Turn<'_>, source: File, from: &str, to: &str) -> Step<Result<Sum, Failed>> {
    let target = ok!(fresh(turn, to)?);
    let mut copied =
        pieces(turn, source, from, |turn, piece| Ok(turn.append(target, piece)?.map_err(on("write", to))))?;
    if copied.is_ok()
        && let Err(error) = turn.sync(target)?
    {
        copied = Err(on("sync", to)(error));
    }
    turn.close(target)?;
    Ok(copied)
}

/// Replaces the file at `path`, in the directory `parent`, by `bytes`: a reader or a crash sees the old or the new.
///
/// # Errors
/// When the disk refuses. Only when the last step failed, the sync of the directory, may the new file be there.
pub fn replace(
    turn: &mut Turn<'_>,
    places: &Places,
    parent: &str,
    path: &str,
    bytes: &[u8],
) -> Step<Result<(), Failed>> {
    let temporary = places.temporary("replace");
    let file = ok!(fresh(turn, &temporary)?);
    let mut written = turn.append(file, bytes)?.map_err(on("write", &temporary));
    if written.is_ok() {
        written = turn.sync(file)?.map_err(on("sync", &temporary));
    }
    turn.close(file)?;
    ok!(written);
    ok!(turn.rename(&temporary, path)?.map_err(on("replace", path)));
    sync_dir(turn, parent)
}

/// An empty file of that name, open for writing; one of that name is removed, for others may have it open.
pub(crate) fn fresh(turn: &mut Turn<'_>, path: &str) -> Step<Result<File, Failed>> {
    ok!(remove(turn, path)?);
    Ok(turn.open(path, Open::CreateNew)?.map_err(on("create", path)))
}

/// Takes a name away, if it is there.
pub(crate) fn remove(turn: &mut Turn<'_>, path: &str) -> Step<Result<(), Failed>> {
    match turn.unlink(path)? {
        Ok(()) | Err(DiskError::NotFound) => Ok(Ok(())),
        Err(error) => Ok(Err(on("remove", path)(error))),
    }
}

/// Makes a directory, unless it is there.
pub(crate) fn directory(turn: &mut Turn<'_>, path: &str) -> Step<Result<(), Failed>> {
    match turn.mkdir(path)? {
        Ok(()) | Err(DiskError::Exists) => Ok(Ok(())),
        Err(error) => Ok(Err(on("make", path)(error))),
    }
}

/// Makes the names in a directory safe. Where the file system syncs no directories, they are as safe as it can.
pub(crate) fn sync_dir(turn: &mut Turn<'_>, path: &str) -> Step<Result<(), Failed>> {
    match turn.sync_dir(path)? {
        Err(error) if !is_unsupported(error) => Ok(Err(on("sync", path)(error))),
        _ => Ok(Ok(())),
    }
}

/// Names in a directory; none where there is no directory.
pub(crate) fn names(turn: &mut Turn<'_>, path: &str) -> Step<Result<Vec<String>, Failed>> {
    match turn.list(path)? {
        Ok(names) => Ok(Ok(names.to_vec())),
        Err(DiskError::NotFound) => Ok(Ok(Vec::new())),
        Err(error) => Ok(Err(on("list", path)(error))),
    }
}

/// Reads a file to its end, gives each piece to `take`, and sums them up.
fn pieces(
    turn: &mut Turn<'_>,
    file: File,
    path: &str,
    mut take: impl FnMut(&mut Turn<'_>, &[u8]) -> Step<Result<(), Failed>>,
) -> Step<Result<Sum, Failed>> {
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    loop {
        let piece = ok!(turn.read(file, size, PIECE)?.map_err(on("read", path)));
        if piece.is_empty() {
            return Ok(Ok(Sum { size, blake3: hasher.finalize().to_hex().to_string() }));
        }
        hasher.update(&piece);
        size += piece.len() as u64;
        ok!(take(turn, &piece)?);
    }
}
