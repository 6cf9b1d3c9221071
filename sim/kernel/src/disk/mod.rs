//! A simulated disk: what processes see, and what would be left if the power went now.
//!
//! The visible state is what the page cache shows. Every change that is not yet durable also lies in its
//! inode's list of pending changes with what it takes to undo it; the durable state is the visible one
//! with all of them undone. `sync` makes an inode's pending changes durable; a power loss keeps a legal
//! subset of the others ([`loss`]); the death of a process undoes what it would have done later.

pub mod image;
pub mod loss;
mod tree;

use contract::{DiskError, ProcessId};
use image::Image;
use std::collections::BTreeMap;

/// Index of an inode.
pub type Ino = u32;

/// The root directory.
pub const ROOT: Ino = 0;

/// A file system of one node.
#[derive(Clone, Debug)]
pub struct FileSystem {
    inodes: Vec<Option<Inode>>,
    /// Bytes of all visible files.
    used: u64,
    capacity: u64,
    unlinks: u32,
}

#[derive(Clone, Debug)]
struct Inode {
    body: Body,
    /// Visible names.
    links: u32,
    /// Open handles.
    handles: u32,
    pending: Vec<Pending>,
    /// Who changed it first; a second one makes it shared.
    owner: Option<ProcessId>,
    shared: bool,
}

#[derive(Clone, Debug)]
enum Body {
    File(Image),
    Directory(BTreeMap<Box<str>, Ino>),
}

/// One change that a power loss may undo.
#[derive(Clone, Debug)]
struct Pending {
    /// When it takes effect, in true time.
    stamp: u64,
    by: ProcessId,
    /// When the sync that covers it ends: from then on it is durable. `u64::MAX` while none does.
    durable_at: u64,
    /// A failed sync has dropped it from the page cache's duties: later syncs do not cover it.
    abandoned: bool,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// Bytes written at `offset`, over `old`; the file was `old_len` long.
    Write { offset: usize, len: usize, old: Box<[u8]>, old_len: usize },
    /// The length set from `old_len` to `len`; `tail` was cut off.
    Resize { len: usize, old_len: usize, tail: Box<[u8]> },
    /// Directory entries, as one atomic change: name, what it meant before, what it means now.
    Entries(Vec<(Box<str>, Option<Ino>, Option<Ino>)>),
}

/// Who does something, and when it takes effect.
#[derive(Clone, Copy, Debug)]
pub struct Doer {
    /// The process.
    pub process: ProcessId,
    /// True time of the effect, in nanoseconds.
    pub stamp: u64,
    /// True time of the event being handled: syncs that ended by then are past.
    pub event: u64,
}

impl FileSystem {
    /// An empty file system that can hold `capacity` bytes.
    pub fn new(capacity: u64) -> FileSystem {
        FileSystem { inodes: vec![Some(Inode::new(Body::Directory(BTreeMap::new())))], used: 0, capacity, unlinks: 0 }
    }

