//! What a judge is, and what it says when a promise was broken.

use contract::{Observed, ProcessId};
use std::fmt;

/// A judge of one run.
///
/// Facts come in the order of their times. After a violation the oracle's state means nothing any more:
/// whoever feeds it stops.
pub trait Oracle: Send {
    /// As in a scenario file: `"custody"`.
    fn name(&self) -> &'static str;
    /// Takes the next fact, in the order of time. Marks of other oracles are passed over.
    fn observe(&mut self, seen: &Observed) -> Result<(), Violation>;
    /// Called once, when the healed run has converged or its time is up: what must hold at quiescence.
    fn finish(&mut self) -> Result<(), Violation> {
        Ok(())
    }
    /// What a healed system still has to do, as a sentence ("record 17 is still in edge-0/staging");
    /// `None` when this oracle waits for nothing.
    fn pending(&self) -> Option<String> {
        None
    }
    /// From now on the process stays broken for good: [`Oracle::pending`] and [`Oracle::finish`] no longer ask for
    /// what only that process could still do. What it says, and what was promised to others, is judged as before.
    fn excuse(&mut self, process: ProcessId) {
        let _ = process;
    }
    /// How many facts it has judged: an oracle that saw nothing proves nothing.
    fn judged(&self) -> u64;
    /// How many facts it could judge neither way, because judging them would have taken too long. They are
    /// neither violations nor part of [`Oracle::judged`].
    fn undecided(&self) -> u64 {
        0
    }
    /// A copy, for copies of the world.
    fn clone_box(&self) -> Box<dyn Oracle>;
}

impl Clone for Box<dyn Oracle> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The oracle that found it.
    pub oracle: &'static str,
    /// The invariant's id: `"E1"`; [`Violation::MARKS`] where the marks themselves make no sense.
    pub invariant: &'static str,
    /// What makes two failures the same, without identities and times: `"accepted record in no place after removal of staging"`.
    pub shape: String,
    /// The facts, as a sentence with identities.
    pub facts: String,
    /// The events that carried the facts, oldest first; unknown ones are left out.
    pub events: Vec<u64>,
    /// Whether something durable was not found again. Where faults have destroyed every copy, that is no lie.
    pub loss: bool,
}

impl Violation {
    /// The invariant that marks and histories are well formed. A component or workload that breaks it
    /// cannot be judged, and passing over such a mark could hide a loss.
    pub const MARKS: &'static str = "MARKS";

    /// A violation with neither its sentence nor its events yet.
    pub fn new(oracle: &'static str, invariant: &'static str, shape: impl Into<String>) -> Self {
        Violation { oracle, invariant, shape: shape.into(), facts: String::new(), events: Vec::new(), loss: false }
    }

    /// Adds the sentence with identities.
    pub fn because(mut self, facts: impl Into<String>) -> Self {
        self.facts = facts.into();
        self
    }

    /// Adds the events that carried the facts, in any order; 0 stands for an unknown one.
    pub fn seen_in(mut self, events: &[u64]) -> Self {
        self.events.extend(events.iter().filter(|&&event| event != 0));
        self.events.sort_unstable();
        self.events.dedup();
        self
    }

    /// Says that a recovery, or a reader, did not find what had been durable.
    pub fn of_loss(mut self) -> Self {
        self.loss = true;
        self
    }

    /// Failures with one signature are reported as one.
    pub fn signature(&self) -> String {
        format!("{}/{}: {}", self.oracle, self.invariant, self.shape)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broke {}: {}", self.oracle, self.invariant, self.facts)
    }
}

impl std::error::Error for Violation {}

/// How to make an oracle; composition roots collect these.
#[derive(Clone, Copy)]
pub struct OracleKind {
    /// As in a scenario file.
    pub name: &'static str,
    /// One sentence for `stormproof list`.
    pub about: &'static str,
    /// The invariants it may report.
    pub invariants: &'static [&'static str],
    /// A fresh judge.
    pub make: fn() -> Box<dyn Oracle>,
}
