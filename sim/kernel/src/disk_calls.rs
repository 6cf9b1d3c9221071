//! Disk calls: the kernel's side of [`Storage`], with the faults that a disk can be given.

use crate::ailing::Errand;
use crate::disk::{Doer, FileSystem, Ino};
use crate::draw::{Identity, Purpose, Step, within};
use crate::effect::EffectKind;
use crate::process::Handle;
use crate::settings::Span;
use crate::syscall::Scope;
use contract::disk::{Stat, Storage};
use contract::time::nanos;
use contract::{DiskError, File, Open};

/// What a disk call is, in the fingerprint.
#[derive(Clone, Copy)]
enum Call {
    Open = 1,
    Close,
    Append,
    Read,
    Write,
    Truncate,
    Sync,
    SyncDir,
    Rename,
    Link,
    Unlink,
    Mkdir,
    List,
}

/// A call that has begun.
#[derive(Clone, Copy)]
struct Begun {
    /// Keys every choice about it.
    about: Identity,
    /// How long it takes.
    time: u64,
    /// Whether the node has any ailment: the one question that a healthy disk asks.
    ailing: bool,
}

impl Scope<'_> {
    /// A change takes effect in the middle of its call, so that a crash can fall before and after it; on
    /// a path that others share at its start, since they see it from then on.
    fn doer(&mut self, what: EffectKind, time: u64, shared: bool) -> Doer {
        let stamp = if shared { self.local } else { self.local + time / 2 };
        self.effect(what, stamp);
        Doer { process: self.process, stamp, event: self.world.now }
    }

    /// Enters a disk call into the fingerprint.
    #[inline]
    fn call(&mut self, call: Call, number: u64, bytes: &[u8]) -> Identity {
        self.calls += 1;
        self.world.trace.absorb(((call as u64) << 56) ^ number, bytes);
        self.identity.then(Step::Disk, 0, self.calls)
    }

    /// Starts a disk call that takes time.
    #[inline]
    fn begin(&mut self, call: Call, number: u64, bytes: &[u8], span: Span) -> Begun {
        let about = self.call(call, number, bytes);
        let usual = within(self.world.draw.bits(about, Purpose::DiskTime), nanos(span.least), nanos(span.most));
        let ailing = !self.world.nodes[self.node.0 as usize].ailments.is_empty();
        let time = if ailing { self.prolonged(about, usual) } else { usual };
        Begun { about, time, ailing }
    }

    /// Whether the disk takes on the errand.
    #[inline]
    fn admit(&mut self, begun: Begun, errand: Errand) -> Result<(), DiskError> {
        if begun.ailing { self.refused(begun.about, errand) } else { Ok(()) }
    }

    fn handle(&self, file: File) -> Result<Handle, DiskError> {
        let handles = &self.world.processes[self.process.0 as usize].handles;
        handles.get(file.0 as usize).copied().flatten().ok_or(DiskError::BadHandle)
    }

    fn writable(&self, file: File) -> Result<Ino, DiskError> {
        let handle = self.handle(file)?;
        if handle.writable { Ok(handle.ino) } else { Err(DiskError::BadHandle) }
    }

    /// How many of `wanted` new bytes fit; takes them.
    fn room_for(&mut self, begun: Begun, wanted: u64) -> u64 {
        let room = self.disk().space().min(wanted);
        if begun.ailing { room.min(self.last_room(wanted)) } else { room }
    }

    /// Writes as much as fits at `offset`.
    fn put(&mut self, begun: Begun, ino: Ino, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        self.admit(begun, Errand::Write)?;
        let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
        let whole = bytes.len();
        let bytes = if begun.ailing { &bytes[..self.shortened(begun.about, whole)] } else { bytes };
        let len = self.disk().len(ino)?;
        let grown = (offset + bytes.len()).saturating_sub(len);
        let fits = if grown == 0 { 0 } else { self.room_for(begun, grown as u64) as usize };
        // A hole in front of the bytes takes room first; what is left is for the bytes.
        let count = bytes.len().saturating_sub(grown - fits);
        if count == 0 && !bytes.is_empty() {
            return Err(DiskError::NoSpace);
        }
        let shared = self.change(ino);
        let doer = self.doer(EffectKind::Write, begun.time, shared);
        let bytes = &bytes[..count];
        if begun.ailing && count > 0 && self.misplaced(begun.about, (ino, offset), bytes, doer)? {
            return Ok(count);
        }
        self.disk().write(ino, offset, bytes, doer)?;
        if begun.ailing && count > 0 {
            self.forgotten(begun.about, ino);
        }
        Ok(count)
    }

    /// Reads at `offset` what the disk gives.
    fn get(&mut self, begun: Begun, ino: Ino, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.admit(begun, Errand::Read)?;
        let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
        let mut count = into.len().min(self.disk().len(ino)?.saturating_sub(offset));
        if begun.ailing {
            count = self.shortened(begun.about, count);
        }
        let into = &mut into[..count];
        self.disk().read(ino, offset, into)?;
        if self.disk().is_blemished(ino) {
            self.meets_blemishes(ino, offset..offset + count)?;
        }
        if begun.ailing {
            self.misread(begun.about, (ino, offset), into)?;
        }
        Ok(count)
    }

    /// Files that several processes change are seen by others between two calls of one handler, which
    /// this kernel cannot show: a handler may change them once, and goes on in its next turn.
    fn change(&mut self, ino: Ino) -> bool {
        let shared = self.disk().is_shared(ino);
        if shared {
            self.shared_changes += 1;
            assert!(
                self.shared_changes <= 1,
                "process {} changed files it shares with other processes twice in one handler; \
                 do one change, then go on in a message to yourself (contract: shared paths)",
                self.world.plan.processes[self.process.0 as usize].name
            );
        }
        shared
    }

    fn change_path(&mut self, path: &str) -> bool {
        let Ok(ino) = self.disk().resolve(path) else { return false };
        let process = self.process;
        self.disk().touch_by(ino, process);
        self.change(ino)
    }

    /// Whether others look into the directory of a path: a change of its names is there for them at once.
    fn in_common(&mut self, path: &str) -> bool {
        let Ok((directory, _)) = self.disk().parent(path) else { return false };
        let process = self.process;
        self.disk().touch_by(directory, process);
        self.disk().is_shared(directory)
    }

    pub(crate) fn disk(&mut self) -> &mut FileSystem {
        &mut self.world.nodes[self.node.0 as usize].disk
    }

    /// The common part of the calls that change names.
    fn rename_like(
        &mut self,
        (call, errand): (Call, Errand),
        paths: &str,
        shared: bool,
        act: impl FnOnce(&mut FileSystem, Doer) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let begun = self.begin(call, 0, paths.as_bytes(), self.world.settings.disk.write);
        let shared = paths.split('\0').fold(shared, |shared, path| self.in_common(path) || shared);
        let result = self.admit(begun, errand).and_then(|()| {
            let doer = self.doer(EffectKind::Name, begun.time, shared);
            act(self.disk(), doer)
        });
        self.local += begun.time;
        result
    }

    /// The common part of syncing a file or a directory.
    fn sync_inode(&mut self, begun: Begun, ino: Ino) -> Result<(), DiskError> {
        self.local += begun.time;
        self.effect(EffectKind::Sync, self.local);
        if begun.ailing {
            self.fails_and_forgets(ino)?;
            let errand = if self.disk().is_dirty(ino) { Errand::Sync } else { Errand::SyncClean };
            self.refused(begun.about, errand)?;
        }
        let sync = Doer { process: self.process, stamp: self.local, event: self.world.now };
        if self.disk().sync(ino, sync)? {
            self.damage(|disk| format!("{} is not on the disk", disk.path_of(ino).unwrap_or_default()));
        }
        Ok(())
    }
}

