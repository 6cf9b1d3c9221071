//! Runs one seed of a scenario in the simulator.

use crate::draw::{self, Drawn};
use crate::engine::{Alarm, End, Ended, Engine};
use crate::judge::Judge;
use crate::liveness;
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::{Measured, Verdict};
use contract::plan::PlanError;
use kernel::World;

/// How much a run keeps for its report. Never changes the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Events of the trace.
    pub trace: usize,
    /// The text of each event.
    pub narrate: bool,
}

impl Keep {
    /// For sweeps: nothing that costs time.
    pub const LITTLE: Keep = Keep { trace: 16, narrate: false };
    /// For a single run.
    pub const MUCH: Keep = Keep { trace: 1 << 16, narrate: false };
    /// For a single run whose trace is shown.
    pub const ALL: Keep = Keep { trace: 1 << 20, narrate: true };

    /// For a single run, whose trace may be shown.
    pub fn of(trace: bool) -> Keep {
        if trace { Keep::ALL } else { Keep::MUCH }
    }
}

/// A run that is over.
pub struct Finished {
    /// What it found.
    pub verdict: Verdict,
    /// As it stood at the end.
    pub world: World,
    /// The judges.
    pub judge: Judge,
}

/// Draws and runs one seed. Fails only where the scenario's own plan cannot be built.
pub fn run(scenario: &Scenario, registry: &Registry, seed: u64, keep: Keep) -> Result<Finished, PlanError> {
    let drawn = draw::draw(scenario, seed, keep.trace, keep.narrate)?;
    Ok(run_drawn(scenario, registry, &drawn))
}

/// Like [`run`], but given up once the alarm rings.
pub fn run_until_alarm(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    keep: Keep,
    alarm: Option<Alarm>,
) -> Result<Finished, PlanError> {
    let drawn = draw::draw(scenario, seed, keep.trace, keep.narrate)?;
    let engine = checked(scenario, registry, &drawn).with_alarm(alarm);
    Ok(finished(scenario, drawn.seed, engine.run()))
}

/// Runs what was drawn, liveness checks included.
pub fn run_drawn(scenario: &Scenario, registry: &Registry, drawn: &Drawn) -> Finished {
    finished(scenario, drawn.seed, checked(scenario, registry, drawn).run())
}

/// The run of what was drawn, with its liveness checks, about to start.
pub fn checked(scenario: &Scenario, registry: &Registry, drawn: &Drawn) -> Engine {
    Engine::new(scenario, drawn, registry).with_checks(liveness::draw(scenario, drawn))
}

/// The verdict over an engine's end.
pub fn finished(scenario: &Scenario, seed: u64, ended: Ended) -> Finished {
    let Ended { world, judge, end, setting, waits, warnings, .. } = ended;
    let measured = Measured {
        virtual_time: world.now().0,
        events: world.events(),
        fingerprint: Some(world.fingerprint()),
        faults: world.fault_counts(),
    };
    let mut verdict = Verdict::new(scenario, seed, &end, &judge, measured);
    if let End::Panicked(_) = end {
        // The event is written down before its handler runs: the last one is whose handler panicked.
        let last = world.last_events(1);
        verdict.facts.extend(last.iter().map(|line| format!("while {} handled event {}", line.process, line.event)));
    }
    verdict.facts.extend(setting.into_iter().chain(waits));
    verdict.warnings = warnings;
    Finished { verdict, world, judge }
}
