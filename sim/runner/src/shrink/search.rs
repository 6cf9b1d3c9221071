//! The search: what is tried in which order, and what it has come to.

use super::dimension::{self, DIMENSIONS, Dimension, Shape};
use super::trial::{Bench, Failing, Found};
use super::{Options, Progress, redraw, script, turn};
use crate::registry::Registry;
use crate::scenario::parse_fault::meets_messages;
use crate::scenario::{FaultAsk, Scenario};
use crate::verdict::Verdict;
use kernel::Decision;
use std::collections::BTreeSet;

/// Before the storm is fixed, only what makes runs cheaper.
const COARSE: [Dimension; 4] = [dimension::FAULTS, dimension::NODES, dimension::REQUESTS, dimension::STORM];

/// Where a search begins. Each has found the smallest result somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// With all faults, in a storm drawn anew over less work.
    Redrawn,
    /// With the faults that the run needs, in a storm drawn anew over less work.
    CoarseRedrawn,
    /// With the storm as it was.
    Straight,
}

/// Every route, and how often it is gone: each time, the storm is the next that fails.
const ROUTES: [(Route, u32); 3] = [(Route::Redrawn, 6), (Route::CoarseRedrawn, 3), (Route::Straight, 1)];
/// After so many events, what was found is small enough.
const ENOUGH_EVENTS: u64 = 10_000_000;

/// The smallest result so far.
struct Best {
    cost: u64,
    minimal: bool,
    scenario: Scenario,
}

