//! What a few runs teach about a scenario before it is explored: a quiet one, and some with its faults.
//!
//! They depend on the scenario alone, so that a token that names a strategy brings the same run back.

use super::states::{Seen, Watch};
use crate::draw::{self, Drawn};
use crate::engine::{Engine, Phase};
use crate::registry::Registry;
use crate::run::Keep;
use crate::scenario::Scenario;
use contract::mark::Name;
use contract::plan::PlanError;
use contract::time::{Duration, nanos};
use contract::{NodeId, Observed};
use std::collections::{BTreeMap, BTreeSet};

/// Runs that teach: the first is quiet.
pub const RUNS: u64 = 8;
/// Their seeds, out of the way of those that anybody sweeps.
const FIRST_SEED: u64 = u64::MAX - RUNS;

/// What was learned.
#[derive(Clone, Debug)]
pub struct Lessons {
    /// For each group of nodes the kinds of marks that its processes state, and in how many of the runs.
    marks: Vec<BTreeMap<Name, u64>>,
    /// How long a storm lasts until the workload is done.
    pub busy: Duration,
    /// The states that they have shown.
    pub seen: Seen,
    /// Events that they took.
    pub events: u64,
}

/// Learns from the first runs of a scenario. Fails only where its plan cannot be built.
pub fn learn(scenario: &Scenario, registry: &Registry) -> Result<Lessons, PlanError> {
    let mut lessons = Lessons::none(scenario);
    for nth in 0..RUNS {
        let mut drawn = draw::draw(scenario, FIRST_SEED + nth, Keep::LITTLE.trace, Keep::LITTLE.narrate)?;
        if nth == 0 {
            drawn.settings.faults.iter_mut().for_each(|fault| fault.limit = 0);
        }
        lessons.add(scenario, registry, &drawn);
    }
    Ok(lessons)
}

impl Lessons {
    /// Nothing learned.
    pub fn none(scenario: &Scenario) -> Lessons {
        let marks = vec![BTreeMap::new(); scenario.groups.len()];
        Lessons { marks, busy: Duration::ZERO, seen: Seen::default(), events: 0 }
    }

    fn add(&mut self, scenario: &Scenario, registry: &Registry, drawn: &Drawn) {
        let mut engine = Engine::new(scenario, drawn, registry).recording();
        while !matches!(engine.phase(), Phase::Over(_)) {
            engine.advance();
        }
        let end = engine.healed_at().unwrap_or(engine.world().now());
        self.busy = self.busy.max(Duration::from_nanos(end.0)).min(scenario.limits.safety);
        self.events += engine.world().events();
        let mut watch = Watch::new(&drawn.plan);
        let mut heard = BTreeSet::new();
        for mark in engine.take_history() {
            for state in watch.states(&mark) {
                self.seen.add(state);
            }
            heard.extend(group(scenario, drawn, &mark).map(|group| (group, mark.mark.kind)));
        }
        for (group, kind) in heard {
            *self.marks[group].entry(kind).or_default() += 1;
        }
    }

    /// The kinds of marks that processes on these nodes state in half of the runs or more, in the order of their names:
    /// whatever waits for another one hardly ever strikes.
    pub fn marks_of(&self, scenario: &Scenario, nodes: &[NodeId]) -> Vec<&Name> {
        let groups: BTreeSet<usize> = nodes.iter().filter_map(|node| scenario.group_of(*node)).collect();
        let marks = groups.into_iter().flat_map(|group| &self.marks[group]);
        let common: BTreeSet<&Name> = marks.filter(|(_, runs)| **runs >= RUNS / 2).map(|(kind, _)| kind).collect();
        common.into_iter().collect()
    }

    /// The part of the storm in which something happens, in nanoseconds; never nothing.
    pub fn busy_nanos(&self) -> u64 {
        nanos(self.busy).max(1)
    }
}

/// The group of nodes to which whoever stated the mark belongs.
fn group(scenario: &Scenario, drawn: &Drawn, mark: &Observed) -> Option<usize> {
    scenario.group_of(drawn.plan.processes[mark.process.0 as usize].node)
}
