//! The run that is struck: which faults stay on in it, where its boundaries are, and its copies at them.

use super::boundary::Boundaries;
use crate::draw::{self, Drawn};
use crate::engine::{Engine, Phase};
use crate::registry::Registry;
use crate::run::{self, Finished, Keep};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::Time;
use contract::plan::PlanError;
use kernel::FaultKind;

/// Which of the scenario's faults stay on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// None.
    Quiet,
    /// Those that the seed draws, except crashes: the certificate brings its own.
    Helping,
    /// Those that the seed draws.
    Drawn,
}

impl Weather {
    /// Every weather.
    pub const ALL: [Weather; 3] = [Weather::Quiet, Weather::Helping, Weather::Drawn];

    /// What a scenario gets when nobody says otherwise: many planted defects show only under another fault.
    pub fn usual(scenario: &Scenario) -> Weather {
        if scenario.is_negative() { Weather::Helping } else { Weather::Quiet }
    }

    /// As on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Weather::Quiet => "quiet",
            Weather::Helping => "helping",
            Weather::Drawn => "drawn",
        }
    }

    /// The weather of that name.
    pub fn from_word(word: &str) -> Result<Weather, String> {
        let found = Self::ALL.into_iter().find(|weather| weather.word() == word);
        found.ok_or_else(|| format!("`{word}` is not quiet, helping or drawn"))
    }

    /// Whether a fault of that kind stays on.
    const fn keeps(self, kind: FaultKind) -> bool {
        match self {
            Weather::Quiet => false,
            Weather::Helping => !matches!(kind, FaultKind::ProcessCrash | FaultKind::PowerLoss | FaultKind::HostLoss),
            Weather::Drawn => true,
        }
    }
}

/// A run without extra crashes, and what it did.
pub struct Base {
    /// What it is made of.
    pub drawn: Drawn,
    /// Where it can be struck.
    pub boundaries: Boundaries,
    /// How it went.
    pub verdict: Verdict,
}

impl Base {
    /// Draws and runs it.
    pub fn new(
        scenario: &Scenario,
        registry: &Registry,
        seed: u64,
        weather: Weather,
        keep: Keep,
    ) -> Result<Base, PlanError> {
        let mut drawn = draw::draw(scenario, seed, keep.trace, keep.narrate)?;
        for spec in &mut drawn.settings.faults {
            // A fault that does not strike keeps its slot, which keys its draws.
            if !weather.keeps(spec.kind) {
                spec.limit = 0;
            }
        }
        // Healing early would end the run before its clients are done.
        drawn.safety = scenario.limits.safety;
        let mut engine = Engine::new(scenario, &drawn, registry);
        engine.world_mut().list_effects();
        let mut effects = Vec::new();
        while !matches!(engine.phase(), Phase::Over(_)) {
            engine.advance();
            engine.world_mut().take_effects(&mut effects);
        }
        let Finished { verdict, world, .. } = run::finished(scenario, seed, engine.run());
        let boundaries = Boundaries::of(effects, &drawn.plan, world.now());
        Ok(Base { drawn, boundaries, verdict })
    }
}

/// Goes through a run once and hands out a copy of it at each of `stops`, which are in the order of time,
/// until `visit` wants no more. The copies have not seen the end of a phase that comes at their moment.
pub fn walk(mut engine: Engine, stops: &[Time], mut visit: impl FnMut(usize, Engine) -> bool) {
    let mut next = 0;
    while next < stops.len() {
        let mut cursor = engine.clone();
        engine.advance();
        let is_over = matches!(engine.phase(), Phase::Over(_));
        let until = if is_over { Time::MAX } else { engine.world().now() };
        while next < stops.len() && stops[next] <= until {
            // The run passed here before, and does so again.
            let _ = cursor.run_to(stops[next]);
            if !visit(next, cursor.clone()) {
                return;
            }
            next += 1;
        }
    }
}
