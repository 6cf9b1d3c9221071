//! What the composition root offers so that the same scenario runs on real processes, and a sweep on many machines.
//!
//! The runner knows no host. It reads the scenario, draws the seed, builds the plan and keeps the judges;
//! the real world starts processes, strikes them, heals them and hands over what they state. It also reaches the
//! queue over which machines share a sweep.

use crate::draw::Drawn;
use crate::judge::Judge;
use crate::scenario::Scenario;
use crate::sweep::queue::WorkQueue;
use contract::ProcessId;
use contract::time::Duration;
use kernel::{FaultCount, FaultKind};
use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// An outside service that takes the place of a role's own processes in a real run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The role, as in the scenario file.
    pub role: String,
    /// The service; the composition root knows the schemes.
    pub url: String,
}

impl FromStr for Engine {
    type Err = String;
    fn from_str(text: &str) -> Result<Engine, String> {
        match text.split_once('=') {
            Some((role, url)) if !role.is_empty() && url.contains("://") => {
                Ok(Engine { role: role.to_owned(), url: url.to_owned() })
            }
            _ => Err("write ROLE=SCHEME://HOST:PORT, for example rcs=etcd://127.0.0.1:2379".to_owned()),
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.role, self.url)
    }
}

/// A scenario with one seed, about to run on real processes.
pub struct RealJob<'a> {
    /// The file, for child processes that read it again.
    pub path: &'a Path,
    /// What it says.
    pub scenario: &'a Scenario,
    /// What the seed decided: plan, knobs, faults.
    pub drawn: &'a Drawn,
    /// Which roles an outside service stands in for; each is one of the scenario's.
    pub engines: &'a [Engine],
}

/// How a real run went; the judge knows what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealReport {
    /// From the first process's start to the end.
    pub elapsed: Duration,
    /// Asked and fired, for the kinds that really struck or were tried.
    pub faults: Vec<(FaultKind, FaultCount)>,
    /// What was asked for and cannot be done by this machine or this host, as sentences: shown, never silent.
    pub skipped: Vec<String>,
    /// Processes that ended by a panic, each with the last words of its error output.
    pub panics: Vec<(String, String)>,
    /// Whether [`Judge::converged`] held after healing, in time.
    pub converged: bool,
}

/// Real processes, as the composition root builds them over a host.
///
/// An error is a sentence about the machine, not about the system under test: exit code 7.
pub trait RealWorld {
    /// Runs the whole cluster: strikes it for at most `drawn.safety` or until [`Judge::is_quiescent`], heals
    /// it, and waits for [`Judge::converged`] for at most `limits.liveness`. Every mark of the run goes to
    /// [`Judge::observe`] once, in the order of time; `judge` may be cloned to look ahead. `say` shows progress.
    fn run(&self, job: &RealJob<'_>, judge: &mut Judge, say: &mut dyn FnMut(&str)) -> Result<RealReport, String>;

    /// Runs one process of the plan in this operating-system process, which ends with that process's own
    /// exit status; it returns only if the process cannot begin.
    fn node(&self, job: &RealJob<'_>, process: ProcessId) -> Result<Infallible, String>;

    /// Runs all processes of the plan on this machine, without faults and judges, until every client is done.
    fn cluster(&self, job: &RealJob<'_>, judge: &mut Judge, say: &mut dyn FnMut(&str)) -> Result<(), String>;

    /// The work queue at this URL.
    fn queue(&self, url: &str) -> Result<Arc<dyn WorkQueue>, String>;
}
