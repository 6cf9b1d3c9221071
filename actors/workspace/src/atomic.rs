//! Files that are saved as a whole: readers and restarts see the old one or the new one (A1 to A4).
//!
//! ```text
//!   take the lock state-NAME, read version n
//!   write tmp/TOKEN.RANDOM.save, sync it     the new content is safe, under a name that nobody reads
//!   rename it to state/NAME.json             whoever opens the file from now on reads version n + 1
//!   sync state/                              the name is safe: the save may be acknowledged
//! ```
//!
//! Where a file system cannot sync directories at all, and says so with `EINVAL` or `EISDIR`, the save is acknowledged
//! as [`Durability::NameWeak`]: the file is whole, but a power loss may bring its old version back. Every other error
//! of that sync leaves the outcome unknown, and the save is not acknowledged.
//!
//! The file is one [sealed](crate::sealed) line: `{"version":3,"data":...,"crc":"89abcdef"}`.

use crate::lock::{self, LockError, Locker};
use crate::planted::Defect;
use crate::prepare::is_unsupported;
use crate::sealed;
use crate::turn::{Step, Turn};
use contract::{DiskError, File, Open, mark};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The longest name of a file, in bytes: locks and guards carry it, too.
pub const NAME_MAX: usize = 64;

/// What survives the loss of power right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The content and its name.
    Full,
    /// The content; this file system cannot be told to keep the name, so that the file's last version may come back.
    NameWeak,
}

/// A save that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The file's new version; the first is 1.
    pub version: u64,
    /// What is promised.
    pub durability: Durability,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its version.
    pub version: u64,
    /// Its content.
    pub data: Value,
}

/// Why a file was not saved or not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// The name is empty, too long, or has other characters than `a-z`, `0-9`, `-` and `_`.
    Name,
    /// The file's lock; nothing was changed.
    Lock(LockError),
    /// The file on the disk is no sealed line: it was damaged by something else. It is left as it is.
    Damaged {
        /// The file.
        path: String,
    },
    /// Nothing was changed; ask again.
    Disk {
        /// Which file or directory it was about.
        path: String,
        /// What the disk said.
        error: DiskError,
    },
    /// The new version is visible, and nobody knows whether it will survive a power loss; ask again.
    Unknown {
        /// The version in doubt.
        version: u64,
        /// What the disk said to the sync of the directory.
        error: DiskError,
    },
    /// The lock could not be given back: this process should end, so that others see that it is free.
    Stuck(LockError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Name => write!(f, "a file's name has 1 to {NAME_MAX} characters out of a-z, 0-9, - and _"),
            FileError::Lock(error) | FileError::Stuck(error) => error.fmt(f),
            FileError::Damaged { path } => write!(f, "FILE_DAMAGED: {path} is not what a save wrote"),
            FileError::Disk { path, error } => write!(f, "{path}: {error}"),
            FileError::Unknown { version, error } => {
                write!(f, "SAVE_UNKNOWN: version {version} may not survive a power loss: {error}")
            }
        }
    }
}

impl std::error::Error for FileError {}

/// Saves `data` as the next version of the file `name`.
///
/// # Errors
/// Nothing was acknowledged; [`FileError`] says what is there now.
pub fn save(turn: &mut Turn<'_>, locker: &Locker, name: &str, data: &Value) -> Step<Result<Saved, FileError>> {
    if !is_name(name) {
        return Ok(Err(FileError::Name));
    }
    let held = match lock::acquire(turn, locker, &format!("state-{name}"))? {
        Ok(held) => held,
        Err(error) => return Ok(Err(FileError::Lock(error))),
    };
    let saved = save_next(turn, locker, name, data)?;
    match lock::release(turn, locker, &held)? {
        Ok(()) => Ok(saved),
        Err(error) => Ok(Err(FileError::Stuck(error))),
    }
}

/// Reads the file `name`; `None` where it was never saved. What is returned does not go back: whoever saved it may have
/// died before the name was safe, so it is made safe first.
///
/// # Errors
/// [`FileError::Damaged`], or what the disk says.
pub fn load(turn: &mut Turn<'_>, locker: &Locker, name: &str) -> Step<Result<Option<Loaded>, FileError>> {
    if !is_name(name) {
        return Ok(Err(FileError::Name));
    }
    let path = locker.places.state(name);
    let boot = turn.identity()?.boot;
    turn.mark(mark!("file.reading", file = path.as_str(), boot = boot))?;
    let loaded = match current(turn, &path)? {
        Ok(loaded) => loaded,
        Err(error) => return Ok(Err(error)),
    };
    let weak = match turn.sync_dir(&locker.places.states())? {
        Ok(()) => false,
        Err(error) if is_unsupported(error) => true,
        Err(error) => return Ok(Err(FileError::Disk { path: locker.places.states(), error })),
    };
    let (version, digest) = loaded.as_ref().map_or((0, 0), |loaded| (loaded.version, digest(&loaded.data)));
    turn.mark(mark!("file.read", file = path.as_str(), version = version, digest = digest, weak = weak))?;
    Ok(Ok(loaded))
}

