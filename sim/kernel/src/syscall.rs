//! System calls: the kernel's side of the contract, for the one handler that runs now.

use crate::draw::{Identity, Purpose, Step, hits, name_hash, within};
use crate::event::{Event, Message};
use crate::fault::FaultKind;
use crate::process::{Ambush, Handle, Process};
use crate::settings::Span;
use crate::world::World;
use contract::disk::{Stat, Storage};
use contract::host::{Identity as SystemIdentity, Liveness};
use contract::time::nanos;
use contract::timer::Alarm;
use contract::{DiskError, Duration, File, Host, Mark, NodeId, Open, Payload, Pid, ProcessId, Time, Wall};
use rand_core::Rng;
use std::cell::Cell;

use crate::disk::{Doer, Ino};

/// A running handler's view of the world.
pub struct Scope<'w> {
    world: &'w mut World,
    process: ProcessId,
    node: NodeId,
    /// The process's local time: true time of its next effect.
    pub local: u64,
    event: u64,
    identity: Identity,
    /// How many messages went to whom, for the first few receivers.
    sent_to: [(u32, u32); 6],
    receivers: usize,
    sends: u32,
    calls: u32,
    asked: u32,
    shared_changes: u32,
    /// The last monotonic reading: readings never go back, even when a drift ends.
    last_now: Cell<u64>,
    read_drifting: Cell<bool>,
    read_wrong_date: Cell<bool>,
    /// A crash that lies in wait for this process.
    ambush: Option<Ambush>,
}

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

impl<'w> Scope<'w> {
    /// The view of `process` while it handles `event`.
    #[inline]
    pub fn new(world: &'w mut World, process: ProcessId, event: u64, identity: Identity) -> Scope<'w> {
        let node = world.node_of[process.0 as usize];
        let local = world.now;
        let Process { last_now, ambush, .. } = world.processes[process.0 as usize];
        Scope {
            world,
            process,
            node,
            local,
            event,
            identity,
            sent_to: [(u32::MAX, 0); 6],
            receivers: 0,
            sends: 0,
            calls: 0,
            asked: 0,
            shared_changes: 0,
            last_now: Cell::new(last_now),
            read_drifting: Cell::new(false),
            read_wrong_date: Cell::new(false),
            ambush,
        }
    }

    /// Ends the view; returns the end of the process's span.
    #[inline]
    pub fn end(mut self) -> u64 {
        if self.read_drifting.get() {
            self.clock_fault(FaultKind::ClockDrift);
        }
        if self.read_wrong_date.get() {
            self.clock_fault(FaultKind::ClockSkew);
        }
        self.world.processes[self.process.0 as usize].last_now = self.last_now.get();
        self.local
    }

    /// Which message to `to` of this handler the next one is: with the receiver it names the message,
    /// however many others the handler sends. Behind the first few receivers the plain order counts.
    #[inline]
    fn nth_to(&mut self, to: u32) -> u32 {
        self.sends += 1;
        for known in &mut self.sent_to[..self.receivers] {
            if known.0 == to {
                known.1 += 1;
                return known.1;
            }
        }
        if self.receivers < self.sent_to.len() {
            self.sent_to[self.receivers] = (to, 0);
            self.receivers += 1;
            return 0;
        }
        self.sends | (1 << 31)
    }

    /// An effect is about to happen: a crash that lies in wait counts it, and strikes just before or after it.
    #[inline]
    fn effect(&mut self, stamp: u64) {
        if self.ambush.is_some() {
            self.count_down(stamp);
        }
    }

    #[cold]
    fn count_down(&mut self, stamp: u64) {
        let Some(mut ambush) = self.ambush.take() else { return };
        let incarnation = self.world.processes[self.process.0 as usize].incarnation;
        if ambush.effects_left == 0 {
            // Effects stamped now or later are cut if the crash comes a moment before them.
            let at = stamp.saturating_sub(1).max(self.world.now);
            self.world.queue.push(at, Event::Ambush { process: self.process, incarnation, ambush });
        } else {
            ambush.effects_left -= 1;
            self.ambush = Some(ambush);
        }
        self.world.processes[self.process.0 as usize].ambush = self.ambush;
    }

    /// A change takes effect in the middle of its call, so that a crash can fall before and after it; on
    /// a path that others share at its start, since they see it from then on.
    fn doer(&mut self, time: u64, shared: bool) -> Doer {
        let stamp = if shared { self.local } else { self.local + time / 2 };
        self.effect(stamp);
        Doer { process: self.process, stamp, event: self.world.now }
    }

    /// How long a call takes.
    #[inline]
    fn time_of(&self, about: Identity, span: Span) -> u64 {
        within(self.world.draw.bits(about, Purpose::DiskTime), nanos(span.least), nanos(span.most))
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
        let doer = self.doer(time, shared);
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

    fn disk(&mut self) -> &mut crate::disk::FileSystem {
        &mut self.world.nodes[self.node.0 as usize].disk
    }

    /// The common part of the calls that change names.
    fn rename_like(
        &mut self,
        call: Call,
        paths: &str,
        shared: bool,
        act: impl FnOnce(&mut crate::disk::FileSystem, Doer) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let about = self.call(call, 0, paths.as_bytes());
        let time = self.time_of(about, self.world.settings.disk.write);
        let doer = self.doer(time, shared);
        let result = self
            .device_error(about)
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
        self.effect(ends);
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
        if let Some((slot, _)) = ailments.full
            && self.disk().is_dirty(ino)
            && hits(self.world.draw.bits(about, Purpose::DiskFull), FULL_SYNC_PPM)
        {
            self.world.counts[slot].fired += 1;
            return Err(DiskError::NoSpace);
        }
        self.disk().sync(ino, ends, event)
    }

    fn clock_fault(&mut self, kind: FaultKind) {
        let node = self.node;
        let found = self
            .world
            .settings
            .faults
            .iter()
            .zip(&self.world.slots)
            .position(|(spec, slot)| spec.kind == kind && slot.active_on(node));
        if let Some(slot) = found {
            self.world.counts[slot].fired += 1;
        }
    }
}

impl Host for Scope<'_> {
    fn me(&self) -> ProcessId {
        self.process
    }

    fn identity(&self) -> SystemIdentity {
        let process = &self.world.processes[self.process.0 as usize];
        let boot = self.world.nodes[self.node.0 as usize].boot;
        SystemIdentity { pid: process.pid, started: process.started, boot, host: u64::from(self.node.0) }
    }

    fn liveness(&self, pid: Pid) -> Liveness {
        let on_node = &self.world.on_node[self.node.0 as usize];
        let mut all = on_node.iter().map(|id| &self.world.processes[id.0 as usize]);
        // The running handler's own cell is out of its slot, but it certainly runs.
        let me = &self.world.processes[self.process.0 as usize];
        if me.pid == pid {
            return Liveness::Alive { started: me.started };
        }
        match all.find(|process| process.is_up() && process.pid == pid) {
            Some(process) => Liveness::Alive { started: process.started },
            None => Liveness::Dead,
        }
    }

    #[inline]
    fn now(&self) -> Time {
        let clock = &self.world.nodes[self.node.0 as usize].clock;
        self.read_drifting.set(self.read_drifting.get() | clock.drifts());
        let reading = clock.monotonic(self.local).0.max(self.last_now.get());
        self.last_now.set(reading);
        Time(reading)
    }

    fn wall(&self) -> Wall {
        let clock = &self.world.nodes[self.node.0 as usize].clock;
        self.read_wrong_date.set(self.read_wrong_date.get() | clock.is_off());
        clock.wall(self.local)
    }

    #[inline]
    fn random(&mut self) -> u64 {
        self.world.streams[self.process.0 as usize].next_u64()
    }

    #[inline]
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        let nth = self.nth_to(to.0);
        // No two effects share a moment, so that a crash can fall between any two.
        self.local += 1;
        self.effect(self.local);
        let identity = self.identity.then(Step::Message, to.0, nth);
        let (from, sent, cause) = (self.process, self.local, self.event);
        self.world.send(Message { from, to, sent, cause, identity, copied_by: None, payload });
    }

