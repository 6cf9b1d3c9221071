//! `stormproof explore`: seed after seed of one scenario under a strategy, until a budget is spent.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long it takes is reported, never judged")]

use super::run::to_json;
use super::{Session, cores};
use crate::console::Tone;
use crate::exit::Exit;
use crate::explore::search::{self, Budget, Failure, Found, Options};
use crate::explore::{Lessons, Strategy, lessons};
use crate::scenario::Scenario;
use crate::show;
use crate::sweep::interrupt::Interrupt;
use crate::units;
use crate::verdict::Seconds;
use clap::Args;
use contract::time::nanos;
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct ExploreArgs {
    /// The scenario file.
    file: String,
    /// How runs are chosen.
    #[arg(long, value_enum, default_value_t = Strategy::Pct)]
    strategy: Strategy,
    /// How long: events, as in `1000000events`, or time, as in `60s`.
    #[arg(long, default_value = "1000000events", value_parser = budget)]
    budget: Budget,
    /// The first seed.
    #[arg(long, env = "STORMPROOF_SEED", default_value_t = 0)]
    seed: u64,
    /// Worker threads; one a core if left out. Only a budget of time lets results depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Goes on after a failure: a negative scenario otherwise ends with its first.
    #[arg(long)]
    all: bool,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// The machine-readable result; its keys are part of the command line's contract.
#[derive(Serialize)]
struct Report<'a> {
    scenario: &'a str,
    strategy: &'static str,
    verdict: &'static str,
    exit: u8,
    first_seed: u64,
    seeds: u64,
    runs: u64,
    events: u64,
    lesson_events: u64,
    states_known: usize,
    states_new: u64,
    seconds: Seconds,
    failures: Vec<FailureReport<'a>>,
}

#[derive(Serialize)]
struct FailureReport<'a> {
    signature: &'a str,
    oracle: Option<&'a str>,
    seeds: u64,
    after_runs: u64,
    after_events: u64,
    replay: String,
}

/// Searches and reports; replay lines are the last.
pub fn explore(session: &mut Session<'_, '_>, args: &ExploreArgs) -> Exit {
    let scenario = match session.load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return session.broken(format!("cannot listen for Ctrl-C: {error}")),
    };
    let lessons = match lessons::learn(&scenario, session.registry) {
        Ok(lessons) => lessons,
        Err(error) => return session.refused(error),
    };
    let options = Options {
        strategy: args.strategy,
        seed: args.seed,
        budget: args.budget,
        jobs: cores(args.jobs),
        until_failure: scenario.is_negative() && !args.all,
    };
    let started = Instant::now();
    let flag = interrupt.flag();
    let result = {
        let console = &mut *session.console;
        let (live, mut told) = (console.live, Instant::now());
        let mut tell = |found: &Found| {
            if live && told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                console.note(line(found));
            }
            !flag.load(Relaxed)
        };
        search::search(&scenario, session.registry, &lessons, &options, &mut tell)
    };
    let found = match result {
        Ok(found) => found,
        Err(error) => return session.refused(error),
    };
    let exit = outcome(&scenario, &found);
    if args.json {
        let report = report(&scenario, &options, &lessons, &found, started.elapsed(), exit);
        session.console.say(to_json(&report));
    } else {
        say(session, &scenario, &options, &lessons, &found, exit);
    }
    exit
}

/// The gravest failure; of a negative scenario, whether its defect was caught as stated.
fn outcome(scenario: &Scenario, found: &Found) -> Exit {
    if !scenario.is_negative() {
        return found.failures.values().fold(Exit::Passed, |exit, failure| exit.or_graver(failure.first.exit));
    }
    match found.first() {
        None => Exit::Violated,
        Some(first) if scenario.expect.caught_by.is_none_or(|by| first.first.oracle.as_deref() == Some(by)) => {
            Exit::Passed
        }
        Some(first) => Exit::Violated.or_graver(first.first.exit),
    }
}

fn line(found: &Found) -> String {
    let Found { seeds, runs, events, states, failures } = found;
    format!("{seeds} seeds, {runs} runs, {events} events, {states} new states, {} signatures", failures.len())
}

fn in_order(found: &Found) -> Vec<(&String, &Failure)> {
    let mut failures: Vec<(&String, &Failure)> = found.failures.iter().collect();
    failures.sort_by_key(|(_, failure)| failure.events);
    failures
}

fn say(
    session: &mut Session<'_, '_>,
    scenario: &Scenario,
    options: &Options,
    lessons: &Lessons,
    found: &Found,
    exit: Exit,
) {
    let (path, strategy, states) = (&scenario.path, options.strategy.name(), lessons.seen.count());
    session.console.say(format!("{path}: {strategy}, {states} states known from {} lessons", lessons::RUNS));
    session.console.say(line(found));
    for (signature, failure) in in_order(found) {
        let tone = if scenario.is_negative() { Tone::Faint } else { Tone::Bad };
        let signature = session.console.paint(tone, signature);
        session.console.say(signature);
        let Failure { count, first, runs, events } = failure;
        session
            .console
            .say(format!("  {count} seeds; first after {runs} runs and {events} events, seed {}", first.seed));
        for fact in &first.facts {
            session.console.say(format!("  {fact}"));
        }
    }
    if scenario.is_negative() {
        let defect = scenario.expect.defect.unwrap_or_default();
        let by = found.first().map(|failure| failure.first.oracle.as_deref().unwrap_or(failure.first.exit.word()));
        session.console.say(match by {
            Some(by) => format!("defect {defect} caught by {by}"),
            None => format!("defect {defect} was missed: give it more with --budget"),
        });
    }
    let word = session.console.paint(show::tone(exit), exit.word().to_uppercase().replace('_', " "));
    session.console.say(word);
    for (_, failure) in in_order(found) {
        session.say_command("replay: ", &failure.first.replay());
    }
}

fn report<'a>(
    scenario: &'a Scenario,
    options: &Options,
    lessons: &Lessons,
    found: &'a Found,
    elapsed: Duration,
    exit: Exit,
) -> Report<'a> {
    let failure = |(signature, failure): (&'a String, &'a Failure)| FailureReport {
        signature,
        oracle: failure.first.oracle.as_deref(),
        seeds: failure.count,
        after_runs: failure.runs,
        after_events: failure.events,
        replay: failure.first.replay(),
    };
    Report {
        scenario: &scenario.path,
        strategy: options.strategy.name(),
        verdict: exit.word(),
        exit: exit.code(),
        first_seed: options.seed,
        seeds: found.seeds,
        runs: found.runs,
        events: found.events,
        lesson_events: lessons.events,
        states_known: lessons.seen.count(),
        states_new: found.states,
        seconds: Seconds(nanos(elapsed)),
        failures: in_order(found).into_iter().map(failure).collect(),
    }
}

/// Reads `1000000events` or a duration.
fn budget(text: &str) -> Result<Budget, String> {
    if let Some(count) = text.strip_suffix("events") {
        let events = count.trim().parse::<u64>().ok().filter(|events| *events > 0);
        return events
            .map(Budget::Events)
            .ok_or_else(|| format!("`{count}` is no number of events: write 1000000events"));
    }
    units::duration(text)
        .map(Budget::Time)
        .map_err(|why| format!("{why}; or write a number of events, as in 1000000events"))
}