/// A search on its way: the smallest scenario so far, which fails.
pub struct Search<'a> {
    pub(super) bench: Bench<'a>,
    pub(super) current: Scenario,
    pub(super) failing: Failing,
    /// Redrawn storms that were looked at on this route.
    pub(super) storms: usize,
    /// Whether knobs were turned to make the run shorter: then one goes back only if it does not get longer again.
    pub(super) turned: bool,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Search<'a> {
    /// Begins at a scenario that should fail like `verdict`; `None` if it does not.
    pub fn new(
        start: Scenario,
        registry: &'a Registry,
        seed: u64,
        verdict: &Verdict,
        options: &Options,
        tell: &'a mut dyn FnMut(Progress),
    ) -> Option<Search<'a>> {
        // The first run is made in any case: without it there is no result, not even at the time limit.
        let patient = Options { time: None, ..*options };
        let found = Bench::new(registry, seed, verdict, &patient).first([start])?;
        let bench = Bench::new(registry, seed, verdict, options);
        Some(Search { bench, current: found.scenario, failing: found.failing, storms: 0, turned: false, tell })
    }

    /// Goes every route and keeps the smallest result; whether no single removal from it fails any more.
    pub fn run(&mut self) -> bool {
        let start = (self.current.clone(), self.failing.clone());
        let mut best: Option<Best> = None;
        for (route, times) in ROUTES {
            self.storms = 0;
            for _ in 0..times {
                if best.is_some() && (self.bench.is_late() || self.bench.events() > ENOUGH_EVENTS) {
                    break;
                }
                (self.current, self.failing) = start.clone();
                self.turned = false;
                if !self.set_out(route) {
                    break;
                }
                self.go(&mut best);
            }
        }
        let Some(best) = best else { return false };
        self.current = best.scenario;
        best.minimal
    }

    /// Goes a route to its end.
    fn go(&mut self, best: &mut Option<Best>) {
        let minimal = self.minimise();
        let cost = self.cost();
        if best.as_ref().is_none_or(|best| cost < best.cost) {
            *best = Some(Best { cost, minimal, scenario: self.current.clone() });
        }
    }

    /// The first steps of a route; whether it leads anywhere that no earlier one does.
    fn set_out(&mut self, route: Route) -> bool {
        if route != Route::Redrawn {
            for dimension in &COARSE {
                self.sweep(dimension);
            }
        }
        route == Route::Straight
            || self.told("redraw", |search| search.current.limits.requests as usize, redraw::redraw)
    }

    /// What a reader of the current scenario has to understand, and how long its run is.
    fn cost(&self) -> u64 {
        let strikes = self.failing.struck.iter().filter(|(decision, _)| {
            !decision.message || meets_messages(self.current.faults[decision.slot as usize].kind)
        });
        let items = [dimension::NODES, dimension::REQUESTS, dimension::KNOBS, dimension::TIMING];
        let items: usize = items.iter().map(|dimension| (dimension.count)(&self.current)).sum();
        (strikes.count() as u64 + items as u64) * turn::PRICE + self.failing.events
    }

    /// From a storm on to a script; whether it came to an end, so that no single removal fails any more.
    fn minimise(&mut self) -> bool {
        self.rounds(&DIMENSIONS);
        self.freeze();
        self.rounds(&DIMENSIONS);
        self.told("script", unscripted, script::script);
        self.rounds(&DIMENSIONS);
        self.told("times", events, script::simplify);
        self.rounds(&DIMENSIONS);
        while self.told("turned", events, turn::knobs) && !self.bench.is_late() {
            self.told("times", events, script::simplify);
            self.rounds(&DIMENSIONS);
        }
        !self.bench.is_late()
    }

    /// Runs so far.
    pub fn runs(&self) -> u64 {
        self.bench.runs()
    }

    /// The smallest scenario that was found.
    pub fn into_result(self) -> Scenario {
        self.current
    }

    /// Goes through the dimensions until none of them gives anything: then no single removal fails.
    fn rounds(&mut self, dimensions: &[Dimension]) {
        while !self.bench.is_late() {
            let moved = dimensions.iter().filter(|dimension| self.sweep(dimension)).count();
            if moved == 0 {
                return;
            }
        }
    }

    /// Delta debugging along one dimension: tries to do without all items, halves, quarters and so on down to
    /// single ones. Whether it found something.
    fn sweep(&mut self, dimension: &Dimension) -> bool {
        let before = (dimension.count)(&self.current);
        let mut moved = false;
        let mut chunk = before;
        while chunk > 0 {
            let mut from = 0;
            while let Some(found) = self.attempt(dimension, from, chunk) {
                from += found.index * chunk;
                moved = true;
                self.adopt(found);
            }
            chunk /= 2;
        }
        let after = (dimension.count)(&self.current);
        if moved {
            (self.tell)(Progress { dimension: dimension.name, before, after, runs: self.bench.runs() });
        }
        moved
    }

    /// The first chunk of items, from one on, that the failure does without.
    fn attempt(&mut self, dimension: &Dimension, from: usize, chunk: usize) -> Option<Found> {
        let current = &self.current;
        let count = (dimension.count)(current);
        let starts = match dimension.shape {
            Shape::List => from..count,
            Shape::Number => 0..usize::from(count >= chunk),
        };
        let without = move |start: usize| (dimension.without)(current, &(start..(start + chunk).min(count)));
        let candidates = starts.step_by(chunk).map(without).filter(dimension::has_system);
        if self.turned && dimension.name == dimension::KNOBS.name {
            // By less than a knob is worth, or the next turn would take it again.
            let longest = self.failing.events + turn::PRICE - 1;
            return self.bench.first_within(longest, candidates);
        }
        self.bench.first(candidates)
    }

    /// Reports a step of its own kind, if it changed anything.
    fn told(&mut self, name: &'static str, count: fn(&Self) -> usize, step: fn(&mut Self) -> bool) -> bool {
        let before = count(self);
        let changed = step(self);
        if changed {
            let after = count(self);
            (self.tell)(Progress { dimension: name, before, after, runs: self.bench.runs() });
        }
        changed
    }

    /// Takes a smaller scenario, and leaves out what no longer strikes in it.
    pub(super) fn adopt(&mut self, found: Found) {
        self.current = found.scenario;
        self.failing = found.failing;
        let tight = self.tight(|fault| fault.occurrences.is_some(), |fault| fault.messages.is_some());
        self.take_if_it_fails(tight);
    }

    /// From here on only those occurrences strike and only those messages are met that were in this run.
    fn freeze(&mut self) {
        let frozen = self.tight(|fault| !fault.scripted, |fault| meets_messages(fault.kind));
        self.take_if_it_fails(frozen);
    }

    /// The run stays the same, so that this holds unless the kernel lies; it is tried all the same.
    fn take_if_it_fails(&mut self, tight: Option<Scenario>) {
        let events = self.failing.events;
        if let Some(found) = tight.and_then(|tight| self.bench.first_within(events, [tight])) {
            self.current = found.scenario;
            self.failing = found.failing;
        }
    }

    /// The scenario with occurrences and messages cut to what struck, for the faults that are asked for;
    /// `None` if it is that already.
    fn tight(&self, occurrences: fn(&FaultAsk) -> bool, messages: fn(&FaultAsk) -> bool) -> Option<Scenario> {
        let mut tight = self.current.clone();
        let mut slots = 0..;
        tight.faults.retain_mut(|fault| {
            let slot = slots.next();
            let mine = self.failing.struck.iter().map(|(decision, _)| decision).filter(|it| Some(it.slot) == slot);
            let (met, struck): (Vec<&Decision>, Vec<&Decision>) = mine.partition(|decision| decision.message);
            if occurrences(fault) {
                fault.occurrences = Some(struck.iter().map(|decision| decision.key as u32).collect());
            }
            if messages(fault) {
                fault.messages = Some(met.iter().map(|decision| decision.key).collect::<BTreeSet<u64>>());
            }
            let fixed = occurrences(fault) || fault.scripted;
            !(fixed && struck.is_empty() || messages(fault) && met.is_empty())
        });
        (tight.faults != self.current.faults).then_some(tight)
    }
}

/// The length of the run.
fn events(search: &Search<'_>) -> usize {
    search.failing.events as usize
}

/// Faults whose occurrences are not written with `at`.
fn unscripted(search: &Search<'_>) -> usize {
    search.current.faults.iter().filter(|fault| !fault.scripted).count()
}
