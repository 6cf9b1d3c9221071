//! What the composition root offers so that the same scenario runs on real processes.
//!
//! The runner knows no host. It reads the scenario, draws the seed, builds the plan and keeps the judges;
//! the real world starts processes, strikes them, heals them and hands over what they state.

use crate::draw::Drawn;
use crate::judge::Judge;
use crate::scenario::Scenario;
use contract::ProcessId;
use contract::time::Duration;
use kernel::{FaultCount, FaultKind};
use std::path::Path;

/// A scenario with one seed, about to run on real processes.
pub struct RealJob<'a> {
    /// The file, for child processes that read it again.
    pub path: &'a Path,
    /// What it says.
    pub scenario: &'a Scenario,
    /// What the seed decided: plan, knobs, faults.
    pub drawn: &'a Drawn,
}

/// How a real run went; the judge knows what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealReport {
    /// From the first process's start to the end.
    pub elapsed: Duration,
    /// Asked and fired, for the kinds that really struck or were tried.
    pub faults: Vec<(FaultKind, FaultCount)>,
    /// The kinds that this machine or this host cannot do, with the reason: shown, never silent.
    pub skipped: Vec<(FaultKind, String)>,
    /// Whether [`Judge::converged`] was seen after healing, in time.
    pub converged: bool,
}

/// Real processes, as the composition root builds them over a host.
///
/// An error is a sentence about the machine, not about the system under test: exit code 7.
pub trait RealWorld {
    /// Runs the whole cluster: strikes it for at most `drawn.safety` or until [`Judge::is_quiescent`], heals
    /// it, and waits for [`Judge::converged`] for at most `limits.liveness`. Each mark goes to
    /// [`Judge::observe`] in the order of time; the run ends when that returns `false`. `say` shows progress.
    fn run(&self, job: &RealJob<'_>, judge: &mut Judge, say: &mut dyn FnMut(&str)) -> Result<RealReport, String>;

    /// Runs one process of the plan in this operating-system process until it ends. `arguments` are the
    /// host's own: addresses of the peers, the data directory.
    fn node(&self, job: &RealJob<'_>, process: ProcessId, arguments: &[String]) -> Result<(), String>;

    /// Runs all processes of the plan on this machine, without faults and judges, until it is interrupted.
    fn cluster(&self, job: &RealJob<'_>, arguments: &[String], say: &mut dyn FnMut(&str)) -> Result<(), String>;
}
