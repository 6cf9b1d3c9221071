//! Oracles: judges that read marks and histories, never an actor's fields.
//!
//! Each oracle is incremental, cloneable (a healed clone of the world goes on with its own judges) and
//! works as well on the logs of a real cluster. Each rejects a set of hand-made bad histories in its tests.

use contract::Observed;
use std::fmt;

/// A judge of one run.
pub trait Oracle: Send {
    /// As in a scenario file: `"custody"`.
    fn name(&self) -> &'static str;
    /// Takes the next fact, in the order of time.
    fn observe(&mut self, seen: &Observed) -> Result<(), Violation>;
    /// Called once, when the healed run has converged or its time is up: what must hold at quiescence.
    fn finish(&mut self) -> Result<(), Violation>;
    /// What a healed system still has to do, as a sentence ("record 17 is still in edge-0/staging");
    /// `None` when this oracle waits for nothing.
    fn pending(&self) -> Option<String>;
    /// How many facts it has judged: an oracle that saw nothing proves nothing.
    fn judged(&self) -> u64;
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
    /// The invariant's id: `"E1"`.
    pub invariant: &'static str,
    /// What makes two failures the same, without identities and times: `"accepted record in no place after removal of staging"`.
    pub shape: String,
    /// The facts, as a sentence with identities.
    pub facts: String,
    /// The events that carried the facts, oldest first.
    pub events: Vec<u64>,
}

impl Violation {
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
