//! A disk for directed tests: a page cache over what is durable, and errors to order.

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
    orders: Vec<Order>,
    /// Calls made, as `append active.log`.
    pub calls: Vec<String>,
    /// Calls that still have an effect; `None` for no end.
    pub fuel: Option<u32>,
}

#[derive(Clone, Default)]
struct Inode {
    cache: Vec<u8>,
    durable: Vec<u8>,
    /// What the cache forgot to write after a failed sync: later syncs leave it out.
    forgotten: Vec<Range<usize>>,
}

/// An error to order.
#[derive(Clone)]
struct Order {
    call: &'static str,
    path: &'static str,
    left: u32,
    error: DiskError,
}

impl FakeDisk {
    /// The next `times` calls of that kind on that path fail; an empty path means all.
    pub fn fail(&mut self, call: &'static str, path: &'static str, times: u32, error: DiskError) {
        self.orders.push(Order { call, path, left: times, error });
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
            inode.forgotten.clear();
        }
        self.process_crash();
    }

    /// The page cache stays, handles do not.
    pub fn process_crash(&mut self) {
        self.handles.clear();
        self.fuel = None;
    }

    /// A visible file's bytes.
    pub fn bytes(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        let ino = *self.names.get(path)?;
        Some(&mut self.inodes[ino].cache)
    }

    /// The names that are visible.
    pub fn paths(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn call(&mut self, call: &'static str, path: &str) -> Result<(), DiskError> {
        self.calls.push(format!("{call} {path}"));
        if let Some(fuel) = &mut self.fuel {
            if *fuel == 0 {
                return Err(DiskError::Io);
            }
            *fuel -= 1;
        }
        let ordered =
            self.orders.iter_mut().find(|o| o.left > 0 && o.call == call && (o.path.is_empty() || o.path == path));
        match ordered {
            Some(order) => {
                order.left -= 1;
                Err(order.error)
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
        let known = self.names.get(path).copied();
        let ino = match (known, mode) {
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
        let half = bytes.len().div_ceil(2);
        if let Err(error) = self.call("append", &self.name_of(ino)) {
            // A short write before the error: the caller must deal with a torn tail.
            if self.fuel.is_none() {
                self.inodes[ino].cache.extend_from_slice(&bytes[..half]);
            }
            return Err(error);
        }
        self.inodes[ino].cache.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let ino = self.ino(file)?;
        self.call("read", &self.name_of(ino))?;
        let rest = self.inodes[ino].cache.get(offset as usize..).unwrap_or_default();
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
        let inode = &mut self.inodes[ino];
        inode.cache.truncate(len as usize);
        inode.forgotten.retain(|range| range.start < len as usize);
        Ok(())
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        Ok(self.inodes[self.ino(file)?].cache.len() as u64)
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let ino = self.ino(file)?;
        let result = self.call("sync", &self.name_of(ino));
        let running = self.fuel != Some(0);
        let inode = &mut self.inodes[ino];
        match result {
            Ok(()) => {
                inode.durable = inode.cache.clone();
                for range in &inode.forgotten {
                    let end = range.end.min(inode.durable.len());
                    inode.durable[range.start.min(end)..end].fill(0);
                }
            }
            Err(_) if running => inode.forgotten.push(inode.durable.len()..inode.cache.len()),
            Err(_) => {}
        }
        result
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

    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        self.call("link", to)?;
        let ino = *self.names.get(existing).ok_or(DiskError::NotFound)?;
        if self.names.contains_key(to) {
            return Err(DiskError::Exists);
        }
        self.names.insert(to.to_owned(), ino);
        Ok(())
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