impl Storage for Scope<'_> {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let begun = self.begin(Call::Open, mode as u64, path.as_bytes(), self.world.settings.disk.write);
        let creates = matches!(mode, Open::Create | Open::CreateNew) && self.disk().resolve(path).is_err();
        let errand = match mode {
            _ if creates => Errand::Create,
            Open::Read => Errand::OpenToRead,
            _ => Errand::OpenToWrite,
        };
        let common = self.in_common(path);
        let opened = self.admit(begun, errand).and_then(|()| {
            let doer = if creates {
                self.doer(EffectKind::Name, begun.time, common)
            } else {
                Doer { process: self.process, stamp: self.local, event: self.world.now }
            };
            self.disk().open(path, mode, doer)
        });
        self.local += begun.time;
        let (ino, _) = opened?;
        self.disk().pin(ino);
        let handle = Some(Handle { ino, writable: mode != Open::Read });
        let handles = &mut self.world.processes[self.process.0 as usize].handles;
        match handles.iter().position(Option::is_none) {
            Some(free) => {
                handles[free] = handle;
                Ok(File(free as u32))
            }
            None => {
                handles.push(handle);
                Ok(File(handles.len() as u32 - 1))
            }
        }
    }

    fn close(&mut self, file: File) {
        self.call(Call::Close, u64::from(file.0), &[]);
        if let Ok(handle) = self.handle(file) {
            self.world.processes[self.process.0 as usize].handles[file.0 as usize] = None;
            self.disk().unpin(handle.ino);
        }
    }

    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        let begun = self.begin(Call::Append, u64::from(file.0), bytes, self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let end = self.disk().len(ino)? as u64;
        let result = self.put(begun, ino, end, bytes);
        self.local += begun.time;
        result
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let begun = self.begin(Call::Read, offset, &[], self.world.settings.disk.read);
        let ino = self.handle(file)?.ino;
        let result = self.get(begun, ino, offset, into);
        self.local += begun.time;
        result
    }

    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let begun = self.begin(Call::Write, offset, bytes, self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let result = self.put(begun, ino, offset, bytes);
        self.local += begun.time;
        result
    }

    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        let begun = self.begin(Call::Truncate, len, &[], self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let new_len = usize::try_from(len).map_err(|_| DiskError::Invalid)?;
        let old_len = self.disk().len(ino)?;
        let result = self.admit(begun, Errand::Write).and_then(|()| {
            let grown = new_len.saturating_sub(old_len) as u64;
            if grown > 0 && self.room_for(begun, grown) < grown {
                return Err(DiskError::NoSpace);
            }
            let shared = self.change(ino);
            let doer = self.doer(EffectKind::Truncate, begun.time, shared);
            self.disk().resize(ino, new_len, doer)
        });
        self.local += begun.time;
        result
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        let ino = self.handle(file)?.ino;
        Ok(self.disk().len(ino)? as u64)
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let begun = self.begin(Call::Sync, u64::from(file.0), &[], self.world.settings.disk.sync);
        let ino = self.handle(file)?.ino;
        self.sync_inode(begun, ino)
    }

    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        let begun = self.begin(Call::SyncDir, 0, path.as_bytes(), self.world.settings.disk.sync);
        let ino = self.disk().resolve(path)?;
        self.disk().directory(ino)?;
        if !self.world.settings.disk.dir_sync {
            return Err(DiskError::Invalid);
        }
        self.sync_inode(begun, ino)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let shared = self.change_path(from);
        self.rename_like((Call::Rename, Errand::Rename), &format!("{from}\0{to}"), shared, |disk, doer| {
            disk.rename(from, to, doer)
        })
    }

    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        let shared = self.change_path(existing);
        self.rename_like((Call::Link, Errand::Rename), &format!("{existing}\0{to}"), shared, |disk, doer| {
            disk.link(existing, to, doer)
        })
    }

    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        let shared = self.change_path(path);
        self.rename_like((Call::Unlink, Errand::Unlink), path, shared, |disk, doer| disk.unlink(path, doer))
    }

    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        self.rename_like((Call::Mkdir, Errand::MakeDirectory), path, false, |disk, doer| disk.mkdir(path, doer))
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        let begun = self.begin(Call::List, 0, path.as_bytes(), self.world.settings.disk.read);
        self.local += begun.time;
        self.admit(begun, Errand::Read).and_then(|()| self.disk().list(path))
    }

    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        self.disk().stat(path)
    }
}