/// Whether `name` can be a file's.
pub fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(legal)
}

/// What oracles compare: the CRC-32 of the content's JSON.
pub fn digest(data: &Value) -> u64 {
    u64::from(crc32fast::hash(data.to_string().as_bytes()))
}

/// The file as it is now, without any promise.
fn current(turn: &mut Turn<'_>, path: &str) -> Step<Result<Option<Loaded>, FileError>> {
    let failed = |error| FileError::Disk { path: path.to_owned(), error };
    let file = match turn.open(path, Open::Read)? {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(failed(error))),
    };
    let bytes = turn.read_all(file)?;
    turn.close(file)?;
    match bytes.map(|bytes| parse(&bytes)) {
        Ok(Some(loaded)) => Ok(Ok(Some(loaded))),
        Ok(None) => {
            turn.mark(mark!("file.damaged", file = path))?;
            Ok(Err(FileError::Damaged { path: path.to_owned() }))
        }
        Err(error) => Ok(Err(failed(error))),
    }
}

/// Reads a file's bytes. `None` for what no save wrote; never panics.
pub fn parse(bytes: &[u8]) -> Option<Loaded> {
    #[derive(Deserialize)]
    struct Envelope {
        version: u64,
        data: Value,
    }
    let line: Envelope = sealed::is_sound(bytes).then(|| serde_json::from_slice(bytes).ok())??;
    (line.version > 0).then_some(Loaded { version: line.version, data: line.data })
}

/// Under the lock: writes the version after the current one.
fn save_next(turn: &mut Turn<'_>, locker: &Locker, name: &str, data: &Value) -> Step<Result<Saved, FileError>> {
    let path = locker.places.state(name);
    let version = match current(turn, &path)? {
        Ok(loaded) => loaded.map_or(0, |loaded| loaded.version) + 1,
        Err(error) => return Ok(Err(error)),
    };
    let digest = digest(data);
    let temporary = locker.places.temporary(&format!("{}.{:016x}.save", locker.ticket.token, turn.random()?));
    let line = sealed::seal(&format!("{{\"version\":{version},\"data\":{data}"));
    let mut written = write(turn, &temporary, &line)?;
    if written.is_ok() {
        let boot = turn.identity()?.boot;
        turn.mark(mark!("file.writing", file = path.as_str(), version = version, digest = digest, boot = boot))?;
        written = turn.rename(&temporary, &path)?;
    }
    if let Err(error) = written {
        // Where even this is refused, the next sweep finds it by its name.
        let _ = turn.unlink(&temporary)?;
        return Ok(Err(FileError::Disk { path, error }));
    }
    let durability = match name_safe(turn, &locker.places.states())? {
        Ok(durability) => durability,
        Err(error) => return Ok(Err(FileError::Unknown { version, error })),
    };
    let weak = durability == Durability::NameWeak;
    turn.mark(mark!("file.saved", file = path.as_str(), version = version, digest = digest, weak = weak))?;
    Ok(Ok(Saved { version, durability }))
}

fn write(turn: &mut Turn<'_>, path: &str, bytes: &[u8]) -> Step<Result<(), DiskError>> {
    let file = match turn.open(path, Open::CreateNew)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let written = fill(turn, file, bytes)?;
    turn.close(file)?;
    Ok(written)
}

fn fill(turn: &mut Turn<'_>, file: File, bytes: &[u8]) -> Step<Result<(), DiskError>> {
    let written = turn.append(file, bytes)?;
    if written.is_err() || turn.has(Defect::P13) {
        return Ok(written);
    }
    turn.sync(file)
}

/// Makes the names of the directory safe, as far as its file system can.
fn name_safe(turn: &mut Turn<'_>, directory: &str) -> Step<Result<Durability, DiskError>> {
    if turn.has(Defect::P14) {
        return Ok(Ok(Durability::Full));
    }
    Ok(match turn.sync_dir(directory)? {
        Ok(()) => Ok(Durability::Full),
        Err(error) if is_unsupported(error) => Ok(Durability::NameWeak),
        Err(_) if turn.has(Defect::P15) => Ok(Durability::Full),
        Err(error) => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_and_parts_of_it_do_not() {
        let line = sealed::seal("{\"version\":3,\"data\":{\"b\":1,\"a\":[null]}");
        let loaded = parse(&line).unwrap();
        assert_eq!((loaded.version, loaded.data.to_string()), (3, "{\"a\":[null],\"b\":1}".to_owned()));
        for cut in 0..line.len() {
            assert_eq!(parse(&line[..cut]), None, "the first {cut} bytes");
        }
        assert_eq!(parse(&sealed::seal("{\"version\":0,\"data\":1")), None, "versions begin with 1");
        assert_eq!(parse(&sealed::seal("{\"version\":1")), None, "no data");
        assert_eq!(parse(&[0; 512]), None);
    }

    #[test]
    fn names_are_those_that_every_file_system_takes() {
        for good in ["a", "0", "route-table_2", &"x".repeat(NAME_MAX)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "A", "a.b", "é", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
