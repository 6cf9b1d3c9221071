//! What a failing run was, in a file: so that a later build can run it again and say where it first goes another way.
//!
//! A recording holds the scenario's text, the seed, the failure's signature, and samples of the run: every k-th
//! event with its fields, what its handler did, and the fingerprint. Runs of up to [`SAMPLES_MAX`] events are recorded event by
//! event. It does not replay events: the run is made anew from scenario and seed, and compared.

mod compare;
mod file;
mod sample;

pub use compare::Divergence;
pub use file::{MAGIC, Refused};
pub use sample::{Deeds, Sample, Samples};

use crate::explain::record::EVENTS_MAX;
use crate::registry::Registry;
use crate::run::{self, Finished, Keep};
use crate::scenario::Scenario;
use contract::plan::PlanError;

/// A recording has at most so many samples; of longer runs only every second, fourth ... event is one.
pub const SAMPLES_MAX: u64 = 1 << 14;

/// How recorded and compared runs are made: with notes, which tell what handlers did. Notes never change a run.
pub const KEEP: Keep = Keep { trace: EVENTS_MAX, narrate: true };

/// The end of the name of a recording's file.
pub const SUFFIX: &str = ".recording";

/// A run that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The scenario's path when it was recorded.
    pub path: String,
    /// The scenario's text: the file at the path may have changed.
    pub text: String,
    /// The seed.
    pub seed: u64,
    /// What failed; `None` for a run that passed.
    pub signature: Option<String>,
    /// Over all events.
    pub fingerprint: u64,
    /// How many events there were.
    pub events: u64,
    /// Some of them.
    pub samples: Samples,
}

impl Recording {
    /// Runs a seed and records it. `text` is the text of the scenario. Fails only where the plan cannot be built.
    pub fn make(scenario: &Scenario, text: &str, registry: &Registry, seed: u64) -> Result<Recording, PlanError> {
        let Finished { verdict, world, .. } = run::run(scenario, registry, seed, KEEP)?;
        let kept = world.happenings().count() as u64;
        Ok(Recording {
            path: scenario.path.clone(),
            text: text.to_owned(),
            seed,
            signature: verdict.signature.clone(),
            fingerprint: world.fingerprint(),
            events: world.events(),
            samples: Samples::of(scenario, &world, kept.div_ceil(SAMPLES_MAX).next_power_of_two()),
        })
    }

    /// Whether that is a recording rather than a scenario file, by the file's name or first bytes.
    pub fn is_one(name: &str, bytes: &[u8]) -> bool {
        name.ends_with(SUFFIX) || bytes.starts_with(&MAGIC)
    }

    /// Where a run of the same scenario and seed first departs from the recorded one; `None` if it is the same run.
    pub fn divergence(&self, scenario: &Scenario, now: &Finished) -> Option<Divergence> {
        compare::first(self, scenario, &now.world)
    }
}
