//! `stormproof sweep`: runs, groups, writes files, and ends with what to do next.

use super::run::to_json;
use super::{Session, cores, record};
use crate::console::Tone;
use crate::exit::Exit;
use crate::explore::Strategy;
use crate::scenario::Scenario;
use crate::show;
use crate::sweep::findings::{self, Effort, FINDINGS_MAX};
use crate::sweep::interrupt::Interrupt;
use crate::sweep::journal::{self, Past};
use crate::sweep::progress::Progress;
use crate::sweep::queue::Posting;
use crate::sweep::summary::{Summary, Sums};
use crate::sweep::tally::Tally;
use crate::sweep::{self, CHUNK, Options, Shard, github, junit};
use crate::token;
use crate::units;
use clap::Args;
use contract::time::Duration;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct SweepArgs {
    /// Scenario files, or folders whose *.toml files are taken in the order of their names.
    #[arg(required = true)]
    paths: Vec<String>,
    /// Seeds A..B, B left out; each scenario's own, or 0..1000, if left out.
    #[arg(long, value_parser = units::seeds)]
    seeds: Option<Range<u64>>,
    /// How each seed's run is chosen; see `stormproof explore`.
    #[arg(long, value_enum, default_value_t = Strategy::Uniform)]
    strategy: Strategy,
    /// Goes on from the first seed for so long, one chunk of each scenario after the other.
    #[arg(long, value_parser = units::duration)]
    time: Option<Duration>,
    /// Worker threads; one a core if left out. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Posts ranges of seeds to this NATS JetStream server, for `stormproof worker` on any number of machines, and
    /// collects what they find.
    #[arg(long, value_name = "URL", conflicts_with = "jobs")]
    queue: Option<String>,
    /// Seeds that a worker takes from the queue at once.
    #[arg(long, value_name = "N", default_value_t = 64, requires = "queue",
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    range: u64,
    /// Only the I-th of N parts of the seeds, I from 1.
    #[arg(long, value_parser = Shard::parse, value_name = "I/N")]
    shard: Option<Shard>,
    /// Writes into this folder: results.jsonl, a JSON object a run, and failures/, a folder for each signature with
    /// its smallest scenario, its report, its token and its facts.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Goes on with the sweep whose results are in --out, or begins it. --time then counts afresh.
    #[arg(long, requires = "out")]
    resume: bool,
    /// Writes a recording of the first failure there, for `replay` with a later build; its name ends with .recording.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// So long each signature's first failure is shrunk, for --out and --save-regressions; 0 leaves it as it is.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_or_zero)]
    shrink_time: Duration,
    /// Saves each new signature's smallest scenario in a folder of its own, and never overwrites one there.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "scenarios/regress")]
    save_regressions: Option<PathBuf>,
    /// Goes round the scenarios until the chance that a run shows something new is below this, for each of them.
    #[arg(long, value_name = "CHANCE", num_args = 0..=1, require_equals = true, default_missing_value = "1e-3",
          value_parser = chance)]
    until_quiet: Option<f64>,
    /// A run that takes longer on this machine's clock is given up and is a failure (exit 3); 0 for no limit.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time_or_zero)]
    run_limit: Duration,
    /// Writes JUnit XML, a test case a scenario.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Prints GitHub annotations, and writes the job's summary where GITHUB_STEP_SUMMARY says.
    #[arg(long)]
    github: bool,
    /// Prints a JSON object for each failed run, and one for the sweep at the end.
    #[arg(long)]
    json: bool,
    /// Stops after so many failed runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after_failures: Option<u64>,
    /// Each seed that N divides runs twice and must do the same; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 256)]
    recheck: u64,
    /// Where GitHub wants the summary.
    #[arg(long, env = "GITHUB_STEP_SUMMARY", hide = true)]
    github_summary: Option<PathBuf>,
}

