//! What each fault does, seen by a tiny probe: the experiments behind `make faults` and its test.
//!
//! Every kind is asked for alone, on one node of four. An experiment panics where the kind did not fire
//! or its effect was not seen; what it returns is the row of the table.

mod clock;
mod correlated;
mod damage;
mod keeper;
mod links;
mod network;
#[path = "../../../sim/kernel/tests/probe/mod.rs"]
mod probe;
mod process;
mod run;
mod storage;

pub use run::Run;

use kernel::{FaultCount, FaultKind};

/// One fault kind, or one way of asking for it, and how its effect is shown.
pub struct Experiment {
    /// The kind.
    pub kind: FaultKind,
    /// What is special about this way of asking; empty for the usual one.
    pub how: &'static str,
    /// Runs it; panics with the reason where the effect does not show.
    pub show: fn() -> Shown,
}

/// What an experiment saw.
pub struct Shown {
    /// Asked and fired.
    pub count: FaultCount,
    /// The effect, in words with numbers.
    pub effect: String,
}

/// Every experiment, in the order of the book's table.
pub fn all() -> impl Iterator<Item = &'static Experiment> {
    [process::ALL, storage::ALL, damage::ALL, network::ALL, links::ALL, clock::ALL, correlated::ALL]
        .into_iter()
        .flatten()
}

/// A row of a family's list.
const fn usual(kind: FaultKind, show: fn() -> Shown) -> Experiment {
    Experiment { kind, how: "", show }
}
