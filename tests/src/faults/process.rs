//! Processes and machines.

use super::run::SECOND;
use super::{Experiment, Run, Shown, usual};
use kernel::{FaultKind, Span};
use std::collections::BTreeSet;

pub const ALL: &[Experiment] = &[
    usual(FaultKind::ProcessCrash, process_crash),
    usual(FaultKind::PowerLoss, power_loss),
    usual(FaultKind::Pause, pause),
    usual(FaultKind::Zombie, zombie),
    usual(FaultKind::VersionSkew, version_skew),
];

fn process_crash() -> Shown {
    let run = Run::of(FaultKind::ProcessCrash, 1, |_| {});
    assert!(run.numbers(0, "probe.boot", "host_boot").iter().all(|boot| *boot == 1), "the machine stays up");
    let pids = run.numbers(0, "probe.boot", "pid");
    assert!(pids.len() as u64 >= run.count.fired && pids.windows(2).all(|pair| pair[0] != pair[1]), "{pids:?}");
    assert_eq!(run.marks(0, "system.exit").count() as u64, run.count.fired);
    run.others_are_well();
    run.shown(format!("{} starts of one process on one boot of its machine", pids.len()))
}

fn power_loss() -> Shown {
    let run = Run::of(FaultKind::PowerLoss, 1, |_| {});
    let boots = run.numbers(0, "probe.boot", "host_boot");
    assert!(boots.windows(2).all(|pair| pair[1] == pair[0] + 1), "{boots:?}");
    let mono = run.numbers(0, "probe.round", "mono");
    let anew = mono.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(anew > 0, "the monotonic clock starts again");
    let told = run.world.trace().iter().filter(|line| line.detail.contains("unsynced changes")).count();
    assert_eq!(told as u64, run.count.fired, "each says what became of unsynced changes");
    run.others_are_well();
    run.shown(format!("{} boots of the machine, the monotonic clock back {anew} times", boots.len()))
}

/// Gaps between two rounds of the struck probe that are longer than any pause-free one, in milliseconds.
fn stops(run: &Run) -> Vec<u64> {
    let rounds: Vec<u64> = run.marks(0, "probe.round").map(|seen| seen.at.0).collect();
    let gaps = rounds.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000);
    gaps.filter(|gap| *gap >= 200).collect()
}

/// Whether nothing that was sent to the probe is missing.
fn heard_all(run: &Run, process: u32) -> bool {
    let serials: BTreeSet<u64> = run.heard(process).into_iter().collect();
    serials.last().is_some_and(|last| serials.len() as u64 == *last)
}

fn pause() -> Shown {
    let run = Run::of(FaultKind::Pause, 14, |_| {});
    let stops = stops(&run);
    assert!(!stops.is_empty(), "no round for a while");
    assert_eq!(run.marks(0, "probe.boot").count(), 1, "it is not started again");
    let heard = run.heard(0);
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "what arrived meanwhile is heard later");
    run.others_are_well();
    run.shown(format!("{} stops of up to {} ms, nothing lost", stops.len(), stops.iter().max().unwrap_or(&0)))
}

/// How long each note of the struck probe was under way, in milliseconds; usually 5 at most.
fn under_way(run: &Run) -> Vec<u64> {
    let left: Vec<u64> = run.marks(0, "probe.round").map(|seen| seen.at.0).collect();
    let heard = run.marks(1, "probe.heard").filter_map(|seen| Some((seen.mark.number("serial")?, seen.at.0)));
    heard.map(|(serial, at)| (at - left[serial as usize - 1]) / 1_000_000).collect()
}

