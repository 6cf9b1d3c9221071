//! `make shrink-table`: shrinks the first failing runs of each planted defect, from its negative scenario and from
//! the main one with the defect switched on, and prints sizes before and after.

// How long a shrink takes is what the table is about.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use runner::run::{self, Keep};
use runner::shrink::{self, Options, Shrunk};
use runner::{DefectInfo, Registry, Scenario};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The scenario into which each defect is switched on as well.
const MAIN: &str = "scenarios/fast/edge_custody.toml";
/// Seeds that are looked at for failing ones.
const SEEDS: u64 = 3_000;
const OPTIONS: Options = Options { time: Some(Duration::from_secs(60)), jobs: 2 };

/// One line of the table.
struct Row {
    shrunk: Shrunk,
    seconds: f64,
}

impl Row {
    /// How much of the failing run is gone: strikes, single messages, requests and events together.
    fn reduction(&self) -> f64 {
        let sum = |size: shrink::Size| (size.occurrences + size.messages + size.requests + size.events) as f64;
        1.0 - sum(self.shrunk.after) / sum(self.shrunk.before)
    }
}

fn main() -> ExitCode {
    let wanted: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let registry = scenarios::registry();
    println!(
        "{:<4} {:<9} {:>5}  {:>12} {:>12} {:>12} {:>8} {:>8} {:>14} {:>16} {:>6} {:>6} {:>6}",
        "",
        "from",
        "seed",
        "occurrences",
        "messages",
        "requests",
        "nodes",
        "knobs",
        "events",
        "virtual time",
        "runs",
        "s",
        "less"
    );
    let mut rows = Vec::new();
    for defect in &registry.defects {
        for scenario in [Scenario::load(defect.scenario, &registry).ok(), planted(defect, &registry)] {
            let Some(scenario) = scenario else {
                eprintln!("{}: a scenario cannot be read; run this from the project's folder", defect.id);
                return ExitCode::FAILURE;
            };
            rows.extend(shrink_some(defect, &scenario, &registry, wanted));
        }
    }
    summary(&rows);
    let certified = rows.iter().all(|row| row.shrunk.minimal);
    if certified && !rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The main scenario with a defect.
fn planted(defect: &DefectInfo, registry: &Registry) -> Option<Scenario> {
    let text = std::fs::read_to_string(MAIN).ok()?;
    let switched = format!("[expect]\ndefect = \"{}\"\ncaught_by = \"{}\"", defect.id, defect.oracle);
    Scenario::parse(MAIN, &text.replace("[expect]", &switched), registry).ok()
}

/// Shrinks the first failing runs of a scenario.
fn shrink_some(defect: &DefectInfo, scenario: &Scenario, registry: &Registry, wanted: usize) -> Vec<Row> {
    let fails = |seed: &u64| run::run(scenario, registry, *seed, Keep::LITTLE).is_ok_and(|it| it.verdict.failed());
    let mut rows = Vec::new();
    for seed in (0..SEEDS).filter(fails).take(wanted) {
        let started = Instant::now();
        match shrink::shrink(scenario, registry, seed, &OPTIONS, &mut |_| {}) {
            Ok(shrunk) => {
                let row = Row { shrunk, seconds: started.elapsed().as_secs_f64() };
                line(defect, scenario, &row);
                rows.push(row);
            }
            Err(refusal) => println!("{} seed {seed}: {}", defect.id, refusal.why()),
        }
    }
    if rows.is_empty() {
        println!("{:<4} no seed of {SEEDS} fails in {}", defect.id, scenario.path);
    }
    rows
}

fn line(defect: &DefectInfo, scenario: &Scenario, row: &Row) {
    let Row { shrunk, seconds } = row;
    let (before, after) = (shrunk.before, shrunk.after);
    let from = if scenario.path == MAIN { "main" } else { "negative" };
    let pair = |before: u64, after: u64| format!("{before} -> {after}");
    let time = format!("{:.1} -> {:.1} s", before.virtual_time as f64 / 1e9, after.virtual_time as f64 / 1e9);
    println!(
        "{:<4} {from:<9} {:>5}  {:>12} {:>12} {:>12} {:>8} {:>8} {:>14} {time:>16} {:>6} {seconds:>6.1} {:>5.1}%{}",
        defect.id,
        shrunk.seed,
        pair(before.occurrences, after.occurrences),
        pair(before.messages, after.messages),
        pair(before.requests, after.requests),
        pair(before.nodes, after.nodes),
        pair(before.knobs, after.knobs),
        pair(before.events, after.events),
        shrunk.runs,
        100.0 * row.reduction(),
        if shrunk.minimal { "" } else { "  not certified" }
    );
}

fn summary(rows: &[Row]) {
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
    };
    let reduction = median(rows.iter().map(Row::reduction).collect());
    let seconds = median(rows.iter().map(|row| row.seconds).collect());
    let certified = rows.iter().filter(|row| row.shrunk.minimal).count();
    println!(
        "{} runs: median reduction {:.1}% of strikes, messages, requests and events; median time {seconds:.1} s; {certified} certified",
        rows.len(),
        100.0 * reduction
    );
}
