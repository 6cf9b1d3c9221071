//! A disk for trying file protocols: a [`FileSystem`] without a world, which remembers every point at which
//! a crash could fall, and which can refuse space once.

use contract::disk::{Stat, Storage};
use contract::{DiskError, File, Open, ProcessId};
use kernel::disk::{Doer, FileSystem, Ino, ROOT};
use kernel::{DiskSettings, Profile, Settings};

/// Bytes it holds: no protocol runs out of space unless it is refused.
const CAPACITY: u64 = 1 << 40;

const ME: ProcessId = ProcessId(0);

/// A point at which a crash could fall.
#[derive(Clone, Debug)]
pub struct Point {
    /// The call that came before it, in words.
    pub call: String,
    /// What the disk was like there.
    pub disk: FileSystem,
}

/// The disk of one process.
#[derive(Clone)]
pub struct TrialDisk {
    disk: FileSystem,
    handles: Vec<Option<Handle>>,
    /// Counts the calls; the stamps of changes.
    clock: u64,
    /// Calls that take space before one is refused.
    refusal: Option<u32>,
    refused: bool,
    /// The refused call was a write, and wrote a half.
    short: bool,
    takers: u32,
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Handle {
    ino: Ino,
    writable: bool,
}

impl TrialDisk {
    /// An empty one.
    pub fn empty(profile: Profile) -> TrialDisk {
        let settings = DiskSettings { profile, capacity: CAPACITY, ..Settings::default().disk };
        TrialDisk::after_crash(FileSystem::of(&settings))
    }

    /// What a crash has left, as the next start of the process finds it.
    pub fn after_crash(left: FileSystem) -> TrialDisk {
        let clock = left.latest_stamp();
        let (handles, points) = (Vec::new(), Vec::new());
        TrialDisk { disk: left, handles, clock, refusal: None, refused: false, short: false, takers: 0, points }
    }

    /// What it is like now.
    pub fn now(&self) -> &FileSystem {
        &self.disk
    }

    /// The points since the last time, one after each call that may have changed something.
    pub fn take_points(&mut self) -> Vec<Point> {
        std::mem::take(&mut self.points)
    }

    /// From here on the call that takes space for the `after`-th time, from 0, finds none: a write is short
    /// first, where it can be, and the one after it is refused. `None` for never. Counts anew.
    pub fn refuse(&mut self, after: Option<u32>) {
        (self.refusal, self.refused, self.short, self.takers) = (after, false, false, 0);
    }

    /// Calls that took space since [`TrialDisk::refuse`].
    pub fn takers(&self) -> u32 {
        self.takers
    }

    /// Whether this call, which takes space, finds some.
    fn room(&mut self) -> bool {
        self.takers += 1;
        if self.refused || self.refusal != Some(self.takers - 1) {
            return true;
        }
        self.refused = true;
        false
    }

    fn room_or_error(&mut self) -> Result<(), DiskError> {
        if self.room() { Ok(()) } else { Err(DiskError::NoSpace) }
    }

    /// How many of `len` bytes are written: a refused write is short, unless it is too short for that.
    fn room_for(&mut self, len: usize) -> Result<usize, DiskError> {
        if self.room() {
            return Ok(len);
        }
        if len < 2 || self.short {
            return Err(DiskError::NoSpace);
        }
        // Whoever asks next, most likely for the rest, finds nothing.
        (self.refusal, self.refused, self.short) = (Some(self.takers), false, true);
        Ok(len / 2)
    }

    fn doer(&mut self) -> Doer {
        self.clock += 1;
        Doer { process: ME, stamp: self.clock, event: self.clock }
    }

    fn point(&mut self, call: impl FnOnce(&FileSystem) -> String) {
        let call = call(&self.disk);
        self.points.push(Point { call, disk: self.disk.clone() });
    }

    fn handle(&self, file: File) -> Result<Handle, DiskError> {
        self.handles.get(file.0 as usize).copied().flatten().ok_or(DiskError::BadHandle)
    }

