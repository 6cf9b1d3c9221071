//! What one seed draws before its run: which faults exist, how strong, and which knobs are turned.
//!
//! Every decision has a `rand_chacha` stream of its own, named by what it decides. Adding a fault or a
//! knob to a scenario leaves the other decisions of each seed as they were. Only integers are used, so
//! that every platform draws the same.

mod budget;
mod hardware;

use crate::scenario::{FaultAsk, Group, Hardware, Scenario};
use contract::knobs::{Knob, Knobs, Unit};
use contract::plan::{Plan, PlanError, RoleKind};
use contract::time::{Duration, nanos};
use kernel::{FaultKind, FaultSpec, Settings, Span};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::sync::Arc;

/// A scenario with one seed's decisions: what a world is made of.
#[derive(Clone)]
pub struct Drawn {
    /// The root of all choices.
    pub seed: u64,
    /// Who runs where.
    pub plan: Arc<Plan>,
    /// Everything else of the world.
    pub settings: Settings,
    /// When the storm ends and the system is healed.
    pub safety: Duration,
    /// Each group's knobs.
    pub knobs: Vec<Knobs>,
    /// For each fault of the scenario: whether this seed has it.
    pub present: Vec<bool>,
    /// Why drawn knobs were given up for the file's: the roles refused the combination.
    pub refused: Option<PlanError>,
}

/// Draws everything for one seed. Fails only where the file's own knobs cannot be built.
pub fn draw(scenario: &Scenario, seed: u64, trace_capacity: usize, narrate: bool) -> Result<Drawn, PlanError> {
    let draws = Draws { seed };
    let mut present = draw_presence(scenario, draws);
    let faults = draw_faults(scenario, draws, &mut present);
    let Hardware { network, disk, zones, pid_max, codec_sample, .. } = hardware::draw(scenario, draws);
    let settings = Settings {
        network,
        disk,
        restart: scenario.limits.restart,
        faults,
        zones,
        pid_max,
        choices: scenario.swarm.choices && draws.one_in("choices", 2),
        codec_sample,
        events_max: scenario.limits.events,
        trace_capacity,
        narrate,
    };
    let mut knobs = draw_knobs(scenario, draws);
    let (plan, refused) = match scenario.build(Some(&knobs)) {
        Ok(plan) => (plan, None),
        Err(error) => {
            knobs = scenario.groups.iter().map(Group::knobs).collect();
            (scenario.build(Some(&knobs))?, Some(error))
        }
    };
    let safety = draw_safety(scenario, draws);
    Ok(Drawn { seed, plan: Arc::new(plan), settings, safety, knobs, present, refused })
}

/// The named streams of one seed.
#[derive(Clone, Copy)]
pub(crate) struct Draws {
    pub(crate) seed: u64,
}

impl Draws {
    pub(crate) fn stream(self, decision: &str) -> ChaCha8Rng {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(b"scenario");
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(xxhash_rust::xxh3::xxh3_64(decision.as_bytes()));
        rng
    }

    /// Whether a decision of probability 1 in `n` falls.
    fn one_in(self, decision: &str, n: u64) -> bool {
        below(&mut self.stream(decision), n) == 0
    }
}

/// A uniform number below `bound`.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    assert!(bound > 0, "no number lies below zero");
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// `value` times a factor from `2^-power` to `2^power`, all its octaves alike likely.
fn scaled(rng: &mut ChaCha8Rng, value: u64, power: u64) -> u64 {
    let octave = below(rng, 2 * power);
    let mantissa = 128 + below(rng, 129);
    let wide = (u128::from(value) * u128::from(mantissa)) << octave;
    u64::try_from(wide >> (7 + power)).unwrap_or(u64::MAX)
}

/// `nanos` with two significant digits, so that people can read what was drawn.
fn rounded(nanos: u64) -> u64 {
    let mut unit = 1;
    while nanos / unit >= 100 {
        unit *= 10;
    }
    nanos / unit * unit
}

/// A fault's name among the decisions: its kind and which one of that kind it is.
fn fault_key(scenario: &Scenario, slot: usize) -> String {
    let kind = scenario.faults[slot].kind;
    let nth = scenario.faults[..slot].iter().filter(|fault| fault.kind == kind).count();
    format!("fault/{}/{nth}", kind.name())
}

/// Which faults exist. One seed in 32 is quiet, one in 8 has everything, the others toss a coin for each fault.
fn draw_presence(scenario: &Scenario, draws: Draws) -> Vec<bool> {
    if !scenario.swarm.faults {
        return vec![true; scenario.faults.len()];
    }
    let weather = below(&mut draws.stream("weather"), 32);
    let exists = |slot: usize| match weather {
        0 => false,
        1..=4 => true,
        _ => draws.one_in(&format!("{}/exists", fault_key(scenario, slot)), 2),
    };
    (0..scenario.faults.len()).map(|slot| scenario.faults[slot].scripted || exists(slot)).collect()
}

/// A fault that does not exist keeps its slot, with no occurrence: slots key the kernel's choices.
fn draw_faults(scenario: &Scenario, draws: Draws, present: &mut [bool]) -> Vec<FaultSpec> {
    let mut specs = Vec::with_capacity(present.len());
    for (slot, (ask, exists)) in scenario.faults.iter().zip(present).enumerate() {
        let mut spec = if scenario.swarm.faults && *exists {
            let key = fault_key(scenario, slot);
            varied(ask.kind.usual(ask.targets.clone()), &mut draws.stream(&key))
        } else {
            ask.kind.usual(ask.targets.clone())
        };
        written(ask, &mut spec);
        budget::cut(scenario, draws, &mut spec);
        *exists &= !spec.targets.is_empty();
        if !*exists {
            spec.limit = 0;
        }
        specs.push(spec);
    }
    specs
}

