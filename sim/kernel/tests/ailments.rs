//! Storage faults in a running world: several at once, their ends, and what healing does about them.

mod probe;

use contract::{Duration, NodeId, Observed, Time};
use kernel::{FaultKind, FaultSpec, Settings, Span, World};

const SECOND: u64 = 1_000_000_000;

/// A fault of node 0 from second 1 on.
fn fault(kind: FaultKind, seconds: u64) -> FaultSpec {
    FaultSpec {
        every: Span::exactly(Duration::from_secs(1)),
        lasts: Span::exactly(Duration::from_secs(seconds)),
        limit: 1,
        chance_ppm: 500_000,
        ..kind.usual(vec![NodeId(0)])
    }
}

fn world(faults: Vec<FaultSpec>, seed: u64) -> World {
    World::new(probe::plan(2), &Settings { faults, ..Settings::default() }, seed)
}

/// The errors of the struck probe until then.
fn errors(world: &mut World, until: u64) -> Vec<String> {
    let mut marks: Vec<Observed> = Vec::new();
    world.run_until(Time(until));
    world.take_marks(&mut marks);
    let struck = marks.into_iter().filter(|seen| seen.process.0 == 0 && seen.mark.kind == "probe.error");
    struck.filter_map(|seen| seen.mark.text("error").map(str::to_owned)).collect()
}

#[test]
fn two_faults_of_one_kind_strike_one_node_and_end_each_at_its_time() {
    let mut world = world(vec![fault(FaultKind::DiskError, 2), fault(FaultKind::DiskError, 6)], 1);
    let both = errors(&mut world, 3 * SECOND).len();
    let one = errors(&mut world, 7 * SECOND).len();
    let none = errors(&mut world, 9 * SECOND).len();
    // Two chances of a half in 100 rounds of four calls, then one in 200 rounds, then none.
    assert!(both > 60 && one > 60 && none == 0, "{both}, {one}, {none}");
    assert_eq!(world.fault_counts()[0].1.fired as usize, both + one);
}

#[test]
fn which_error_a_call_meets_does_not_depend_on_what_struck_first() {
    let spec = |kind, after: u64| FaultSpec {
        every: Span::exactly(Duration::from_millis(after)),
        chance_ppm: 1_000_000,
        ..fault(kind, 10)
    };
    for first in [1_000, 1_100] {
        let other = 2_100 - first;
        let mut world = world(vec![spec(FaultKind::ReadOnly, first), spec(FaultKind::DiskError, other)], 1);
        errors(&mut world, 2 * SECOND);
        let both = errors(&mut world, 4 * SECOND);
        assert!(both.len() > 50 && both.iter().all(|error| error.contains("EROFS")), "{first}: {both:?}");
    }
}

#[test]
fn a_disk_that_hangs_is_repaired_with_its_calls() {
    let spec = FaultSpec { chance_ppm: 1_000_000, ..fault(FaultKind::HungDisk, 500) };
    let mut world = world(vec![spec], 1);
    let rounds = |world: &mut World, until| {
        let mut marks = Vec::new();
        world.run_until(Time(until));
        world.take_marks(&mut marks);
        marks.iter().filter(|seen| seen.process.0 == 0 && seen.mark.kind == "probe.round").count()
    };
    rounds(&mut world, 2 * SECOND);
    assert_eq!(rounds(&mut world, 10 * SECOND), 0, "its first call after the strike does not return");
    world.heal();
    assert!(rounds(&mut world, 11 * SECOND) > 40, "healing lets it return");
}

#[test]
fn a_disk_that_hangs_outside_the_core_hangs_for_ever() {
    let mut world = world(vec![FaultSpec { chance_ppm: 1_000_000, ..fault(FaultKind::HungDisk, 3) }], 1);
    world.run_until(Time(990_000_000));
    let struck_at = (0..200).find(|_| {
        world.run_until(Time(world.now().0 + 1_000_000));
        !world.stricken().is_empty()
    });
    assert!(struck_at.is_some(), "it strikes at second 1, and no call has met it yet");
    world.heal_core(&[NodeId(1)]);
    let mut marks = Vec::new();
    world.run_until(Time(2 * SECOND));
    world.take_marks(&mut marks);
    marks.clear();
    world.run_until(Time(60 * SECOND));
    world.take_marks(&mut marks);
    assert!(marks.iter().all(|seen| seen.process.0 != 0), "no call returns");
    assert!(marks.iter().filter(|seen| seen.process.0 == 1 && seen.mark.kind == "probe.round").count() > 2_000);
}

#[test]
fn healing_leaves_what_is_destroyed() {
    let strikes = |kind| FaultSpec { chance_ppm: 1_000_000, ..fault(kind, 1) };
    let mut world = world(vec![strikes(FaultKind::LatentError), strikes(FaultKind::BitRot)], 1);
    world.run_until(Time(3 * SECOND));
    world.heal();
    world.run_until(Time(4 * SECOND));
    assert_eq!(world.damaged().iter().copied().collect::<Vec<_>>(), [NodeId(0)]);
    let [struck, well] = [0, 1].map(|node| world.read_file(NodeId(node), "probe.log").expect("it was written"));
    let rotten = |bytes: &[u8]| bytes.chunks(700).filter(|record| record.iter().any(|byte| *byte != record[0])).count();
    assert_eq!((rotten(&struck), rotten(&well)), (1, 0));
}
