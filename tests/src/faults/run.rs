//! One run of four probes under one fault, and what can be read from it.

use super::{Shown, probe};
use contract::plan::Plan;
use contract::{NodeId, Observed, Time};
use kernel::{FaultCount, FaultKind, FaultSpec, Settings, Span, World};
use std::sync::Arc;

/// How long the usual run is, in virtual nanoseconds.
pub const WHOLE: u64 = 20 * SECOND;
/// A second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// A run that is over.
pub struct Run {
    /// As it stood at the end.
    pub world: World,
    /// Every mark, in order.
    pub marks: Vec<Observed>,
    /// Asked and fired.
    pub count: FaultCount,
}

impl Run {
    /// Twenty virtual seconds of four probes with `kind` asked for on node 0, often.
    pub fn of(kind: FaultKind, seed: u64, adjust: impl FnOnce(&mut FaultSpec)) -> Run {
        Run::with(kind, seed, adjust, |_| {})
    }

    /// The same in a world with other settings.
    pub fn with(
        kind: FaultKind,
        seed: u64,
        adjust: impl FnOnce(&mut FaultSpec),
        set: impl FnOnce(&mut Settings),
    ) -> Run {
        Run::on(probe::plan(4), kind, seed, adjust, set)
    }

    /// The same of other actors, at least one on each of four nodes.
    pub fn on(
        plan: Arc<Plan>,
        kind: FaultKind,
        seed: u64,
        adjust: impl FnOnce(&mut FaultSpec),
        set: impl FnOnce(&mut Settings),
    ) -> Run {
        let mut spec =
            FaultSpec { every: Span::millis(200, 1_000), lasts: Span::millis(200, 600), ..kind.usual(vec![NodeId(0)]) };
        adjust(&mut spec);
        let mut settings =
            Settings { faults: vec![spec], trace_capacity: 100_000, narrate: true, ..Settings::default() };
        set(&mut settings);
        let mut world = World::new(plan, &settings, seed);
        let mut marks = Vec::new();
        world.run_until(Time(WHOLE));
        world.take_marks(&mut marks);
        let counts = world.fault_counts();
        let count = counts.iter().find(|(asked, _)| *asked == kind).map(|(_, count)| *count).unwrap_or_default();
        assert!(count.asked > 5, "{} was asked {} times", kind.name(), count.asked);
        assert!(count.fired > 0, "{} never fired", kind.name());
        Run { world, marks, count }
    }

    /// The row of the table.
    pub fn shown(&self, effect: impl Into<String>) -> Shown {
        Shown { count: self.count, effect: effect.into() }
    }

    /// The marks of one kind of one probe.
    pub fn marks<'a>(&'a self, process: u32, kind: &'a str) -> impl Iterator<Item = &'a Observed> {
        self.marks.iter().filter(move |seen| seen.process.0 == process && seen.mark.kind == kind)
    }

    /// The numbers under `fact` in the marks of one kind of one probe.
    pub fn numbers(&self, process: u32, kind: &str, fact: &str) -> Vec<u64> {
        self.marks(process, kind).filter_map(|seen| seen.mark.number(fact)).collect()
    }

    /// The errors of one kind of call at the struck probe.
    pub fn errors(&self, call: &str) -> Vec<String> {
        let errors = self.marks(0, "probe.error").filter(|seen| seen.mark.text("call") == Some(call));
        errors.map(|seen| seen.mark.text("error").unwrap_or_default().to_owned()).collect()
    }

    /// The serials that a probe heard, in the order of arrival.
    pub fn heard(&self, process: u32) -> Vec<u64> {
        self.numbers(process, "probe.heard", "serial")
    }

    /// A node that was not struck goes on as if nothing had happened.
    pub fn others_are_well(&self) {
        assert!(self.marks(2, "probe.round").count() > 900, "a node that was not struck goes on");
        assert_eq!(self.marks(2, "probe.error").count(), 0);
    }
}