/// The usual strength of a kind, stronger or weaker.
fn varied(mut spec: FaultSpec, rng: &mut ChaCha8Rng) -> FaultSpec {
    spec.every = stretched(rng, spec.every, 2);
    spec.lasts = stretched(rng, spec.lasts, 2);
    if spec.chance_ppm > 0 {
        let cap = if spec.kind == FaultKind::ClockDrift { 200_000 } else { 1_000_000 };
        spec.chance_ppm = rounded(scaled(rng, u64::from(spec.chance_ppm), 2)).clamp(1, cap) as u32;
    }
    if nanos(spec.amount.most) > 0 {
        spec.amount = stretched(rng, spec.amount, 1);
    }
    spec
}

/// Both ends of a span times the same factor from `2^-power` to `2^power`.
fn stretched(rng: &mut ChaCha8Rng, span: Span, power: u64) -> Span {
    let before = nanos(span.most).max(1);
    let after = rounded(scaled(rng, before, power)).max(1);
    let least = u128::from(nanos(span.least)) * u128::from(after) / u128::from(before);
    Span { least: Duration::from_nanos(rounded(least as u64)), most: Duration::from_nanos(after) }
}

/// What the file says is not drawn.
fn written(ask: &FaultAsk, spec: &mut FaultSpec) {
    spec.peers.clone_from(&ask.peers);
    spec.scope = ask.scope;
    spec.after = ask.after.as_deref().map(Arc::from);
    spec.every = ask.every.unwrap_or(spec.every);
    spec.lasts = ask.lasts.unwrap_or(spec.lasts);
    spec.chance_ppm = ask.chance_ppm.unwrap_or(spec.chance_ppm);
    spec.amount = ask.amount.unwrap_or(spec.amount);
    spec.limit = ask.limit.unwrap_or(spec.limit);
    spec.key = ask.key;
    spec.occurrences = ask.occurrences.clone().map(Arc::new);
    spec.messages = ask.messages.clone().map(Arc::new);
}

/// Half of the seeds turn some knobs of the system; workloads stay as the file wants them.
fn draw_knobs(scenario: &Scenario, draws: Draws) -> Vec<Knobs> {
    let turning = scenario.swarm.knobs && draws.one_in("knobs", 2);
    let turned = |group: &Group| {
        let mut knobs = group.knobs();
        for knob in group.role.knobs.iter().filter(|knob| !group.set.contains_key(knob.name)) {
            let key = format!("knob/{}/{}", group.role.name, knob.name);
            if draws.one_in(&format!("{key}/turned"), 4) {
                knobs.set(knob, turn(knob, &mut draws.stream(&key)));
            }
        }
        knobs
    };
    let knobs = scenario.groups.iter();
    knobs
        .map(|group| if turning && group.role.kind == RoleKind::System { turned(group) } else { group.knobs() })
        .collect()
}

/// Another value for a knob: within three octaves of its default, and at a bound now and then.
fn turn(knob: &Knob, rng: &mut ChaCha8Rng) -> u64 {
    if knob.unit == Unit::Flag {
        return below(rng, 2);
    }
    let (low, high) = (knob.default / 8, knob.default.saturating_mul(8).max(1));
    let value = match below(rng, 8) {
        0 => low,
        1 => high,
        _ => scaled(rng, knob.default.max(1), 3),
    };
    let value = if matches!(knob.unit, Unit::Time | Unit::Rate) { rounded(value) } else { value };
    value.clamp(knob.least, knob.most)
}

/// A quarter of the seeds heal the system early, to see it converge from the middle of a storm.
fn draw_safety(scenario: &Scenario, draws: Draws) -> Duration {
    let whole = nanos(scenario.limits.safety);
    if !scenario.swarm.safety || !draws.one_in("safety/early", 4) {
        return scenario.limits.safety;
    }
    let percent = 2 + below(&mut draws.stream("safety"), 60);
    Duration::from_nanos((rounded((u128::from(whole) * u128::from(percent) / 100) as u64)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_values_stay_within_their_octaves_and_reach_both_ends() {
        let mut rng = Draws { seed: 7 }.stream("test");
        let drawn: Vec<u64> = (0..2_000).map(|_| scaled(&mut rng, 1_000_000, 2)).collect();
        assert!(drawn.iter().all(|value| (250_000..=4_000_000).contains(value)));
        assert!(drawn.iter().any(|value| *value < 300_000) && drawn.iter().any(|value| *value > 3_500_000));
        let below_default = drawn.iter().filter(|value| **value < 1_000_000).count();
        assert!((800..1_200).contains(&below_default), "{below_default} of 2000 lie below the default");
    }

    #[test]
    fn a_decision_depends_on_its_name_and_the_seed_and_nothing_else() {
        let bits = |seed, name: &str| Draws { seed }.stream(name).next_u64();
        assert_eq!(bits(1, "a"), bits(1, "a"));
        assert!(bits(1, "a") != bits(1, "b") && bits(1, "a") != bits(2, "a"));
    }

    #[test]
    fn a_turned_knob_stays_in_its_range() {
        let knob = Knob::count("n", "", 10, 4, 50);
        let mut rng = Draws { seed: 3 }.stream("turn");
        let drawn: Vec<u64> = (0..500).map(|_| turn(&knob, &mut rng)).collect();
        assert!(drawn.iter().all(|value| (4..=50).contains(value)) && drawn.contains(&4) && drawn.contains(&50));
    }

    #[test]
    fn rounding_keeps_two_digits() {
        assert_eq!([rounded(0), rounded(99), rounded(12_345), rounded(999)], [0, 99, 12_000, 990]);
    }
}
