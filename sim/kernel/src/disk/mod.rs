//! A simulated disk: what processes see, and what would be left if the power went now.
//!
//! The visible state is what the page cache shows. Every change that is not yet durable also lies in its
//! inode's list of pending changes with what it takes to undo it; the durable state is the visible one
//! with all of them undone. `sync` makes an inode's pending changes durable; a power loss keeps a legal
//! subset of the others ([`fates`] says which are legal, [`loss`] applies them); the death of a process
//! undoes what it would have done later.

pub mod change;
pub mod damage;
pub mod fates;
pub mod image;
pub mod loss;
pub mod states;
mod tree;

use crate::settings::{DiskSettings, Profile};
use change::{Change, Duty, Pending};
use contract::{DiskError, ProcessId};
use damage::Blemish;
use image::Image;
use std::collections::{BTreeMap, BTreeSet};

/// Index of an inode.
pub type Ino = u32;

/// The root directory.
pub const ROOT: Ino = 0;

/// Bytes that a device writes or loses together.
pub const SECTOR: usize = 512;

/// A file system of one node.
#[derive(Clone, Debug)]
pub struct FileSystem {
    inodes: Vec<Option<Inode>>,
    /// Bytes of all visible files.
    used: u64,
    capacity: u64,
    /// Inodes that have a name, or are the root.
    named: u64,
    named_max: u64,
    unlinks: u32,
    /// Changes so far.
    changes: u64,
    profile: Profile,
}

#[derive(Clone, Debug)]
struct Inode {
    body: Body,
    /// Visible names.
    links: u32,
    /// Open handles.
    handles: u32,
    pending: Vec<Pending>,
    /// What is wrong with its durable bytes.
    blemishes: Vec<Blemish>,
    /// Who changed it first; a second one makes it shared.
    owner: Option<ProcessId>,
    shared: bool,
}

#[derive(Clone, Debug)]
enum Body {
    File(Image),
    Directory(BTreeMap<Box<str>, Ino>),
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
    /// An empty file system that can hold `capacity` bytes and any number of files.
    pub fn new(capacity: u64) -> FileSystem {
        FileSystem {
            inodes: vec![Some(Inode::new(Body::Directory(BTreeMap::new())))],
            used: 0,
            capacity,
            named: 1,
            named_max: u64::MAX,
            unlinks: 0,
            changes: 0,
            profile: Profile::PosixMin,
        }
    }

    /// An empty file system of that size and that behaviour.
    pub fn of(settings: &DiskSettings) -> FileSystem {
        FileSystem { named_max: settings.inodes, profile: settings.profile, ..FileSystem::new(settings.capacity) }
    }

