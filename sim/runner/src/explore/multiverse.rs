//! A multiverse: a run that reaches a state not seen before is cloned there, and the clones go on under other seeds.
//!
//! What is rare is reached again only with luck; a clone is there already. One seed has one universe: its root run and
//! the forks of it, which together take at most [`ENERGY`] times the events of the root beside it. It is a function of
//! the scenario, the seed and the states seen before. A failure is known by its path, and its verdict is that of the
//! path run from the start.

use super::states::{Seen, Watch};
use super::{Fork, fork::FORKS_MAX};
use crate::draw::{self, Draws, below};
use crate::engine::{Alarm, End, Engine, Phase};
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::Observed;
use contract::plan::PlanError;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// Events of the forks, in events of their root.
const ENERGY: u64 = 3;
/// States from which forks may go, and clones that are kept for it.
const STATES_MAX: usize = 8;
/// Forks from one state.
const FORKS_EACH: u32 = 2;

/// What became of a seed.
pub struct Universe {
    /// The run that failed first, or else the root.
    pub verdict: Verdict,
    /// Runs, forks included.
    pub runs: u64,
    /// Events that were handled: of a fork those after it.
    pub events: u64,
    /// The states that were new, in the order in which they were shown.
    pub states: Vec<u64>,
}

/// A state to fork from.
struct State {
    engine: Engine,
    watch: Watch,
    path: Vec<Fork>,
    left: u32,
}

/// The search within one universe.
struct Search<'a> {
    seen: &'a Seen,
    /// The states of this universe.
    own: Seen,
    states: Vec<u64>,
    frontier: Vec<State>,
    /// States that could have been kept.
    met: u64,
    /// Beside the forks that the scenario has.
    path_max: usize,
    rng: ChaCha8Rng,
}

/// Runs a seed, and explores its universe if `forks` are wanted. Fails only where the scenario's plan cannot be built.
pub fn explore(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    seen: &Seen,
    forks: bool,
    alarm: Option<Alarm>,
) -> Result<Universe, PlanError> {
    let drawn = draw::draw(scenario, seed, Keep::LITTLE.trace, Keep::LITTLE.narrate)?;
    let mut engine = run::checked(scenario, registry, &drawn).with_alarm(alarm).recording();
    let rng = Draws { seed }.stream("explore/multiverse");
    let path_max = FORKS_MAX.saturating_sub(scenario.forks.len());
    let mut search =
        Search { seen, own: Seen::default(), states: Vec::new(), frontier: Vec::new(), met: 0, path_max, rng };
    let mut watch = Watch::new(&drawn.plan);
    if forks {
        search.drive(&mut engine, &mut watch, &[]);
    } else {
        while !matches!(engine.phase(), Phase::Over(_)) {
            engine.advance();
        }
        search.look(&mut watch, &engine.take_history());
    }
    let root = engine.world().events();
    let (mut runs, mut events, mut found) = (1, root, None);
    if forks && !failed(&engine) {
        while events < root.saturating_mul(1 + ENERGY) && found.is_none() {
            let Some((child, path, spent)) = search.fork() else { break };
            (runs, events) = (runs + 1, events + spent);
            found = failed(&child).then_some(path);
        }
    }
    let verdict = match found {
        Some(path) => path_verdict(scenario, registry, seed, path)?,
        // Steps end a broken run at its event, slices a little later: a verdict is always that of slices.
        None if forks && failed(&engine) => path_verdict(scenario, registry, seed, Vec::new())?,
        None => run::finished(scenario, seed, engine.run()).verdict,
    };
    Ok(Universe { verdict, runs, events, states: search.states })
}

/// The verdict of a path that failed, run as whoever replays it runs it.
fn path_verdict(scenario: &Scenario, registry: &Registry, seed: u64, path: Vec<Fork>) -> Result<Verdict, PlanError> {
    let mut forked = scenario.clone();
    forked.forks.extend(path);
    forked.forks.sort_by_key(|fork| fork.at);
    let verdict = run::run(&forked, registry, seed, Keep::LITTLE)?.verdict;
    let facts = || vec!["a run that went on from a clone failed, but the same path from the start did not".to_owned()];
    Ok(if verdict.failed() { verdict } else { verdict.not_deterministic(facts()) })
}

/// Whether a run is over and something is wrong with the system. A run for which there was no time proves nothing.
fn failed(engine: &Engine) -> bool {
    match engine.phase() {
        Phase::Over(End::Converged | End::Hopeless | End::Late) => false,
        Phase::Over(_) => true,
        Phase::Storm(_) | Phase::Calm(_) => false,
    }
}

impl Search<'_> {
    /// Runs to the end, and keeps the states that are new.
    fn drive(&mut self, engine: &mut Engine, watch: &mut Watch, path: &[Fork]) {
        while !matches!(engine.phase(), Phase::Over(_)) {
            engine.step();
            let marks = engine.take_history();
            let is_new = !marks.is_empty() && self.look(watch, &marks);
            if is_new && matches!(engine.phase(), Phase::Storm(_)) && path.len() < self.path_max {
                self.keep(engine, watch, path);
            }
        }
    }

    /// Notes the states that these marks complete; whether one of them is new.
    fn look(&mut self, watch: &mut Watch, marks: &[Observed]) -> bool {
        let before = self.states.len();
        for state in marks.iter().flat_map(|mark| watch.states(mark)) {
            if !self.seen.has(state) && self.own.add(state) {
                self.states.push(state);
            }
        }
        self.states.len() > before
    }

    /// Keeps a state so that all that were met are as likely to be kept: clones cost as much as some dozens of events.
    fn keep(&mut self, engine: &Engine, watch: &Watch, path: &[Fork]) {
        self.met += 1;
        let place = match self.frontier.len() {
            len if len < STATES_MAX => len,
            _ => below(&mut self.rng, self.met) as usize,
        };
        if place >= STATES_MAX {
            return;
        }
        let state = State { engine: engine.clone(), watch: watch.clone(), path: path.to_vec(), left: FORKS_EACH };
        match self.frontier.get_mut(place) {
            Some(old) => *old = state,
            None => self.frontier.push(state),
        }
    }

    /// Forks from one of the states: the run, its path, and the events that it took. `None` if no state is left.
    fn fork(&mut self) -> Option<(Engine, Vec<Fork>, u64)> {
        let count = self.frontier.len() as u64;
        let place = (count > 0).then(|| below(&mut self.rng, count) as usize)?;
        let state = &mut self.frontier[place];
        let (mut engine, mut watch, mut path) = (state.engine.clone(), state.watch.clone(), state.path.clone());
        state.left -= 1;
        if state.left == 0 {
            self.frontier.swap_remove(place);
        }
        let before = engine.world().events();
        let at = engine.world().now();
        let seed = self.rng.next_u64();
        // What happens in the same nanosecond happens before a fork.
        if engine.run_to(at).is_some() {
            let marks = engine.take_history();
            self.look(&mut watch, &marks);
            engine.fork(seed);
            path.push(Fork { at, seed });
            self.drive(&mut engine, &mut watch, &path);
        }
        let spent = engine.world().events() - before;
        Some((engine, path, spent))
    }
}