/// Runs the sweep and reports.
pub fn sweep(session: &mut Session<'_, '_>, args: &SweepArgs) -> Exit {
    let scenarios = match session.load_all(&args.paths) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return session.broken(format!("cannot listen for Ctrl-C: {error}")),
    };
    let mut options = options(args, &interrupt);
    let header = journal::header(&scenarios, &options);
    if let Some(url) = &args.queue {
        match session.queue(url) {
            Ok(queue) => options.queue = Some(Posting { queue, header: header.clone() }),
            Err(exit) => return exit,
        }
    }
    let (past, results) = match results(args, &header) {
        Ok(results) => results,
        Err(why) => return session.refused(why),
    };
    let console = &mut *session.console;
    let mut progress = Progress::new(&mut *console.err, console.live);
    if let Some(results) = results {
        progress.results(Box::new(results));
    }
    if args.json {
        progress.failures(&mut *console.out);
    }
    let swept = sweep::sweep(&scenarios, session.registry, &options, past, &mut progress);
    let ended = progress.end();
    let (tallies, wall) = match (swept, ended) {
        (Ok(tallies), Ok(wall)) => (tallies, wall),
        (Err(why), _) => return session.broken(why),
        (_, Err(error)) => return session.broken(format!("cannot write results: {error}")),
    };
    let exit = tallies.iter().fold(Exit::Passed, |exit, tally| exit.or_graver(tally.outcome().0));
    let kept = keep(session, args, &scenarios, &tallies, &interrupt);
    report(session, args, &tallies, wall, exit);
    if interrupt.was_asked() {
        how_to_go_on(session, args);
    }
    match kept.and_then(|()| write_reports(session, args, &tallies)) {
        Ok(()) => exit,
        Err(why) => exit.or_graver(session.broken(why)),
    }
}

fn options(args: &SweepArgs, interrupt: &Interrupt) -> Options {
    Options {
        seeds: args.seeds.clone(),
        time: args.time,
        jobs: cores(args.jobs),
        chunk: if args.queue.is_some() { args.range } else { CHUNK },
        queue: None,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        recheck: args.recheck,
        stop_after: args.stop_after_failures,
        quiet_below: args.until_quiet,
        run_limit: Some(args.run_limit).filter(|limit| !limit.is_zero()),
        strategy: args.strategy,
        interrupted: interrupt.flag(),
    }
}

/// What an earlier part of the sweep found, and where the results go.
fn results(args: &SweepArgs, header: &serde_json::Value) -> Result<(Option<Past>, Option<impl Write + use<>>), String> {
    let Some(folder) = &args.out else { return Ok((None, None)) };
    if args.resume {
        return journal::resume(folder, header).map(|(past, out)| (past, Some(out)));
    }
    journal::begin(folder, header).map(|out| (None, Some(out)))
}

/// Shrinks and explains the first failure of each signature, where somebody wants to keep it.
fn keep(
    session: &mut Session<'_, '_>,
    args: &SweepArgs,
    scenarios: &[Scenario],
    tallies: &[Tally],
    interrupt: &Interrupt,
) -> Result<(), String> {
    let findings = findings::all(scenarios, tallies);
    if let (Some(file), Some(first)) = (&args.record, findings.iter().find(|finding| finding.repeats()))
        && record::failure(session, file, first.scenario, first.verdict).is_err()
    {
        return Err(format!("the first failure is not in {}", file.display()));
    }
    let folder = args.out.as_ref().map(|out| out.join(journal::FAILURES));
    if folder.is_none() && args.save_regressions.is_none() {
        return Ok(());
    }
    let effort = Effort { time: args.shrink_time, jobs: cores(args.jobs) };
    if findings.len() > FINDINGS_MAX {
        let (all, kept) = (findings.len(), FINDINGS_MAX);
        session.console.note(format!("{all} signatures: only the first {kept} are shrunk and kept"));
    }
    for finding in findings.iter().take(FINDINGS_MAX) {
        if interrupt.was_asked() {
            return Ok(());
        }
        let wanted = args.save_regressions.as_deref().filter(|_| !finding.scenario.is_negative());
        if folder.is_none() && wanted.is_none() {
            continue;
        }
        session.console.note(format!("shrinking {} (seed {})", finding.name(), finding.verdict.seed));
        let minimal = finding.minimal(folder.as_deref(), session.registry, effort);
        if let Some(folder) = &folder {
            finding.write(folder, &minimal, session.registry)?;
            session.console.note(format!("kept in {}", folder.join(finding.name()).display()));
        }
        match (wanted, &minimal) {
            (Some(folder), Ok(text)) => match finding.save(folder, text, session.registry)? {
                Some(path) => session.console.note(format!("saved {}", path.display())),
                None => session.console.note(format!("{} has it already", folder.display())),
            },
            (Some(_), Err(why)) => session.console.note(format!("no regression saved: {why}")),
            (None, _) => {}
        }
    }
    Ok(())
}

