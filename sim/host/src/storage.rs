//! The contract's disk over a directory of the real one.
//!
//! Calls go straight to the system call of the same name and block. Paths are relative to the data
//! directory; `..` and absolute paths are refused before the kernel sees them, and symbolic links are
//! not followed. A handle number is never used twice, so a stale handle is an error and never another file.

use contract::disk::{Stat, Storage};
use contract::{DiskError, File, Open};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The disk of one process incarnation.
#[derive(Debug)]
pub struct DirStorage {
    root: OwnedFd,
    files: BTreeMap<u32, OpenFile>,
    next: u32,
    open_files_max: usize,
    faults: BTreeMap<DiskError, u64>,
}

#[derive(Debug)]
struct OpenFile {
    fd: OwnedFd,
    writable: bool,
    /// Whether the descriptor now has `O_APPEND`, under which Linux ignores the offset of `pwrite`.
    appending: bool,
}

impl DirStorage {
    /// Opens `data_dir`, which is made if it is missing. At most `open_files_max` files are open at once.
    pub fn open_dir(data_dir: &Path, open_files_max: usize) -> io::Result<DirStorage> {
        std::fs::create_dir_all(data_dir)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, data_dir, flags, Mode::empty())?;
        Ok(DirStorage { root, files: BTreeMap::new(), next: 1, open_files_max, faults: BTreeMap::new() })
    }

    /// The calls that the device or the file system failed since the last look, by error: no space, EIO
    /// and read-only. Errors of the caller's own making are not among them.
    pub fn take_faults(&mut self) -> BTreeMap<DiskError, u64> {
        std::mem::take(&mut self.faults)
    }

    /// Runs a system call, again if a signal interrupted it, and notes what the device failed.
    fn call<T>(&mut self, call: impl FnMut(&mut Self) -> Result<T, Errno>) -> Result<T, DiskError> {
        let mut call = call;
        let result = retry_on_intr(|| call(self)).map_err(disk_error);
        if let Err(error @ (DiskError::NoSpace | DiskError::Io | DiskError::ReadOnly)) = &result {
            *self.faults.entry(*error).or_insert(0) += 1;
        }
        result
    }

    fn file(&self, file: File) -> Result<&OpenFile, Errno> {
        self.files.get(&file.0).ok_or(Errno::BADF)
    }

    /// The descriptor for writing, in append mode or not.
    fn writer(&mut self, file: File, appending: bool) -> Result<&OwnedFd, Errno> {
        let open = self.files.get_mut(&file.0).ok_or(Errno::BADF)?;
        if !open.writable {
            return Err(Errno::BADF);
        }
        if open.appending != appending {
            let flags = if appending { OFlags::APPEND } else { OFlags::empty() };
            rustix::fs::fcntl_setfl(&open.fd, flags)?;
            open.appending = appending;
        }
        Ok(&open.fd)
    }
}

impl Storage for DirStorage {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let path = relative(path)?;
        if self.files.len() >= self.open_files_max || self.next == u32::MAX {
            return Err(DiskError::TooManyOpen);
        }
        let access = match mode {
            Open::Read => OFlags::RDONLY,
            Open::Write => OFlags::RDWR,
            Open::Create => OFlags::RDWR | OFlags::CREATE,
            Open::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        // NONBLOCK: something that is not a file (a FIFO) must not stop the process before it is refused.
        let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let permissions = Mode::from_raw_mode(0o644);
        let fd = self.call(|disk| rustix::fs::openat(&disk.root, path.as_str(), flags, permissions))?;
        match FileType::from_raw_mode(self.call(|_| rustix::fs::fstat(&fd))?.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(DiskError::IsDirectory),
            _ => return Err(DiskError::Invalid),
        }
        let handle = self.next;
        self.next += 1;
        let replaced = self.files.insert(handle, OpenFile { fd, writable: mode != Open::Read, appending: false });
        assert!(replaced.is_none(), "a handle number is used once");
        Ok(File(handle))
    }