    /// What a power loss may leave of it.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Bytes that may still be written.
    pub fn space(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// Bytes of all visible files.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Whether nothing was ever made on it.
    pub fn is_new(&self) -> bool {
        self.changes == 0
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
        let order = self.next_order();
        let inode = self.inode_mut(ino)?;
        inode.settle(doer.event);
        let Body::File(image) = &mut inode.body else { return Err(DiskError::IsDirectory) };
        let old_len = image.len();
        let old = if offset < old_len { image.slice(offset, bytes.len()).into_boxed_slice() } else { Box::default() };
        image.write(offset, bytes);
        let grown = image.len() - old_len;
        inode.pending.push(Pending::new(doer, order, Change::Write { offset, len: bytes.len(), old, old_len }));
        inode.touch(doer.process);
        self.used += grown as u64;
        Ok(())
    }

    /// Sets a file's length.
    pub fn resize(&mut self, ino: Ino, len: usize, doer: Doer) -> Result<(), DiskError> {
        let order = self.next_order();
        let inode = self.inode_mut(ino)?;
        inode.settle(doer.event);
        let Body::File(image) = &mut inode.body else { return Err(DiskError::IsDirectory) };
        let old_len = image.len();
        let tail = image.slice(len, old_len.saturating_sub(len)).into_boxed_slice();
        image.resize(len);
        inode.pending.push(Pending::new(doer, order, Change::Resize { len, old_len, tail }));
        inode.touch(doer.process);
        self.used = self.used + len as u64 - old_len as u64;
        Ok(())
    }

    /// What was changed so far and not abandoned becomes durable when the sync ends, at `sync.stamp`; with
    /// it goes what the profile never lets survive later. Whether the success it reports is a lie: it
    /// covers a phantom write.
    pub fn sync(&mut self, ino: Ino, sync: Doer) -> Result<bool, DiskError> {
        let profile = self.profile;
        let inode = self.inode_mut(ino)?;
        inode.settle(sync.event);
        let Some(last) = inode.pending.last().map(Pending::order) else { return Ok(false) };
        let lied = inode.cover(sync);
        Ok(if profile == Profile::PosixMin { lied } else { lied | self.sync_with(ino, last, sync) })
    }

    /// Covers what a sync of `ino` takes along, up to its change `last`.
    fn sync_with(&mut self, ino: Ino, last: u64, sync: Doer) -> bool {
        let directory = self.directory(ino).is_ok();
        let of_names = |pending: &Pending| matches!(pending.change, Change::Entries(_));
        match self.profile {
            Profile::Strict => self.cover(|_, pending| pending.order <= last, sync),
            Profile::Ext4Ordered if directory => {
                let flushed = self.flushed(|pending| pending.order <= last);
                let before = |ino| flushed.get(&ino).copied().unwrap_or(0);
                self.cover(|ino, it| if of_names(it) { it.order <= last } else { it.order < before(ino) }, sync)
            }
            Profile::Ext4Noauto if directory => self.cover(|_, it| of_names(it) && it.order <= last, sync),
            Profile::BtrfsLike if directory => {
                let renames: BTreeSet<u64> = self.pending_of(ino).iter().map(Pending::order).collect();
                self.cover(|_, pending| renames.contains(&pending.order), sync)
            }
            _ => false,
        }
    }

    /// Covers every pending change that `which` names.
    fn cover(&mut self, which: impl Fn(Ino, &Pending) -> bool, sync: Doer) -> bool {
        let mut lied = false;
        for (ino, inode) in self.inodes.iter_mut().enumerate() {
            for pending in inode.iter_mut().flat_map(|inode| &mut inode.pending) {
                if which(ino as Ino, pending) {
                    lied |= pending.cover(sync);
                }
            }
        }
        lied
    }

    /// The files whose data is flushed with the renames over other files that `which` names: all that was
    /// written before the last such rename.
    fn flushed(&self, which: impl Fn(&Pending) -> bool) -> BTreeMap<Ino, u64> {
        let mut flushed = BTreeMap::new();
        for pending in self.inodes.iter().flatten().flat_map(|inode| &inode.pending).filter(|it| which(it)) {
            if let Some(ino) = pending.change.replaces() {
                let before = flushed.entry(ino).or_insert(0);
                *before = pending.order.max(*before);
            }
        }
        flushed
    }

    /// A sync failed and the page cache marked what it had to write as clean: later syncs report success
    /// without it.
    pub fn abandon(&mut self, ino: Ino, event: u64) -> Result<(), DiskError> {
        let inode = self.inode_mut(ino)?;
        inode.settle(event);
        for pending in inode.pending.iter_mut().filter(|pending| pending.durable_at() == u64::MAX) {
            pending.duty = Duty::Abandoned;
        }
        Ok(())
    }

    /// The device takes the last change of the inode and never writes it.
    pub fn forget_last(&mut self, ino: Ino, slot: usize) {
        if let Ok(Some(last)) = self.inode_mut(ino).map(|inode| inode.pending.last_mut()) {
            last.duty = Duty::Phantom(slot as u32);
        }
    }

    /// Whether nothing waits for a sync at `at`, so that a power loss then could leave only one thing.
    pub fn is_settled(&self, at: u64) -> bool {
        let settled = |pending: &Pending| pending.is_durable(at) || pending.stamp > at;
        self.inodes.iter().flatten().all(|inode| inode.pending.iter().all(settled))
    }

    /// Whether a sync of this inode has something to do.
    pub fn is_dirty(&self, ino: Ino) -> bool {
        self.inode(ino).is_ok_and(|inode| inode.pending.iter().any(Pending::waits))
    }

    /// Every inode with changes that a power loss may undo, each with them in the order in which they were
    /// made. Those that are durable by now may still be among them.
    pub fn pending(&self) -> impl Iterator<Item = (Ino, &[Pending])> {
        let inodes = self.inodes.iter().enumerate().filter_map(|(ino, inode)| Some((ino as Ino, inode.as_ref()?)));
        inodes.filter(|(_, inode)| !inode.pending.is_empty()).map(|(ino, inode)| (ino, &inode.pending[..]))
    }

    /// The changes of one inode that a power loss may undo.
    fn pending_of(&self, ino: Ino) -> &[Pending] {
        self.inode(ino).map_or(&[], |inode| &inode.pending)
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
            if pending.by == process && pending.stamp > from {
                pending.stamp = moved(pending.stamp);
            }
            pending.put_off(process, from, moved);
        }
    }

    /// The place of the next change among all.
    fn next_order(&mut self) -> u64 {
        self.changes += 1;
        self.changes
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
        Inode { body, links: 0, handles: 0, pending: Vec::new(), blemishes: Vec::new(), owner: None, shared: false }
    }

    /// Forgets how to undo what is durable by now. Only from the front: a later durable change may lie on
    /// top of an abandoned one, and is needed to do it again.
    #[inline]
    fn settle(&mut self, event: u64) {
        let durable = self.pending.iter().take_while(|pending| pending.is_durable(event)).count();
        if durable == 0 {
            return;
        }
        if !self.blemishes.is_empty() {
            self.mend(durable);
        }
        if durable == self.pending.len() {
            self.pending.clear();
        } else {
            self.pending.drain(..durable);
        }
    }

    /// A sync covers all changes; whether it reports a success that is none.
    #[inline]
    fn cover(&mut self, sync: Doer) -> bool {
        self.pending.iter_mut().fold(false, |lied, pending| lied | pending.cover(sync))
    }

    fn touch(&mut self, process: ProcessId) {
        match self.owner {
            None => self.owner = Some(process),
            Some(owner) => self.shared |= owner != process,
        }
    }
}