/// What to type after Ctrl-C.
fn how_to_go_on(session: &mut Session<'_, '_>, args: &SweepArgs) {
    if args.out.is_none() {
        session.console.note("interrupted: a sweep with --out DIR can be resumed");
        return;
    }
    let mut arguments: Vec<String> =
        session.arguments.iter().map(|argument| token::quoted_for_shell(argument)).collect();
    if !args.resume {
        arguments.push("--resume".to_owned());
    }
    session.console.note(format!("interrupted; go on with: {} {}", session.program, arguments.join(" ")));
}

/// A duration, or plain `0`.
fn time_or_zero(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { units::duration(text) }
}

/// A probability that can be fallen below.
fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse::<f64>().ok().filter(|chance| *chance > 0.0 && *chance < 1.0);
    chance.ok_or_else(|| format!("`{text}` is not a chance: write a number above 0 and below 1, as in 1e-3"))
}

fn report(session: &mut Session<'_, '_>, args: &SweepArgs, tallies: &[Tally], wall: Duration, exit: Exit) {
    if args.json {
        session.console.say(to_json(&Summary::new(tallies, wall, exit)));
        return;
    }
    for tally in tallies {
        show_tally(session, tally);
    }
    let sums = Sums::new(tallies);
    let per_second = sums.runs as f64 / wall.as_secs_f64().max(1e-9);
    session.console.say("");
    show::faults(session.console, &sums.faults);
    let marks: Vec<String> = sums.coverage.iter().map(|(mark, count)| format!("{mark} {count}")).collect();
    if !marks.is_empty() {
        session.console.say(format!("marks {}", marks.join(", ")));
    }
    let word = session.console.paint(show::tone(exit), exit.word().to_uppercase().replace('_', " "));
    let seconds = wall.as_secs_f64();
    session.console.say(format!(
        "{word}  {} runs in {seconds:.1} s ({per_second:.0} a second), {} events",
        sums.runs, sums.events
    ));
    for tally in tallies {
        for (_, group) in tally.failures() {
            session.say_command("replay: ", &group.first.replay());
        }
    }
}

fn show_tally(session: &mut Session<'_, '_>, tally: &Tally) {
    let (exit, why) = tally.outcome();
    let word = session.console.paint(show::tone(exit), format!("{:<17}", exit.word().to_uppercase().replace('_', " ")));
    session.console.say(format!("{word} {}  {}", tally.path, junit::summary(tally)));
    for line in why {
        session.console.say(format!("  {line}"));
    }
    if let Some(warnings) = tally.warnings() {
        let line = session.console.paint(Tone::Doubtful, format!("  {warnings}"));
        session.console.say(line);
    }
    if let Some(rarity) = tally.rarity() {
        session.console.say(format!("  {rarity}"));
    }
    for (signature, group) in tally.failures() {
        let signature = session.console.paint(if tally.is_negative() { Tone::Faint } else { Tone::Bad }, signature);
        session.console.say(format!("  {signature}"));
        session.console.say(format!("    {} runs, first seed {}", group.count, group.first.seed));
        for fact in &group.first.facts {
            session.console.say(format!("    {fact}"));
        }
    }
}

fn write_reports(session: &mut Session<'_, '_>, args: &SweepArgs, tallies: &[Tally]) -> Result<(), String> {
    if let Some(path) = &args.junit {
        write(path, false, &junit::document(tallies))?;
    }
    if args.github {
        for line in github::annotations(tallies) {
            session.console.say(line);
        }
        if let Some(path) = &args.github_summary {
            write(path, true, &github::summary(tallies))?;
        }
    }
    Ok(())
}

fn write(path: &Path, append: bool, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
