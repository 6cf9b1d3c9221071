//! Every fault kind, asked for alone, fires and has its effect on a probe.

mod probe;

use contract::{NodeId, Observed, Time};
use kernel::{FaultCount, FaultKind, FaultSpec, Settings, Span, World};

const SECONDS: u64 = 1_000_000_000;

/// A run of four probes under one fault, asked for on node 0 alone.
struct Run {
    world: World,
    marks: Vec<Observed>,
    count: FaultCount,
}

fn run(kind: FaultKind, adjust: impl FnOnce(&mut FaultSpec), seed: u64) -> Run {
    let mut spec =
        FaultSpec { every: Span::millis(200, 1_000), lasts: Span::millis(200, 600), ..kind.usual(vec![NodeId(0)]) };
    adjust(&mut spec);
    let settings = Settings { faults: vec![spec], trace_capacity: 100_000, narrate: true, ..Settings::default() };
    let mut world = World::new(probe::plan(4), &settings, seed);
    let mut marks = Vec::new();
    world.run_until(Time(20 * SECONDS));
    world.take_marks(&mut marks);
    let count = world.fault_counts().first().expect("one kind was asked for").1;
    assert!(count.asked > 5, "{kind:?} was asked {} times", count.asked);
    assert!(count.fired > 0, "{kind:?} never fired");
    Run { world, marks, count }
}

impl Run {
    fn of<'a>(&'a self, process: u32, kind: &'a str) -> impl Iterator<Item = &'a Observed> {
        self.marks.iter().filter(move |seen| seen.process.0 == process && seen.mark.kind == kind)
    }
    fn errors(&self, call: &str) -> Vec<String> {
        let errors = self.of(0, "probe.error").filter(|seen| seen.mark.text("call") == Some(call));
        errors.map(|seen| seen.mark.text("error").unwrap_or_default().to_owned()).collect()
    }
    fn heard(&self, process: u32) -> Vec<u64> {
        self.of(process, "probe.heard").filter_map(|seen| seen.mark.number("serial")).collect()
    }
    fn others_are_well(&self) {
        for process in 2..3 {
            assert!(self.of(process, "probe.round").count() > 900, "a node that was not struck goes on");
            assert_eq!(self.of(process, "probe.error").count(), 0);
        }
    }
}

#[test]
fn process_crash_starts_a_new_incarnation_on_the_same_boot() {
    let run = run(FaultKind::ProcessCrash, |_| {}, 1);
    let boots: Vec<_> = run.of(0, "probe.boot").collect();
    assert!(boots.len() as u64 >= run.count.fired);
    assert!(boots.iter().all(|seen| seen.mark.number("host_boot") == Some(1)));
    assert!(boots.windows(2).all(|pair| pair[0].mark.number("pid") != pair[1].mark.number("pid")));
    assert_eq!(run.of(0, "system.exit").count() as u64, run.count.fired);
    run.others_are_well();
}

#[test]
fn power_loss_boots_the_machine_and_its_monotonic_clock_anew() {
    let run = run(FaultKind::PowerLoss, |_| {}, 1);
    let boots: Vec<_> = run.of(0, "probe.boot").filter_map(|seen| seen.mark.number("host_boot")).collect();
    assert!(boots.windows(2).all(|pair| pair[1] == pair[0] + 1), "{boots:?}");
    let mono: Vec<_> = run.of(0, "probe.round").filter_map(|seen| seen.mark.number("mono")).collect();
    assert!(mono.windows(2).any(|pair| pair[1] < pair[0]));
    let told = run.world.trace().iter().filter(|line| line.detail.contains("unsynced changes")).count();
    assert_eq!(told as u64, run.count.asked);
    run.others_are_well();
}

#[test]
fn disk_full_refuses_writes_syncs_and_names_ends_writes_short_and_is_relieved() {
    let run = run(FaultKind::DiskFull, |_| {}, 3);
    for call in ["append", "sync", "rename"] {
        let errors = run.errors(call);
        assert!(!errors.is_empty(), "{call} met the full disk");
        assert!(errors.iter().all(|error| error.contains("ENOSPC")), "{errors:?}");
    }
    assert!(run.of(0, "probe.short").count() > 0, "a write ends short before the disk is full");
    let last = run.of(0, "probe.error").last().map(|seen| seen.event);
    assert!(run.of(0, "probe.round").last().map(|seen| seen.event) > last, "rounds succeed after relief");
    run.others_are_well();
}

#[test]
fn disk_error_hits_writes() {
    let run = run(FaultKind::DiskError, |spec| spec.chance_ppm = 300_000, 4);
    assert!(run.errors("append").iter().any(|error| error.contains("EIO")));
    run.others_are_well();
}

