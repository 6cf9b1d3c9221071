//! A POSIX subset, in blocking style, with errors as values.
//!
//! What is promised is what POSIX promises and no more: `write` returning is not durable, `sync` makes
//! one file's data and size durable but not its name, `sync_dir` makes a directory's entries durable,
//! `rename` is atomic to observers. After any error of `sync` the file's unsynced contents are unknown.
//! Paths are relative to the node's data directory, which its processes share, with `/` between components and no `..`.

use std::fmt;

/// Why a disk call failed, named after the error number of the system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum DiskError {
    /// `ENOSPC`: no space. May be relieved later; retry then.
    NoSpace,
    /// `EIO`: the device failed this call.
    Io,
    /// `EROFS`: the file system is read-only from now on.
    ReadOnly,
    /// `ENOENT`.
    NotFound,
    /// `EEXIST`.
    Exists,
    /// `EINVAL`: the call makes no sense here, e.g. syncing a directory where that is unsupported.
    Invalid,
    /// `EISDIR`.
    IsDirectory,
    /// `ENOTDIR`.
    NotDirectory,
    /// `EBADF`: the handle is not open in this incarnation.
    BadHandle,
    /// `EMFILE` or `ENFILE`: too many open files.
    TooManyOpen,
    /// Any other error number of the real system.
    Other(i32),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            DiskError::NoSpace => "no space left on device (ENOSPC)",
            DiskError::Io => "input/output error (EIO)",
            DiskError::ReadOnly => "read-only file system (EROFS)",
            DiskError::NotFound => "no such file or directory (ENOENT)",
            DiskError::Exists => "file exists (EEXIST)",
            DiskError::Invalid => "invalid argument (EINVAL)",
            DiskError::IsDirectory => "is a directory (EISDIR)",
            DiskError::NotDirectory => "not a directory (ENOTDIR)",
            DiskError::BadHandle => "bad file handle (EBADF)",
            DiskError::TooManyOpen => "too many open files (EMFILE)",
            DiskError::Other(number) => return write!(f, "system error {number}"),
        };
        f.write_str(text)
    }
}

impl std::error::Error for DiskError {}

/// An open file of one process incarnation: plain data, so that actors stay cloneable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File(pub u32);

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// For reading and writing; created empty if it does not exist.
    Create,
    /// For reading and writing; fails with [`DiskError::Exists`] if it exists (`O_EXCL`).
    CreateNew,
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes; 0 for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub directory: bool,
    /// Which file this is, for telling whether a name still means the same file.
    pub inode: u64,
}

/// The disk calls a host implements; actors use [`Disk`].
pub trait Storage {
    /// `open(2)`.
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError>;
    /// `close(2)`.
    fn close(&mut self, file: File);
    /// `write(2)` at the end; may be short: returns the bytes written, at least one unless `bytes` is empty.
    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError>;
    /// `pread(2)`; returns the bytes read, 0 at the end of the file.
    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;
    /// `pwrite(2)`; may be short.
    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError>;
    /// `ftruncate(2)`.
    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError>;
    /// Length in bytes.
    fn len(&mut self, file: File) -> Result<u64, DiskError>;
    /// `fsync(2)` on a file.
    fn sync(&mut self, file: File) -> Result<(), DiskError>;
    /// `fsync(2)` on a directory.
    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError>;
    /// `rename(2)`; replaces an existing target atomically.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError>;
    /// `link(2)`; fails with [`DiskError::Exists`] if `to` exists.
    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError>;
    /// `unlink(2)`.
    fn unlink(&mut self, path: &str) -> Result<(), DiskError>;
    /// `mkdir(2)`.
    fn mkdir(&mut self, path: &str) -> Result<(), DiskError>;
    /// Names in a directory, sorted.
    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError>;
    /// `stat(2)`.
    fn stat(&mut self, path: &str) -> Result<Stat, DiskError>;
}

/// The disk as an actor sees it: the calls of [`Storage`] and the compositions that everyone needs.
pub struct Disk<'c> {
    storage: &'c mut (dyn Storage + 'c),
}

/// Appends and whole-file reads never ask for more than this at once.
const READ_CHUNK: usize = 64 * 1024;

impl<'c> Disk<'c> {
    /// Wraps a host's storage.
    pub fn new(storage: &'c mut (dyn Storage + 'c)) -> Self {
        Disk { storage }
    }

    /// Appends all of `bytes`, retrying short writes. On an error a prefix may have been written:
    /// the caller must truncate it away or repair the tail before it appends again.
    pub fn append_all(&mut self, file: File, bytes: &[u8]) -> Result<(), DiskError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = self.storage.append(file, rest)?;
            assert!(written > 0 && written <= rest.len(), "a host's short write is at least one byte");
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Reads exactly `len` bytes at `offset`; fewer only where the file ends.
    pub fn read_range(&mut self, file: File, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let at = bytes.len();
            bytes.resize(at + (len - at).min(READ_CHUNK), 0);
            let read = self.storage.read_at(file, offset + at as u64, &mut bytes[at..])?;
            bytes.truncate(at + read);
            if read == 0 {
                break;
            }
        }
        Ok(bytes)
    }

    /// Reads the whole file.
    pub fn read_all(&mut self, file: File) -> Result<Vec<u8>, DiskError> {
        let len = self.storage.len(file)?;
        let len = usize::try_from(len).map_err(|_| DiskError::Invalid)?;
        self.read_range(file, 0, len)
    }

    /// Whether something has that name.
    pub fn exists(&mut self, path: &str) -> Result<bool, DiskError> {
        match self.storage.stat(path) {
            Ok(_) => Ok(true),
            Err(DiskError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<'c> std::ops::Deref for Disk<'c> {
    type Target = dyn Storage + 'c;
    fn deref(&self) -> &Self::Target {
        self.storage
    }
}

impl std::ops::DerefMut for Disk<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.storage
    }
}
