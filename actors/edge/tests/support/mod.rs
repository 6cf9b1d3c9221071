//! A rig for directed tests: one process, its disk with errors to order, and a cut after any effect.

#![allow(dead_code, reason = "each test binary uses its part of the rig")]

pub mod disk;

use contract::cell::{Blueprint, Cell, Stop};
use contract::disk::Storage;
use contract::host::{Host, Identity, Liveness};
use contract::plan::Directory;
use contract::timer::Alarm;
use contract::{Addr, Duration, Mark, Message, Payload, Pid, ProcessId, Time, Wall};
use disk::FakeDisk;
use edge::spec::Custody;
use std::sync::Arc;

/// The process under test.
pub const ME: ProcessId = ProcessId(0);

/// What the process did, and what its world gives it.
pub struct World {
    /// Its disk.
    pub disk: FakeDisk,
    /// What it sent and nobody has taken yet.
    pub sent: Vec<(ProcessId, Box<dyn Payload>)>,
    /// What it stated.
    pub marks: Vec<Mark>,
    /// What the marks amount to.
    pub custody: Custody,
    /// The first broken invariant.
    pub broken: Option<String>,
    alarms: Vec<(Time, Alarm)>,
    now: Time,
    random: u64,
}

/// One process on one disk.
pub struct Rig {
    /// Its world.
    pub world: World,
    blueprint: Arc<dyn Blueprint>,
    cell: Option<Box<dyn Cell>>,
}

/// The address of a peer.
pub fn addr<M: Message>(process: u32) -> Addr<M> {
    Directory::known(ProcessId(process))
}

impl Rig {
    /// A booted process on an empty disk.
    pub fn new(blueprint: Arc<dyn Blueprint>) -> Rig {
        let mut rig = Rig::off(blueprint, FakeDisk::default());
        rig.boot().unwrap();
        rig
    }

    /// A process that has not been started, on that disk.
    pub fn off(blueprint: Arc<dyn Blueprint>, disk: FakeDisk) -> Rig {
        let world = World {
            disk,
            sent: Vec::new(),
            marks: Vec::new(),
            custody: Custody::default(),
            broken: None,
            alarms: Vec::new(),
            now: Time::ZERO,
            random: 1,
        };
        Rig { world, blueprint, cell: None }
    }

    /// Starts it; its reason if it halts.
    pub fn boot(&mut self) -> Result<(), String> {
        self.cell = None;
        self.world.disk.process_crash();
        self.start()
    }

    /// Starts it with only so many effects before it is cut.
    pub fn boot_with_fuel(&mut self, fuel: u32) -> Result<(), String> {
        self.cell = None;
        self.world.disk.process_crash();
        self.world.disk.fuel = Some(fuel);
        self.start()
    }

    fn start(&mut self) -> Result<(), String> {
        self.world.alarms.clear();
        let cell = self.blueprint.boot(&mut self.world).map_err(|halt| halt.reason)?;
        self.cell = Some(cell);
        Ok(())
    }

    /// Delivers a message; the reason if the process halts, which ends it.
    pub fn send<M: Message>(&mut self, from: u32, message: M) -> Result<(), String> {
        let cell = self.cell.as_mut().expect("the process runs");
        match cell.deliver(ProcessId(from), Box::new(message), &mut self.world) {
            Ok(()) => Ok(()),
            Err(Stop::Halt(halt)) => {
                self.cell = None;
                Err(halt.reason)
            }
            Err(Stop::Refused(why)) => panic!("refused: {why:?}"),
        }
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.cell.is_some()
    }

    /// Kills it; the page cache stays.
    pub fn kill(&mut self) {
        self.cell = None;
        self.world.disk.process_crash();
    }

    /// Kills it and loses what is not durable.
    pub fn power_loss(&mut self) {
        self.cell = None;
        self.world.disk.power_loss();
    }

    /// Lets time pass, and fires what is due.
    pub fn wait(&mut self, span: Duration) -> Result<(), String> {
        let end = self.world.now + span;
        while let Some(index) = self.world.next_alarm(end) {
            let (at, alarm) = self.world.alarms.remove(index);
            self.world.now = at.max(self.world.now);
            let cell = self.cell.as_mut().expect("the process runs");
            if let Err(stop) = cell.fire(alarm, &mut self.world) {
                self.cell = None;
                return Err(format!("{stop:?}"));
            }
        }
        self.world.now = end;
        Ok(())
    }

    /// Takes what was sent of that type, oldest first, and forgets the rest.
    pub fn take<M: Message>(&mut self) -> Vec<(ProcessId, M)> {
        let all = std::mem::take(&mut self.world.sent);
        let wanted = all.into_iter().filter(|(_, payload)| payload.protocol() == M::PROTOCOL);
        wanted.map(|(to, payload)| (to, *payload.into_any().downcast().expect("tags are unique"))).collect()
    }

    /// How often it stated that kind.
    pub fn count(&self, kind: &str) -> usize {
        self.world.marks.iter().filter(|mark| mark.kind == kind).count()
    }
}

impl World {
    fn next_alarm(&self, end: Time) -> Option<usize> {
        let due = self.alarms.iter().enumerate().filter(|(_, (at, _))| *at <= end);
        due.min_by_key(|(index, (at, _))| (*at, *index)).map(|(index, _)| index)
    }

    /// One more effect; `false` after the cut.
    fn effect(&mut self) -> bool {
        match &mut self.disk.fuel {
            None => true,
            Some(0) => false,
            Some(fuel) => {
                *fuel -= 1;
                true
            }
        }
    }
}

impl Host for World {
    fn me(&self) -> ProcessId {
        ME
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(1), started: 0, boot: 1, host: 0 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        self.now
    }
    fn wall(&self) -> Wall {
        Wall(0)
    }
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random
    }
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        if self.effect() {
            self.sent.push((to, payload));
        }
    }
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        let at = self.now + after;
        self.alarms.push((at, alarm));
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.disk
    }
    fn mark(&mut self, mark: Mark) {
        if self.effect() {
            if let (None, Err(why)) = (&self.broken, self.custody.observe(&mark)) {
                self.broken = Some(why);
            }
            self.marks.push(mark);
        }
    }
    fn choose(&mut self, _: &'static str) -> bool {
        false
    }
}
