//! One simulated run: a storm in which safety is judged, then a healed world that must converge.
//!
//! An engine is a value and advances a slice of virtual time at a call, so that a run can show its
//! progress, be compared with another in lock-step, and be copied in the middle.

use crate::draw::Drawn;
use crate::judge::Judge;
use crate::panics;
use crate::registry::Registry;
use crate::scenario::Scenario;
use contract::time::Duration;
use contract::{Observed, Time};
use kernel::{Progress, World};

/// Virtual time between two looks at the marks.
const SLICE: Duration = Duration::from_millis(100);

/// A run on its way.
#[derive(Clone)]
pub struct Engine {
    world: World,
    judge: Judge,
    phase: Phase,
    liveness: Duration,
    marks: Vec<Observed>,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Faults strike until then.
    Storm(Time),
    /// Everything is healed; it must converge until then.
    Calm(Time),
    /// Over.
    Over(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Healed, converged, nothing broken.
    Converged,
    /// An invariant was broken; the judge knows which.
    Violated,
    /// Time was up, and somebody still waits.
    NotConverged,
    /// More events than a run may have: some actor goes round in circles.
    Exhausted,
    /// An actor panicked.
    Panicked(panics::Caught),
}

impl Engine {
    /// A run that is about to start.
    pub fn new(scenario: &Scenario, drawn: &Drawn, registry: &Registry) -> Engine {
        Engine {
            world: World::new(drawn.plan.clone(), &drawn.settings, drawn.seed),
            judge: Judge::new(scenario, &drawn.plan, registry),
            phase: Phase::Storm(Time::ZERO + drawn.safety),
            liveness: scenario.limits.liveness,
            marks: Vec::new(),
        }
    }

    /// Runs to the end.
    pub fn run(mut self) -> (World, Judge, End) {
        loop {
            match self.phase {
                Phase::Over(end) => return (self.world, self.judge, end),
                _ => self.advance(),
            }
        }
    }

    /// Runs one slice. Does nothing once the run is over.
    pub fn advance(&mut self) {
        let (Phase::Storm(until) | Phase::Calm(until)) = self.phase else { return };
        if let Some(progress) = self.run_to((self.world.now() + SLICE).min(until)) {
            self.phase = self.next_phase(until, progress);
        }
    }

    /// Runs to `limit` within the phase as it is, for drivers that strike by hand at a moment of their own.
    /// `None` once the run is over.
    pub fn run_to(&mut self, limit: Time) -> Option<Progress> {
        if let Phase::Over(_) = self.phase {
            return None;
        }
        let world = &mut self.world;
        let ran = panics::caught(|| world.run_until(limit));
        self.world.take_marks(&mut self.marks);
        let judge = &mut self.judge;
        let sound = self.marks.iter().all(|mark| judge.observe(mark));
        self.marks.clear();
        match ran {
            _ if !sound => self.phase = Phase::Over(End::Violated),
            Err(caught) => self.phase = Phase::Over(End::Panicked(caught)),
            Ok(progress) => return Some(progress),
        }
        None
    }

    /// Where the run stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The world, for looking at it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, for striking it by hand.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The judges, for looking at them.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// A copy of the world, to be stepped apart from the run.
    pub fn fork_world(&self) -> World {
        self.world.clone()
    }

    fn next_phase(&mut self, until: Time, progress: Progress) -> Phase {
        if progress == Progress::Exhausted {
            return Phase::Over(End::Exhausted);
        }
        let late = self.world.now() >= until || progress == Progress::Idle;
        match self.phase {
            Phase::Storm(_) if late || self.judge.is_quiescent() => self.heal(),
            Phase::Calm(_) if self.judge.converged() => self.finish(),
            Phase::Calm(_) if late => Phase::Over(End::NotConverged),
            _ => self.phase.clone(),
        }
    }

    fn heal(&mut self) -> Phase {
        let world = &mut self.world;
        match panics::caught(|| world.heal()) {
            Ok(()) => Phase::Calm(self.world.now() + self.liveness),
            Err(caught) => Phase::Over(End::Panicked(caught)),
        }
    }

    fn finish(&mut self) -> Phase {
        self.judge.finish();
        Phase::Over(if self.judge.violation().is_some() { End::Violated } else { End::Converged })
    }
}
