//! Writes down what a seed drew, so that nothing is left to draw and parts can be taken away one by one.

use crate::draw::Drawn;
use crate::explore::Strategy;
use crate::scenario::parse_fault::strengths;
use crate::scenario::{FaultAsk, Group, Hardware, Scenario, Swarm};
use crate::units::Bounds;
use kernel::{FaultSpec, Settings};
use std::collections::BTreeSet;

/// The scenario that says what `drawn` is; the same seed runs the same in it.
pub fn explicit(scenario: &Scenario, drawn: &Drawn) -> Scenario {
    let mut explicit = scenario.clone();
    explicit.seed = Some(drawn.seed);
    explicit.seeds = None;
    explicit.strategy = Strategy::Uniform;
    let Settings { network, disk, codec_sample, zones, pid_max, .. } = drawn.settings;
    let (capacity, inodes) = (Bounds::exactly(disk.capacity), Bounds::exactly(disk.inodes));
    explicit.hardware =
        Hardware { zones, pid_max, network, codec_sample, disk, capacity, inodes, said: BTreeSet::new() };
    explicit.limits.restart = drawn.settings.restart;
    explicit.limits.safety = drawn.safety;
    // Which choices are taken, and around which cores copies are healed, is drawn from the seed even so.
    let (choices, liveness) = (drawn.settings.choices, scenario.swarm.liveness);
    explicit.swarm = Swarm { faults: false, knobs: false, capacities: false, choices, safety: false, liveness };
    let drawn_knobs = scenario.groups.iter().zip(&drawn.knobs);
    explicit.groups = drawn_knobs.map(|(group, knobs)| Group { set: turned(group, knobs), ..group.clone() }).collect();
    let slots = scenario.faults.iter().zip(&drawn.settings.faults).enumerate();
    let present = slots.filter(|(slot, (_, spec))| drawn.present[*slot] && spec.limit > 0 && !spec.targets.is_empty());
    explicit.faults = present.map(|(slot, (ask, spec))| ask_for(ask, spec, slot)).collect();
    explicit
}

/// The knobs that are not at their default.
fn turned(group: &Group, knobs: &contract::knobs::Knobs) -> crate::scenario::knob::Set {
    let value = |knob: &contract::knobs::Knob| (knob.name, knobs.get(knob.name));
    let off_default = group.role.knobs.iter().filter(|knob| knobs.get(knob.name) != knob.default);
    off_default.map(value).collect()
}

/// The words for a spec. Its key is its slot, so that it draws the same when other faults are gone.
fn ask_for(ask: &FaultAsk, spec: &FaultSpec, slot: usize) -> FaultAsk {
    let takes = strengths(spec.kind);
    FaultAsk {
        targets: spec.targets.clone(),
        every: Some(spec.every),
        lasts: Some(spec.lasts),
        chance_ppm: takes.contains(&"chance").then_some(spec.chance_ppm),
        amount: takes.contains(&"amount").then_some(spec.amount),
        limit: (spec.limit < u32::MAX).then_some(spec.limit),
        key: Some(spec.key.unwrap_or(slot as u32)),
        occurrences: spec.occurrences.as_deref().cloned(),
        messages: spec.messages.as_deref().cloned(),
        ..ask.clone()
    }
}