    #[inline]
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        let identity = self.identity.then(Step::Timer, alarm.slot, 0);
        let clock = self.world.nodes[self.node.0 as usize].clock;
        self.read_drifting.set(self.read_drifting.get() | clock.drifts());
        let at = self.local.saturating_add(clock.true_span(nanos(after)));
        let incarnation = self.world.processes[self.process.0 as usize].incarnation;
        let event = Event::Alarm { process: self.process, incarnation, alarm, cause: self.event, identity };
        self.world.queue.push(at, event);
    }

    fn storage(&mut self) -> &mut dyn Storage {
        self
    }

    fn mark(&mut self, mark: Mark) {
        let mut hash = u64::from(name_hash(&mark.kind));
        for (name, value) in &mark.facts {
            hash = crate::draw::fold(hash ^ u64::from(name_hash(name)), value_hash(value) | 1);
        }
        self.world.trace.absorb(hash, &[]);
        self.world.state(self.process, self.local, self.event, mark);
    }

    fn choose(&mut self, site: &'static str) -> bool {
        const ACTIVE_PPM: u32 = 250_000;
        const FIRES_PPM: u32 = 250_000;
        if !self.world.settings.choices || !self.world.storm {
            return false;
        }
        self.asked += 1;
        let key = name_hash(site);
        let active = hits(self.world.draw.bits(Identity(u64::from(key)), Purpose::Choice), ACTIVE_PPM);
        let now = self.identity.then(Step::Choice, key, self.asked);
        let yes = active && hits(self.world.draw.bits(now, Purpose::Choice), FIRES_PPM);
        let count = self.world.choices.entry(site).or_default();
        count.0 += 1;
        count.1 += u64::from(yes);
        yes
    }
}

fn value_hash(value: &contract::Value) -> u64 {
    match value {
        contract::Value::Flag(flag) => 2 + u64::from(*flag),
        contract::Value::Number(number) => *number,
        contract::Value::Text(text) => u64::from(name_hash(text)),
        contract::Value::List(values) => values.iter().fold(values.len() as u64, |hash, value| {
            crate::draw::fold(hash ^ 0x9e37_79b9_7f4a_7c15, value_hash(value) | 1)
        }),
    }
}

impl Storage for Scope<'_> {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let about = self.call(Call::Open, mode as u64, path.as_bytes());
        let time = self.time_of(about, self.world.settings.disk.write);
        let creates = matches!(mode, Open::Create | Open::CreateNew) && self.disk().resolve(path).is_err();
        let doer = self.doer(time, !creates);
        let opened = self
            .device_error(about)
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
        let result = self.device_error(about).and_then(|()| {
            let grown = new_len.saturating_sub(old_len) as u64;
            if grown > 0 && self.room_for(grown) < grown {
                return Err(DiskError::NoSpace);
            }
            let shared = self.change(ino);
            let doer = self.doer(time, shared);
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
