//! Exploration beyond uniform seeds: strikes where systems are weakest, priorities, and forks of a run.
//!
//! A strategy turns a scenario and a seed into another scenario: an ordinary one, whose faults it has changed or
//! to whose run it has added [`Fork`]s. So whatever can be done with a run can be done with an explored one: it
//! is replayed, shrunk, explained and debugged by its token, and no strategy needs code in the kernel.
//!
//! | strategy | changes | after |
//! |---|---|---|
//! | uniform | nothing | |
//! | biased | about half of the faults strike right after a mark that was seen | [`bias`] |
//! | pct | nodes have priorities, messages of low ones are late | [`priority`] |
//! | multiverse | a run that shows something new is forked | [`multiverse`] |

pub mod bias;
pub mod fork;
pub mod lessons;
pub mod multiverse;
pub mod priority;
pub mod search;
pub mod states;

pub use fork::Fork;
pub use lessons::Lessons;

use crate::draw::Draws;
use crate::registry::Registry;
use crate::scenario::Scenario;
use clap::ValueEnum;
use contract::plan::PlanError;
use std::borrow::Cow;

/// How the runs of a scenario are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Strategy {
    /// Each seed draws for itself.
    #[default]
    Uniform,
    /// Faults strike right after what processes state: recoveries, rotations, grants.
    Biased,
    /// Nodes have priorities that change at a few moments; messages from and to low ones are late.
    Pct,
    /// Runs that reach a state not seen before are forked and go on under several seeds.
    Multiverse,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Strategy; 4] = [Strategy::Uniform, Strategy::Biased, Strategy::Pct, Strategy::Multiverse];

    /// As on the command line and in a token.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Uniform => "uniform",
            Strategy::Biased => "biased",
            Strategy::Pct => "pct",
            Strategy::Multiverse => "multiverse",
        }
    }

    /// The strategy of that name.
    pub fn from_name(name: &str) -> Option<Strategy> {
        Strategy::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// The scenario that a seed runs. A multiverse begins like a uniform run; its forks are added to it.
    pub fn plan<'a>(self, scenario: &'a Scenario, seed: u64, lessons: &Lessons) -> Cow<'a, Scenario> {
        let change = match self {
            Strategy::Uniform | Strategy::Multiverse => return Cow::Borrowed(scenario),
            Strategy::Biased => bias::bias,
            Strategy::Pct => priority::prioritise,
        };
        let mut planned = Scenario { strategy: self, ..scenario.clone() };
        change(&mut planned, Draws { seed }, lessons);
        Cow::Owned(planned)
    }
}

/// A strategy with what it has learned of one scenario.
pub struct Way {
    /// The strategy.
    pub strategy: Strategy,
    /// The lessons; none where every seed draws for itself.
    pub lessons: Lessons,
}

impl Way {
    /// For each of several scenarios. An error is that of a plan that cannot be built.
    pub fn all(strategy: Strategy, scenarios: &[Scenario], registry: &Registry) -> Result<Vec<Way>, String> {
        let learn = |scenario: &Scenario| match strategy {
            Strategy::Uniform => Ok(Lessons::none(scenario)),
            _ => lessons::learn(scenario, registry).map_err(|error| format!("{}: {error}", scenario.path)),
        };
        scenarios.iter().map(|scenario| Ok(Way { strategy, lessons: learn(scenario)? })).collect()
    }
}

/// The scenario of a run that was explored, from what its token says.
pub fn again(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    strategy: Strategy,
    forks: &[Fork],
) -> Result<Scenario, PlanError> {
    let mut planned = match strategy {
        Strategy::Uniform | Strategy::Multiverse => scenario.clone(),
        Strategy::Biased | Strategy::Pct => {
            strategy.plan(scenario, seed, &lessons::learn(scenario, registry)?).into_owned()
        }
    };
    if !forks.is_empty() {
        planned.forks = forks.to_vec();
    }
    Ok(planned)
}
