//! `stormproof crash-points`: a certificate that every crash of a run is recovered from, or the first that is not.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long it takes is reported, never judged")]

use super::run::to_json;
use super::{Session, cores};
use crate::crash_points::{Base, Blow, Options, Progress, Second, Weather, certify, once};
use crate::determinism;
use crate::exit::Exit;
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::show;
use crate::units;
use clap::Args;
use kernel::TraceLine;
use std::time::{Duration, Instant};

mod json;
mod report;

/// Events shown before the first crash and after the last.
const AROUND: (usize, usize) = (12, 30);
/// A line of progress so often.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct CrashPointsArgs {
    /// The scenario file.
    file: String,
    /// The root of all random choices; the scenario's own, or 0, if left out.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Second crashes inside recoveries: at most so many, spread evenly and drawn from the seed, or `all`.
    #[arg(long, value_name = "SAMPLE", default_value = "20000", value_parser = Second::parse)]
    second: Second,
    /// Samples of what a power loss leaves of unsynced changes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    variants: u32,
    /// Which of the scenario's faults stay on: `quiet` for none, `helping` for those that the seed draws except
    /// crashes, `drawn` for all that it draws. If left out, quiet; helping for a scenario with a defect.
    #[arg(long, value_parser = Weather::from_word)]
    faults: Option<Weather>,
    /// Worker threads; one a core if left out. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Begins no boundary after so long; a certificate that is not complete exits 6.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    limit_time: Option<Duration>,
    /// Only this boundary, as a failed certificate prints it, with the trace around it.
    #[arg(long, value_name = "TOKEN")]
    at: Option<String>,
}

/// What is certified.
struct Subject<'s> {
    scenario: &'s Scenario,
    seed: u64,
    weather: Weather,
}

impl Subject<'_> {
    /// The command that strikes these boundaries again, or all of them.
    fn command(&self, blows: &[Blow], base: &Base) -> String {
        let Subject { scenario, seed, weather } = self;
        let mut command = format!("stormproof crash-points {} --seed {seed}", scenario.path);
        if *weather != Weather::usual(scenario) {
            command += &format!(" --faults {}", weather.word());
        }
        if !blows.is_empty() {
            command += &format!(" --at {}", Blow::write_all(blows, &base.drawn.plan));
        }
        command
    }
}

/// Runs the base, then strikes it; the replay line is the last.
pub fn crash_points(session: &mut Session<'_, '_>, args: &CrashPointsArgs) -> Exit {
    let scenario = match session.load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let seed = args.seed.or(scenario.seed).unwrap_or(0);
    let weather = args.faults.unwrap_or_else(|| Weather::usual(&scenario));
    let subject = Subject { scenario: &scenario, seed, weather };
    let base = match Base::new(&scenario, session.registry, seed, weather, Keep::LITTLE) {
        Ok(base) => base,
        Err(error) => return session.refused(error),
    };
    if let Some(token) = &args.at {
        return strike_one(session, &subject, &base, token, args.json);
    }
    if !args.json {
        report::head(session.console, &subject, &base);
    }
    let exit = base.verdict.exit;
    if base.verdict.failed() || !base.verdict.idle.is_empty() || base.boundaries.list.is_empty() {
        report::not_struck(session, &subject, &base, args.json);
        return if exit == Exit::Passed { Exit::Vacuous } else { exit };
    }
    let options =
        Options { variants: args.variants, second: args.second, jobs: cores(args.jobs), limit: args.limit_time };
    let started = Instant::now();
    let certificate = {
        let (mut last, console) = (started, &mut *session.console);
        let mut tick = |progress: Progress| {
            if last.elapsed() >= LINE_EVERY {
                last = Instant::now();
                let what = if progress.second { "second crashes" } else { "boundaries" };
                let (seconds, Progress { done, of, .. }) = (started.elapsed().as_secs(), progress);
                let _ = writeln!(console.err, "{seconds:>6} s  {done} of {of} {what}");
            }
        };
        certify(&scenario, session.registry, &base, &options, &mut tick)
    };
    report::certificate(session, &subject, &base, &certificate, started.elapsed(), args.json)
}

/// Strikes the boundaries of a token and shows what happens around them.
fn strike_one(session: &mut Session<'_, '_>, subject: &Subject<'_>, base: &Base, token: &str, json: bool) -> Exit {
    let blows = match Blow::read_all(token, &base.drawn.plan) {
        Ok(blows) => blows,
        Err(why) => return session.refused(why),
    };
    let struck = match once(subject.scenario, session.registry, subject.seed, subject.weather, &blows) {
        Ok(struck) => struck,
        Err(error) => return session.refused(error),
    };
    let verdict = &struck.finished.verdict;
    if json {
        session.console.say(to_json(verdict));
        return verdict.exit;
    }
    let trace = struck.finished.world.trace();
    for line in around(&trace, &struck.events) {
        session.console.say(determinism::line(line));
    }
    session.console.say("");
    for (blow, met) in blows.iter().zip(&struck.met) {
        let line = match met {
            Some(boundary) => report::blow_line(boundary, blow, base),
            None => format!("{} meets no boundary any more: file or code have changed", blow.moment),
        };
        session.console.say(line);
    }
    show::verdict(session.console, verdict, &trace);
    session.say_command("replay: ", &subject.command(&blows, base));
    verdict.exit
}

/// The events from shortly before the first crash until shortly after the last.
fn around<'t>(trace: &'t [TraceLine], events: &[u64]) -> &'t [TraceLine] {
    let index = |event: u64| trace.partition_point(|line| line.event <= event);
    let first = events.first().map_or(0, |event| index(*event)).saturating_sub(AROUND.0);
    let last = events.last().map_or(0, |event| index(*event) + AROUND.1).min(trace.len());
    &trace[first.min(last)..last]
}