    /// Bytes that may still be written.
    pub fn space(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// Bytes of all visible files.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Length of a file.
    pub fn len(&self, ino: Ino) -> Result<usize, DiskError> {
        self.file(ino).map(Image::len)
    }

    /// Reads from a file; returns how many bytes there were.
    pub fn read(&self, ino: Ino, offset: usize, into: &mut [u8]) -> Result<usize, DiskError> {
        Ok(self.file(ino)?.read(offset, into))
    }

    /// Writes into a file; the caller has checked the space.
    pub fn write(&mut self, ino: Ino, offset: usize, bytes: &[u8], doer: Doer) -> Result<(), DiskError> {
        let inode = self.inode_mut(ino)?;
        inode.settle(doer.event);
        let Body::File(image) = &mut inode.body else { return Err(DiskError::IsDirectory) };
        let old_len = image.len();
        let old = if offset < old_len { image.slice(offset, bytes.len()).into_boxed_slice() } else { Box::default() };
        image.write(offset, bytes);
        let grown = image.len() - old_len;
        inode.pending.push(Pending::new(doer, Change::Write { offset, len: bytes.len(), old, old_len }));
        inode.touch(doer.process);
        self.used += grown as u64;
        Ok(())
    }

    /// Sets a file's length.
    pub fn resize(&mut self, ino: Ino, len: usize, doer: Doer) -> Result<(), DiskError> {
        let inode = self.inode_mut(ino)?;
        inode.settle(doer.event);
        let Body::File(image) = &mut inode.body else { return Err(DiskError::IsDirectory) };
        let old_len = image.len();
        let tail = image.slice(len, old_len.saturating_sub(len)).into_boxed_slice();
        image.resize(len);
        inode.pending.push(Pending::new(doer, Change::Resize { len, old_len, tail }));
        inode.touch(doer.process);
        self.used = self.used + len as u64 - old_len as u64;
        Ok(())
    }

    /// What was changed so far and not abandoned becomes durable when the sync ends.
    pub fn sync(&mut self, ino: Ino, ends: u64, event: u64) -> Result<(), DiskError> {
        let inode = self.inode_mut(ino)?;
        inode.settle(event);
        for pending in &mut inode.pending {
            if !pending.abandoned {
                pending.durable_at = pending.durable_at.min(ends);
            }
        }
        Ok(())
    }

    /// A sync failed and the page cache forgot what it had to write: later syncs report success without it.
    pub fn abandon(&mut self, ino: Ino, event: u64) -> Result<(), DiskError> {
        let inode = self.inode_mut(ino)?;
        inode.settle(event);
        for pending in inode.pending.iter_mut().filter(|pending| pending.durable_at == u64::MAX) {
            pending.abandoned = true;
        }
        Ok(())
    }

    /// Whether nothing waits for a sync at `at`, so that a power loss then could leave only one thing.
    pub fn is_settled(&self, at: u64) -> bool {
        let settled = |pending: &Pending| pending.durable_at <= at || pending.stamp > at;
        self.inodes.iter().flatten().all(|inode| inode.pending.iter().all(settled))
    }

    /// Whether a sync of this inode has something to do.
    pub fn is_dirty(&self, ino: Ino) -> bool {
        self.inode(ino).is_ok_and(|inode| inode.pending.iter().any(|pending| pending.durable_at == u64::MAX))
    }

    /// Whether several processes have changed this inode.
    pub fn is_shared(&self, ino: Ino) -> bool {
        self.inode(ino).is_ok_and(|inode| inode.shared)
    }

    /// `process` changes a name of the inode.
    pub fn touch_by(&mut self, ino: Ino, process: ProcessId) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.touch(process);
        }
    }

    /// Moves the stamps of what `process` does after `from`: it was frozen in between, or thawed early.
    pub fn shift(&mut self, process: ProcessId, from: u64, by: i64) {
        let moved = |stamp: u64| stamp.saturating_add_signed(by).max(from);
        for pending in self.inodes.iter_mut().flatten().flat_map(|inode| &mut inode.pending) {
            if pending.by != process {
                continue;
            }
            if pending.stamp > from {
                pending.stamp = moved(pending.stamp);
            }
            if pending.durable_at != u64::MAX && pending.durable_at > from {
                pending.durable_at = moved(pending.durable_at);
            }
        }
    }

    fn inode(&self, ino: Ino) -> Result<&Inode, DiskError> {
        self.inodes.get(ino as usize).and_then(Option::as_ref).ok_or(DiskError::NotFound)
    }

    fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode, DiskError> {
        self.inodes.get_mut(ino as usize).and_then(Option::as_mut).ok_or(DiskError::NotFound)
    }

    fn file(&self, ino: Ino) -> Result<&Image, DiskError> {
        match &self.inode(ino)?.body {
            Body::File(image) => Ok(image),
            Body::Directory(_) => Err(DiskError::IsDirectory),
        }
    }
}

impl Inode {
    fn new(body: Body) -> Inode {
        Inode { body, links: 0, handles: 0, pending: Vec::new(), owner: None, shared: false }
    }

    /// Forgets how to undo what is durable by now. Only from the front: a later durable change may lie on
    /// top of an abandoned one, and is needed to do it again.
    #[inline]
    fn settle(&mut self, event: u64) {
        if self.pending.last().is_some_and(|last| last.durable_at <= event)
            && self.pending.iter().all(|pending| pending.durable_at <= event)
        {
            self.pending.clear();
            return;
        }
        let durable = self.pending.iter().take_while(|pending| pending.durable_at <= event).count();
        self.pending.drain(..durable);
    }

    fn touch(&mut self, process: ProcessId) {
        match self.owner {
            None => self.owner = Some(process),
            Some(owner) => self.shared |= owner != process,
        }
    }
}

impl Pending {
    fn new(doer: Doer, change: Change) -> Pending {
        Pending { stamp: doer.stamp, by: doer.process, durable_at: u64::MAX, abandoned: false, change }
    }
}
