//! Storage faults as they strike: how a node's disk falls ill, what is destroyed at once, and how it recovers.
//! What a call on an ailing disk meets: [`crate::ailing`].

use crate::disk::{FileSystem, Ino};
use crate::draw::{Identity, Step, hits, within};
use crate::fault::{FaultKind, FaultSpec};
use crate::world::World;
use contract::time::nanos;
use contract::{NodeId, ProcessId};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::BTreeSet;

/// A storage fault in force on a node.
#[derive(Clone, Debug)]
pub struct Ailment {
    /// Whose it is.
    pub slot: usize,
    /// Keys its draws.
    pub key: usize,
    /// What it is.
    pub kind: FaultKind,
    /// Probability a call.
    pub ppm: u32,
    /// Nanoseconds by which it prolongs calls, least and most.
    pub amount: (u64, u64),
    /// When the occurrence ends, in true time.
    pub until: u64,
    /// Bytes that a full disk still takes.
    pub room: u64,
    /// The files of which it has reported one failed sync.
    pub owned_up: BTreeSet<Ino>,
}

/// A full disk still takes at most this many bytes, so that writes end short.
const LAST_BYTES: u64 = 8_192;

impl World {
    /// A storage fault strikes a node.
    pub(crate) fn ail(&mut self, slot: usize, spec: &FaultSpec, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) {
        match spec.kind {
            FaultKind::HostLoss => self.lose_host(slot, target, lasts),
            FaultKind::BitRot | FaultKind::LatentError => self.decay(slot, spec, target, rng.next_u64()),
            kind => {
                let ailment = Ailment {
                    slot,
                    key: self.settings.fault_key(slot) as usize,
                    kind,
                    ppm: spec.chance_ppm,
                    amount: (nanos(spec.amount.least), nanos(spec.amount.most)),
                    until: self.now + lasts,
                    room: within(rng.next_u64(), 0, LAST_BYTES),
                    owned_up: BTreeSet::new(),
                };
                let ailments = &mut self.nodes[target.0 as usize].ailments;
                ailments.push(ailment);
                // Which of two errors a call meets does not depend on which struck first.
                ailments.sort_by_key(|ailment| ailment.slot);
            }
        }
    }

    /// An occurrence is over.
    pub(crate) fn recover(&mut self, slot: usize, target: NodeId) {
        self.nodes[target.0 as usize].ailments.retain(|ailment| ailment.slot != slot);
    }

    /// A call of `process` that hangs returns now: what it put off happens as much earlier.
    pub(crate) fn unhang(&mut self, process: ProcessId) {
        let it = &mut self.processes[process.0 as usize];
        let rest = it.hung_until.saturating_sub(self.now);
        if rest > 0 && it.busy_until >= it.hung_until {
            it.busy_until -= rest;
            it.hung_until = self.now;
            self.shift_effects(process, -(rest as i64));
            self.schedule_wake(process);
        }
    }

    /// Power goes, and the disk with it.
    fn lose_host(&mut self, slot: usize, target: NodeId, lasts: u64) {
        self.lose_power(slot, target, lasts);
        let fresh = FileSystem::of(&self.settings.disk);
        let gone = std::mem::replace(&mut self.nodes[target.0 as usize].disk, fresh);
        if !gone.is_new() {
            self.damaged.insert(target);
        }
    }

    /// Bits flip or sectors become unreadable at rest. Each file has draws of its own.
    fn decay(&mut self, slot: usize, spec: &FaultSpec, target: NodeId, bits: u64) {
        let (draw, now, key) = (self.draw, self.now, self.settings.fault_key(slot) as usize);
        for ino in self.nodes[target.0 as usize].disk.files() {
            let about = |nth| draw.slot_bits(Identity(bits).then(Step::Disk, ino, nth), key);
            if !hits(about(0), spec.chance_ppm) {
                continue;
            }
            let disk = &mut self.nodes[target.0 as usize].disk;
            let (place, what) = match spec.kind {
                FaultKind::BitRot => (disk.rot(ino, [about(1), about(2)], slot, now), "a bit flips in byte"),
                _ => (disk.spoil(ino, about(1), slot, now), "a sector becomes unreadable at byte"),
            };
            let Some(place) = place else { continue };
            self.damaged.insert(target);
            if self.trace.narrates() {
                let path = self.nodes[target.0 as usize].disk.path_of(ino).unwrap_or_default();
                self.trace.narrate(format!("{what} {place} of {path}"));
            }
        }
    }
}