fn zombie() -> Shown {
    let run = Run::of(FaultKind::Zombie, 14, |_| {});
    assert!(!stops(&run).is_empty() && run.marks(0, "probe.boot").count() == 1, "it stands still and resumes");
    let queued: Vec<u64> = under_way(&run).into_iter().filter(|late| *late >= 200).collect();
    assert!(!queued.is_empty(), "something that it had sent leaves after the pause");
    assert!(heard_all(&run, 0) && heard_all(&run, 1), "nothing is lost in either direction");
    let paused = Run::of(FaultKind::Pause, 14, |_| {});
    assert!(under_way(&paused).iter().all(|late| *late < 200), "what a paused node had sent arrives meanwhile");
    run.others_are_well();
    let longest = queued.iter().max().unwrap_or(&0);
    run.shown(format!("{} notes sent before a stop leave after it, up to {longest} ms late, none lost", queued.len()))
}

fn version_skew() -> Shown {
    let run = Run::of(FaultKind::VersionSkew, 15, |spec| spec.lasts = Span::millis(900, 1_500));
    let exits: Vec<&str> = run.marks(0, "system.exit").filter_map(|seen| seen.mark.text("reason")).collect();
    let (upgrades, rollbacks): (Vec<&str>, Vec<&str>) = exits.iter().partition(|reason| **reason == "upgrade");
    assert!(rollbacks.iter().all(|reason| *reason == "rollback"), "{exits:?}");
    assert!(upgrades.len() > 5 && upgrades.len().abs_diff(rollbacks.len()) <= 1, "{exits:?}");
    assert!(run.numbers(0, "probe.boot", "host_boot").iter().all(|boot| *boot == 1), "the machine stays up");

    // Notes of the first protocol cross in both directions; those of the second are refused and counted.
    let to_second = run.numbers(0, "probe.heard", "build").len();
    let spans = second_build(&run);
    let inside = |at: u64| spans.iter().any(|(from, to)| (*from..*to).contains(&at));
    let from_second = run.marks(1, "probe.heard").filter(|seen| inside(seen.at.0)).count();
    assert!(to_second > 100 && from_second > 100, "{to_second} notes to the second build, {from_second} from it");
    let refused = run.world.trace().iter().filter(|line| line.what == "refuse").count();
    assert!(refused > 20, "{refused} notes of the second protocol are refused");
    let restarts = exits.len() as u64;
    assert!(run.count.fired <= restarts + refused as u64 && run.count.fired + 20 > restarts + refused as u64);

    // Each build finds the last record of the other.
    let read = found_what_the_other_wrote(&run);
    assert!(read.0 > 4 && read.1 > 4, "{read:?}");
    run.others_are_well();
    run.shown(format!(
        "{} upgrades and {} rollbacks; {to_second} notes to and {from_second} from the second build, {refused} refused; \
         each read the other's file, {} and {} times",
        upgrades.len(),
        rollbacks.len(),
        read.0,
        read.1
    ))
}

/// From when to when the second build ran on the struck node.
fn second_build(run: &Run) -> Vec<(u64, u64)> {
    let boots: Vec<(u64, bool)> =
        run.marks(0, "probe.boot").map(|seen| (seen.at.0, seen.mark.number("build") == Some(2))).collect();
    let ends = boots.iter().skip(1).map(|boot| boot.0).chain([20 * SECOND]);
    boots.iter().zip(ends).filter(|(boot, _)| boot.1).map(|(boot, end)| (boot.0, end)).collect()
}

/// How often the second build found the first's last record in its file, and the first the second's.
fn found_what_the_other_wrote(run: &Run) -> (usize, usize) {
    let (mut read, mut wrote) = ((0, 0), (0, 0));
    for seen in run.marks.iter().filter(|seen| seen.process.0 == 0) {
        let (kind, build) = (seen.mark.kind.as_ref(), seen.mark.number("build").unwrap_or(1));
        if kind == "probe.round" {
            wrote = (build, seen.mark.number("serial").unwrap_or(0));
        } else if kind == "probe.found" && build != wrote.0 {
            // A build that was taken back before it started wrote nothing in between.
            let last = seen.mark.number("last").unwrap_or(u64::MAX);
            // The last round may have been cut before its write.
            assert!([wrote.1 & 255, (wrote.1 - 1) & 255].contains(&last), "{last} after {wrote:?}");
            if build == 2 { read.0 += 1 } else { read.1 += 1 }
        }
    }
    read
}
