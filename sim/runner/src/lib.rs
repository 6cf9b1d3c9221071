//! The command line as a library: scenario files, run, sweep, replay, reports.
//!
//! A composition root collects roles, oracles and planted defects in a [`Registry`] and hands its
//! arguments to [`main`]. The runner knows no component and no host.

pub mod cli;
pub mod console;
pub mod crash_points;
pub mod debug;
pub mod determinism;
pub mod diagnostic;
pub mod draw;
pub mod engine;
pub mod exhaust;
pub mod exit;
pub mod explain;
pub mod explore;
pub mod judge;
pub mod liveness;
pub mod panics;
pub mod real;
pub mod recording;
pub mod registry;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod show;
pub mod shrink;
pub mod sweep;
pub mod token;
pub mod units;
pub mod verdict;
pub mod waits;

pub use console::Console;
pub use exit::Exit;
pub use judge::Judge;
pub use real::{Engine, RealJob, RealReport, RealWorld};
pub use registry::{DefectInfo, Extra, Registry};
pub use scenario::Scenario;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

/// The `stormproof` command over what `registry` knows, on the process's own streams.
pub fn main(registry: &Registry, real: Option<&dyn RealWorld>, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let named = |extra: &&Extra| args.get(1).is_some_and(|name| name == extra.name);
    if let Some(extra) = registry.extras.iter().find(named) {
        return (extra.main)(&args);
    }
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let live = stderr.is_terminal();
    // https://no-color.org: any value but the empty one means no colour.
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (mut out, mut err) = (stdout.lock(), stderr);
    let mut console = Console { out: &mut out, err: &mut err, colour, live };
    cli::execute(registry, real, args, &mut console).into()
}
