//! Faults in action: when they strike, what they do, and how they end.

use crate::draw::{StreamFor, index, stream, within};
use crate::event::Event;
use crate::fault::{FaultKind, FaultSpec, Scope};
use crate::net::{Cut, Way, Window};
use crate::note::Note;
use crate::settings::Span;
use crate::trace::What;
use crate::world::{Decision, World};
use contract::time::nanos;
use contract::{NodeId, ProcessId};
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
    /// The process whose mark it waited for, until it strikes.
    sprung: Option<ProcessId>,
    /// The process whose mark the occurrence in force waited for.
    pub(crate) witness: Option<ProcessId>,
}

impl Slot {
    /// Whether an occurrence on that node is in force.
    pub fn active_on(&self, node: NodeId) -> bool {
        self.active.contains(&node)
    }
}

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
        let drawn = spec.targets[index(rng.next_u64(), spec.targets.len())];
        let witness = self.slots[slot].sprung.take();
        self.slots[slot].witness = witness;
        let target = witness.map_or(drawn, |process| self.node_of[process.0 as usize]);
        if spec.occurrences.as_ref().is_none_or(|only| only.contains(&occurrence)) {
            self.counts[slot].asked += 1;
            let event = self.trace.record(What::Strike, self.now, 0, target.0, slot as u32, occurrence, lasts);
            let key = u64::from(occurrence);
            self.decisions.push(Decision { at: self.now, slot: slot as u32, node: target, key, message: false });
            let victims = if spec.kind == FaultKind::Swizzle {
                self.swizzle(slot, spec, target, lasts, &mut rng)
            } else {
                self.victims(spec, target)
            };
            self.slots[slot].active.clone_from(&victims);
            if self.trace.narrates() {
                self.trace.note(event, Note::Struck(victims.clone()));
            }
            for victim in victims {
                // One draw for all: each victim sees the same offset, the same chance, the same length.
                self.apply(slot, spec, victim, lasts, &mut rng.clone());
            }
            self.queue.push(self.now + lasts, Event::Relief(slot as u32));
        }
        if occurrence < spec.limit {
            // One that waits for a mark is ready before its victim is back: a restart loop needs the first mark.
            let wait = if spec.after.is_some() { gap.max(lasts.saturating_sub(1)) } else { lasts + gap };
            self.queue.push(self.now + wait.max(1), Event::Strike(slot as u32));
        }
    }

    /// Whom an occurrence strikes beside the drawn target.
    pub(crate) fn victims(&self, spec: &FaultSpec, target: NodeId) -> Vec<NodeId> {
        let zone = |node: NodeId| node.0 % self.settings.zones.max(1);
        match spec.scope {
            Scope::Node => vec![target],
            Scope::Zone => spec.targets.iter().copied().filter(|node| zone(*node) == zone(target)).collect(),
            Scope::All => spec.targets.clone(),
        }
    }

    /// A process stated a fact for which an armed slot may have waited.
    #[cold]
    pub(crate) fn trigger(&mut self, process: ProcessId, at: u64, kind: &str) {
        if !self.storm {
            return;
        }
        let node = self.node_of[process.0 as usize];
        let settings = Arc::clone(&self.settings);
        for (slot, spec) in settings.faults.iter().enumerate() {
            let waits = self.slots[slot].armed && spec.after.as_deref() == Some(kind) && spec.targets.contains(&node);
            if !waits {
                continue;
            }
            self.slots[slot].armed = false;
            self.slots[slot].sprung = Some(process);
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
            F::DelayTail | F::Loss | F::Duplication | F::Reordering | F::LateReplay | F::Clog => {
                let window = self.window(slot, spec, target, lasts);
                self.net.windows.push(window);
            }
            F::Partition | F::OneWayPartition | F::PartialPartition => {
                let cut = self.draw_cut(slot, spec, target, rng);
                self.net.cuts.push(cut);
            }
            F::DiskFull
            | F::DiskError
            | F::FsyncFailure
            | F::SlowDisk
            | F::ReadOnly
            | F::HostLoss
            | F::FsyncLie
            | F::HungDisk
            | F::InodeExhaustion
            | F::TooManyOpen
            | F::ShortIo
            | F::BitRot
            | F::LatentError
            | F::MisdirectedWrite
            | F::MisdirectedRead
            | F::PhantomWrite => self.ail(slot, spec, target, lasts, rng),
            F::Swizzle => {} // All its victims are clogged together: see `swizzle`.
            F::Reset => self.reset(slot, spec, target, rng),
            F::HalfOpen => self.half_open(slot, spec, target, lasts, rng),
            F::SlowReceiver => {
                let window = Window { way: Way::Inward, ..self.window(slot, spec, target, lasts) };
                self.net.slow.push(window);
            }
            F::Zombie => self.freeze_with_sends(slot, target, lasts),
            F::VersionSkew => self.change_builds(slot, target),
            F::Pause => self.pause(slot, target, lasts),
            F::ClockSkew | F::ClockJump | F::ClockFreeze | F::LeapSecond => {
                let clock = &mut self.nodes[target.0 as usize].clock;
                clock.falsify(slot, clock.draw_error(spec, self.now, lasts, rng));
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
        if !self.storm {
            return; // Whom healing has left out stays as it is.
        }
        let victims = std::mem::take(&mut self.slots[slot].active);
        let Some(&target) = victims.first() else { return };
        let kind = self.settings.faults[slot].kind;
        self.trace.record(What::Relief, self.now, 0, target.0, slot as u32, self.slots[slot].occurrence, 0);
        self.net.relieve(slot);
        for victim in victims {
            self.relieve_node(slot, kind, victim);
        }
    }

    fn relieve_node(&mut self, slot: usize, kind: FaultKind, target: NodeId) {
        self.roll_back(Some(slot), target);
        self.recover(slot, target);
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        node.clock.relieve(slot);
        if kind == FaultKind::ClockDrift {
            node.clock.set_drift(now, 0);
        }
    }

    fn draw_cut(&self, slot: usize, spec: &FaultSpec, target: NodeId, rng: &mut ChaCha8Rng) -> Cut {
        let hears = rng.next_u64().is_multiple_of(2);
        let mut peers = self.peers(spec, target);
        let drawn = peers.get(index(rng.next_u64(), peers.len())).copied();
        // A zone is cut off as one piece: its nodes still reach each other.
        let as_one = spec.scope == Scope::Zone;
        if as_one {
            let zone = self.victims(spec, target);
            peers.retain(|peer| !zone.contains(peer));
        }
        let one_way = spec.kind == FaultKind::OneWayPartition;
        let peers = match spec.kind {
            FaultKind::PartialPartition => drawn.map(|drawn| vec![drawn]),
            _ if spec.peers.is_empty() && !as_one => None,
            _ => Some(peers),
        };
        Cut { slot, kind: spec.kind, target, peers, outward: !one_way || hears, inward: !one_way || !hears }
    }
}
