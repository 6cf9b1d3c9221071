//! `stormproof sweep`: runs, groups, writes files, and ends with what to do next.

use super::run::to_json;
use super::{Session, SweepArgs, cores};
use crate::console::Tone;
use crate::exit::Exit;
use crate::show;
use crate::sweep::progress::Progress;
use crate::sweep::tally::Tally;
use crate::sweep::{self, Options, Shard, github, junit};
use crate::verdict::{Faults, Seconds};
use contract::Time;
use contract::time::{Duration, nanos};
use kernel::{FaultCount, FaultKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Runs the sweep and reports.
pub fn sweep(session: &mut Session<'_, '_>, args: &SweepArgs) -> Exit {
    let scenarios = match session.load_all(&args.paths) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let options = Options {
        seeds: args.seeds.clone(),
        time: args.time,
        jobs: cores(args.jobs),
        shard: args.shard.unwrap_or(Shard::WHOLE),
        recheck: args.recheck,
        stop_after: args.stop_after_failures,
    };
    let results = match args.out.as_deref().map(results).transpose() {
        Ok(results) => results,
        Err(error) => return session.broken(format!("cannot write results: {error}")),
    };
    let console = &mut *session.console;
    let mut progress = Progress::new(&mut *console.err, console.live);
    if let Some(results) = results {
        progress.results(Box::new(results));
    }
    if args.json {
        progress.failures(&mut *console.out);
    }
    let swept = sweep::sweep(&scenarios, session.registry, &options, &mut progress);
    let ended = progress.end();
    let (tallies, wall) = match (swept, ended) {
        (Ok(tallies), Ok(wall)) => (tallies, wall),
        (Err(why), _) => return session.broken(why),
        (_, Err(error)) => return session.broken(format!("cannot write results: {error}")),
    };
    let exit = tallies.iter().fold(Exit::Passed, |exit, tally| exit.or_graver(tally.outcome().0));
    report(session, args, &tallies, wall, exit);
    match write_reports(session, args, &tallies) {
        Ok(()) => exit,
        Err(why) => exit.or_graver(session.broken(why)),
    }
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
    for (signature, group) in tally.failures() {
        let signature = session.console.paint(if tally.is_negative() { Tone::Faint } else { Tone::Bad }, signature);
        session.console.say(format!("  {signature}"));
        session.console.say(format!("    {} runs, first seed {}", group.count, group.first.seed));
        for fact in &group.first.facts {
            session.console.say(format!("    {fact}"));
        }
    }
}

fn results(folder: &Path) -> io::Result<impl Write + use<>> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("results.jsonl");
    Ok(BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?))
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

/// Sums over all scenarios.
struct Sums {
    runs: u64,
    events: u64,
    faults: Vec<(FaultKind, FaultCount)>,
    coverage: BTreeMap<String, u64>,
}

impl Sums {
    fn new(tallies: &[Tally]) -> Sums {
        let mut faults: BTreeMap<FaultKind, FaultCount> = BTreeMap::new();
        let mut coverage = BTreeMap::new();
        for tally in tallies {
            for (kind, count) in &tally.faults {
                let sum = faults.entry(*kind).or_default();
                sum.asked += count.asked;
                sum.fired += count.fired;
            }
            for (mark, count) in &tally.coverage {
                *coverage.entry(mark.to_string()).or_default() += count;
            }
        }
        let runs = tallies.iter().map(|tally| tally.runs).sum();
        let events = tallies.iter().map(|tally| tally.events).sum();
        Sums { runs, events, faults: faults.into_iter().collect(), coverage }
    }
}

/// The sweep as one JSON object, the last line of `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    sweep: &'static str,
    exit: u8,
    runs: u64,
    events: u64,
    wall_time: Seconds,
    scenarios: Vec<OneScenario<'a>>,
}

#[derive(Serialize)]
struct OneScenario<'a> {
    scenario: &'a str,
    verdict: &'static str,
    why: Vec<String>,
    runs: u64,
    passed: u64,
    vacuous: u64,
    warned: u64,
    warning: Option<FirstWarning<'a>>,
    events: u64,
    virtual_time: f64,
    faults: FaultMap,
    coverage: BTreeMap<&'a str, u64>,
    failures: Vec<Failures<'a>>,
}

#[derive(Serialize)]
struct FirstWarning<'a> {
    seed: u64,
    warning: &'a str,
}

#[derive(Serialize)]
struct Failures<'a> {
    signature: &'a str,
    count: u64,
    first_seed: u64,
    first_at: String,
    replay: String,
}

struct FaultMap(Vec<(FaultKind, FaultCount)>);

impl Serialize for FaultMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Faults(&self.0).serialize(serializer)
    }
}

impl<'a> Summary<'a> {
    fn new(tallies: &'a [Tally], wall: Duration, exit: Exit) -> Summary<'a> {
        Summary {
            sweep: exit.word(),
            exit: exit.code(),
            runs: tallies.iter().map(|tally| tally.runs).sum(),
            events: tallies.iter().map(|tally| tally.events).sum(),
            wall_time: Seconds(nanos(wall)),
            scenarios: tallies.iter().map(OneScenario::new).collect(),
        }
    }
}

impl<'a> OneScenario<'a> {
    fn new(tally: &'a Tally) -> OneScenario<'a> {
        let (exit, why) = tally.outcome();
        let failures = tally.failures().into_iter().map(|(signature, group)| Failures {
            signature,
            count: group.count,
            first_seed: group.first.seed,
            first_at: Time(group.first.virtual_time).to_string(),
            replay: group.first.replay(),
        });
        OneScenario {
            scenario: &tally.path,
            verdict: exit.word(),
            why,
            runs: tally.runs,
            passed: tally.passed,
            vacuous: tally.vacuous,
            warned: tally.warned,
            warning: tally.warning.as_ref().map(|(seed, warning)| FirstWarning { seed: *seed, warning }),
            events: tally.events,
            virtual_time: tally.virtual_time as f64 / 1e9,
            faults: FaultMap(tally.faults.iter().map(|(kind, count)| (*kind, *count)).collect()),
            coverage: tally.coverage.iter().map(|(mark, count)| (&**mark, *count)).collect(),
            failures: failures.collect(),
        }
    }
}
