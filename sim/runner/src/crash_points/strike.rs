//! One crash on a copy of a run, the recovery after it, and the rest of the run.

use super::boundary::{Blow, Boundaries, Boundary, Force};
use crate::draw::Drawn;
use crate::engine::Engine;
use crate::run::{self, Finished};
use crate::scenario::Scenario;
use contract::Time;
use contract::time::{Duration, nanos};
use xxhash_rust::xxh3::xxh3_64;

/// A recovery is over when its processes have had no effect for so long ...
const QUIET: Duration = Duration::from_millis(50);
/// ... or so long after they were to start again. No run ends before.
const RECOVERY: Duration = Duration::from_secs(1);

/// What strikes need to know of their run.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// What is judged.
    pub scenario: &'a Scenario,
    /// What it is made of.
    pub drawn: &'a Drawn,
}

impl Field<'_> {
    /// Strikes a run that stands at the blow's moment. The victims start again after a time that the seed draws.
    pub fn hit(&self, engine: &mut Engine, blow: Blow) {
        assert_eq!(engine.world().now(), blow.moment, "a blow falls where its copy stands");
        let down_for = self.down_for(blow);
        let world = engine.world_mut();
        match blow.force {
            Force::Crash => world.crash(blow.process, down_for),
            Force::Power(variant) => {
                let node = self.drawn.plan.processes[blow.process.0 as usize].node;
                world.power_loss(node, down_for, self.bits(blow, 1 + u64::from(variant)) as u32);
            }
        }
    }

    /// Runs a run that was just hit until the victims have recovered; the boundaries inside their recovery.
    pub fn recover(&self, engine: &mut Engine, blow: Blow) -> Vec<Boundary> {
        let plan = &self.drawn.plan;
        let back = blow.moment + self.down_for(blow);
        let end = back + RECOVERY;
        let mut effects = Vec::new();
        // From here on: what the interrupted handlers were about to do is not listed.
        engine.world_mut().list_effects();
        let _ = engine.run_to(end);
        engine.world_mut().take_effects(&mut effects);
        let node = plan.processes[blow.process.0 as usize].node;
        effects.retain(|effect| match blow.force {
            Force::Crash => effect.process == blow.process,
            Force::Power(_) => plan.processes[effect.process.0 as usize].node == node,
        });
        effects.sort_by_key(|effect| (effect.at, effect.process));
        let pause = effects.windows(2).position(|pair| pair[1].at.since(pair[0].at) >= QUIET);
        effects.truncate(pause.map_or(effects.len(), |last| last + 1));
        let mut found = Boundaries::of(effects, plan, end.min(engine.world().now())).list;
        // A place before the start would be the first crash again.
        found.retain(|boundary| boundary.moment >= back);
        found
    }

    /// Runs to the end and judges.
    pub fn end(&self, engine: Engine) -> Finished {
        run::finished(self.scenario, self.drawn.seed, engine.run())
    }

    /// The variants of a power loss that differ: one where nothing waits for a sync.
    pub fn variants(&self, engine: &Engine, boundary: &Boundary, wanted: u32) -> u32 {
        let node = self.drawn.plan.processes[boundary.effect.process.0 as usize].node;
        if engine.world().is_settled(node) { wanted.min(1) } else { wanted }
    }

    fn down_for(&self, blow: Blow) -> Duration {
        let span = self.drawn.settings.restart;
        let width = nanos(span.most).saturating_sub(nanos(span.least)).saturating_add(1);
        span.least + Duration::from_nanos(self.bits(blow, 0) % width)
    }

    /// Bits for a decision about a blow that depend on the seed and the blow's place only.
    fn bits(&self, blow: Blow, purpose: u64) -> u64 {
        let words = [self.drawn.seed, u64::from(blow.process.0), blow.moment.0, purpose];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        xxh3_64(&bytes)
    }
}

/// The copies of a struck run at some of the boundaries of its recovery, which are in the order of time.
pub fn copies<'b>(
    mut struck: Engine,
    recovery: &'b [Boundary],
    chosen: impl Iterator<Item = usize> + 'b,
) -> impl Iterator<Item = (&'b Boundary, Engine)> + 'b {
    chosen.map(move |index| {
        let boundary = &recovery[index];
        let _ = struck.run_to(boundary.moment);
        (boundary, struck.clone())
    })
}

/// The moments of boundaries, for a walk.
pub fn moments<'b>(boundaries: impl Iterator<Item = &'b Boundary>) -> Vec<Time> {
    boundaries.map(|boundary| boundary.moment).collect()
}
