//! Disk calls: the kernel's side of [`Storage`], with the faults that a disk can be given.

use crate::disk::{Doer, FileSystem, Ino};
use crate::draw::{Identity, Purpose, Step, hits, within};
use crate::effect::EffectKind;
use crate::process::Handle;
use crate::settings::Span;
use crate::syscall::Scope;
use contract::disk::{Stat, Storage};
use contract::time::nanos;
use contract::{DiskError, File, Open, Time};

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

/// With a full disk, this share of syncs fails (delayed allocation), in parts per million.
const FULL_SYNC_PPM: u32 = 250_000;
/// With a full disk, this share of creations and renames fails: directories grow only now and then.
const FULL_NAME_PPM: u32 = 500_000;

impl Scope<'_> {
    /// A change takes effect in the middle of its call, so that a crash can fall before and after it; on
    /// a path that others share at its start, since they see it from then on.
    fn doer(&mut self, what: EffectKind, time: u64, shared: bool) -> Doer {
        let stamp = if shared { self.local } else { self.local + time / 2 };
        self.effect(what, stamp);
        Doer { process: self.process, stamp, event: self.world.now }
    }

    /// How long a call takes.
    #[inline]
    fn time_of(&mut self, about: Identity, span: Span) -> u64 {
        let usual = within(self.world.draw.bits(about, Purpose::DiskTime), nanos(span.least), nanos(span.most));
        usual + self.slowness(about)
    }

    /// By how much a slow disk prolongs this call.
    #[inline]
    fn slowness(&mut self, about: Identity) -> u64 {
        let Some((slot, ppm, (least, most))) = self.world.nodes[self.node.0 as usize].ailments.slow else { return 0 };
        if !hits(self.world.draw.bits(about, Purpose::DiskSlow), ppm) {
            return 0;
        }
        self.world.counts[slot].fired += 1;
        within(self.world.draw.bits(about, Purpose::DiskSlowBy), least, most)
    }

    /// Whether the file system may be changed at all.
    fn mounted_for_writing(&mut self) -> Result<(), DiskError> {
        let Some(slot) = self.world.nodes[self.node.0 as usize].ailments.read_only else { return Ok(()) };
        self.world.counts[slot].fired += 1;
        Err(DiskError::ReadOnly)
    }

    /// Starts a disk call: its identity keys every choice about it.
    #[inline]
    fn call(&mut self, call: Call, number: u64, bytes: &[u8]) -> Identity {
        self.calls += 1;
        self.world.trace.absorb(((call as u64) << 56) ^ number, bytes);
        if self.world.trace.narrates() {
            self.narrate(call, number, bytes);
        }
        self.identity.then(Step::Disk, 0, self.calls)
    }

    fn narrate(&mut self, call: Call, number: u64, bytes: &[u8]) {
        let word = match call {
            Call::Open => "open",
            Call::Close => "close",
            Call::Append => "append",
            Call::Read => "read",
            Call::Write => "write",
            Call::Truncate => "truncate",
            Call::Sync => "sync",
            Call::SyncDir => "sync_dir",
            Call::Rename => "rename",
            Call::Link => "link",
            Call::Unlink => "unlink",
            Call::Mkdir => "mkdir",
            Call::List => "list",
        };
        let what = match std::str::from_utf8(bytes) {
            Ok(path) if matches!(call, Call::Append | Call::Write) || path.is_empty() => {
                format!("{} bytes", bytes.len())
            }
            Ok(path) => path.replace('\0', " -> "),
            Err(_) => format!("{} bytes", bytes.len()),
        };
        self.world.trace.narrate(format!("{word} {what} (#{number}) at {}", Time(self.local)));
    }

    fn handle(&self, file: File) -> Result<Handle, DiskError> {
        let handles = &self.world.processes[self.process.0 as usize].handles;
        handles.get(file.0 as usize).copied().flatten().ok_or(DiskError::BadHandle)
    }

    fn writable(&self, file: File) -> Result<Ino, DiskError> {
        let handle = self.handle(file)?;
        if handle.writable { Ok(handle.ino) } else { Err(DiskError::BadHandle) }
    }

    /// Whether a device error hits this call.
    fn device_error(&mut self, about: Identity) -> Result<(), DiskError> {
        let Some((slot, ppm)) = self.world.nodes[self.node.0 as usize].ailments.error else { return Ok(()) };
        if hits(self.world.draw.bits(about, Purpose::DiskError), ppm) {
            self.world.counts[slot].fired += 1;
            return Err(DiskError::Io);
        }
        Ok(())
    }

    /// Whether a full disk refuses a new name.
    fn room_for_name(&mut self, about: Identity) -> Result<(), DiskError> {
        let Some((slot, _)) = self.world.nodes[self.node.0 as usize].ailments.full else { return Ok(()) };
        if hits(self.world.draw.bits(about, Purpose::DiskFull), FULL_NAME_PPM) {
            self.world.counts[slot].fired += 1;
            return Err(DiskError::NoSpace);
        }
        Ok(())
    }

    /// How many of `wanted` new bytes fit; takes them. A full disk that refuses counts as fired.
    fn room_for(&mut self, wanted: u64) -> u64 {
        let node = &mut self.world.nodes[self.node.0 as usize];
        let mut room = node.disk.space();
        if let Some((slot, left)) = &mut node.ailments.full {
            room = room.min(*left);
            *left -= wanted.min(*left);
            if wanted > room {
                self.world.counts[*slot].fired += 1;
            }
        }
        room.min(wanted)
    }

    /// Writes as much as fits at `offset`.
    fn put(&mut self, about: Identity, time: u64, ino: Ino, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        self.mounted_for_writing()?;
        self.device_error(about)?;
        let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
        let len = self.disk().len(ino)?;
        let grown = (offset + bytes.len()).saturating_sub(len);
        let fits = if grown == 0 { 0 } else { self.room_for(grown as u64) as usize };
        // A hole in front of the bytes takes room first; what is left is for the bytes.
        let count = bytes.len().saturating_sub(grown - fits);
        if count == 0 && !bytes.is_empty() {
            return Err(DiskError::NoSpace);
        }
        let shared = self.change(ino);
        let doer = self.doer(EffectKind::Write, time, shared);
        self.disk().write(ino, offset, &bytes[..count], doer)?;
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

    fn disk(&mut self) -> &mut FileSystem {
        &mut self.world.nodes[self.node.0 as usize].disk
    }

    /// The common part of the calls that change names.
    fn rename_like(
        &mut self,
        call: Call,
        paths: &str,
        shared: bool,
        act: impl FnOnce(&mut FileSystem, Doer) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let about = self.call(call, 0, paths.as_bytes());
        let time = self.time_of(about, self.world.settings.disk.write);
        let doer = self.doer(EffectKind::Name, time, shared);
        let result = self
            .mounted_for_writing()
            .and_then(|()| self.device_error(about))
            .and_then(|()| if matches!(call, Call::Unlink) { Ok(()) } else { self.room_for_name(about) })
            .and_then(|()| act(self.disk(), doer));
        self.local += time;
        result
    }

    /// The common part of syncing a file or a directory.
    fn sync_inode(&mut self, about: Identity, ino: Ino) -> Result<(), DiskError> {
        let event = self.world.now;
        self.local += self.time_of(about, self.world.settings.disk.sync);
        let ends = self.local;
        self.effect(EffectKind::Sync, ends);
        let ailments = self.world.nodes[self.node.0 as usize].ailments.clone();
        if let Some((slot, ppm)) = ailments.sync {
            let bits = self.world.draw.bits(about, Purpose::SyncError);
            if hits(bits, ppm) {
                self.world.counts[slot].fired += 1;
                // Half of the failures leave the pages marked clean: a second sync would lie.
                if bits & 1 == 0 {
                    self.disk().abandon(ino, event)?;
                }
                return Err(DiskError::Io);
            }
        }
        if ailments.read_only.is_some() && self.disk().is_dirty(ino) {
            return self.mounted_for_writing();
        }
        if let Some((slot, _)) = ailments.full
            && self.disk().is_dirty(ino)
            && hits(self.world.draw.bits(about, Purpose::DiskFull), FULL_SYNC_PPM)
        {
            self.world.counts[slot].fired += 1;
            return Err(DiskError::NoSpace);
        }
        self.disk().sync(ino, ends, event)
    }
}

