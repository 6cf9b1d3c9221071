//! Faults in action: when they strike, what they do, and how they end.

use crate::disk::FileSystem;
use crate::draw::{StreamFor, stream, within};
use crate::event::Event;
use crate::fault::{FaultKind, FaultSpec, Scope};
use crate::net::{Cut, Window};
use crate::process::Ailments;
use crate::settings::Span;
use crate::trace::What;
use crate::world::{Decision, World};
use contract::NodeId;
use contract::time::nanos;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::sync::Arc;

/// The state of one fault slot.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// Occurrences begun.
    pub(crate) occurrence: u32,
    /// The nodes of the occurrence in force.
    pub(crate) active: Vec<NodeId>,
    /// Waits for a mark of a target: see [`FaultSpec::after`].
    armed: bool,
    /// The node whose mark it waited for.
    sprung: Option<NodeId>,
}

impl Slot {
    /// Whether an occurrence on that node is in force.
    pub fn active_on(&self, node: NodeId) -> bool {
        self.active.contains(&node)
    }
}

/// A full disk still takes at most this many bytes, so that writes end short.
const LAST_BYTES: u64 = 8_192;
/// A fault that waits for a mark strikes within `2^n` nanoseconds of it, with `n` drawn below this.
const TRIGGER_OCTAVES: u64 = 24;

pub(crate) fn draw_span(rng: &mut ChaCha8Rng, span: Span) -> u64 {
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
    pub(crate) fn occurrence_stream(&self, slot: usize, occurrence: u32) -> ChaCha8Rng {
        let key = self.settings.fault_key(slot);
        stream(self.seed, StreamFor::Fault, (u64::from(key) << 32) | u64::from(occurrence))
    }

    pub(crate) fn strike(&mut self, slot: usize) {
        if !self.storm {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let spec = &settings.faults[slot];
        if spec.after.is_some() && self.slots[slot].sprung.is_none() {
            self.slots[slot].armed = true;
            self.armed += 1;
            return;
        }
        self.slots[slot].occurrence += 1;
        let occurrence = self.slots[slot].occurrence;
        let mut rng = self.occurrence_stream(slot, occurrence);
        let lasts = draw_span(&mut rng, spec.lasts);
        let gap = draw_span(&mut rng, spec.every);
        let drawn = spec.targets[rng.next_u64() as usize % spec.targets.len()];
        let target = self.slots[slot].sprung.take().unwrap_or(drawn);
        if spec.occurrences.as_ref().is_none_or(|only| only.contains(&occurrence)) {
            self.counts[slot].asked += 1;
            self.trace.record(What::Strike, self.now, 0, target.0, slot as u32, occurrence, lasts);
            let key = u64::from(occurrence);
            self.decisions.push(Decision { at: self.now, slot: slot as u32, node: target, key, message: false });
            let victims = self.victims(spec, target);
            self.slots[slot].active.clone_from(&victims);
            for victim in victims {
                // One draw for all: each victim sees the same offset, the same chance, the same length.
                self.apply(slot, spec, victim, lasts, &mut rng.clone());
            }
            self.queue.push(self.now + lasts, Event::Relief(slot as u32));
        }
        if occurrence < spec.limit {
            self.queue.push(self.now + lasts + gap.max(1), Event::Strike(slot as u32));
        }
    }

    /// Whom an occurrence strikes beside the drawn target.
    fn victims(&self, spec: &FaultSpec, target: NodeId) -> Vec<NodeId> {
        let zone = |node: NodeId| node.0 % self.settings.zones.max(1);
        match spec.scope {
            Scope::Node => vec![target],
            Scope::Zone => spec.targets.iter().copied().filter(|node| zone(*node) == zone(target)).collect(),
            Scope::All => spec.targets.clone(),
        }
    }

    /// A process stated a fact for which an armed slot may have waited.
    #[cold]
    pub(crate) fn trigger(&mut self, node: NodeId, at: u64, kind: &str) {
        let settings = Arc::clone(&self.settings);
        for (slot, spec) in settings.faults.iter().enumerate() {
            let waits = self.slots[slot].armed && spec.after.as_deref() == Some(kind) && spec.targets.contains(&node);
            if !waits {
                continue;
            }
            self.slots[slot].armed = false;
            self.slots[slot].sprung = Some(node);
            self.armed -= 1;
            let mut rng = self.occurrence_stream(slot, (1 << 30) | self.slots[slot].occurrence);
            let octave = rng.next_u64() % TRIGGER_OCTAVES;
            let delay = within(rng.next_u64(), 1, 1 << octave);
            self.queue.push(at.max(self.now) + delay, Event::Strike(slot as u32));
        }
    }

    fn apply(&mut self, slot: usize, spec: &FaultSpec, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) {
        use FaultKind as F;
        match spec.kind {
            F::ProcessCrash | F::PowerLoss => self.crash_or_ambush(slot, spec, target, lasts, rng),
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
                let window = self.window(slot, spec, target, until);
                self.net.windows.push(window);
            }
            F::Partition | F::OneWayPartition | F::PartialPartition => {
                let cut = self.draw_cut(slot, spec, target, rng);
                self.net.cuts.push(cut);
            }
            F::FsyncLie
            | F::HungDisk
            | F::InodeExhaustion
            | F::TooManyOpen
            | F::ShortIo
            | F::BitRot
            | F::LatentError
            | F::MisdirectedWrite
            | F::MisdirectedRead
            | F::PhantomWrite => {}
            F::Swizzle | F::Reset | F::HalfOpen | F::SlowReceiver | F::Zombie | F::VersionSkew => {}
            F::ClockJump | F::ClockFreeze | F::LeapSecond => {}
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
        let victims = std::mem::take(&mut self.slots[slot].active);
        let Some(&target) = victims.first() else { return };
        let kind = self.settings.faults[slot].kind;
        self.trace.record(What::Relief, self.now, 0, target.0, slot as u32, self.slots[slot].occurrence, 0);
        self.net.windows.retain(|window| window.slot != slot);
        self.net.cuts.retain(|cut| cut.slot != slot);
        for victim in victims {
            self.relieve_node(slot, kind, victim);
        }
    }

    fn relieve_node(&mut self, slot: usize, kind: FaultKind, target: NodeId) {
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

    fn window(&self, slot: usize, spec: &FaultSpec, target: NodeId, until: u64) -> Window {
        Window {
            slot,
            kind: spec.kind,
            target,
            ppm: spec.chance_ppm,
            amount: spec.amount,
            until,
            key: self.settings.fault_key(slot),
            only: spec.messages.clone(),
            peers: spec.peers.clone(),
        }
    }

    fn draw_cut(&self, slot: usize, spec: &FaultSpec, target: NodeId, rng: &mut ChaCha8Rng) -> Cut {
        let hears = rng.next_u64().is_multiple_of(2);
        let named = |node: &NodeId| *node != target && (spec.peers.is_empty() || spec.peers.contains(node));
        let peers: Vec<NodeId> = (0..self.nodes.len() as u32).map(NodeId).filter(named).collect();
        let drawn = peers.get(rng.next_u64() as usize % peers.len().max(1)).copied();
        let one_way = spec.kind == FaultKind::OneWayPartition;
        let peers = match spec.kind {
            FaultKind::PartialPartition => drawn.map(|drawn| vec![drawn]),
            _ if spec.peers.is_empty() => None,
            _ => Some(peers),
        };
        Cut { slot, kind: spec.kind, target, peers, outward: !one_way || hears, inward: !one_way || !hears }
    }

    fn ailments(&mut self, node: NodeId) -> &mut Ailments {
        &mut self.nodes[node.0 as usize].ailments
    }
}