#[test]
fn fsync_failure_hits_syncs_only() {
    let run = run(FaultKind::FsyncFailure, |_| {}, 5);
    let errors = run.errors("sync");
    assert!(errors.iter().all(|error| error.contains("EIO")));
    assert_eq!(errors.len() as u64, run.count.fired);
    assert_eq!(run.of(0, "probe.error").count(), errors.len());
}

#[test]
fn loss_leaves_gaps() {
    let run = run(FaultKind::Loss, |spec| spec.chance_ppm = 300_000, 6);
    let heard = run.heard(1);
    let gaps: u64 = heard.windows(2).map(|pair| pair[1] - pair[0] - 1).sum();
    assert!(gaps > 20, "{gaps} notes of node 0 were lost");
    assert!(run.heard(3).windows(2).all(|pair| pair[1] == pair[0] + 1), "from 2 to 3 nothing is lost");
}

#[test]
fn duplication_delivers_twice() {
    let run = run(FaultKind::Duplication, |spec| spec.chance_ppm = 300_000, 7);
    let heard = run.heard(1);
    let unique: std::collections::BTreeSet<_> = heard.iter().collect();
    assert!(heard.len() > unique.len() + 20);
}

#[test]
fn delay_tail_makes_messages_late() {
    let run = run(FaultKind::DelayTail, |spec| spec.chance_ppm = 200_000, 8);
    let heard = run.heard(1);
    assert!(heard.windows(2).any(|pair| pair[1] + 3 < pair[0]), "a late note comes after several later ones");
}

#[test]
fn reordering_lets_messages_overtake() {
    let run = run(FaultKind::Reordering, |spec| spec.chance_ppm = 500_000, 9);
    assert!(run.heard(1).windows(2).any(|pair| pair[1] < pair[0]));
}

#[test]
fn late_replay_brings_old_messages_back_after_seconds() {
    let run = run(FaultKind::LateReplay, |spec| spec.amount = Span::millis(3_000, 5_000), 10);
    let heard = run.heard(1);
    assert!(heard.windows(2).any(|pair| pair[1] + 100 < pair[0]), "a note of seconds ago comes again");
}

#[test]
fn partition_silences_both_ways() {
    let run = run(FaultKind::Partition, |_| {}, 11);
    let gap = |process| run.heard(process).windows(2).any(|pair| pair[1] > pair[0] + 8);
    assert!(gap(1) && gap(0), "neither hears the other");
    assert!(!gap(3), "2 still reaches 3");
}

#[test]
fn one_way_partition_silences_one_way_at_a_time() {
    let run = run(FaultKind::OneWayPartition, |_| {}, 12);
    assert!(run.heard(1).windows(2).any(|pair| pair[1] > pair[0] + 8));
    assert!(run.heard(0).windows(2).any(|pair| pair[1] > pair[0] + 8));
    let lost = |process: u32| 990u64.saturating_sub(run.heard(process).len() as u64);
    assert!(lost(0) + lost(1) > 50, "some were lost");
    assert!(lost(0) + lost(1) < run.count.asked * 30 + 40, "but never in both directions at once");
}

#[test]
fn partial_partition_cuts_one_link_and_leaves_the_rest() {
    let run = run(FaultKind::PartialPartition, |spec| spec.lasts = Span::millis(500, 500), 13);
    assert!(run.heard(1).windows(2).any(|pair| pair[1] > pair[0] + 8), "0-1 was cut once");
    assert!(run.heard(1).len() > 500, "and not always: other links were cut in its place");
}

#[test]
fn pause_freezes_a_node_and_loses_nothing() {
    let run = run(FaultKind::Pause, |_| {}, 14);
    let rounds: Vec<u64> = run.of(0, "probe.round").map(|seen| seen.at.0).collect();
    assert!(rounds.windows(2).any(|pair| pair[1] - pair[0] > 200_000_000), "no round for a while");
    assert_eq!(run.of(0, "probe.boot").count(), 1);
    assert!(run.heard(0).windows(2).all(|pair| pair[1] == pair[0] + 1), "what arrived meanwhile is heard later");
    run.others_are_well();
}

#[test]
fn clock_skew_moves_the_date_and_not_the_monotonic_clock() {
    let run = run(FaultKind::ClockSkew, |_| {}, 15);
    let readings: Vec<(u64, u64)> =
        run.of(0, "probe.round").filter_map(|seen| seen.mark.number("mono").zip(seen.mark.number("wall"))).collect();
    assert!(readings.windows(2).any(|pair| pair[1].1 < pair[0].1), "the date jumps back");
    assert!(readings.windows(2).all(|pair| pair[1].0 > pair[0].0), "the monotonic clock does not");
}

