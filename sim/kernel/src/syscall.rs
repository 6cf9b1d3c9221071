//! System calls: the kernel's side of the contract, for the one handler that runs now. Disk calls: [`crate::disk_calls`].

use crate::draw::{Identity, Purpose, Step, hits, name_hash};
use crate::effect::{Effect, EffectKind};
use crate::event::{Event, Message};
use crate::fault::FaultKind;
use crate::note::Note;
use crate::process::{Ambush, Process};
use crate::world::World;
use contract::disk::Storage;
use contract::host::{Identity as SystemIdentity, Liveness};
use contract::time::nanos;
use contract::timer::Alarm;
use contract::{Duration, Host, Mark, NodeId, Payload, Pid, ProcessId, Time, Wall};
use rand_core::Rng;
use std::cell::Cell;

/// A running handler's view of the world.
pub struct Scope<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) process: ProcessId,
    pub(crate) node: NodeId,
    /// The process's local time: true time of its next effect.
    pub local: u64,
    pub(crate) event: u64,
    pub(crate) identity: Identity,
    /// How many messages went to whom, for the first few receivers.
    sent_to: [(u32, u32); 6],
    receivers: usize,
    sends: u32,
    pub(crate) calls: u32,
    asked: u32,
    pub(crate) shared_changes: u32,
    /// The last monotonic reading: readings never go back, even when a drift ends.
    last_now: Cell<u64>,
    read_drifting: Cell<bool>,
    /// True time of the last reading of the wall clock.
    read_date: Cell<Option<u64>>,
    /// A crash that lies in wait for this process.
    ambush: Option<Ambush>,
}

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
            read_date: Cell::new(None),
            ambush,
        }
    }

    /// Ends the view; returns the end of the process's span.
    #[inline]
    pub fn end(&mut self) -> u64 {
        if self.read_drifting.get() {
            self.clock_fault(FaultKind::ClockDrift);
        }
        if let Some(at) = self.read_date.get() {
            self.date_was_read(at);
        }
        self.world.processes[self.process.0 as usize].last_now = self.last_now.get();
        self.local
    }

    /// Few handlers ask for the date: apart, so that the end of the others stays short.
    #[inline(never)]
    fn date_was_read(&mut self, at: u64) {
        let World { nodes, counts, .. } = &mut *self.world;
        nodes[self.node.0 as usize].clock.falsified(at).for_each(|slot| counts[slot].fired += 1);
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
    pub(crate) fn effect(&mut self, what: EffectKind, stamp: u64) {
        if self.ambush.is_some() {
            self.count_down(stamp);
        }
        if self.world.effects.is_some() {
            self.list(what, stamp);
        }
    }

    #[cold]
    fn list(&mut self, what: EffectKind, stamp: u64) {
        let text = self.world.last_words();
        let effect = Effect { process: self.process, at: Time(stamp), what, event: self.event, text };
        self.world.effects.get_or_insert_default().push(effect);
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
        self.read_drifting.set(self.read_drifting.get() | clock.drifts());
        self.read_date.set(Some(self.local));
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
        let identity = self.identity.then(Step::Message, to.0, nth);
        if self.world.trace.narrates() {
            let (at, protocol) = (Time(self.local), payload.name());
            self.world.trace.note(self.event, Note::Sent { at, to, protocol, identity: identity.0 });
        }
        self.effect(EffectKind::Send, self.local);
        let (from, sent, cause) = (self.process, self.local, self.event);
        self.world.send(Message { from, to, sent, cause, identity, copied_by: None, payload });
    }

    #[inline]
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        let identity = self.identity.then(Step::Timer, alarm.slot, 0);
        let clock = &self.world.nodes[self.node.0 as usize].clock;
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
