//! One draw, many victims; and strikes that wait for a mark.

use super::clock::readings;
use super::{Experiment, Run, Shown};
use contract::NodeId;
use kernel::{FaultKind, FaultSpec, Scope, Span};
use std::collections::{BTreeMap, BTreeSet};

pub const ALL: &[Experiment] = &[
    Experiment { kind: FaultKind::PowerLoss, how: "a zone at once", show: zone_power },
    Experiment { kind: FaultKind::DiskFull, how: "every node at once", show: every_disk_full },
    Experiment { kind: FaultKind::ClockJump, how: "every node at once", show: one_step_everywhere },
    Experiment { kind: FaultKind::Partition, how: "a zone at once", show: zone_partition },
    Experiment { kind: FaultKind::ProcessCrash, how: "after a start", show: restart_loop },
    Experiment { kind: FaultKind::Partition, how: "after a mark", show: cut_after_a_mark },
];

const MILLISECOND: u64 = 1_000_000;
/// Strikes that wait for a mark come within so long of it: 2^24 ns.
const SOON: u64 = 17 * MILLISECOND;

/// The same fault for all four probes.
fn for_all(spec: &mut FaultSpec, scope: Scope) {
    (spec.targets, spec.scope) = ((0..4).map(NodeId).collect(), scope);
}

/// True times of the strikes.
fn strikes(run: &Run) -> Vec<u64> {
    run.world.decisions().iter().filter(|decision| !decision.message).map(|decision| decision.at).collect()
}

fn zone_power() -> Shown {
    let run = Run::with(FaultKind::PowerLoss, 31, |spec| for_all(spec, Scope::Zone), |settings| settings.zones = 2);
    let mut down: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for seen in run.marks.iter().filter(|seen| seen.mark.kind == "system.exit") {
        assert_eq!(seen.mark.text("reason"), Some("power"));
        down.entry(seen.at.0).or_default().insert(seen.process.0);
    }
    let zones = [BTreeSet::from([0, 2]), BTreeSet::from([1, 3])];
    assert!(down.values().all(|probes| zones.contains(probes)), "{down:?}");
    let times = zones.map(|zone| down.values().filter(|probes| **probes == zone).count());
    assert!(times.iter().all(|times| *times > 2), "{times:?}");
    run.shown(format!(
        "both probes of a zone down in one instant: {} times the first zone, {} the other",
        times[0], times[1]
    ))
}

fn every_disk_full() -> Shown {
    let run = Run::of(FaultKind::DiskFull, 32, |spec| {
        for_all(spec, Scope::All);
        spec.lasts = Span::millis(400, 600);
    });
    let mut begins = strikes(&run);
    begins.push(super::run::WHOLE);
    let mut refused = 0;
    for window in begins.windows(2).take(begins.len() - 2) {
        let met = (0..4).filter(|probe| {
            let mut errors = run.marks(*probe, "probe.error");
            errors.any(|seen| {
                (window[0]..window[1]).contains(&seen.at.0)
                    && seen.mark.text("error").is_some_and(|error| error.contains("ENOSPC"))
            })
        });
        assert_eq!(met.count(), 4, "all disks are full after {} ns", window[0]);
        refused += 1;
    }
    assert!(run.marks(2, "probe.round").count() > 900, "and all are relieved");
    run.shown(format!("{refused} times all four probes met ENOSPC in the same occurrence"))
}

fn one_step_everywhere() -> Shown {
    let run = Run::of(FaultKind::ClockJump, 33, |spec| for_all(spec, Scope::All));
    let steps = |probe| {
        let ahead = readings(&run, probe).iter().map(|reading| reading.ahead()).collect::<Vec<_>>();
        let mut steps: Vec<i64> = ahead.into_iter().filter(|ahead| *ahead != 0).collect();
        steps.dedup();
        steps
    };
    let first = steps(0);
    assert!(first.len() > 10, "{first:?}");
    assert!((1..4).all(|probe| steps(probe) == first), "one draw is one step for all");
    let largest = first.iter().map(|step| step.unsigned_abs()).max().unwrap_or(0) / 1_000_000_000 / 86_400;
    run.shown(format!("{} steps, each the same to the nanosecond on all four, up to {largest} days", first.len()))
}

