//! A run that can be walked in both directions, and the faults put into it by hand.
//!
//! The way forward is a sequence of moves: a step of the engine, or an act by hand. The way back restores the
//! nearest checkpoint, a clone of the whole run, and makes the moves since again, which gives the same state
//! since runs are deterministic. Checkpoints thin out with their age, so that their number grows with the
//! logarithm of the run's length only.

use super::act::Act;
use crate::engine::{Engine, Phase};
use contract::{Observed, Time};
use std::collections::BTreeMap;

/// Moves between two checkpoints of the recent past: a step back makes at most so many moves again.
const STRIDE: u64 = 1024;
/// Two to this power of checkpoints stay of each doubling of age.
const DENSITY: u32 = 2;

/// A moment of a run.
#[derive(Clone)]
struct Moment {
    engine: Engine,
    /// Moves since the start.
    moves: u64,
    /// The marks that the last move brought.
    marks: Vec<Observed>,
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Right after the move that brought this event: a handler whose messages are lost brings several.
    Event(u64),
    /// Right after the last move up to this true time.
    Time(Time),
}

/// A run with its past.
pub struct Timeline {
    here: Moment,
    /// What was done by hand, by the number of its move. None lies in the future.
    acts: BTreeMap<u64, Act>,
    /// From old to new; the first is the start, and none lies in the future.
    checkpoints: Vec<Moment>,
}

impl Moment {
    /// Makes the next move, an act where one was made; `false` once the run is over.
    fn redo(&mut self, acts: &BTreeMap<u64, Act>) -> bool {
        if let Phase::Over(_) = self.engine.phase() {
            return false;
        }
        self.moves += 1;
        match acts.get(&self.moves) {
            Some(act) => {
                // It was possible at this moment, and the moment is the same.
                let _ = act.apply(&mut self.engine);
                self.marks.clear();
            }
            None => {
                self.engine.step();
                self.marks = self.engine.take_history();
            }
        }
        true
    }

    /// Whether the last move brought a mark whose kind contains `kind`.
    fn has_mark(&self, kind: &str) -> bool {
        self.marks.iter().any(|seen| seen.mark.kind.contains(kind))
    }
}

impl Target {
    /// Whether the moment lies before it.
    fn is_after(self, moment: &mut Moment) -> bool {
        match self {
            Target::Event(event) => moment.engine.world().events() < event,
            Target::Time(time) => moment.engine.next_at().is_some_and(|next| next <= time),
        }
    }

    /// Whether the moment lies behind it.
    fn is_past(self, moment: &Moment) -> bool {
        let world = moment.engine.world();
        match self {
            Target::Event(event) => world.events() > event,
            Target::Time(time) => world.now() > time,
        }
    }
}

impl Timeline {
    /// A run from where it stands now.
    pub fn new(engine: Engine) -> Timeline {
        let here = Moment { engine: engine.recording(), moves: 0, marks: Vec::new() };
        Timeline { checkpoints: vec![here.clone()], here, acts: BTreeMap::new() }
    }

    /// The run as it stands.
    pub fn engine(&self) -> &Engine {
        &self.here.engine
    }

    /// Moves since the start.
    pub fn moves(&self) -> u64 {
        self.here.moves
    }

    /// The marks that the last move brought.
    pub fn marks(&self) -> &[Observed] {
        &self.here.marks
    }

    /// What was done by hand so far, by the number of its move.
    pub fn acts(&self) -> &BTreeMap<u64, Act> {
        &self.acts
    }

    /// How many clones of the run are kept.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }

    /// Makes one move; `false` once the run is over.
    pub fn step(&mut self) -> bool {
        let moved = self.here.redo(&self.acts);
        if moved && self.here.moves.is_multiple_of(STRIDE) {
            self.checkpoints.push(self.here.clone());
            self.thin();
        }
        moved
    }

    /// Does something by hand, as a move of its own.
    pub fn act(&mut self, act: Act) -> Result<(), String> {
        act.apply(&mut self.here.engine)?;
        self.here.moves += 1;
        self.here.marks.clear();
        self.acts.insert(self.here.moves, act);
        Ok(())
    }

    /// Steps until a mark whose kind contains `kind`; `false` if the run ended before.
    pub fn to_mark(&mut self, kind: &str) -> bool {
        while self.step() {
            if self.here.has_mark(kind) {
                return true;
            }
        }
        false
    }

    /// Goes back by so many moves, at most to the start. Acts on the way are undone for good.
    pub fn back(&mut self, moves: u64) {
        let target = self.here.moves.saturating_sub(moves);
        self.back_to(target);
    }

    /// Goes to a moment, in either direction.
    pub fn go(&mut self, target: Target) {
        if target.is_past(&self.here) {
            let mut from = self.checkpoints.len() - 1;
            while from > 0 && target.is_past(&self.checkpoints[from]) {
                from -= 1;
            }
            return self.redo_from(from, |here| target.is_after(here));
        }
        while target.is_after(&mut self.here) && self.step() {}
    }

    /// Goes back to the nearest earlier mark whose kind contains `kind`; `false`, and nowhere, if there is none.
    pub fn back_to_mark(&mut self, kind: &str) -> bool {
        let mut end = self.here.moves;
        for from in (0..self.checkpoints.len()).rev() {
            let mut moment = self.checkpoints[from].clone();
            let start = moment.moves;
            let mut found = None;
            while moment.moves + 1 < end && moment.redo(&self.acts) {
                if moment.has_mark(kind) {
                    found = Some(moment.moves);
                }
            }
            if let Some(moves) = found {
                self.back_to(moves);
                return true;
            }
            end = start + 1;
        }
        false
    }

    fn back_to(&mut self, target: u64) {
        let from = self.checkpoints.partition_point(|moment| moment.moves <= target) - 1;
        self.redo_from(from, |here| here.moves < target);
    }

    /// Restores a checkpoint and makes the moves since again while `on`; the rest never happened.
    fn redo_from(&mut self, from: usize, mut on: impl FnMut(&mut Moment) -> bool) {
        self.checkpoints.truncate(from + 1);
        self.here = self.checkpoints[from].clone();
        while on(&mut self.here) && self.step() {}
        drop(self.acts.split_off(&(self.here.moves + 1)));
    }

    /// An old checkpoint stays if its number is a multiple of a power of two that grows with its age.
    fn thin(&mut self) {
        let now = self.here.moves / STRIDE;
        self.checkpoints.retain(|moment| {
            let number = moment.moves / STRIDE;
            let octave = (now - number).checked_ilog2().unwrap_or(0);
            number.is_multiple_of(1 << octave.saturating_sub(DENSITY))
        });
    }
}
