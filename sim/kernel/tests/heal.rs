//! Healing: a core works again, what is broken outside it stays broken for ever, and nothing new breaks.

mod probe;

use contract::{Duration, NodeId, Observed, Time};
use kernel::{FaultKind, FaultSpec, Settings, Span, World};

const SECOND: u64 = 1_000_000_000;

/// A fault of node 2 that begins after a second and lasts for two.
fn fault(kind: FaultKind) -> FaultSpec {
    let seconds = |n| Span::exactly(Duration::from_secs(n));
    let chance_ppm = if kind == FaultKind::ClockDrift { 100_000 } else { 1_000_000 };
    FaultSpec { every: seconds(1), lasts: seconds(2), chance_ppm, ..kind.usual(vec![NodeId(2)]) }
}

fn nodes(ids: &[u32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Five probes in a ring, struck, healed at `heal_at`, and what they stated in twenty seconds from two seconds later on.
fn healed(spec: FaultSpec, core: &[u32], heal_at: u64) -> (World, Vec<Observed>) {
    let settings = Settings { faults: vec![spec], ..Settings::default() };
    let mut world = World::new(probe::plan(5), &settings, 7);
    world.run_until(Time(heal_at));
    world.heal_core(&nodes(core));
    world.run_until(Time(heal_at + 2 * SECOND));
    let mut marks = Vec::new();
    world.take_marks(&mut marks);
    marks.clear();
    world.run_until(Time(heal_at + 22 * SECOND));
    world.take_marks(&mut marks);
    (world, marks)
}

fn count(marks: &[Observed], process: u32, kind: &str) -> usize {
    marks.iter().filter(|seen| seen.process.0 == process && seen.mark.kind == kind).count()
}

/// In the middle of the occurrence.
const MIDST: u64 = 2 * SECOND;

#[test]
fn a_cut_around_a_node_outside_stays_for_ever_and_no_other_link_is_touched() {
    for kind in [FaultKind::Partition, FaultKind::Loss, FaultKind::Clog] {
        let (world, marks) = healed(fault(kind), &[0, 1, 3, 4], MIDST);
        let heard: Vec<usize> = (0..5).map(|process| count(&marks, process, "probe.heard")).collect();
        assert_eq!((heard[2], heard[3]), (0, 0), "{kind:?}: from 1 to 2, and from 2 to 3");
        assert!([0, 1, 4].iter().all(|process| heard[*process] > 600), "{kind:?}: {heard:?}");
        assert!((0..5).all(|process| count(&marks, process, "probe.round") > 600), "{kind:?}: nobody is down");
        let traffic = world.traffic(Time(MIDST + 2 * SECOND));
        assert!(traffic.iter().any(|it| (it.from.0, it.to.0) == (1, 2) && it.lost + it.held > 100), "{kind:?}");
        let why = world.obstacle(contract::ProcessId(1), contract::ProcessId(2)).expect("something is in the way");
        assert!(why.contains(kind.name()), "{why}");
        assert_eq!(world.obstacle(contract::ProcessId(0), contract::ProcessId(1)), None);
    }
}

#[test]
fn a_cut_around_a_node_inside_stays_only_towards_the_nodes_outside() {
    for kind in [FaultKind::Partition, FaultKind::Loss] {
        let (_, marks) = healed(fault(kind), &[0, 1, 2], MIDST);
        assert!(count(&marks, 2, "probe.heard") > 600, "{kind:?}: 1 reaches 2, both are sound");
        assert_eq!(count(&marks, 3, "probe.heard"), 0, "{kind:?}: 2 does not reach 3, which stays broken");
        assert!(count(&marks, 4, "probe.heard") > 600, "{kind:?}: 3 reaches 4: nothing new breaks");
    }
}

#[test]
fn with_everybody_in_the_core_nothing_stays() {
    for kind in FaultKind::ALL {
        let (world, marks) = healed(fault(kind), &[0, 1, 2, 3, 4], MIDST);
        for process in 0..5 {
            assert!(count(&marks, process, "probe.heard") > 600, "{kind:?}: {:?}", world.waiting());
            assert_eq!(count(&marks, process, "probe.error"), 0, "{kind:?}");
        }
        assert!(world.waiting().iter().all(|line| line.contains("busy")), "{kind:?}: {:?}", world.waiting());
    }
}

#[test]
fn what_is_down_outside_stays_down_and_what_is_down_inside_starts() {
    for kind in [FaultKind::ProcessCrash, FaultKind::PowerLoss] {
        let (world, marks) = healed(fault(kind), &[0, 1, 3, 4], MIDST);
        let down = world.waiting().iter().any(|line| line.contains("probe-2") && line.contains("is down"));
        assert!(down, "{kind:?}: struck at its time or by an ambush: {:?}", world.waiting());
        assert!(marks.iter().all(|seen| seen.process.0 != 2), "{kind:?}");
        assert_eq!(count(&marks, 3, "probe.heard"), 0);
        let (_, marks) = healed(fault(kind), &[2], MIDST);
        assert!(count(&marks, 2, "probe.round") > 600, "{kind:?}");
    }
}

#[test]
fn what_stands_still_outside_stands_still_and_what_does_inside_resumes() {
    // Healed at many moments: some fall inside a span, whose effects must not happen either.
    for moment in (0..40).map(|step| SECOND + step * 47_000_000) {
        let (world, marks) = healed(fault(FaultKind::Pause), &[0, 1, 3, 4], moment + 1);
        assert!(marks.iter().all(|seen| seen.process.0 != 2), "healed at {moment}");
        assert!(world.waiting().iter().any(|line| line.contains("probe-2")), "healed at {moment}");
        let held = world.traffic(Time(moment + 2 * SECOND)).into_iter().find(|it| it.to.0 == 2).map(|it| it.held);
        assert!(held.is_some_and(|held| held > 600), "what is sent to it waits: {held:?}");
    }
    let (_, marks) = healed(fault(FaultKind::Pause), &[2], MIDST);
    assert!(count(&marks, 2, "probe.round") > 600);
}

#[test]
fn ailments_and_wrong_clocks_stay_outside_and_end_inside() {
    for (kind, inside) in [(FaultKind::DiskError, false), (FaultKind::ReadOnly, false), (FaultKind::DiskError, true)] {
        let core: &[u32] = if inside { &[0, 1, 2, 3, 4] } else { &[0, 1, 3, 4] };
        let (_, marks) = healed(fault(kind), core, MIDST);
        assert_eq!(count(&marks, 2, "probe.error") > 300, !inside, "{kind:?}");
        assert!([0, 1, 3, 4].iter().all(|process| count(&marks, *process, "probe.error") == 0), "{kind:?}");
    }
    for core in [&[0, 1, 3, 4][..], &[2]] {
        let amount = Span::exactly(Duration::from_secs(3_600));
        let (_, marks) = healed(FaultSpec { amount, ..fault(FaultKind::ClockSkew) }, core, MIDST);
        let dates = |process: u32| {
            let rounds = marks.iter().filter(move |seen| seen.process.0 == process && seen.mark.kind == "probe.round");
            rounds.filter_map(|seen| Some((seen.mark.number("wall")?, seen.at.0)))
        };
        let epoch = dates(0).next().map(|(wall, at)| wall - at).expect("the first probe has rounds");
        let off = |process: u32| dates(process).any(|(wall, at)| wall.abs_diff(epoch + at) > SECOND);
        assert!(!off(0) && off(2) != core.contains(&2), "core {core:?}");
    }
}

#[test]
fn nothing_breaks_after_healing_whatever_was_broken_before() {
    for seed in 0..30 {
        let all = FaultKind::ALL.into_iter().map(|kind| {
            let every = Span::millis(100, 900);
            FaultSpec { every, ..kind.usual((0..5).map(NodeId).collect()) }
        });
        let settings = Settings { faults: all.collect(), ..Settings::default() };
        let mut world = World::new(probe::plan(5), &settings, seed);
        world.run_until(Time(9 * SECOND + seed * 77_777_777));
        let strikes = |world: &World| world.fault_counts().iter().map(|(_, count)| count.asked).sum::<u64>();
        let before = strikes(&world);
        let core: Vec<u32> = (0..5).filter(|node| (seed >> node) & 1 == 0).collect();
        world.heal_core(&nodes(&core));
        // What had been held on its way before arrives within the longest occurrence.
        world.run_until(Time(world.now().0 + 60 * SECOND));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        marks.clear();
        world.run_until(Time(world.now().0 + 10 * SECOND));
        world.take_marks(&mut marks);
        for &node in &core {
            let error = marks.iter().find(|seen| seen.process.0 == node && seen.mark.kind == "probe.error");
            let context = || format!("seed {seed}, core {core:?}, node {node}: {error:?}, {:?}", world.waiting());
            assert!(count(&marks, node, "probe.round") > 250, "{}", context());
            assert_eq!(count(&marks, node, "probe.error"), 0, "{}", context());
            let sender = (node + 4) % 5;
            if core.contains(&sender) {
                assert!(count(&marks, node, "probe.heard") > 250, "{}", context());
            }
        }
        assert_eq!(strikes(&world), before, "seed {seed}");
    }
}

#[test]
fn healing_is_healing_the_core_of_everybody_and_copies_go_the_same_way() {
    let spec = fault(FaultKind::Partition);
    let settings = Settings { faults: vec![spec, fault(FaultKind::Pause)], ..Settings::default() };
    let mut world = World::new(probe::plan(5), &settings, 3);
    world.run_until(Time(MIDST));
    let (mut all, mut core, mut part) = (world.clone(), world.clone(), world.clone());
    all.heal();
    core.heal_core(&nodes(&[4, 3, 2, 1, 0]));
    part.heal_core(&nodes(&[0, 1]));
    let mut copy = part.clone();
    for world in [&mut all, &mut core, &mut part, &mut copy] {
        world.run_until(Time(20 * SECOND));
    }
    assert_eq!(all.fingerprint(), core.fingerprint());
    assert_eq!(part.fingerprint(), copy.fingerprint());
    assert_ne!(part.fingerprint(), all.fingerprint());
}

#[test]
fn latencies_are_at_their_least_after_healing() {
    let (_, marks) = healed(fault(FaultKind::DelayTail), &[0, 1, 2, 3, 4], MIDST);
    let sent = marks.iter().filter(|seen| seen.process.0 == 1 && seen.mark.kind == "probe.round");
    let sent: std::collections::BTreeMap<u64, Time> =
        sent.filter_map(|seen| Some((seen.mark.number("serial")?, seen.at))).collect();
    let heard = marks.iter().filter(|seen| seen.process.0 == 2 && seen.mark.kind == "probe.heard");
    let mut judged = 0;
    for seen in heard {
        let Some(sent) = seen.mark.number("serial").and_then(|serial| sent.get(&serial)) else { continue };
        let took = seen.at.since(*sent);
        // Half a millisecond on the way, and at most a round's disk calls in the receiver's way.
        assert!(took >= Duration::from_micros(400) && took < Duration::from_millis(4), "{took:?}");
        judged += 1;
    }
    assert!(judged > 600);
}
