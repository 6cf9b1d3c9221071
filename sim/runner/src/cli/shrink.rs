//! `stormproof shrink`: from a failing run to the smallest scenario file that fails the same way.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long it takes is reported, never judged")]

use super::run::to_json;
use super::{Session, cores, record};
use crate::console::{Console, Tone};
use crate::exit::Exit;
use crate::scenario::Scenario;
use crate::shrink::{self, Options, Progress, Shrunk, Size};
use crate::units;
use crate::verdict::Seconds;
use clap::Args;
use contract::Time;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct ShrinkArgs {
    /// A scenario file, or the token that a failed run printed.
    token_or_file: String,
    /// The failing seed; the scenario's own, or 0, if left out. A token has its own.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// Writes the shrunk scenario there instead of to the standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Begins no run after so long; the file then says that it is the smallest so far.
    #[arg(long, default_value = "60s", value_parser = units::duration)]
    time: Duration,
    /// Worker threads; one a core if left out. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Writes a recording of the shrunk run there, for `replay` with a later build; its name ends with .recording.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// The machine-readable result; its keys are part of the command line's contract.
#[derive(Serialize)]
struct Report<'a> {
    scenario: &'a str,
    seed: u64,
    signature: &'a str,
    oracle: Option<&'a str>,
    before: Size,
    after: Size,
    runs: u64,
    seconds: Seconds,
    minimal: bool,
    file: Option<String>,
    text: &'a str,
}

/// Shrinks, writes the file, and says what became of it.
pub fn shrink(session: &mut Session<'_, '_>, args: &ShrinkArgs) -> Exit {
    let (scenario, seed) = match session.subject(&args.token_or_file, args.seed) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let options = Options { time: Some(args.time), jobs: cores(args.jobs) };
    let started = Instant::now();
    let result = {
        let console = &mut *session.console;
        let mut tell = |progress: Progress| tell(console, progress, started.elapsed());
        shrink::shrink(&scenario, session.registry, seed, &options, &mut tell)
    };
    let shrunk = match result {
        Ok(shrunk) => shrunk,
        Err(refusal) => {
            session.console.note(format!("error: {}", refusal.why()));
            return refusal.exit();
        }
    };
    if let Some(path) = &args.out
        && let Err(error) = std::fs::write(path, &shrunk.text)
    {
        return session.broken(format!("cannot write {}: {error}", path.display()));
    }
    if let Some(file) = &args.record
        && let Err(exit) = record::shrunk(session, file, &shrunk, args.out.as_deref())
    {
        return exit;
    }
    report(session, args, &scenario, &shrunk, started.elapsed());
    Exit::Passed
}

fn tell(console: &mut Console<'_>, progress: Progress, elapsed: Duration) {
    let Progress { dimension, before, after, runs } = progress;
    let seconds = elapsed.as_secs_f64();
    console.note(format!("{seconds:>7.1} s  {runs:>7} runs  {dimension:<12} {before:>6} -> {after}"));
}

fn report(session: &mut Session<'_, '_>, args: &ShrinkArgs, origin: &Scenario, shrunk: &Shrunk, elapsed: Duration) {
    let file = args.out.as_ref().map(|path| path.display().to_string());
    if args.json {
        let report = Report {
            scenario: &origin.path,
            seed: shrunk.seed,
            signature: &shrunk.signature,
            oracle: shrunk.oracle.as_deref(),
            before: shrunk.before,
            after: shrunk.after,
            runs: shrunk.runs,
            seconds: Seconds(contract::time::nanos(elapsed)),
            minimal: shrunk.minimal,
            file,
            text: &shrunk.text,
        };
        return session.console.say(to_json(&report));
    }
    let console = &mut *session.console;
    let Some(file) = file else {
        // The file alone, so that it can be piped.
        console.say(shrunk.text.trim_end());
        summary(shrunk, elapsed).into_iter().for_each(|line| console.note(line));
        return;
    };
    for line in summary(shrunk, elapsed) {
        console.say(line);
    }
    let line = if shrunk.minimal {
        console.paint(Tone::Good, "certified 1-minimal: no single removal still fails")
    } else {
        console.paint(Tone::Doubtful, "not certified: the time was up, this is the smallest so far (see --time)")
    };
    console.say(line);
    session.say_command("replay: ", &format!("stormproof replay {file}"));
}

/// Sizes before and after, a line each.
fn summary(shrunk: &Shrunk, elapsed: Duration) -> Vec<String> {
    let mut lines = vec![format!("{}", shrunk.signature), format!("{:<14} {:>10} {:>10}", "", "before", "after")];
    for ((name, before), (_, after)) in shrunk.before.rows().into_iter().zip(shrunk.after.rows()) {
        lines.push(format!("{name:<14} {before:>10} {after:>10}"));
    }
    let time = |nanos: u64| Time(nanos).to_string();
    let (before, after) = (time(shrunk.before.virtual_time), time(shrunk.after.virtual_time));
    lines.push(format!("{:<14} {before:>10} {after:>10}", "virtual time"));
    lines.push(format!("{} runs in {:.1} s", shrunk.runs, elapsed.as_secs_f64()));
    lines
}
