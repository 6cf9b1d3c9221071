//! Everything that can go wrong, in one type, each with what to do about it.

use ::workspace::atomic::FileError;
use ::workspace::format::Status;
use ::workspace::format::migrate::MigrateError;
use ::workspace::ledger::{AppendError, LedgerError, Unfit};
use ::workspace::lock::LockError;
use ::workspace::snapshot::SnapshotError;
use ::workspace::whole::Failed;
use contract::DiskError;
use std::fmt;
use std::path::PathBuf;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The directory cannot be used at all; the text is the system's.
    Directory(PathBuf, String),
    /// Here is no workspace that this program may use.
    Format(Status),
    /// Here is a workspace already.
    AlreadyThere,
    /// A restore was cut short by a crash; until it is finished nothing may be changed.
    RestoreUnfinished,
    /// A lock was not taken or not given back.
    Lock(LockError),
    /// A lock's name is empty, too long, or has other characters than `a-z`, `0-9`, `-` and `_`.
    LockName(String),
    /// The events cannot be written as they are.
    Unfit(Unfit),
    /// The events were not acknowledged.
    Append(AppendError),
    /// The ledger could not be read.
    Ledger(LedgerError),
    /// A file was not saved or not loaded.
    File(FileError),
    /// A snapshot was not taken, verified, restored or removed.
    Snapshot(SnapshotError),
    /// The workspace was not migrated.
    Migrate(MigrateError),
    /// The projection could not be brought up to date; the text is SQLite's.
    Projection(String),
    /// The disk refused.
    Disk(Failed),
    /// Another thread of this program panicked while it appended for this one; whether it did is unknown.
    Abandoned,
}

impl Error {
    pub(crate) fn disk(what: &'static str, path: &str, error: DiskError) -> Error {
        Error::Disk(Failed { what, path: path.to_owned(), error })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Directory(path, why) => write!(f, "cannot use the directory {}: {why}", path.display()),
            Error::Format(status) => write_status(*status, f),
            Error::AlreadyThere => f.write_str("here is a workspace already"),
            Error::RestoreUnfinished => f.write_str("RESTORE_UNFINISHED: a restore was cut short and must be finished"),
            Error::Lock(error) => error.fmt(f),
            Error::LockName(name) => {
                write!(f, "{name:?} is no name for a lock: 1 to 64 characters out of a-z, 0-9, - and _")
            }
            Error::Unfit(unfit) => unfit.fmt(f),
            Error::Append(error) => error.fmt(f),
            Error::Ledger(error) => error.fmt(f),
            Error::File(error) => error.fmt(f),
            Error::Snapshot(error) => error.fmt(f),
            Error::Migrate(error) => error.fmt(f),
            Error::Projection(why) => write!(f, "the projection: {why}"),
            Error::Disk(failed) => failed.fmt(f),
            Error::Abandoned => f.write_str("the thread that appended for this one panicked; the outcome is unknown"),
        }
    }
}

fn write_status(status: Status, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use ::workspace::format::{CURRENT, MINIMUM};
    match status {
        Status::Ready => f.write_str("the workspace is up to date"),
        Status::Missing => f.write_str("NO_WORKSPACE: here is none"),
        Status::NeedsMigration { from } => {
            write!(f, "NEEDS_MIGRATION: the workspace has format {from}, and this program writes format {CURRENT}")
        }
        Status::TooNew { minimum } => {
            write!(f, "TOO_NEW: the workspace needs a program that knows format {minimum}; this one knows {CURRENT}")
        }
        Status::TooOld { format } => {
            write!(f, "TOO_OLD: the workspace has format {format}; this program migrates from {MINIMUM} on")
        }
        Status::Unreadable => f.write_str("FORMAT_UNREADABLE: format.json does not say which format this is"),
    }
}

impl std::error::Error for Error {}

macro_rules! from {
    ($($error:ident => $variant:ident),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::$variant(error)
            }
        })*
    };
}
from!(
    LockError => Lock, Unfit => Unfit, AppendError => Append, LedgerError => Ledger, FileError => File,
    SnapshotError => Snapshot, MigrateError => Migrate, Failed => Disk
);
