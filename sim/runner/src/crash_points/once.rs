//! One boundary again, with its trace: what a certificate's replay line asks for.

use super::base::{Base, Weather, walk};
use super::boundary::{Blow, Boundary};
use super::strike::{Field, moments};
use crate::engine::{Engine, Phase};
use crate::exit::Exit;
use crate::registry::Registry;
use crate::run::{Finished, Keep};
use crate::scenario::Scenario;
use contract::plan::PlanError;

/// A struck run, narrated.
pub struct Once {
    /// How it went.
    pub finished: Finished,
    /// For each blow the boundary that it met; `None` where no boundary lies there any more.
    pub met: Vec<Option<Boundary>>,
    /// For each blow the number of the last event before it.
    pub events: Vec<u64>,
}

/// Runs a scenario with these blows, in the order of time.
pub fn once(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    weather: Weather,
    blows: &[Blow],
) -> Result<Once, PlanError> {
    let base = Base::new(scenario, registry, seed, weather, Keep::ALL)?;
    let field = Field { scenario, drawn: &base.drawn };
    let mut engine = Engine::new(scenario, &base.drawn, registry);
    let (mut met, mut events) = (Vec::new(), Vec::new());
    let mut places = base.boundaries.list;
    for (number, &blow) in blows.iter().enumerate() {
        if number == 0 {
            let mut there = None;
            walk(engine.clone(), &[blow.moment], |_, copy| {
                there = Some(copy);
                false
            });
            // A walk reaches every moment, if need be after the end of the run.
            engine = there.unwrap_or(engine);
        } else {
            let _ = engine.run_to(blow.moment);
        }
        let is_here = |place: &Boundary| place.moment == blow.moment && place.effect.process == blow.process;
        met.push(places.iter().find(|place| is_here(place)).cloned());
        events.push(engine.world().events());
        if engine.world().now() == blow.moment {
            field.hit(&mut engine, blow);
        }
        let mut ahead = engine.clone();
        places = field.recover(&mut ahead, blow);
        if number + 1 == blows.len() {
            engine = ahead;
        }
    }
    Ok(Once { finished: field.end(engine), met, events })
}

/// Where a base run that fails by itself was found out: the last boundary, in the handler that carried the
/// evidence, at which nothing was broken yet; narrated. `None` where no handler is to blame.
pub fn seen_at(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    weather: Weather,
) -> Result<Option<Boundary>, PlanError> {
    let base = Base::new(scenario, registry, seed, weather, Keep::ALL)?;
    let culprit = match base.verdict.exit {
        Exit::Violated => base.verdict.evidence.iter().copied().max(),
        Exit::Panicked => base.boundaries.list.last().map(|last| last.effect.event),
        _ => None,
    };
    let of_culprit = base.boundaries.list.into_iter().filter(|place| Some(place.effect.event) == culprit);
    let places: Vec<Boundary> = of_culprit.collect();
    let mut sound = 0;
    walk(Engine::new(scenario, &base.drawn, registry), &moments(places.iter()), |_, copy| {
        sound += usize::from(!matches!(copy.phase(), Phase::Over(_)));
        true
    });
    Ok(places.into_iter().take(sound.max(1)).next_back())
}
