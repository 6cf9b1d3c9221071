//! One simulated run: a storm in which safety is judged, then a healed world that must converge.
//!
//! An engine is a value and advances a slice of virtual time at a call, so that a run can show its
//! progress, be compared with another in lock-step, and be copied in the middle. Copies are also how liveness is
//! checked: at drawn moments a copy heals a core of the system and must converge while the rest stays broken.
//! The copies go on when the run itself has passed, so that a run that fails by itself fails in the simplest way.

use crate::draw::Drawn;
use crate::explore::Fork;
use crate::judge::Judge;
use crate::liveness::{self, AT_THE_END, Check};
use crate::panics;
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::waits;
use contract::time::Duration;
use contract::{NodeId, Observed, ProcessId, Time};
use kernel::{Progress, World};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Virtual time between two looks at the marks.
const SLICE: Duration = Duration::from_millis(100);

/// A run on its way.
#[derive(Clone)]
pub struct Engine {
    scenario: Arc<Scenario>,
    world: World,
    judge: Judge,
    phase: Phase,
    /// The end of the slice that single steps have begun.
    slice: Option<Time>,
    marks: Vec<Observed>,
    /// All marks so far, where somebody wants them.
    history: Option<Vec<Observed>>,
    /// Checks to come, in the order of time.
    checks: VecDeque<Check>,
    /// Forks to come, in the order of time.
    forks: VecDeque<Fork>,
    /// Copies whose core was healed, to be run to their ends.
    copies: Vec<Engine>,
    /// The check that this engine is the copy for.
    check: Option<Check>,
    /// The world as it was healed, for whoever asks why it did not converge.
    healed: Option<Box<World>>,
    warnings: Vec<String>,
    alarm: Option<Alarm>,
}

/// Asked between two slices: whether the machine has spent enough time on the run. It never changes a run that
/// comes to its end before.
pub type Alarm = Arc<dyn Fn() -> bool + Send + Sync>;

/// A moment of the storm at which something is done to a run, or to a copy of it.
enum Stop {
    /// All choices descend from another seed from there on.
    Fork(Fork),
    /// A copy is healed.
    Check(Check),
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Faults strike until then.
    Storm(Time),
    /// Everything, or a core, is healed; it must converge until then.
    Calm(Time),
    /// Over.
    Over(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Healed, converged, nothing broken.
    Converged,
    /// It did not converge, and could not have: see [`liveness::hopeless`].
    Hopeless,
    /// An invariant was broken; the judge knows which.
    Violated,
    /// Time was up, and somebody still waits.
    NotConverged,
    /// More events than a run may have: some actor goes round in circles.
    Exhausted,
    /// The alarm rang first.
    Late,
    /// An actor panicked.
    Panicked(panics::Caught),
}

/// A run that is over.
pub struct Ended {
    /// As it stood at the end.
    pub world: World,
    /// The judges.
    pub judge: Judge,
    /// How it ended.
    pub end: End,
    /// Where the run was judged on a copy: which core was healed, and when.
    pub setting: Option<String>,
    /// Who waits for whom, if it did not converge.
    pub waits: Vec<String>,
    /// What is no failure and yet worth knowing.
    pub warnings: Vec<String>,
    /// All marks, where they were recorded.
    pub history: Vec<Observed>,
}

impl Engine {
    /// A run that is about to start; liveness is checked at its end only.
    pub fn new(scenario: &Scenario, drawn: &Drawn, registry: &Registry) -> Engine {
        Engine {
            world: World::new(drawn.plan.clone(), &drawn.settings, drawn.seed),
            judge: Judge::new(scenario, &drawn.plan, registry),
            forks: scenario.forks.iter().copied().collect(),
            scenario: Arc::new(scenario.clone()),
            phase: Phase::Storm(Time::ZERO + drawn.safety),
            slice: None,
            marks: Vec::new(),
            history: None,
            checks: VecDeque::new(),
            copies: Vec::new(),
            check: None,
            healed: None,
            warnings: Vec::new(),
            alarm: None,
        }
    }

    /// The run, to be given up once the alarm rings.
    pub fn with_alarm(mut self, alarm: Option<Alarm>) -> Engine {
        self.alarm = alarm;
        self
    }

    /// The run with these checks of liveness on copies, which are in the order of time.
    pub fn with_checks(mut self, checks: Vec<Check>) -> Engine {
        self.checks = checks.into();
        self
    }

    /// The run, recording all marks from here on.
    pub fn recording(mut self) -> Engine {
        self.history = Some(Vec::new());
        self
    }

    /// Runs to the end.
    pub fn run(mut self) -> Ended {
        while !matches!(self.phase, Phase::Over(_)) {
            self.advance();
        }
        let setting = self.setting();
        let core = self.core();
        let Engine { world, judge, phase, healed, warnings, history, .. } = self;
        let end = if let Phase::Over(end) = phase { end } else { unreachable!("the run is over") };
        let waits = match (&end, healed) {
            (End::NotConverged, Some(healed)) => waits::explain(*healed, &world, &core),
            _ => Vec::new(),
        };
        Ended { world, judge, end, setting, waits, warnings, history: history.unwrap_or_default() }
    }

