//! `make shrink-table`: shrinks the first failing runs of each planted defect, from its negative scenario and from
//! the main one with the defect switched on, and prints sizes before and after. Where there is a reproduction by hand
//! (`tests/optima`), the last column holds the result's cost over its cost: parts, each worth four events, and events.

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
    /// The cost of the best reproduction by hand.
    by_hand: Option<u64>,
}

impl Row {
    /// How large the result is, as a multiple of the best reproduction by hand.
    fn over_hand(&self) -> Option<f64> {
        self.by_hand.map(|by_hand| self.shrunk.after.cost() as f64 / by_hand as f64)
    }

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
        "{:<4} {:<9} {:>5}  {:>12} {:>12} {:>12} {:>8} {:>8} {:>14} {:>16} {:>6} {:>6} {:>6} {:>6}",
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
        "less",
        "/hand"
    );
    let mut rows = Vec::new();
    for defect in &registry.defects {
        let Ok(negative) = Scenario::load(defect.scenario, &registry) else {
            eprintln!("{}: a scenario cannot be read; run this from the project's folder", defect.id);
            return ExitCode::FAILURE;
        };
        let by_hand = by_hand(defect, &registry);
        // A defect of other roles changes nothing in the main scenario, and its oracle is not asked there.
        let shares = |role: &str| negative.groups.iter().any(|group| group.role.name == role);
        let main = planted(defect, &registry).filter(|main| main.groups.iter().all(|group| shares(group.role.name)));
        for scenario in [Some(negative.clone()), main].into_iter().flatten() {
            rows.extend(shrink_some(defect, &scenario, &registry, wanted, by_hand));
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

/// The cost of the defect's reproduction by hand, if there is one.
fn by_hand(defect: &DefectInfo, registry: &Registry) -> Option<u64> {
    let path = format!("tests/optima/{}.toml", defect.id.to_lowercase());
    let scenario = Scenario::load(&path, registry).ok()?;
    let (size, verdict) = shrink::measure(&scenario, registry, scenario.seed.unwrap_or(0)).ok()?;
    assert_eq!(verdict.oracle.as_deref(), Some(defect.oracle), "{path} fails by its oracle");
    Some(size.cost())
}

/// Shrinks the first failing runs of a scenario.
fn shrink_some(
    defect: &DefectInfo,
    scenario: &Scenario,
    registry: &Registry,
    wanted: usize,
    by_hand: Option<u64>,
) -> Vec<Row> {
    let fails = |seed: &u64| run::run(scenario, registry, *seed, Keep::LITTLE).is_ok_and(|it| it.verdict.failed());
    let mut rows = Vec::new();
    for seed in (0..SEEDS).filter(fails).take(wanted) {
        let started = Instant::now();
        match shrink::shrink(scenario, registry, seed, &OPTIONS, &mut |_| {}) {
            Ok(shrunk) => {
                let row = Row { shrunk, seconds: started.elapsed().as_secs_f64(), by_hand };
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
    let Row { shrunk, seconds, .. } = row;
    let (before, after) = (shrunk.before, shrunk.after);
    let from = if scenario.path == MAIN { "main" } else { "negative" };
    let pair = |before: u64, after: u64| format!("{before} -> {after}");
    let time = format!("{:.1} -> {:.1} s", before.virtual_time as f64 / 1e9, after.virtual_time as f64 / 1e9);
    println!(
        "{:<4} {from:<9} {:>5}  {:>12} {:>12} {:>12} {:>8} {:>8} {:>14} {time:>16} {:>6} {seconds:>6.1} {:>5.1}% {:>6}{}",
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
        row.over_hand().map_or(String::new(), |times| format!("{times:.2}")),
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
    let over_hand: Vec<f64> = rows.iter().filter_map(Row::over_hand).collect();
    let compared = over_hand.len();
    let over_hand = median(over_hand);
    let certified = rows.iter().filter(|row| row.shrunk.minimal).count();
    println!(
        "{} runs: median reduction {:.1}% of strikes, messages, requests and events; median time {seconds:.1} s; {certified} certified; \
         median size {over_hand:.2} times the reproduction by hand ({compared} runs)",
        rows.len(),
        100.0 * reduction
    );
}