    fn writable(&self, file: File) -> Result<Ino, DiskError> {
        let handle = self.handle(file)?;
        if handle.writable { Ok(handle.ino) } else { Err(DiskError::BadHandle) }
    }

    fn put(&mut self, ino: Ino, offset: usize, bytes: &[u8]) -> Result<usize, DiskError> {
        let grows = offset + bytes.len() > self.disk.len(ino)?;
        let count = if grows { self.room_for(bytes.len())? } else { bytes.len() };
        let doer = self.doer();
        self.disk.write(ino, offset, &bytes[..count], doer)?;
        self.point(|disk| format!("write of {count} bytes at {offset} to {}", path(disk, ino)));
        Ok(count)
    }

    fn sync_inode(&mut self, ino: Ino) -> Result<(), DiskError> {
        let doer = self.doer();
        self.disk.sync(ino, doer)?;
        self.disk.settle_all();
        self.point(|disk| format!("sync of {}", path(disk, ino)));
        Ok(())
    }
}

fn path(disk: &FileSystem, ino: Ino) -> String {
    if ino == ROOT { ".".to_owned() } else { disk.path_of(ino).unwrap_or_else(|| "an unlinked file".to_owned()) }
}

impl Storage for TrialDisk {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let missing = self.disk.resolve(path) == Err(DiskError::NotFound);
        if missing && matches!(mode, Open::Create | Open::CreateNew) {
            self.room_or_error()?;
        }
        let doer = self.doer();
        let (ino, made) = self.disk.open(path, mode, doer)?;
        self.disk.pin(ino);
        if made {
            self.point(|_| format!("create {path}"));
        }
        self.handles.push(Some(Handle { ino, writable: mode != Open::Read }));
        Ok(File(self.handles.len() as u32 - 1))
    }

    fn close(&mut self, file: File) {
        if let Some(handle) = self.handles.get_mut(file.0 as usize).and_then(Option::take) {
            self.disk.unpin(handle.ino);
        }
    }

    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        let ino = self.writable(file)?;
        let end = self.disk.len(ino)?;
        self.put(ino, end, bytes)
    }

    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
        self.disk.read(self.handle(file)?.ino, offset, into)
    }

    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let ino = self.writable(file)?;
        let offset = usize::try_from(offset).map_err(|_| DiskError::Invalid)?;
        self.put(ino, offset, bytes)
    }

    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        let ino = self.writable(file)?;
        let len = usize::try_from(len).map_err(|_| DiskError::Invalid)?;
        if len > self.disk.len(ino)? {
            self.room_or_error()?;
        }
        let doer = self.doer();
        self.disk.resize(ino, len, doer)?;
        self.point(|disk| format!("truncate {} to {len} bytes", path(disk, ino)));
        Ok(())
    }

    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        Ok(self.disk.len(self.handle(file)?.ino)? as u64)
    }

    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let ino = self.handle(file)?.ino;
        self.sync_inode(ino)
    }

    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        if !self.disk.stat(path)?.directory {
            return Err(DiskError::NotDirectory);
        }
        self.sync_inode(self.disk.resolve(path)?)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.room_or_error()?;
        let doer = self.doer();
        self.disk.rename(from, to, doer)?;
        self.point(|_| format!("rename {from} -> {to}"));
        Ok(())
    }

    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        self.room_or_error()?;
        let doer = self.doer();
        self.disk.link(existing, to, doer)?;
        self.point(|_| format!("link {existing} as {to}"));
        Ok(())
    }

    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        let doer = self.doer();
        self.disk.unlink(path, doer)?;
        self.point(|_| format!("unlink {path}"));
        Ok(())
    }

    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        self.room_or_error()?;
        let doer = self.doer();
        self.disk.mkdir(path, doer)?;
        self.point(|_| format!("mkdir {path}"));
        Ok(())
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(path)
    }

    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        self.disk.stat(path)
    }
}
