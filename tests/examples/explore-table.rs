//! `make explore-table`: how soon each strategy finds each planted defect, from its negative scenario and from the main
//! one with the defect switched on, over disjoint ranges of seeds. Arguments name defects or the words of
//! the second column.

// How long a search takes is a column of the table.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use runner::explore::search::{self, Budget, Found, Options};
use runner::explore::{Lessons, Strategy, lessons};
use runner::{Registry, Scenario};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

/// Every file of it plants a defect.
const NEGATIVE: &str = "scenarios/negative";
/// The scenarios into which the defects of their roles are switched on as well.
const MAINS: [&str; 2] = ["scenarios/fast/edge_custody.toml", "scenarios/fast/rcs_main.toml"];
/// Disjoint ranges, and how far apart they begin.
const RANGES: u64 = 20;
const APART: u64 = 1_000_000;
/// A search that has found nothing by then has missed.
const EVENTS: u64 = 1_000_000;

/// A scenario that plants a defect.
struct Case {
    from: &'static str,
    scenario: Scenario,
}

/// What the searches of one strategy came to.
struct Row {
    strategy: Strategy,
    events: Vec<u64>,
    runs: Vec<u64>,
    missed: u64,
    by: BTreeMap<String, u64>,
    states: u64,
    searched: u64,
    seconds: f64,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let registry = scenarios::registry();
    let cases = match cases(&registry) {
        Ok(cases) => cases,
        Err(why) => {
            eprintln!("{why}; run this from the project's folder");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{:<4} {:<9} {:<11} {:>11} {:>10} {:>11} {:>7} {:>8} {:>10}  first by",
        "", "from", "strategy", "events", "worst", "runs", "missed", "s", "states"
    );
    let is_wanted = |case: &Case| {
        let names = [case.from, case.scenario.expect.defect.unwrap_or_default()];
        wanted.is_empty() || wanted.iter().any(|name| names.contains(&name.as_str()))
    };
    for case in cases.iter().filter(|case| is_wanted(case)) {
        if let Err(why) = compare(case, &registry) {
            eprintln!("{}: {why}", case.scenario.path);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Prints a row for each strategy.
fn compare(case: &Case, registry: &Registry) -> Result<(), String> {
    let lessons = lessons::learn(&case.scenario, registry).map_err(|error| error.to_string())?;
    for strategy in Strategy::ALL {
        say(case, &row(&case.scenario, registry, &lessons, strategy)?);
    }
    Ok(())
}

/// The scenario with one strike of each of its faults: what a strategy does with a strike then decides.
fn once(mut scenario: Scenario) -> Scenario {
    scenario.faults.iter_mut().for_each(|fault| fault.limit = Some(1));
    scenario
}

/// The negative scenarios by name, each as it is and with one strike a fault, and the main ones with their defects.
fn cases(registry: &Registry) -> Result<Vec<Case>, String> {
    let folder = std::fs::read_dir(NEGATIVE).map_err(|error| format!("cannot read {NEGATIVE}: {error}"))?;
    let mut paths: Vec<_> =
        folder.filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned())).collect();
    paths.retain(|path| path.ends_with(".toml"));
    paths.sort();
    let mains: Result<Vec<_>, _> =
        MAINS.into_iter().map(|path| std::fs::read_to_string(path).map(|text| (path, text))).collect();
    let mains = mains.map_err(|error| format!("cannot read the main scenarios: {error}"))?;
    let mut cases = Vec::new();
    for path in paths {
        let scenario = Scenario::load(&path, registry).map_err(|_| format!("{path} is no scenario of this build"))?;
        let (defect, oracle) =
            (scenario.expect.defect.unwrap_or_default(), scenario.expect.caught_by.unwrap_or_default());
        let switched = format!("[expect]\ndefect = \"{defect}\"\ncaught_by = \"{oracle}\"");
        // A defect of other roles changes nothing there.
        let shares = |planted: &Scenario| {
            scenario.groups.iter().all(|group| planted.groups.iter().any(|other| other.role.name == group.role.name))
        };
        let switch = |(path, text): &(&str, String)| {
            Scenario::parse(path, &text.replace("[expect]", &switched), registry).ok().filter(shares)
        };
        let planted = mains.iter().find_map(switch);
        cases.push(Case { from: "negative", scenario: scenario.clone() });
        cases.push(Case { from: "once", scenario: once(scenario) });
        if let Some(scenario) = planted {
            cases.push(Case { from: "main", scenario: scenario.clone() });
            cases.push(Case { from: "main-once", scenario: once(scenario) });
        }
    }
    Ok(cases)
}

fn row(scenario: &Scenario, registry: &Registry, lessons: &Lessons, strategy: Strategy) -> Result<Row, String> {
    let mut row = Row {
        strategy,
        events: Vec::new(),
        runs: Vec::new(),
        missed: 0,
        by: BTreeMap::new(),
        states: 0,
        searched: 0,
        seconds: 0.0,
    };
    for range in 0..RANGES {
        let options =
            Options { strategy, seed: range * APART, budget: Budget::Events(EVENTS), jobs: 1, until_failure: true };
        let started = Instant::now();
        let found =
            search::search(scenario, registry, lessons, &options, &mut |_| true).map_err(|error| error.to_string())?;
        row.seconds += started.elapsed().as_secs_f64();
        row.add(&found);
    }
    row.events.sort_unstable();
    row.runs.sort_unstable();
    Ok(row)
}

impl Row {
    /// A search that missed counts with all that it did.
    fn add(&mut self, found: &Found) {
        let (events, runs) = match found.first() {
            Some(failure) => {
                let verdict = &failure.first;
                *self
                    .by
                    .entry(verdict.oracle.clone().unwrap_or_else(|| verdict.exit.word().to_owned()))
                    .or_default() += 1;
                (failure.events, failure.runs)
            }
            None => {
                self.missed += 1;
                (found.events, found.runs)
            }
        };
        self.events.push(events);
        self.runs.push(runs);
        self.states += found.states;
        self.searched += found.events;
    }
}

fn say(case: &Case, row: &Row) {
    let Case { from, scenario } = case;
    let median = |sorted: &[u64]| sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let by: Vec<String> = row.by.iter().map(|(by, count)| format!("{by} {count}")).collect();
    println!(
        "{:<4} {from:<9} {:<11} {:>11} {:>10} {:>11} {:>7} {:>8.1} {:>10.1}  {}",
        scenario.expect.defect.unwrap_or_default(),
        row.strategy.name(),
        median(&row.events),
        row.events.last().copied().unwrap_or_default(),
        median(&row.runs),
        row.missed,
        row.seconds,
        row.states as f64 / (row.searched.max(1) as f64 / 1e5),
        by.join(", ")
    );
}
