//! Messages and partitions.

use super::{Experiment, Run, Shown, usual};
use contract::NodeId;
use kernel::{FaultKind, Span};
use std::collections::BTreeSet;

pub const ALL: &[Experiment] = &[
    usual(FaultKind::DelayTail, delay_tail),
    usual(FaultKind::Loss, loss),
    Experiment { kind: FaultKind::Loss, how: "peers", show: loss_to_one_peer },
    usual(FaultKind::Duplication, duplication),
    usual(FaultKind::Reordering, reordering),
    usual(FaultKind::LateReplay, late_replay),
    usual(FaultKind::Partition, partition),
    Experiment { kind: FaultKind::Partition, how: "peers", show: partition_from_one_peer },
    usual(FaultKind::OneWayPartition, one_way_partition),
    usual(FaultKind::PartialPartition, partial_partition),
];

/// Serials that a probe never heard, below the last one it did.
fn missing(run: &Run, process: u32) -> u64 {
    let heard: BTreeSet<u64> = run.heard(process).into_iter().collect();
    heard.last().copied().unwrap_or(0) - heard.len() as u64
}

/// How many consecutive serials were missing at most.
fn longest_gap(run: &Run, process: u32) -> u64 {
    let heard: BTreeSet<u64> = run.heard(process).into_iter().collect();
    let heard: Vec<u64> = [0].into_iter().chain(heard).collect();
    heard.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap_or(0)
}

fn delay_tail() -> Shown {
    let run = Run::of(FaultKind::DelayTail, 8, |spec| spec.chance_ppm = 200_000);
    let late = run.heard(1).windows(2).filter(|pair| pair[1] + 3 < pair[0]).count();
    assert!(late > 0, "a late note comes after several later ones");
    run.others_are_well();
    run.shown(format!("{late} notes come after four or more later ones"))
}

fn loss() -> Shown {
    let run = Run::of(FaultKind::Loss, 6, |spec| spec.chance_ppm = 300_000);
    let (sent, got) = (missing(&run, 1), missing(&run, 0));
    assert!(sent > 20 && got > 20, "{sent} notes of node 0 and {got} to it were lost");
    assert_eq!(missing(&run, 3), 0, "from 2 to 3 nothing is lost");
    run.others_are_well();
    run.shown(format!("{sent} notes of the node and {got} to it are never heard, none between others"))
}

fn loss_to_one_peer() -> Shown {
    let run = Run::of(FaultKind::Loss, 6, |spec| {
        spec.chance_ppm = 300_000;
        spec.peers = vec![NodeId(1)];
    });
    let sent = missing(&run, 1);
    assert!(sent > 20, "{sent} notes to the named peer were lost");
    assert_eq!(missing(&run, 0), 0, "from node 3, which is not named, nothing is lost");
    run.others_are_well();
    run.shown(format!("{sent} notes to the named peer are never heard, none from the other"))
}

fn duplication() -> Shown {
    let run = Run::of(FaultKind::Duplication, 7, |spec| spec.chance_ppm = 300_000);
    let heard = run.heard(1);
    let unique: BTreeSet<&u64> = heard.iter().collect();
    let twice = heard.len() - unique.len();
    assert!(twice > 20);
    assert_eq!(missing(&run, 1), 0);
    run.others_are_well();
    run.shown(format!("{twice} of {} notes are heard twice", unique.len()))
}

fn reordering() -> Shown {
    let run = Run::of(FaultKind::Reordering, 9, |spec| spec.chance_ppm = 500_000);
    let overtaken = run.heard(1).windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(overtaken > 0);
    assert_eq!(missing(&run, 1), 0);
    run.others_are_well();
    run.shown(format!("{overtaken} notes are overtaken, none lost"))
}

fn late_replay() -> Shown {
    let run = Run::of(FaultKind::LateReplay, 10, |spec| spec.amount = Span::millis(3_000, 5_000));
    let again = run.heard(1).windows(2).filter(|pair| pair[1] + 100 < pair[0]).count();
    assert!(again > 0, "a note of seconds ago comes again");
    assert_eq!(missing(&run, 1), 0);
    run.others_are_well();
    run.shown(format!("{again} notes come again after more than a hundred later ones"))
}

fn partition() -> Shown {
    let run = Run::of(FaultKind::Partition, 11, |_| {});
    let gaps = (longest_gap(&run, 1), longest_gap(&run, 0));
    assert!(gaps.0 > 7 && gaps.1 > 7, "neither hears the other: {gaps:?}");
    assert_eq!(missing(&run, 3), 0, "2 still reaches 3");
    run.others_are_well();
    run.shown(format!("{} notes in a row lost outward, {} inward", gaps.0, gaps.1))
}

fn partition_from_one_peer() -> Shown {
    let run = Run::of(FaultKind::Partition, 11, |spec| spec.peers = vec![NodeId(3)]);
    let gap = longest_gap(&run, 0);
    assert!(gap > 7, "the named peer is not heard");
    assert_eq!(missing(&run, 1), 0, "the other peer hears everything");
    run.others_are_well();
    run.shown(format!("{gap} notes in a row lost from the named peer, none to the other"))
}

fn one_way_partition() -> Shown {
    let run = Run::of(FaultKind::OneWayPartition, 12, |_| {});
    assert!(longest_gap(&run, 1) > 7 && longest_gap(&run, 0) > 7, "each way is cut at times");
    let lost = (missing(&run, 1), missing(&run, 0));
    assert!(lost.0 + lost.1 < run.count.asked * 31, "but never both at once: {lost:?} in {}", run.count.asked);
    // Both ways together lose no more than a partition loses on each.
    let both = Run::of(FaultKind::Partition, 12, |_| {});
    let most = missing(&both, 1) + missing(&both, 0);
    assert!(4 * (lost.0 + lost.1) < 3 * most, "{lost:?} against {most}");
    run.others_are_well();
    run.shown(format!("{} notes lost outward, {} inward, at different times", lost.0, lost.1))
}

fn partial_partition() -> Shown {
    let run = Run::of(FaultKind::PartialPartition, 13, |spec| spec.lasts = Span::millis(500, 500));
    assert!(longest_gap(&run, 1) > 7, "0-1 was cut once");
    let heard = run.heard(1).len();
    assert!(heard > 500, "and not always: other links were cut in its place");
    run.others_are_well();
    run.shown(format!("{} notes lost on one link, {heard} heard on it meanwhile", missing(&run, 1)))
}
