//! What faults cost the kernel: time per event under each kind alone and under all, beside the quiet kernel; and
//! under all where there are only messages, whose events are the cheapest and carry the costs worst.
//!
//! Every measurement has a quiet one of the same seed right before it, and ratios are taken pair by pair:
//! a machine that slows down slows both. The time is the thread's own on its processor, without what others took.

use super::steady;
use contract::Duration;
use contract::plan::Plan;
use kernel::{FaultCount, FaultKind};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write;
use std::sync::Arc;

/// The kernel under all faults takes at most so many times the quiet kernel's time per event.
pub const LIMIT: f64 = 2.0;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Events of one measurement.
    pub events: u64,
    /// Measurements of each row.
    pub rounds: u64,
    /// The seed of the first round; each round has the next one.
    pub seed: u64,
}

/// One kind, or all of them.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kind's name, or `all`.
    pub name: &'static str,
    /// Asked and fired, over all rounds.
    pub count: FaultCount,
    /// Nanoseconds per event, a round each.
    pub nanos: Vec<f64>,
    /// Those of the quiet kernel, measured right before.
    pub quiet: Vec<f64>,
}

/// What one row runs: these kinds at once, of which the first is counted, or all.
struct Case {
    name: &'static str,
    kinds: Vec<FaultKind>,
    plan: Arc<Plan>,
}

fn cases() -> Vec<Case> {
    let (disks, messages) = (steady::plan(true), steady::plan(false));
    let case = |name, kinds, plan: &Arc<Plan>| Case { name, kinds, plan: Arc::clone(plan) };
    let alone = |kind: FaultKind| match kind {
        // A forgotten write shows only when the power goes.
        FaultKind::PhantomWrite => case("phantom_write+power", vec![kind, FaultKind::PowerLoss], &disks),
        _ => case(kind.name(), vec![kind], &disks),
    };
    let mut cases: Vec<Case> = FaultKind::ALL.into_iter().map(alone).collect();
    cases.push(case("all", FaultKind::ALL.to_vec(), &disks));
    cases.push(case("all, no disk", FaultKind::ALL.to_vec(), &messages));
    cases
}

/// Measures every kind alone, then all together; `progress` hears each round.
pub fn measure(options: Options, progress: &mut dyn FnMut(u64)) -> Vec<Row> {
    let cases = cases();
    let empty = |name| Row { name, count: FaultCount::default(), nanos: Vec::new(), quiet: Vec::new() };
    let mut rows: Vec<Row> = cases.iter().map(|case| empty(case.name)).collect();
    for round in 0..options.rounds {
        let seed = options.seed + round;
        for (row, case) in rows.iter_mut().zip(&cases) {
            row.quiet.push(run(&case.plan, &[], seed, options.events).0);
            let (nanos, counts) = run(&case.plan, &case.kinds, seed, options.events);
            row.nanos.push(nanos);
            let of_row = |kind: FaultKind| kind == case.kinds[0] || case.kinds.len() == FaultKind::ALL.len();
            for (_, count) in counts.iter().filter(|(kind, _)| of_row(*kind)) {
                row.count.asked += count.asked;
                row.count.fired += count.fired;
            }
        }
        progress(round);
    }
    rows
}

/// Rows whose fault met nobody in all rounds: they say what nothing costs.
pub fn unmet(rows: &[Row]) -> Vec<&'static str> {
    rows.iter().filter(|row| row.count.fired == 0).map(|row| row.name).collect()
}

/// Nanoseconds per event of one run.
fn run(plan: &Arc<Plan>, kinds: &[FaultKind], seed: u64, events: u64) -> (f64, Vec<(FaultKind, FaultCount)>) {
    let mut world = steady::world(plan, steady::faults(kinds), seed);
    let mut marks = Vec::new();
    let start = busy();
    while world.events() < events {
        world.run_until(world.now() + Duration::from_secs(1));
        marks.clear();
        world.take_marks(&mut marks);
    }
    let nanos = (busy() - start) as f64 / world.events() as f64;
    (nanos, world.fault_counts())
}

/// Nanoseconds that this thread has spent on a processor.
fn busy() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

impl Row {
    /// How many times the quiet kernel's time, a round each, in ascending order.
    pub fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.nanos.iter().zip(&self.quiet).map(|(nanos, quiet)| nanos / quiet).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    /// Their median.
    pub fn ratio(&self) -> f64 {
        median(&self.ratios())
    }
}

/// The middle of ascending numbers; the upper one of two.
fn median(ascending: &[f64]) -> f64 {
    ascending[ascending.len() / 2]
}

fn median_of(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    median(&numbers)
}

/// The table: for each row its time, that of the quiet kernel on the same work, and how many times the one is the other.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<20} {:>7} {:>9} {:>9} {:>9}  x quiet  (min .. max)\n",
        "fault", "asked", "fired", "ns/event", "quiet"
    );
    for row in rows {
        let ratios = row.ratios();
        let (nanos, quiet) = (median_of(&row.nanos), median_of(&row.quiet));
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let (name, FaultCount { asked, fired }) = (row.name, row.count);
        let ratio = row.ratio();
        let _ = writeln!(
            text,
            "{name:<20} {asked:>7} {fired:>9} {nanos:>9.1} {quiet:>9.1}  {ratio:>7.2}  ({least:.2} .. {most:.2})"
        );
    }
    text
}