fn zone_partition() -> Shown {
    let strike = |spec: &mut FaultSpec| {
        (spec.targets, spec.scope) = (vec![NodeId(0), NodeId(3)], Scope::Zone);
    };
    // With three zones, 0 and 3 share one; each probe talks to the next.
    let run = Run::with(FaultKind::Partition, 34, strike, |settings| settings.zones = 3);
    let lost = |probe| run.heard(probe).windows(2).map(|pair| pair[1] - pair[0] - 1).sum::<u64>();
    assert!(lost(1) > 50 && lost(3) > 50, "0 does not reach 1, and 2 does not reach 3");
    assert_eq!((lost(0), lost(2)), (0, 0), "3 still reaches 0, and 1 still reaches 2");
    run.shown(format!("{} and {} notes lost on the zone's outer links, none inside it", lost(1), lost(3)))
}

/// For each start of a probe, whether the kill that ended it came right after it.
fn struck_starts(run: &Run) -> Vec<bool> {
    let ends: Vec<u64> = run
        .marks(0, "system.exit")
        .filter(|seen| seen.mark.text("reason") == Some("crash"))
        .map(|seen| seen.at.0)
        .collect();
    let starts = run.marks(0, "system.boot").map(|seen| seen.at.0);
    starts.map(|start| ends.iter().any(|end| (start..start + SOON).contains(end))).collect()
}

fn restart_loop() -> Shown {
    let run = Run::with(
        FaultKind::ProcessCrash,
        35,
        |spec| {
            (spec.every, spec.lasts) = (Span::millis(0, 300), Span::millis(50, 200));
            spec.after = Some("system.boot".into());
        },
        // Something else must end the machine now and then, or a loop that has ended never begins again.
        |settings| {
            let (every, lasts) = (Span::millis(500, 1_000), Span::millis(50, 100));
            settings.faults.push(FaultSpec { every, lasts, ..FaultKind::PowerLoss.usual(vec![NodeId(0)]) });
        },
    );
    let struck = struck_starts(&run);
    let crashes = struck.iter().filter(|struck| **struck).count() as u64;
    assert_eq!(crashes, run.count.fired, "every kill follows a start within 17 ms");
    let longest = struck.split(|struck| !struck).map(<[bool]>::len).max().unwrap_or(0);
    assert!(longest >= 3, "{longest} in a row");
    assert!(struck.iter().any(|struck| !struck), "a loop ends");
    run.others_are_well();
    run.shown(format!("{crashes} kills, each within 17 ms of a start; up to {longest} in a row"))
}

fn cut_after_a_mark() -> Shown {
    let run = Run::of(FaultKind::Partition, 36, |spec| spec.after = Some("probe.round".into()));
    let rounds: Vec<u64> = run.marks(0, "probe.round").map(|seen| seen.at.0).collect();
    let since =
        |strike: &u64| rounds.iter().rev().find(|round| *round < strike).map_or(u64::MAX, |round| strike - round);
    let waits: Vec<u64> = strikes(&run).iter().map(since).collect();
    assert!(waits.iter().all(|wait| *wait < SOON), "{waits:?}");
    // Uniform moments would hardly ever come so near.
    let near = waits.iter().filter(|wait| **wait < 10_000).count();
    assert!(near * 4 > waits.len(), "{near} of {} came within 10 us", waits.len());
    assert!(run.heard(1).windows(2).any(|pair| pair[1] > pair[0] + 8), "it cuts as ever");
    run.shown(format!("{} cuts within 17 ms of a mark, {near} of them within 10 us", waits.len()))
}
