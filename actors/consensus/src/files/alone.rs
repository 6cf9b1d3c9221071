//! A host for one process with nobody around: the disk is given, time stands still, and what is sent is kept.

use contract::disk::Storage;
use contract::host::{Host, Identity, Liveness};
use contract::timer::Alarm;
use contract::{Disk, Duration, Mark, Message, Payload, Pid, ProcessId, Time, Wall};

/// The process itself; it is also the address of everyone it answers.
pub const ME: ProcessId = ProcessId(0);

/// The host of one event.
pub struct Alone<'h, 'd> {
    disk: &'h mut Disk<'d>,
    sent: Vec<Box<dyn Payload>>,
    alarms: Vec<Alarm>,
}

impl<'h, 'd> Alone<'h, 'd> {
    /// Over that disk.
    pub fn new(disk: &'h mut Disk<'d>) -> Self {
        Alone { disk, sent: Vec::new(), alarms: Vec::new() }
    }

    /// The alarms that were asked for, and what was sent of that type, oldest first.
    pub fn done<M: Message>(self) -> (Vec<Alarm>, Vec<M>) {
        let wanted = self.sent.into_iter().filter(|payload| payload.protocol() == M::PROTOCOL);
        let sent = wanted.filter_map(|payload| payload.into_any().downcast().ok()).map(|message| *message);
        (self.alarms, sent.collect())
    }
}

impl Host for Alone<'_, '_> {
    fn me(&self) -> ProcessId {
        ME
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(1), started: 0, boot: 0, host: 0 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        Time::ZERO
    }
    fn wall(&self) -> Wall {
        Wall::default()
    }
    // A file protocol depends on no chance.
    fn random(&mut self) -> u64 {
        0
    }
    fn send(&mut self, _: ProcessId, payload: Box<dyn Payload>) {
        self.sent.push(payload);
    }
    fn arm(&mut self, alarm: Alarm, _: Duration) {
        self.alarms.push(alarm);
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut **self.disk
    }
    fn mark(&mut self, _: Mark) {}
    fn choose(&mut self, _: &'static str) -> bool {
        false
    }
}
