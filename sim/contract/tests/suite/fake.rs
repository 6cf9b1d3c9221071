//! A host in memory: it records what an actor does and lets a test move the clock.

use contract::disk::{Stat, Storage};
use contract::host::{Identity, Liveness};
use contract::timer::{Alarm, Timers};
use contract::{
    Actor, Context, DiskError, Duration, File, Halt, Host, Mark, Open, Payload, Pid, ProcessId, Time, Wall, inbox,
    message,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    Get { key: String },
    Put { key: String, value: Vec<u8>, expect: Option<u64> },
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell(pub u64);

/// A protocol that no actor of these tests accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign(pub u32);

message!(Ask = "test.ask/1");
message!(Tell = "test.tell/1");
message!(Foreign = "test.foreign/1");

inbox! {
    #[derive(PartialEq, Eq)]
    pub enum Inbox {
        Asked(Ask),
        Told(Tell),
    }
}

/// Remembers what it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    pub seen: Vec<(ProcessId, Inbox)>,
    pub rang: Vec<Ring>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ring {
    Retry,
    Page(u8),
}

impl Actor for Recorder {
    type Config = Result<(), &'static str>;
    type Inbox = Inbox;
    type Timer = Ring;

    fn boot(config: &Self::Config, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer(Ring::Page(1), Duration::from_secs(1));
        config.map(|()| Recorder::default()).map_err(Halt::new)
    }
    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if message == Inbox::Told(Tell(13)) {
            return Err(Halt::new("thirteen"));
        }
        ctx.set_timer(Ring::Page(1), Duration::from_secs(2));
        self.seen.push((from, message));
        Ok(())
    }
    fn on_timer(&mut self, timer: Ring, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.rang.push(timer);
        Ok(())
    }
}

/// Everything that a process did, in order, and the clock that it reads.
#[derive(Debug, Default)]
pub struct FakeHost {
    pub now: Time,
    pub sent: Vec<(ProcessId, Box<dyn Payload>)>,
    pub armed: Vec<(Alarm, Duration)>,
    pub marks: Vec<Mark>,
    pub storage: MemoryStorage,
    pub draws: u64,
    pub next_random: Option<u64>,
}

impl FakeHost {
    /// Runs `body` as one handler of a `Recorder`.
    pub fn with<R>(&mut self, timers: &mut Timers<Ring>, body: impl FnOnce(&mut Context<'_, Recorder>) -> R) -> R {
        body(&mut Context::new(self, timers))
    }
}

impl Host for FakeHost {
    fn me(&self) -> ProcessId {
        ProcessId(7)
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(70), started: 1, boot: 2, host: 3 }
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        if pid == Pid(70) { Liveness::Alive { started: 1 } } else { Liveness::Dead }
    }
    fn now(&self) -> Time {
        self.now
    }
    fn wall(&self) -> Wall {
        Wall(-5)
    }
    fn random(&mut self) -> u64 {
        self.draws += 1;
        // A Weyl sequence: spread out, and the same in each run.
        self.next_random.unwrap_or(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        self.sent.push((to, payload));
    }
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        self.armed.push((alarm, after));
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }
    fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }
    fn choose(&mut self, _: &'static str) -> bool {
        false
    }
}

/// Files by name; a handle's number is the place of its name.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    pub files: BTreeMap<String, Vec<u8>>,
    pub open: Vec<String>,
    /// The longest append and read; 0 for no limit.
    pub chunk: usize,
    /// Appends fail from this file length on.
    pub capacity: Option<usize>,
    pub stat_error: Option<DiskError>,
    pub calls: usize,
}

impl MemoryStorage {
    fn short(&self, len: usize) -> usize {
        if self.chunk == 0 { len } else { len.min(self.chunk) }
    }
    fn content(&mut self, file: File) -> Result<&mut Vec<u8>, DiskError> {
        let name = self.open.get(file.0 as usize).ok_or(DiskError::BadHandle)?;
        self.files.get_mut(name).ok_or(DiskError::NotFound)
    }
}

impl Storage for MemoryStorage {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let exists = self.files.contains_key(path);
        match mode {
            Open::Read | Open::Write if !exists => return Err(DiskError::NotFound),
            Open::CreateNew if exists => return Err(DiskError::Exists),
            _ => self.files.entry(path.to_owned()).or_default(),
        };
        self.open.push(path.to_owned());
        Ok(File(self.open.len() as u32 - 1))
    }
    fn close(&mut self, _: File) {}
    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        self.calls += 1;
        let mut len = self.short(bytes.len());
        let capacity = self.capacity.unwrap_or(usize::MAX);
        let content = self.content(file)?;
        len = len.min(capacity.saturating_sub(content.len()));
        if len == 0 {
            return Err(DiskError::NoSpace);
        }
        content.extend_from_slice(&bytes[..len]);
        Ok(len)
    }
    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.calls += 1;
        let limit = self.short(into.len());
        let content = self.content(file)?;
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let len = rest.len().min(limit);
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
    fn write_at(&mut self, _: File, _: u64, _: &[u8]) -> Result<usize, DiskError> {
        Err(DiskError::Invalid)
    }
    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        self.content(file)?.truncate(len as usize);
        Ok(())
    }
    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        Ok(self.content(file)?.len() as u64)
    }
    fn sync(&mut self, _: File) -> Result<(), DiskError> {
        Ok(())
    }
    fn sync_dir(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }
    fn rename(&mut self, _: &str, _: &str) -> Result<(), DiskError> {
        Err(DiskError::Invalid)
    }
    fn link(&mut self, _: &str, _: &str) -> Result<(), DiskError> {
        Err(DiskError::Invalid)
    }
    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        self.files.remove(path).map(|_| ()).ok_or(DiskError::NotFound)
    }
    fn mkdir(&mut self, _: &str) -> Result<(), DiskError> {
        Err(DiskError::Invalid)
    }
    fn list(&mut self, _: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.files.keys().cloned().collect())
    }
    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        if let Some(error) = self.stat_error {
            return Err(error);
        }
        let len = self.files.get(path).ok_or(DiskError::NotFound)?.len() as u64;
        Ok(Stat { len, directory: false, inode: 1 })
    }
}