    /// Runs one slice. Does nothing once the run is over.
    pub fn advance(&mut self) {
        let Some((limit, until)) = self.slice() else { return };
        if self.alarm.as_ref().is_some_and(|rings| rings()) {
            self.phase = Phase::Over(End::Late);
            return;
        }
        // A stop on the way changes nothing in the run.
        while let Some(stop) = self.next_stop(limit) {
            if !self.stop(&stop) {
                return;
            }
        }
        let Some(progress) = self.run_to(limit) else { return };
        self.end_slice(until, progress);
    }

    /// Handles one event, or comes to the end of a slice, to a fork, or to a check of liveness. Steps do together what
    /// [`Engine::advance`] does, except that a broken invariant ends the run right at its event.
    pub fn step(&mut self) {
        let Some((limit, until)) = self.slice() else { return };
        if self.slice.is_none() && self.alarm.as_ref().is_some_and(|rings| rings()) {
            self.phase = Phase::Over(End::Late);
            return;
        }
        self.slice = Some(limit);
        let next = self.world.next_event_at().map_or(limit, |next| next.min(limit));
        // Whatever else happens in the very nanosecond of a stop happens before it.
        if next > Time::ZERO
            && let Some(stop) = self.next_stop(Time(next.0 - 1))
        {
            self.stop(&stop);
            return;
        }
        let world = &mut self.world;
        let ran = panics::caught(|| world.step_until(limit));
        if let Some(Some(progress)) = self.judged(ran) {
            self.end_slice(until, progress);
        }
    }

    /// When the next step happens, in true time; `None` once the run is over.
    pub fn next_at(&mut self) -> Option<Time> {
        let (limit, _) = self.slice()?;
        Some(self.world.next_event_at().map_or(limit, |next| next.min(limit)))
    }

    /// Runs to `limit` within the phase as it is, for drivers that strike by hand at a moment of their own.
    /// `None` once the run is over.
    pub fn run_to(&mut self, limit: Time) -> Option<Progress> {
        if let Phase::Over(_) = self.phase {
            return None;
        }
        let world = &mut self.world;
        let ran = panics::caught(|| world.run_until(limit));
        self.judged(ran)
    }

