//! Faults in action: when they strike, what they do, and how they end.

use crate::disk::FileSystem;
use crate::draw::{StreamFor, stream, within};
use crate::event::Event;
use crate::fault::{FaultKind, FaultSpec};
use crate::net::{Cut, Window};
use crate::process::{Ailments, Ambush};
use crate::queue::Revision;
use crate::settings::Span;
use crate::trace::What;
use crate::world::{Decision, World};
use contract::time::nanos;
use contract::{Mark, NodeId, ProcessId, Time};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::sync::Arc;

/// The state of one fault slot.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// Occurrences begun.
    occurrence: u32,
    /// The node of the occurrence in force.
    active: Option<NodeId>,
}

impl Slot {
    /// Whether an occurrence on that node is in force.
    pub fn active_on(&self, node: NodeId) -> bool {
        self.active == Some(node)
    }
}

/// A crash lies in wait for one of this many next effects.
const AMBUSH_EFFECTS: u64 = 12;
/// Marks the stream that decides what a power loss leaves.
const LOSS_STREAM: u32 = 1 << 31;
/// A full disk still takes at most this many bytes, so that writes end short.
const LAST_BYTES: u64 = 8_192;

fn draw_span(rng: &mut ChaCha8Rng, span: Span) -> u64 {
    within(rng.next_u64(), nanos(span.least), nanos(span.most))
}

impl World {
    pub(crate) fn schedule_first_strikes(&mut self) {
        let settings = Arc::clone(&self.settings);
        for (slot, spec) in settings.faults.iter().enumerate() {
            if !spec.targets.is_empty() && spec.limit > 0 {
                let wait = draw_span(&mut self.occurrence_stream(slot, 0), spec.every);
                self.queue.push(wait, Event::Strike(slot as u32));
            }
        }
    }

    /// Each occurrence draws from a stream of its own: leaving one out does not change the others.
    fn occurrence_stream(&self, slot: usize, occurrence: u32) -> ChaCha8Rng {
        stream(self.seed, StreamFor::Fault, ((slot as u64) << 32) | u64::from(occurrence))
    }

