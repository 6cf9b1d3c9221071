//! A disk for directed tests: a page cache over what is durable, errors to order, and sectors that go bad.

use contract::disk::{Stat, Storage};
use contract::{DiskError, File, Open};
use std::collections::BTreeMap;
use std::ops::Range;

/// The disk of one node.
#[derive(Clone, Default)]
pub struct FakeDisk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    handles: Vec<Option<usize>>,
    orders: Vec<(&'static str, u32, DiskError)>,
    /// Calls that change or sync something, as `append wal-1`.
    pub calls: Vec<String>,
}

#[derive(Clone, Default)]
struct Inode {
    cache: Vec<u8>,
    durable: Vec<u8>,
    bad: Vec<Range<usize>>,
    /// What the next reading returns in place of what is there.
    misread: Option<Vec<u8>>,
}

impl FakeDisk {
    /// The next `times` calls of that kind fail.
    pub fn fail(&mut self, call: &'static str, times: u32, error: DiskError) {
        self.orders.push((call, times, error));
    }

    /// No more ordered errors.
    pub fn relieve(&mut self) {
        self.orders.clear();
    }

    /// Only what is durable is left.
    pub fn power_loss(&mut self) {
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            inode.cache = inode.durable.clone();
        }
        self.handles.clear();
    }

    /// A visible file's bytes, at rest.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let inode = &mut self.inodes[self.names[path]];
        change(&mut inode.cache);
        inode.durable = inode.cache.clone();
    }

    /// A visible file's bytes.
    pub fn bytes(&self, path: &str) -> &[u8] {
        &self.inodes[self.names[path]].cache
    }

    /// These bytes cannot be read any more.
    pub fn spoil(&mut self, path: &str, range: Range<usize>) {
        self.inodes[self.names[path]].bad.push(range);
    }

    /// The next reading of the file returns these bytes.
    pub fn misread(&mut self, path: &str, bytes: Vec<u8>) {
        self.inodes[self.names[path]].misread = Some(bytes);
    }

    /// The names that are visible.
    pub fn paths(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn call(&mut self, call: &'static str, path: &str) -> Result<(), DiskError> {
        self.calls.push(format!("{call} {path}"));
        match self.orders.iter_mut().find(|(kind, left, _)| *kind == call && *left > 0) {
            Some((_, left, error)) => {
                *left -= 1;
                Err(*error)
            }
            None => Ok(()),
        }
    }

    fn name_of(&self, ino: usize) -> String {
        let found = self.names.iter().find(|(_, it)| **it == ino);
        found.map_or_else(|| "unlinked".to_owned(), |(name, _)| name.clone())
    }

    fn ino(&self, file: File) -> Result<usize, DiskError> {
        self.handles.get(file.0 as usize).copied().flatten().ok_or(DiskError::BadHandle)
    }
}

impl Storage for FakeDisk {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let ino = match (self.names.get(path).copied(), mode) {
            (Some(_), Open::CreateNew) => return Err(DiskError::Exists),
            (Some(ino), _) => ino,
            (None, Open::Read | Open::Write) => return Err(DiskError::NotFound),
            (None, Open::Create | Open::CreateNew) => {
                self.call("create", path)?;
                self.inodes.push(Inode::default());
                self.names.insert(path.to_owned(), self.inodes.len() - 1);
                self.inodes.len() - 1
            }
        };
        self.handles.push(Some(ino));
        Ok(File(self.handles.len() as u32 - 1))
    }

    fn close(&mut self, file: File) {
        self.handles[file.0 as usize] = None;
    }

    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        let ino = self.ino(file)?;
        if let Err(error) = self.call("append", &self.name_of(ino)) {
            // A short write before the error: the caller must deal with a torn tail.
            self.inodes[ino].cache.extend_from_slice(&bytes[..bytes.len().div_ceil(2)]);
            return Err(error);
        }
        self.inodes[ino].cache.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let ino = self.ino(file)?;
        let inode = &mut self.inodes[ino];
        let wanted = offset as usize..offset as usize + into.len();
        if inode.bad.iter().any(|bad| bad.start < wanted.end && wanted.start < bad.end) {
            return Err(DiskError::Io);
        }
        let wrong = inode.misread.take();
        let rest = wrong.as_ref().unwrap_or(&inode.cache).get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, _: File, _: u64, _: &[u8]) -> Result<usize, DiskError> {
        panic!("nothing is written in place");
    }

    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        let ino = self.ino(file)?;
        self.call("truncate", &self.name_of(ino))?;
        self.inodes[ino].cache.truncate(len as usize);
        Ok(())
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        Ok(self.inodes[self.ino(file)?].cache.len() as u64)
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let ino = self.ino(file)?;
        self.call("sync", &self.name_of(ino))?;
        self.inodes[ino].durable = self.inodes[ino].cache.clone();
        Ok(())
    }

    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        self.call("sync_dir", path)?;
        self.durable_names = self.names.clone();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.call("rename", to)?;
        let ino = self.names.remove(from).ok_or(DiskError::NotFound)?;
        self.names.insert(to.to_owned(), ino);
        Ok(())
    }

    fn link(&mut self, _: &str, _: &str) -> Result<(), DiskError> {
        panic!("nothing is linked");
    }

    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        self.call("unlink", path)?;
        self.names.remove(path).map(|_| ()).ok_or(DiskError::NotFound)
    }

    fn mkdir(&mut self, _: &str) -> Result<(), DiskError> {
        panic!("no directory is made");
    }

    fn list(&mut self, _: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.names.keys().cloned().collect())
    }

    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        let ino = *self.names.get(path).ok_or(DiskError::NotFound)?;
        Ok(Stat { len: self.inodes[ino].cache.len() as u64, directory: false, inode: ino as u64 })
    }
}
