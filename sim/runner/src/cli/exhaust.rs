//! `stormproof exhaust`: all short sequences of a file protocol's operations, with every crash; or the first
//! that breaks a promise.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "how long it takes is reported, never judged")]

use super::Session;
use super::run::to_json;
use crate::console::{Console, Tone};
use crate::exhaust::{Counts, Crash, Failure, Options, Report, Subject};
use crate::exit::Exit;
use clap::Args;
use kernel::Profile;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line of progress so often.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct ExhaustArgs {
    /// File protocols, or `all`; if left out, they are listed.
    names: Vec<String>,
    /// Operations in the longest sequences.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    length: u8,
    /// What a power loss may leave: a file system's profile, or `all`.
    #[arg(long, default_value = "posix-min", value_parser = Profiles::parse)]
    profile: Profiles,
    /// States tried at one crash point, at most. Those left out are counted, and the certificate is not complete.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    states: u32,
    /// Leaves out the sequences in which one call finds no space.
    #[arg(long)]
    no_refusals: bool,
    /// Prints a JSON object for each protocol and profile, and nothing else.
    #[arg(long)]
    json: bool,
}

/// The profiles of one call, by their words.
#[derive(Clone)]
struct Profiles(Vec<(&'static str, Profile)>);

impl Profiles {
    fn parse(word: &str) -> Result<Profiles, String> {
        let wanted = |(name, _): &(&str, Profile)| word == "all" || *name == word;
        let found: Vec<_> = Profile::ALL.into_iter().filter(wanted).collect();
        if found.is_empty() {
            let known = Profile::ALL.map(|(name, _)| name).join(", ");
            return Err(format!("no such profile; known: {known}, all"));
        }
        Ok(Profiles(found))
    }
}

/// One protocol under one profile.
struct Trial<'a> {
    subject: &'a dyn Subject,
    profile: &'static str,
    options: Options,
}

/// Lists the protocols, or tries those that are named.
pub fn exhaust(session: &mut Session<'_, '_>, args: &ExhaustArgs) -> Exit {
    let known = session.registry.file_protocols.clone();
    if args.names.is_empty() {
        return list(session.console, &known, args.json);
    }
    let mut chosen = Vec::new();
    for name in &args.names {
        let found: Vec<&Arc<dyn Subject>> =
            known.iter().filter(|subject| name == "all" || subject.name() == name).collect();
        if found.is_empty() {
            let names: Vec<&str> = known.iter().map(|subject| subject.name()).collect();
            return session.refused(format!("no file protocol `{name}`; known: {}", names.join(", ")));
        }
        chosen.extend(found);
    }
    let mut exit = Exit::Passed;
    for subject in chosen {
        for (profile, value) in &args.profile.0 {
            let options = Options {
                length: usize::from(args.length),
                profile: *value,
                states_max: args.states as usize,
                refusals: !args.no_refusals,
            };
            exit = exit.or_graver(try_one(session, &Trial { subject: &**subject, profile, options }, args.json));
        }
    }
    exit
}

fn list(console: &mut Console<'_>, known: &[Arc<dyn Subject>], as_json: bool) -> Exit {
    if as_json {
        let object = |subject: &Arc<dyn Subject>| json!({ "name": subject.name(), "about": subject.about() });
        console.say(to_json(&known.iter().map(object).collect::<Vec<Value>>()));
        return Exit::Passed;
    }
    for subject in known {
        console.say(format!("{:<18} {}", subject.name(), subject.about()));
    }
    Exit::Passed
}

fn try_one(session: &mut Session<'_, '_>, trial: &Trial<'_>, as_json: bool) -> Exit {
    let started = Instant::now();
    let mut last = started;
    let report = {
        let err = &mut *session.console.err;
        trial.subject.explore(&trial.options, &mut |counts| {
            if last.elapsed() >= LINE_EVERY {
                last = Instant::now();
                let Counts { sequences, states, recoveries, .. } = counts;
                let seconds = started.elapsed().as_secs();
                let _ =
                    writeln!(err, "{seconds:>6} s  {sequences} sequences, {states} states, {recoveries} recoveries");
            }
        })
    };
    let exit = match &report.failure {
        Some(_) => Exit::Violated,
        None if report.counts.omitted > 0 => Exit::Vacuous,
        None => Exit::Passed,
    };
    let seconds = started.elapsed().as_secs_f64();
    if as_json {
        session.console.say(to_json(&object(trial, &report, exit, seconds)));
        return exit;
    }
    say(session.console, trial, &report, seconds);
    if report.failure.is_some() {
        let Trial { subject, profile, options } = trial;
        let refusals = if options.refusals { "" } else { " --no-refusals" };
        let command = format!("exhaust {} --length {} --profile {profile}{refusals}", subject.name(), options.length);
        session.say_command("replay: ", &command);
    }
    exit
}

fn say(console: &mut Console<'_>, trial: &Trial<'_>, report: &Report, seconds: f64) {
    let Counts { sequences, points, states, recoveries, second, omitted } = report.counts;
    let name = console.paint(Tone::Strong, trial.subject.name());
    let refusals = if trial.options.refusals { ", one call refused" } else { "" };
    console.say(format!("{name}  up to {} operations{refusals}, under {}", trial.options.length, trial.profile));
    console.say(format!("  {sequences} sequences, {points} crash points, {states} states after a crash"));
    console.say(format!("  {recoveries} different recoveries, {second} states after a second crash, {seconds:.1} s"));
    if let Some(failure) = &report.failure {
        say_failure(console, failure);
        return;
    }
    if omitted > 0 {
        let word = console.paint(Tone::Doubtful, "CUT SHORT");
        let limit = trial.options.states_max;
        console
            .say(format!("  {word}  {omitted} states left out beyond {limit} a point: no certificate (see --states)"));
        return;
    }
    let word = console.paint(Tone::Good, "RECOVERED");
    console.say(format!("  {word}  {states} of {states} states, {second} of {second} after a second crash"));
}

fn say_failure(console: &mut Console<'_>, failure: &Failure) {
    let word = console.paint(Tone::Bad, "NOT RECOVERED");
    console.say(format!("  {word}  first, and with no shorter sequence:"));
    if failure.steps.is_empty() {
        console.say("    no operation");
    }
    for step in &failure.steps {
        console.say(format!("    {step}"));
    }
    say_crash(console, failure.crash.as_ref());
    for what in &failure.then {
        console.say(format!("    {what}"));
    }
    say_crash(console, failure.second.as_ref());
    if !failure.found.is_empty() {
        console.say(format!("    the recovery read back {}", failure.found));
    }
    let why = console.paint(Tone::Bad, &failure.why);
    console.say(format!("    {why}"));
}

fn say_crash(console: &mut Console<'_>, crash: Option<&Crash>) {
    let Some(crash) = crash else { return };
    console.say(format!("    {}", crash.place));
    for change in &crash.changes {
        console.say(format!("      {change}"));
    }
}

fn object(trial: &Trial<'_>, report: &Report, exit: Exit, seconds: f64) -> Value {
    let crash = |crash: &Crash| json!({ "place": crash.place, "changes": crash.changes });
    let failure = report.failure.as_ref().map(|failure| {
        json!({
            "steps": failure.steps,
            "crash": failure.crash.as_ref().map(crash),
            "then": failure.then,
            "second_crash": failure.second.as_ref().map(crash),
            "found": failure.found,
            "why": failure.why,
        })
    });
    let counts = &report.counts;
    json!({
        "protocol": trial.subject.name(),
        "profile": trial.profile,
        "length": trial.options.length,
        "refusals": trial.options.refusals,
        "states_max": trial.options.states_max,
        "verdict": exit.word(),
        "exit": exit.code(),
        "sequences": counts.sequences,
        "points": counts.points,
        "states": counts.states,
        "recoveries": counts.recoveries,
        "second": counts.second,
        "omitted": counts.omitted,
        "wall_time": seconds,
        "failure": failure,
    })
}