    pub(crate) fn strike(&mut self, slot: usize) {
        if !self.storm {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let spec = &settings.faults[slot];
        self.slots[slot].occurrence += 1;
        let occurrence = self.slots[slot].occurrence;
        let mut rng = self.occurrence_stream(slot, occurrence);
        let lasts = draw_span(&mut rng, spec.lasts);
        let gap = draw_span(&mut rng, spec.every);
        let target = spec.targets[rng.next_u64() as usize % spec.targets.len()];
        self.counts[slot].asked += 1;
        self.trace.record(What::Strike, self.now, 0, target.0, slot as u32, occurrence, lasts);
        let key = u64::from(occurrence);
        self.decisions.push(Decision { at: self.now, slot: slot as u32, node: target, key, message: false });
        self.slots[slot].active = Some(target);
        self.apply(slot, spec, target, lasts, &mut rng);
        self.queue.push(self.now + lasts, Event::Relief(slot as u32));
        if occurrence < spec.limit {
            self.queue.push(self.now + lasts + gap.max(1), Event::Strike(slot as u32));
        }
    }

    fn apply(&mut self, slot: usize, spec: &FaultSpec, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) {
        use FaultKind as F;
        match spec.kind {
            F::ProcessCrash | F::PowerLoss => self.crash_or_ambush(slot, spec.kind, target, lasts, rng),
            F::DiskFull => {
                self.ailments(target).full = Some((slot, within(rng.next_u64(), 0, LAST_BYTES)));
            }
            F::DiskError => self.ailments(target).error = Some((slot, spec.chance_ppm)),
            F::FsyncFailure => self.ailments(target).sync = Some((slot, spec.chance_ppm)),
            F::SlowDisk => {
                let amount = (nanos(spec.amount.least), nanos(spec.amount.most));
                self.ailments(target).slow = Some((slot, spec.chance_ppm, amount));
            }
            F::ReadOnly => self.ailments(target).read_only = Some(slot),
            F::HostLoss => {
                self.lose_power(slot, target, lasts);
                let capacity = self.settings.disk.capacity;
                self.nodes[target.0 as usize].disk = FileSystem::new(capacity);
            }
            F::DelayTail | F::Loss | F::Duplication | F::Reordering | F::LateReplay | F::Clog => {
                let until = self.now + lasts;
                let (ppm, amount) = (spec.chance_ppm, spec.amount);
                self.net.windows.push(Window { slot, kind: spec.kind, target, ppm, amount, until });
            }
            F::Partition | F::OneWayPartition | F::PartialPartition => {
                let cut = self.draw_cut(slot, spec.kind, target, rng);
                self.net.cuts.push(cut);
            }
            F::Pause => self.pause(slot, target, lasts),
            F::ClockSkew => {
                let offset = draw_span(rng, spec.amount) as i64;
                let sign = if rng.next_u64().is_multiple_of(2) { 1 } else { -1 };
                self.nodes[target.0 as usize].clock.set_offset(sign * offset);
            }
            F::ClockDrift => {
                let most = i64::from(spec.chance_ppm);
                let drift = within(rng.next_u64(), 1, 2 * most as u64 + 1) as i64 - most - 1;
                let now = self.now;
                self.nodes[target.0 as usize].clock.set_drift(now, if drift == 0 { most } else { drift });
            }
        }
    }

    pub(crate) fn relieve(&mut self, slot: usize) {
        let Some(target) = self.slots[slot].active.take() else { return };
        let kind = self.settings.faults[slot].kind;
        self.trace.record(What::Relief, self.now, 0, target.0, slot as u32, self.slots[slot].occurrence, 0);
        self.net.windows.retain(|window| window.slot != slot);
        self.net.cuts.retain(|cut| cut.slot != slot);
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        node.ailments.full.take_if(|(by, _)| *by == slot);
        node.ailments.error.take_if(|(by, _)| *by == slot);
        node.ailments.sync.take_if(|(by, _)| *by == slot);
        node.ailments.slow.take_if(|(by, _, _)| *by == slot);
        node.ailments.read_only.take_if(|by| *by == slot);
        match kind {
            FaultKind::ClockSkew => node.clock.set_offset(0),
            FaultKind::ClockDrift => node.clock.set_drift(now, 0),
            _ => {}
        }
    }

    /// Ends every fault for good, repairs links, clocks and disks, resumes and restarts what is down.
    pub fn heal(&mut self) {
        self.storm = false;
        self.net.windows.clear();
        self.net.cuts.clear();
        for slot in &mut self.slots {
            slot.active = None;
        }
        for node in &mut self.nodes {
            node.ailments = Ailments::default();
            node.clock.set_offset(0);
            node.clock.set_drift(self.now, 0);
            node.off_until = self.now;
        }
        for index in 0..self.processes.len() {
            let process = ProcessId(index as u32);
            let it = &mut self.processes[index];
            it.ambush = None;
            if !it.is_up() {
                let after = it.incarnation;
                self.queue.push(self.now, Event::Boot { process, after });
            }
        }
        for node in 0..self.nodes.len() as u32 {
            self.resume(NodeId(node));
        }
    }

    /// Kills a process by hand, for drivers and debuggers; it starts again after `down_for`.
    pub fn crash(&mut self, victim: ProcessId, down_for: contract::Duration) {
        self.end(victim, "crash", nanos(down_for));
    }

    /// Takes a node's power away by hand, for drivers and debuggers; its processes start again after
    /// `down_for`. `variant` chooses among what may be left of unsynced changes.
    pub fn power_loss(&mut self, node: NodeId, down_for: contract::Duration, variant: u32) {
        let mut rng = stream(self.seed, StreamFor::Fault, u64::MAX >> 8 ^ u64::from(variant));
        self.switch_off(node, nanos(down_for), &mut rng);
    }

    /// Half of the crashes strike now; the others lie in wait for an effect of the victim.
    fn crash_or_ambush(&mut self, slot: usize, kind: FaultKind, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) {
        let all = &self.on_node[target.0 as usize];
        let Some(&victim) = all.get(rng.next_u64() as usize % all.len().max(1)) else { return };
        let power = kind == FaultKind::PowerLoss;
        let waits = rng.next_u64().is_multiple_of(2);
        let effects_left = (rng.next_u64() % AMBUSH_EFFECTS) as u32;
        if waits {
            let ambush = Ambush { slot: slot as u32, effects_left, down_for: lasts, power };
            self.processes[victim.0 as usize].ambush = Some(ambush);
        } else if power {
            self.lose_power(slot, target, lasts);
        } else {
            self.kill(slot, victim, lasts);
        }
    }

    /// A crash that lay in wait strikes.
    pub(crate) fn spring(&mut self, victim: ProcessId, incarnation: u32, ambush: Ambush) {
        let it = &self.processes[victim.0 as usize];
        if !self.storm || it.incarnation != incarnation {
            return;
        }
        let (slot, node) = (ambush.slot as usize, it.node);
        if ambush.power {
            self.lose_power(slot, node, ambush.down_for);
        } else {
            self.kill(slot, victim, ambush.down_for);
        }
    }

    /// Kills one process; it starts again after `lasts`.
    fn kill(&mut self, slot: usize, victim: ProcessId, lasts: u64) {
        if self.processes[victim.0 as usize].is_up() {
            self.counts[slot].fired += 1;
            self.end(victim, "crash", lasts);
        }
    }

    /// Ends an incarnation now: what it would have done later in its span never happens.
    fn end(&mut self, victim: ProcessId, reason: &'static str, down_for: u64) {
        let incarnation = self.processes[victim.0 as usize].incarnation;
        let was_up = self.processes[victim.0 as usize].is_up();
        self.cut(victim);
        self.release(victim);
        if was_up {
            let event = self.trace.record(What::Crash, self.now, 0, victim.0, 0, incarnation, 0);
            self.state(victim, self.now, event, Mark::new("system.exit").with("reason", reason));
        }
        self.queue.push(self.now + down_for, Event::Boot { process: victim, after: incarnation });
    }

    /// Takes back the effects that `victim` would have had after now.
    fn cut(&mut self, victim: ProcessId) {
        let now = self.now;
        let it = &mut self.processes[victim.0 as usize];
        if it.busy_until <= now {
            return;
        }
        it.busy_until = now;
        self.nodes[it.node.0 as usize].disk.cut(victim, now);
        self.marks.retain(|mark| mark.process != victim || mark.at.0 <= now);
        self.queue.revise(|_, event| match event {
            Event::Message(message) if message.from == victim && message.sent > now => Revision::Drop,
            _ => Revision::Keep,
        });
    }

    fn lose_power(&mut self, slot: usize, target: NodeId, lasts: u64) {
        // What survives is drawn from the occurrence's own stream, far behind its other draws.
        let mut rng = self.occurrence_stream(slot, self.slots[slot].occurrence | LOSS_STREAM);
        if self.switch_off(target, lasts, &mut rng) {
            self.counts[slot].fired += 1;
        }
    }

    /// Ends everything on a node and settles what its disk keeps; whether anybody noticed.
    fn switch_off(&mut self, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) -> bool {
        let all = self.on_node[target.0 as usize].clone();
        let anyone_up = all.iter().any(|process| self.processes[process.0 as usize].is_up());
        for process in all {
            self.end(process, "power", lasts);
        }
        let node = &mut self.nodes[target.0 as usize];
        node.off = true;
        node.off_until = self.now + lasts;
        let loss = node.disk.power_loss(self.now, rng);
        if self.trace.narrates() {
            let crate::disk::loss::Loss { dropped, torn, kept } = loss;
            self.trace.narrate(format!("unsynced changes: {dropped} dropped, {torn} torn, {kept} kept"));
        }
        anyone_up || loss.dropped + loss.torn > 0
    }

    /// Freezes a node: what its processes would still do in their spans happens after the pause.
    fn pause(&mut self, slot: usize, target: NodeId, lasts: u64) {
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        node.paused_until = node.paused_until.max(now) + lasts;
        for process in self.on_node[target.0 as usize].clone() {
            let it = &mut self.processes[process.0 as usize];
            if it.is_up() {
                self.counts[slot].fired += 1;
            }
            let inside_a_span = it.busy_until > now;
            it.busy_until = it.busy_until.max(now) + lasts;
            if inside_a_span {
                self.shift_effects(process, lasts as i64);
            }
        }
    }

    /// Ends a node's pause now: what it put off happens as much earlier as the pause is shorter.
    fn resume(&mut self, target: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        let rest = node.paused_until.saturating_sub(now);
        node.paused_until = now;
        for process in self.on_node[target.0 as usize].clone() {
            let it = &mut self.processes[process.0 as usize];
            if rest > 0 && it.busy_until > now {
                it.busy_until -= rest;
                if it.busy_until > now {
                    self.shift_effects(process, -(rest as i64));
                }
            }
            self.schedule_wake(process);
        }
    }

    /// Moves everything that `process` does after now in its span.
    fn shift_effects(&mut self, process: ProcessId, by: i64) {
        let now = self.now;
        let moved = |time: u64| time.saturating_add_signed(by).max(now);
        self.nodes[self.node_of[process.0 as usize].0 as usize].disk.shift(process, now, by);
        self.queue.revise(|time, event| match event {
            Event::Message(message) if message.from == process && message.sent > now => {
                message.sent = moved(message.sent);
                Revision::Move(moved(time))
            }
            Event::Boot { process: other, .. } if *other == process => Revision::Move(moved(time)),
            _ => Revision::Keep,
        });
        for mark in self.marks.iter_mut().filter(|mark| mark.process == process && mark.at.0 > now) {
            mark.at = Time(moved(mark.at.0));
        }
        self.marks.make_contiguous().sort_by_key(|mark| mark.at);
    }

    fn draw_cut(&self, slot: usize, kind: FaultKind, target: NodeId, rng: &mut ChaCha8Rng) -> Cut {
        let hears = rng.next_u64().is_multiple_of(2);
        let others: Vec<u32> = (0..self.nodes.len() as u32).filter(|node| *node != target.0).collect();
        let drawn = others.get(rng.next_u64() as usize % others.len().max(1)).copied().map(NodeId);
        let one_way = kind == FaultKind::OneWayPartition;
        let peer = if kind == FaultKind::PartialPartition { drawn } else { None };
        Cut { slot, kind, target, peer, outward: !one_way || hears, inward: !one_way || !hears }
    }

    fn ailments(&mut self, node: NodeId) -> &mut Ailments {
        &mut self.nodes[node.0 as usize].ailments
    }
}