#[test]
fn clock_drift_changes_the_speed_of_both_clocks_and_of_timers() {
    let run = run(FaultKind::ClockDrift, |spec| spec.chance_ppm = 200_000, 16);
    let readings: Vec<(u64, u64)> =
        run.of(0, "probe.round").filter_map(|seen| Some((seen.at.0, seen.mark.number("mono")?))).collect();
    let wrong = readings.windows(2).filter(|pair| {
        let (truth, belief) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        truth.abs_diff(belief) > truth / 50
    });
    assert!(wrong.count() > 50);
    assert!(readings.windows(2).all(|pair| pair[1].1 >= pair[0].1), "readings never go back");
}

#[test]
fn slow_disk_stretches_the_spans_of_handlers_and_fails_nothing() {
    let quick = run(FaultKind::ClockSkew, |_| {}, 17);
    let run = run(FaultKind::SlowDisk, |spec| spec.amount = Span::millis(50, 100), 17);
    // A round is held up by the slow calls of the one before: the timer waits for the end of the span.
    let longest = |run: &Run| {
        let rounds: Vec<u64> = run.of(0, "probe.round").map(|seen| seen.at.0).collect();
        rounds.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    };
    assert!(longest(&run) > 3 * longest(&quick), "{} against {} ns", longest(&run), longest(&quick));
    assert_eq!(run.of(0, "probe.error").count(), 0);
    run.others_are_well();
}

#[test]
fn read_only_refuses_every_change_until_it_is_mounted_anew() {
    let run = run(FaultKind::ReadOnly, |_| {}, 18);
    let errors: Vec<&str> = run.of(0, "probe.error").filter_map(|seen| seen.mark.text("error")).collect();
    assert!(errors.len() > 10 && errors.iter().all(|error| error.contains("EROFS")), "{errors:?}");
    let first = run.of(0, "probe.error").next().map(|seen| seen.event);
    let later = run.of(0, "probe.round").filter(|seen| Some(seen.event) > first).count();
    assert!(later > errors.len() + 50, "{later} rounds, {} refused: it is mounted again in between", errors.len());
    run.others_are_well();
}

#[test]
fn clog_holds_messages_and_lets_them_go_at_once_and_loses_none() {
    let run = run(FaultKind::Clog, |_| {}, 19);
    let arrivals: Vec<u64> = run.of(1, "probe.heard").map(|seen| seen.at.0).collect();
    assert!(arrivals.windows(2).any(|pair| pair[1] - pair[0] > 200_000_000), "silence while it is clogged");
    let burst = arrivals.windows(8).any(|eight| eight[7] - eight[0] < 6_000_000);
    assert!(burst, "then eight notes within the spread of the latencies");
    let heard: std::collections::BTreeSet<u64> = run.heard(1).into_iter().collect();
    assert!(heard.len() as u64 + 40 > heard.last().copied().unwrap_or(0), "none is lost but those still held");
}

#[test]
fn host_loss_brings_the_machine_back_without_its_files() {
    let run = run(FaultKind::HostLoss, |_| {}, 20);
    let boots: Vec<_> = run.of(0, "probe.boot").filter_map(|seen| seen.mark.number("host_boot")).collect();
    assert!(boots.len() as u64 > run.count.fired / 2 && boots.windows(2).all(|pair| pair[1] > pair[0]), "{boots:?}");
    let bytes = |node| run.world.read_file(NodeId(node), "probe.log").map_or(0, |bytes| bytes.len());
    assert!(bytes(0) < bytes(2) / 4, "{} bytes on the machine that came back, {} on another", bytes(0), bytes(2));
    run.others_are_well();
}

#[test]
fn healing_ends_every_fault_and_brings_everyone_back() {
    let faults: Vec<FaultSpec> = FaultKind::ALL
        .into_iter()
        .map(|kind| FaultSpec { every: Span::millis(100, 900), ..kind.usual((0..4).map(NodeId).collect()) })
        .collect();
    for seed in 0..20 {
        let settings = Settings { faults: faults.clone(), ..Settings::default() };
        let mut world = World::new(probe::plan(4), &settings, seed);
        world.run_until(Time(15 * SECONDS));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        world.heal();
        world.run_until(Time(17 * SECONDS));
        let settled = world.fault_counts();
        marks.clear();
        world.take_marks(&mut marks);
        marks.clear();
        world.run_until(Time(20 * SECONDS));
        world.take_marks(&mut marks);
        for process in 0..4 {
            let rounds = marks.iter().filter(|seen| seen.process.0 == process && seen.mark.kind == "probe.round");
            let rounds = rounds.count();
            assert!(rounds > 140, "probe {process} works again, seed {seed}, {rounds} rounds: {:?}", world.waiting());
        }
        assert!(marks.iter().all(|seen| seen.mark.kind != "probe.error"), "no errors after healing, seed {seed}");
        let strikes = |counts: &[(FaultKind, FaultCount)]| counts.iter().map(|(_, count)| count.asked).sum::<u64>();
        assert_eq!(strikes(&settled), strikes(&world.fault_counts()));
    }
}
