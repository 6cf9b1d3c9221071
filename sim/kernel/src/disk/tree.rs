//! Names: directories and what links, renames and unlinks do to them.

use super::change::{Change, Pending};
use super::{Body, Doer, FileSystem, Ino, Inode, ROOT};
use contract::disk::Stat;
use contract::{DiskError, Open};
use std::collections::{BTreeMap, BTreeSet};

/// Unlinks between two collections of inodes that nothing can bring back.
const COLLECT_EVERY: u32 = 256;

impl FileSystem {
    /// What a path names.
    pub fn resolve(&self, path: &str) -> Result<Ino, DiskError> {
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(DiskError::Invalid);
        }
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            at = *self.directory(at)?.get(name).ok_or(DiskError::NotFound)?;
        }
        Ok(at)
    }

    /// Opens a file; the second result says whether it was made now.
    pub fn open(&mut self, path: &str, mode: Open, doer: Doer) -> Result<(Ino, bool), DiskError> {
        match (self.resolve(path), mode) {
            (Ok(_), Open::CreateNew) => Err(DiskError::Exists),
            (Ok(ino), _) => match &self.inode(ino)?.body {
                Body::File(_) => Ok((ino, false)),
                Body::Directory(_) => Err(DiskError::IsDirectory),
            },
            (Err(DiskError::NotFound), Open::Create | Open::CreateNew) => {
                let (parent, name) = self.parent(path)?;
                let ino = self.add_inode(Body::File(super::Image::default()))?;
                let order = self.next_order();
                self.change_entries(parent, vec![(name.into(), None, Some(ino))], order, doer);
                Ok((ino, true))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Makes a directory.
    pub fn mkdir(&mut self, path: &str, doer: Doer) -> Result<(), DiskError> {
        if self.resolve(path).is_ok() {
            return Err(DiskError::Exists);
        }
        let (parent, name) = self.parent(path)?;
        let ino = self.add_inode(Body::Directory(BTreeMap::new()))?;
        let order = self.next_order();
        self.change_entries(parent, vec![(name.into(), None, Some(ino))], order, doer);
        Ok(())
    }

    /// Gives a file a second name.
    pub fn link(&mut self, existing: &str, to: &str, doer: Doer) -> Result<(), DiskError> {
        const EPERM: i32 = 1;
        let ino = self.resolve(existing)?;
        if matches!(self.inode(ino)?.body, Body::Directory(_)) {
            return Err(DiskError::Other(EPERM));
        }
        if self.resolve(to).is_ok() {
            return Err(DiskError::Exists);
        }
        let (parent, name) = self.parent(to)?;
        let order = self.next_order();
        self.change_entries(parent, vec![(name.into(), None, Some(ino))], order, doer);
        Ok(())
    }

    /// Renames, replacing an existing file atomically. Between two directories the two changes are
    /// atomic to observers, but a power loss may keep only one of them under [`posix-min`](crate::Profile::PosixMin).
    pub fn rename(&mut self, from: &str, to: &str, doer: Doer) -> Result<(), DiskError> {
        let ino = self.resolve(from)?;
        let (source, old_name) = self.parent(from)?;
        let (target, new_name) = self.parent(to)?;
        let replaced = self.directory(target)?.get(new_name).copied();
        if replaced == Some(ino) {
            return Ok(());
        }
        if let Some(replaced) = replaced
            && matches!(self.inode(replaced)?.body, Body::Directory(_))
        {
            return Err(DiskError::IsDirectory);
        }
        let away = (old_name.into(), Some(ino), None);
        let here = (new_name.into(), replaced, Some(ino));
        if source == target {
            let order = self.next_order();
            self.change_entries(source, vec![away, here], order, doer);
            return Ok(());
        }
        let order = self.next_order();
        self.change_entries(target, vec![here], order, doer);
        self.change_entries(source, vec![away], order, doer);
        Ok(())
    }

    /// Removes a name.
    pub fn unlink(&mut self, path: &str, doer: Doer) -> Result<(), DiskError> {
        let ino = self.resolve(path)?;
        if matches!(self.inode(ino)?.body, Body::Directory(_)) {
            return Err(DiskError::IsDirectory);
        }
        let (parent, name) = self.parent(path)?;
        let order = self.next_order();
        self.change_entries(parent, vec![(name.into(), Some(ino), None)], order, doer);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.directory(self.resolve(path)?)?.keys().map(|name| name.to_string()).collect())
    }

    /// Length and kind.
    pub fn stat(&self, path: &str) -> Result<Stat, DiskError> {
        let ino = self.resolve(path)?;
        let (len, directory) = match &self.inode(ino)?.body {
            Body::File(image) => (image.len() as u64, false),
            Body::Directory(_) => (0, true),
        };
        Ok(Stat { len, directory, inode: u64::from(ino) })
    }

    /// The directory that holds `path`, and its last component.
    pub fn parent<'p>(&self, path: &'p str) -> Result<(Ino, &'p str), DiskError> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || name == "." {
            return Err(DiskError::Invalid);
        }
        let parent = self.resolve(directory)?;
        self.directory(parent)?;
        Ok((parent, name))
    }

    /// A visible name of the inode, for people; a walk over the whole tree.
    pub fn path_of(&self, wanted: Ino) -> Option<String> {
        if wanted == ROOT {
            return Some(".".to_owned());
        }
        let mut todo = vec![(String::new(), ROOT)];
        while let Some((folder, at)) = todo.pop() {
            let Ok(entries) = self.directory(at) else { continue };
            for (name, ino) in entries {
                let path = format!("{folder}{name}");
                if *ino == wanted {
                    return Some(path);
                }
                todo.push((format!("{path}/"), *ino));
            }
        }
        None
    }

    /// Every visible file and directory with its length and whether it is wholly durable, for inspection.
    pub fn survey(&self) -> Vec<(String, u64, bool)> {
        let mut out = Vec::new();
        let mut todo = vec![(String::new(), ROOT)];
        while let Some((path, at)) = todo.pop() {
            let Ok(inode) = self.inode(at) else { continue };
            let synced = !inode.pending.iter().any(Pending::is_unsynced);
            match &inode.body {
                Body::File(image) => out.push((path, image.len() as u64, synced)),
                Body::Directory(entries) => {
                    out.push((format!("{path}/"), 0, synced));
                    todo.extend(entries.iter().rev().map(|(name, ino)| (format!("{path}/{name}"), *ino)));
                }
            }
        }
        out
    }

    pub(crate) fn directory(&self, ino: Ino) -> Result<&BTreeMap<Box<str>, Ino>, DiskError> {
        match &self.inode(ino)?.body {
            Body::Directory(entries) => Ok(entries),
            Body::File(_) => Err(DiskError::NotDirectory),
        }
    }

    fn add_inode(&mut self, body: Body) -> Result<Ino, DiskError> {
        if self.named >= self.named_max {
            return Err(DiskError::NoSpace);
        }
        self.inodes.push(Some(Inode::new(body)));
        Ok(self.inodes.len() as Ino - 1)
    }

    /// Changes entries of one directory, which exists.
    fn change_entries(
        &mut self,
        directory: Ino,
        entries: Vec<(Box<str>, Option<Ino>, Option<Ino>)>,
        order: u64,
        doer: Doer,
    ) {
        for (name, _, now) in &entries {
            self.set_entry(directory, name, *now);
        }
        if let Ok(inode) = self.inode_mut(directory) {
            inode.settle(doer.event);
            inode.pending.push(Pending::new(doer, order, Change::Entries(entries)));
            inode.touch(doer.process);
        }
        if self.unlinks >= COLLECT_EVERY {
            self.collect();
        }
    }

    /// Sets one entry, keeping link counts, used inodes and used space true.
    pub(super) fn set_entry(&mut self, directory: Ino, name: &str, now: Option<Ino>) {
        let Ok(Inode { body: Body::Directory(entries), .. }) = self.inode_mut(directory) else {
            unreachable!("only directories have entries");
        };
        let before = match now {
            Some(ino) => entries.insert(name.into(), ino),
            None => entries.remove(name),
        };
        if let Some(inode) = now.and_then(|ino| self.inodes[ino as usize].as_mut()) {
            inode.links += 1;
            if inode.links == 1 {
                self.named += 1;
                self.used += inode.size();
            }
        }
        if let Some(inode) = before.and_then(|ino| self.inodes[ino as usize].as_mut()) {
            inode.links -= 1;
            if inode.links == 0 {
                self.named -= 1;
                self.used = self.used.saturating_sub(inode.size());
                self.unlinks += 1;
            }
        }
    }

    /// A handle to the inode was opened: it lives on without a name.
    pub fn pin(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.handles += 1;
        }
    }

    /// A handle to the inode was closed.
    pub fn unpin(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            assert!(inode.handles > 0, "each handle is closed once");
            inode.handles -= 1;
        }
    }

    /// Drops inodes that no name, no open handle and no pending change can bring back.
    pub(super) fn collect(&mut self) {
        self.unlinks = 0;
        let mut reachable = BTreeSet::from([ROOT]);
        for inode in self.inodes.iter().flatten() {
            if let Body::Directory(entries) = &inode.body {
                reachable.extend(entries.values());
            }
            for pending in &inode.pending {
                if let Change::Entries(entries) = &pending.change {
                    reachable.extend(entries.iter().flat_map(|(_, before, now)| [*before, *now]).flatten());
                }
            }
        }
        for (ino, inode) in self.inodes.iter_mut().enumerate() {
            if !reachable.contains(&(ino as Ino)) && inode.as_ref().is_some_and(|inode| inode.handles == 0) {
                *inode = None;
            }
        }
    }
}

impl Inode {
    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Body::File(image) => image.len() as u64,
            Body::Directory(_) => 0,
        }
    }
}