impl Storage for Scope<'_> {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let about = self.call(Call::Open, mode as u64, path.as_bytes());
        let time = self.time_of(about, self.world.settings.disk.write);
        let creates = matches!(mode, Open::Create | Open::CreateNew) && self.disk().resolve(path).is_err();
        let doer = if creates {
            self.doer(EffectKind::Name, time, false)
        } else {
            Doer { process: self.process, stamp: self.local, event: self.world.now }
        };
        let mounted = if mode == Open::Read { Ok(()) } else { self.mounted_for_writing() };
        let opened = mounted
            .and_then(|()| self.device_error(about))
            .and_then(|()| if creates { self.room_for_name(about) } else { Ok(()) })
            .and_then(|()| self.disk().open(path, mode, doer));
        self.local += time;
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
        let about = self.call(Call::Append, u64::from(file.0), bytes);
        let time = self.time_of(about, self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let end = self.disk().len(ino)? as u64;
        let result = self.put(about, time, ino, end, bytes);
        self.local += time;
        result
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let about = self.call(Call::Read, offset, &[]);
        let time = self.time_of(about, self.world.settings.disk.read);
        let handle = self.handle(file)?;
        let result = self.device_error(about).and_then(|()| {
            let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
            self.disk().read(handle.ino, offset, into)
        });
        self.local += time;
        result
    }

    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let about = self.call(Call::Write, offset, bytes);
        let time = self.time_of(about, self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let result = self.put(about, time, ino, offset, bytes);
        self.local += time;
        result
    }

    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        let about = self.call(Call::Truncate, len, &[]);
        let time = self.time_of(about, self.world.settings.disk.write);
        let ino = self.writable(file)?;
        let new_len = usize::try_from(len).map_err(|_| DiskError::Invalid)?;
        let old_len = self.disk().len(ino)?;
        let result = self.mounted_for_writing().and_then(|()| self.device_error(about)).and_then(|()| {
            let grown = new_len.saturating_sub(old_len) as u64;
            if grown > 0 && self.room_for(grown) < grown {
                return Err(DiskError::NoSpace);
            }
            let shared = self.change(ino);
            let doer = self.doer(EffectKind::Truncate, time, shared);
            self.disk().resize(ino, new_len, doer)
        });
        self.local += time;
        result
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        let ino = self.handle(file)?.ino;
        Ok(self.disk().len(ino)? as u64)
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let about = self.call(Call::Sync, u64::from(file.0), &[]);
        let ino = self.handle(file)?.ino;
        self.sync_inode(about, ino)
    }

    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        let about = self.call(Call::SyncDir, 0, path.as_bytes());
        let ino = self.disk().resolve(path)?;
        self.disk().directory(ino)?;
        self.sync_inode(about, ino)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let shared = self.change_path(from);
        self.rename_like(Call::Rename, &format!("{from}\0{to}"), shared, |disk, doer| disk.rename(from, to, doer))
    }

    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        let shared = self.change_path(existing);
        self.rename_like(Call::Link, &format!("{existing}\0{to}"), shared, |disk, doer| disk.link(existing, to, doer))
    }

    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        let shared = self.change_path(path);
        self.rename_like(Call::Unlink, path, shared, |disk, doer| disk.unlink(path, doer))
    }

    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        self.rename_like(Call::Mkdir, path, false, |disk, doer| disk.mkdir(path, doer))
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        let about = self.call(Call::List, 0, path.as_bytes());
        self.local += self.time_of(about, self.world.settings.disk.read);

        self.device_error(about).and_then(|()| self.disk().list(path))
    }

    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        self.disk().stat(path)
    }
}