    /// Moves out the marks recorded since the last call; none unless the engine is [`Engine::recording`].
    pub fn take_history(&mut self) -> Vec<Observed> {
        self.history.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Gives the marks so far to the judges: what the world did, unless the run is over by that.
    fn judged<T>(&mut self, ran: Result<T, panics::Caught>) -> Option<T> {
        self.world.take_marks(&mut self.marks);
        let judge = &mut self.judge;
        let sound = self.marks.iter().all(|mark| judge.observe(mark));
        if let Some(history) = &mut self.history {
            history.append(&mut self.marks);
        }
        self.marks.clear();
        match ran {
            _ if !sound => self.phase = Phase::Over(self.judged_unsound()),
            Err(caught) => self.phase = Phase::Over(End::Panicked(caught)),
            Ok(ran) => return Some(ran),
        }
        None
    }

    /// A judge has spoken. Where faults have destroyed more than the budget allows, only a loss may be found: the
    /// run is over, and hopeless.
    fn judged_unsound(&mut self) -> End {
        let loss = self.judge.violation().filter(|violation| violation.loss);
        match loss {
            Some(loss) if self.scenario.is_beyond_budget(self.world.damaged()) => {
                let damaged = liveness::hopeless(&self.scenario, self.world.damaged(), &self.core());
                let why = damaged.unwrap_or_default();
                self.warnings.push(format!("hopeless: {}, {why}", loss.signature()));
                End::Hopeless
            }
            _ => End::Violated,
        }
    }

    /// Where the run stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// When it was healed, if it has been; of a run that was judged on a copy, the copy.
    pub fn healed_at(&self) -> Option<Time> {
        self.healed.as_ref().map(|world| world.now())
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

    /// Until when the slice in hand lasts, and its phase; `None` once the run is over.
    fn slice(&self) -> Option<(Time, Time)> {
        let (Phase::Storm(until) | Phase::Calm(until)) = self.phase else { return None };
        Some((self.slice.unwrap_or((self.world.now() + SLICE).min(until)), until))
    }

    fn end_slice(&mut self, until: Time, progress: Progress) {
        self.slice = None;
        self.phase = self.next_phase(until, progress);
        if matches!(self.phase, Phase::Over(End::Converged | End::Hopeless)) {
            self.run_copies();
        }
    }

    fn next_phase(&mut self, until: Time, progress: Progress) -> Phase {
        if progress == Progress::Exhausted {
            return Phase::Over(End::Exhausted);
        }
        let late = self.world.now() >= until || progress == Progress::Idle;
        match self.phase {
            Phase::Storm(_) if late || self.judge.is_quiescent() => {
                if let Some(check) = self.checks.pop_back().filter(|check| check.at == AT_THE_END) {
                    self.copy_for(&check);
                }
                self.checks.clear();
                self.heal();
                self.phase.clone()
            }
            Phase::Calm(_) if self.judge.converged() => self.finish(),
            Phase::Calm(_) if late => self.give_up(),
            _ => self.phase.clone(),
        }
    }

    /// The next stop of the storm up to `limit`; a fork comes before a check of the same moment.
    fn next_stop(&mut self, limit: Time) -> Option<Stop> {
        if !matches!(self.phase, Phase::Storm(_)) {
            return None;
        }
        let check = self.checks.front().map_or(AT_THE_END, |check| check.at);
        if let Some(fork) = self.forks.pop_front_if(|fork| fork.at <= check && fork.at <= limit) {
            return Some(Stop::Fork(fork));
        }
        self.checks.pop_front_if(|check| check.at <= limit).map(Stop::Check)
    }

    /// Runs to a stop and does what it is for; `false` if the run is over before.
    fn stop(&mut self, stop: &Stop) -> bool {
        let (Stop::Fork(Fork { at, .. }) | Stop::Check(Check { at, .. })) = stop;
        if self.run_to(*at).is_none() {
            return false;
        }
        match stop {
            Stop::Fork(fork) => self.world.reseed(fork.seed),
            Stop::Check(check) => self.copy_for(check),
        }
        true
    }

    /// Goes on under another seed from here. The copies so far are left to the run that made them.
    pub fn fork(&mut self, seed: u64) {
        self.copies.clear();
        self.world.reseed(seed);
    }

    /// Puts a copy aside, with the check's core healed and the rest broken for good.
    fn copy_for(&mut self, check: &Check) {
        let mut copies = std::mem::take(&mut self.copies);
        let mut copy = Engine {
            checks: VecDeque::new(),
            forks: VecDeque::new(),
            warnings: Vec::new(),
            slice: None,
            ..self.clone()
        };
        let core = liveness::leave_out(&self.scenario, &check.core, &self.world.stricken());
        copy.check = Some(Check { at: self.world.now(), core });
        copy.heal();
        copies.push(copy);
        self.copies = copies;
    }

    /// The first copy that fails is the run.
    fn run_copies(&mut self) {
        for mut copy in std::mem::take(&mut self.copies) {
            while !matches!(copy.phase, Phase::Over(_)) {
                copy.advance();
            }
            match copy.phase {
                Phase::Over(End::Converged) => {}
                Phase::Over(End::Hopeless) => self.warnings.append(&mut copy.warnings),
                _ => {
                    copy.warnings.splice(0..0, self.warnings.drain(..));
                    *self = copy;
                    return;
                }
            }
        }
    }

    /// The nodes that are healed in the end.
    fn core(&self) -> BTreeSet<NodeId> {
        self.check.as_ref().map_or_else(|| liveness::all(&self.scenario), |check| check.core.clone())
    }

    /// Which core was healed on this copy, and when; `None` if this is no copy.
    fn setting(&self) -> Option<String> {
        let Check { at, core } = self.check.as_ref()?;
        let outside: BTreeSet<NodeId> = liveness::all(&self.scenario).difference(core).copied().collect();
        let healed = liveness::names(&self.scenario, core);
        let rest = match outside.is_empty() {
            true => String::new(),
            false => format!("; {} stays broken for good", liveness::names(&self.scenario, &outside)),
        };
        Some(format!("judged on a copy of the run that was healed at {at}: {healed}{rest}"))
    }

    fn heal(&mut self) {
        let core: Vec<NodeId> = self.core().into_iter().collect();
        let world = &mut self.world;
        if let Err(caught) = panics::caught(|| world.heal_core(&core)) {
            self.phase = Phase::Over(End::Panicked(caught));
            return;
        }
        for (index, process) in self.world.plan().processes.iter().enumerate() {
            if !core.contains(&process.node) {
                self.judge.excuse(ProcessId(index as u32));
            }
        }
        self.healed = Some(Box::new(self.world.clone()));
        self.phase = Phase::Calm(self.world.now() + self.scenario.limits.liveness);
    }

    fn finish(&mut self) -> Phase {
        // Beyond its budget a system must not lie, which was judged fact by fact; more is not demanded of it.
        if !self.scenario.is_beyond_budget(self.world.damaged()) {
            self.judge.finish();
        }
        Phase::Over(if self.judge.violation().is_some() { End::Violated } else { End::Converged })
    }

    /// Time is up.
    fn give_up(&mut self) -> Phase {
        let Some(why) = liveness::hopeless(&self.scenario, self.world.damaged(), &self.core()) else {
            return Phase::Over(End::NotConverged);
        };
        let setting = self.setting().map_or(String::new(), |setting| format!(", {setting}"));
        self.warnings.push(format!("hopeless: not converged{setting}: {why}"));
        Phase::Over(End::Hopeless)
    }
}
