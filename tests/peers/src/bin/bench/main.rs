//! Runs the contestants of the kernel benchmark in turn and compares them.
//!
//! Every round starts each contestant once, one after the other, so that a machine that gets
//! slower for a while slows all of them; ratios are taken within a round and only then is their
//! median taken. Times come from inside the contestants, without process start.

mod arguments;
mod contestant;
mod floors;
mod measure;
mod plan;
mod report;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};

use arguments::Arguments;
use report::Report;

/// A floor was missed.
const MISSED: u8 = 1;
/// No floor was missed, but one could not be judged, because a contestant was not there.
const NOT_JUDGED: u8 = 2;
/// A contestant failed, or the command line was wrong.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run() -> Result<u8> {
    let arguments = Arguments::from_env()?;
    let contestants = contestant::all(&arguments)?;
    let report = Report {
        quick: arguments.quick,
        skipped: contestants.missing,
        sections: measure::measure(&contestants.present, &arguments)?,
        floors: Vec::new(),
    };
    let report = Report { floors: floors::judge(&report), ..report };
    print!("{}", table::render(&report));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(floors::exit_code(&report.floors))
}