    fn close(&mut self, file: File) {
        self.files.remove(&file.0);
    }

    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        let written = self.call(|disk| rustix::io::write(disk.writer(file, true)?, bytes))?;
        some_progress(written, bytes)
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.call(|disk| rustix::io::pread(&disk.file(file)?.fd, &mut *into, offset))
    }

    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let written = self.call(|disk| rustix::io::pwrite(disk.writer(file, false)?, bytes, offset))?;
        some_progress(written, bytes)
    }

    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        self.call(|disk| match disk.file(file)? {
            open if open.writable => rustix::fs::ftruncate(&open.fd, len),
            _ => Err(Errno::BADF),
        })
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        let stat = self.call(|disk| rustix::fs::fstat(&disk.file(file)?.fd))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        self.call(|disk| rustix::fs::fsync(&disk.file(file)?.fd))
    }

    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        let path = relative(path)?;
        let directory = self.call(|disk| open_dir_at(&disk.root, &path))?;
        self.call(|_| rustix::fs::fsync(&directory))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let (from, to) = (relative(from)?, relative(to)?);
        self.call(|disk| rustix::fs::renameat(&disk.root, from.as_str(), &disk.root, to.as_str()))
    }

    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        let (existing, to) = (relative(existing)?, relative(to)?);
        let flags = AtFlags::empty();
        self.call(|disk| rustix::fs::linkat(&disk.root, existing.as_str(), &disk.root, to.as_str(), flags))
    }

    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        let path = relative(path)?;
        self.call(|disk| rustix::fs::unlinkat(&disk.root, path.as_str(), AtFlags::empty()))
    }

    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        let path = relative(path)?;
        self.call(|disk| rustix::fs::mkdirat(&disk.root, path.as_str(), Mode::from_raw_mode(0o755)))
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        let path = relative(path)?;
        let directory = self.call(|disk| open_dir_at(&disk.root, &path))?;
        let entries = self.call(|_| Dir::read_from(&directory)?.collect::<Result<Vec<_>, Errno>>())?;
        let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != "." && name != "..").collect();
        names.sort();
        Ok(names)
    }

    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        let path = relative(path)?;
        let stat = self.call(|disk| rustix::fs::statat(&disk.root, path.as_str(), AtFlags::SYMLINK_NOFOLLOW))?;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let len = if directory { 0 } else { u64::try_from(stat.st_size).unwrap_or(0) };
        Ok(Stat { len, directory, inode: stat.st_ino })
    }
}

fn open_dir_at(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(root, path, flags, Mode::empty())
}

/// A path below the data directory, as the kernel is given it; the directory itself is `.`.
fn relative(path: &str) -> Result<String, DiskError> {
    if path.starts_with('/') || path.contains('\0') {
        return Err(DiskError::Invalid);
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.contains(&"..") {
        return Err(DiskError::Invalid);
    }
    Ok(if names.is_empty() { ".".to_owned() } else { names.join("/") })
}

/// The contract promises that a short write is at least one byte; a device that takes none has failed.
fn some_progress(written: usize, bytes: &[u8]) -> Result<usize, DiskError> {
    assert!(written <= bytes.len(), "the kernel writes no more than it was given");
    if written == 0 && !bytes.is_empty() { Err(DiskError::Io) } else { Ok(written) }
}

fn disk_error(errno: Errno) -> DiskError {
    match errno {
        Errno::NOSPC | Errno::DQUOT => DiskError::NoSpace,
        Errno::IO => DiskError::Io,
        Errno::ROFS => DiskError::ReadOnly,
        Errno::NOENT => DiskError::NotFound,
        Errno::EXIST => DiskError::Exists,
        Errno::INVAL => DiskError::Invalid,
        Errno::ISDIR => DiskError::IsDirectory,
        Errno::NOTDIR => DiskError::NotDirectory,
        Errno::BADF => DiskError::BadHandle,
        Errno::MFILE | Errno::NFILE => DiskError::TooManyOpen,
        other => DiskError::Other(other.raw_os_error()),
    }
}
