//! Determinism, copies of the world, and the cut.

mod probe;

use contract::cell::blueprint;
use contract::plan::{Directory, NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Context, Duration, Halt, NodeId, Open, ProcessId, Time, inbox, mark, message};
use kernel::{FaultCount, FaultKind, FaultSpec, Note, Settings, Span, What, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

fn stormy() -> Settings {
    let everyone: Vec<NodeId> = (0..5).map(NodeId).collect();
    let faults = FaultKind::ALL
        .into_iter()
        .map(|kind| FaultSpec { every: Span::millis(100, 2_000), ..kind.usual(everyone.clone()) });
    Settings { faults: faults.collect(), choices: true, ..Settings::default() }
}

#[test]
fn equal_seeds_give_equal_runs_event_by_event_and_others_do_not() {
    for seed in 0..10 {
        let mut a = World::new(probe::plan(5), &stormy(), seed);
        let mut b = World::new(probe::plan(5), &stormy(), seed);
        for _ in 0..3_000 {
            assert_eq!(a.step(), b.step());
            assert_eq!(a.fingerprint(), b.fingerprint());
        }
        let mut c = World::new(probe::plan(5), &stormy(), seed + 1_000);
        c.run_until(a.now());
        assert_ne!(a.fingerprint(), c.fingerprint());
    }
}

#[test]
fn a_copy_goes_on_as_the_original_would_have() {
    for seed in 0..10 {
        let mut original = World::new(probe::plan(5), &stormy(), seed);
        original.run_until(Time(3_000_000_000));
        let mut copy = original.clone();
        original.run_until(Time(6_000_000_000));
        let (mut marks, mut again) = (Vec::new(), Vec::new());
        copy.run_until(Time(6_000_000_000));
        original.take_marks(&mut marks);
        copy.take_marks(&mut again);
        assert_eq!(original.fingerprint(), copy.fingerprint());
        assert_eq!(marks, again);
        assert_eq!(original.trace(), copy.trace());
    }
}

#[test]
fn stepping_and_running_are_the_same_and_narration_changes_nothing() {
    let mut stepped = World::new(probe::plan(5), &stormy(), 7);
    while stepped.now() < Time(2_000_000_000) {
        stepped.step();
    }
    let mut run = World::new(probe::plan(5), &Settings { narrate: true, trace_capacity: 3, ..stormy() }, 7);
    run.run_until(stepped.now());
    assert_eq!(stepped.fingerprint(), run.fingerprint());
}

#[test]
fn a_narrated_run_tells_each_message_from_its_sending_to_its_end() {
    let settings = Settings { narrate: true, trace_capacity: 1 << 20, ..stormy() };
    let mut world = World::new(probe::plan(5), &settings, 7);
    world.run_until(Time(2_000_000_000));
    let mut sent = BTreeMap::new();
    let (mut ended, mut calls) = (0, 0);
    for happening in world.happenings() {
        for note in happening.notes {
            match note {
                Note::Sent { at, to, identity, .. } => {
                    assert!(*at > happening.at, "a send takes its moment after its handler began");
                    sent.insert(*identity, (happening.event, *to));
                }
                Note::Message { identity, sent: left, .. } => {
                    assert!(happening.what == What::Deliver || happening.what == What::Drop);
                    // A copy has an identity of its own.
                    let Some((cause, to)) = sent.get(identity) else { continue };
                    assert_eq!((happening.cause, happening.process), (*cause, Some(*to)));
                    assert!(happening.what == What::Drop || *left < happening.at, "it takes time to arrive");
                    ended += 1;
                }
                Note::Disk(call) => {
                    assert!(call.at >= happening.at && call.until >= call.at, "{call}");
                    calls += 1;
                }
                _ => {}
            }
        }
    }
    assert!(ended > 100 && calls > 100, "{ended} messages ended, {calls} disk calls");
    let mut quiet = World::new(probe::plan(5), &stormy(), 7);
    quiet.run_until(Time(2_000_000_000));
    assert!(quiet.happenings().all(|happening| happening.notes.is_empty()), "only narrated runs keep notes");
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step(u64);
message!(Step = "test.step/1");
inbox! {
    enum Inbox { Step(Step) }
}

/// Writes, sends and marks in turn, so that each lies at its own time inside one span.
#[derive(Clone, Debug)]
struct Busy;

impl Actor for Busy {
    type Config = ();
    type Inbox = Inbox;
    type Timer = ();
    fn boot((): &(), ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        if !ctx.disk().exists("log")? {
            ctx.set_timer((), Duration::from_millis(10));
        }
        Ok(Busy)
    }
    fn on_message(&mut self, _: ProcessId, _: Inbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let file = ctx.disk().open("log", Open::Create)?;
        for step in 0..10 {
            ctx.disk().append_all(file, &[step as u8])?;
            ctx.disk().sync(file)?;
            ctx.send(Directory::known(ProcessId(1)), Step(step));
            ctx.mark(mark!("busy.step", step = step));
        }
        Ok(())
    }
}

/// Marks what it hears.
#[derive(Clone, Debug)]
struct Ear;

impl Actor for Ear {
    type Config = ();
    type Inbox = Inbox;
    type Timer = ();
    fn boot((): &(), _: &mut Context<'_, Self>) -> Result<Self, Halt> {
        Ok(Ear)
    }
    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Step(Step(step)) = message;
        ctx.mark(mark!("ear.step", step = step));
        Ok(())
    }
    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

fn busy_plan() -> Arc<Plan> {
    let mut plan = Plan::default();
    for (node, blueprint) in [blueprint::<Busy>(()), blueprint::<Ear>(())].into_iter().enumerate() {
        let name = format!("node-{node}");
        plan.nodes.push(NodePlan { name: name.clone(), role: "node", kind: RoleKind::System });
        plan.processes.push(ProcessPlan { name, node: NodeId(node as u32), blueprint });
    }
    Arc::new(plan)
}

fn steps(marks: &[contract::Observed], kind: &str) -> Vec<u64> {
    let mut steps: Vec<u64> =
        marks.iter().filter(|seen| seen.mark.kind == kind).filter_map(|seen| seen.mark.number("step")).collect();
    steps.sort_unstable();
    steps
}

/// A process that dies inside its span keeps exactly the effects up to that time: each file length,
/// number of marks and set of messages occurs, and they agree.
#[test]
fn a_crash_falls_between_any_two_effects_and_cuts_all_later_ones() {
    let mut lengths = std::collections::BTreeSet::new();
    for moment in 0..600u64 {
        let mut world = World::new(busy_plan(), &Settings::default(), 3);
        world.run_until(Time(9_500_000 + moment * 30_000));
        world.crash(ProcessId(0), Duration::from_millis(50));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        let length = world.read_file(NodeId(0), "log").map_or(0, |bytes| bytes.len());
        world.run_until(Time(100_000_000));
        world.take_marks(&mut marks);
        let (said, heard) = (steps(&marks, "busy.step"), steps(&marks, "ear.step"));
        if length == 0 && said.len() == 10 && heard.len() == 10 {
            continue; // The crash came before the file was made; the next incarnation did it all.
        }
        assert_eq!(said, heard, "a mark and a send of the same time meet the same fate");
        assert!(length == said.len() || length == said.len() + 1, "{length} bytes, {} marks", said.len());
        lengths.insert((length, said.len()));
    }
    assert!(lengths.len() > 15, "crashes fell between many pairs of effects: {lengths:?}");
}

/// A process that is paused inside its span does the rest of it afterwards.
#[test]
fn a_pause_inside_a_span_puts_off_the_later_effects() {
    let pause = FaultSpec {
        every: Span::millis(12, 12),
        lasts: Span::millis(1_000, 1_000),
        limit: 1,
        ..FaultKind::Pause.usual(vec![NodeId(0)])
    };
    let settings = Settings { faults: vec![pause], ..Settings::default() };
    let mut world = World::new(busy_plan(), &settings, 3);
    world.run_until(Time(1_000_000_000));
    let mut marks = Vec::new();
    world.take_marks(&mut marks);
    let before = steps(&marks, "busy.step").len();
    assert!((1..10).contains(&before), "{before} steps before the pause");
    assert_eq!(steps(&marks, "ear.step").len(), before, "nothing is heard that was not yet sent");
    world.run_until(Time(2_000_000_000));
    world.take_marks(&mut marks);
    assert_eq!(steps(&marks, "busy.step"), (0..10).collect::<Vec<_>>());
    assert_eq!(steps(&marks, "ear.step"), (0..10).collect::<Vec<_>>());
    assert!(marks.windows(2).all(|pair| pair[0].at <= pair[1].at), "marks stay in the order of time");
}

#[test]
fn a_run_that_goes_round_in_circles_is_exhausted_not_endless() {
    let settings = Settings { events_max: 5_000, ..stormy() };
    let mut world = World::new(probe::plan(5), &settings, 1);
    assert_eq!(world.run_until(Time(u64::MAX)), kernel::Progress::Exhausted);
    // The last step may be a broken connection: an event for each message that was on its way.
    assert!((5_000..5_500).contains(&world.events()), "{} events", world.events());
}

#[test]
fn marks_come_out_in_the_order_of_time_and_only_once_they_are_certain() {
    let mut world = World::new(probe::plan(5), &stormy(), 11);
    let (mut all, mut some) = (Vec::new(), Vec::new());
    for slice in 1..200 {
        world.run_until(Time(slice * 50_000_000));
        some.clear();
        world.take_marks(&mut some);
        assert!(some.iter().all(|seen| seen.at <= world.now()));
        all.append(&mut some);
    }
    assert!(all.len() > 1_000);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
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
        world.run_until(Time(15_000_000_000));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        world.heal();
        world.run_until(Time(17_000_000_000));
        let settled = world.fault_counts();
        marks.clear();
        world.take_marks(&mut marks);
        marks.clear();
        world.run_until(Time(20_000_000_000));
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

/// Marks of a run of four probes in which `kind` strikes once, at 1 s, for 10 s, up to `until`, healed at 3 s.
fn healed_early(kind: FaultKind, targets: Vec<NodeId>, until: Time) -> (World, Vec<contract::Observed>) {
    let once = FaultSpec {
        every: Span::millis(1_000, 1_000),
        lasts: Span::millis(10_000, 10_000),
        scope: kernel::Scope::All,
        limit: 1,
        ..kind.usual(targets)
    };
    let settings = Settings { faults: vec![once], ..Settings::default() };
    let mut world = World::new(probe::plan(4), &settings, 3);
    world.run_until(Time(3_000_000_000));
    world.heal();
    world.run_until(until);
    let mut marks = Vec::new();
    world.take_marks(&mut marks);
    (world, marks)
}

#[test]
fn healing_rolls_everyone_back_to_the_first_build() {
    let (world, marks) = healed_early(FaultKind::VersionSkew, (0..4).map(NodeId).collect(), Time(8_000_000_000));
    let rounds = |process: u32, from: u64, build: Option<u64>| {
        let of_it = marks.iter().filter(|seen| seen.process.0 == process && seen.mark.kind == "probe.round");
        of_it.filter(|seen| seen.at.0 >= from && seen.mark.number("build") == build).count()
    };
    for process in 0..4 {
        assert!(rounds(process, 0, Some(2)) > 50, "probe {process} ran its second build");
        assert_eq!(rounds(process, 3_000_000_000, Some(2)), 0, "and no longer when it is healed");
        assert!(rounds(process, 3_000_000_000, None) > 200, "its first build works");
    }
    let heard_new = marks.iter().filter(|seen| seen.mark.number("protocol") == Some(2)).count();
    assert!(heard_new > 50, "second builds among themselves speak the second protocol");
    assert!(world.fault_counts()[0].1.fired >= 8, "four upgrades and four rollbacks");
}

#[test]
fn a_zombie_that_is_healed_early_sends_what_was_queued_then_and_loses_nothing() {
    let mut queued = 0;
    for moment in 0..20u64 {
        let once = FaultSpec {
            every: Span::exactly(Duration::from_millis(1_000 + moment)),
            lasts: Span::millis(10_000, 10_000),
            limit: 1,
            ..FaultKind::Zombie.usual(vec![NodeId(0)])
        };
        let settings = Settings { faults: vec![once], ..Settings::default() };
        let mut world = World::new(probe::plan(4), &settings, 3);
        world.run_until(Time(3_000_000_000));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        let before = marks.len();
        world.heal();
        world.run_until(Time(3_500_000_000));
        world.take_marks(&mut marks);
        let heard = |marks: &[contract::Observed]| -> Vec<u64> {
            let of_it = marks.iter().filter(|seen| seen.process.0 == 1 && seen.mark.kind == "probe.heard");
            of_it.filter_map(|seen| seen.mark.number("serial")).collect()
        };
        let mut all = heard(&marks);
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "nothing is missing or heard twice: {all:?}");
        let sent_before = marks[..before].iter().filter(|seen| seen.process.0 == 0 && seen.mark.kind == "probe.round");
        queued += sent_before.count() - heard(&marks[..before]).len();
        assert!(all.len() > 60, "it goes on at once");
    }
    assert!(queued > 2, "{queued} notes were sent before the stop and left after it");
}

#[test]
fn a_zombie_that_dies_has_not_sent_what_was_queued() {
    let mut never = 0;
    for moment in 0..20u64 {
        let once = FaultSpec {
            every: Span::exactly(Duration::from_millis(1_000 + moment)),
            lasts: Span::millis(1_000, 1_000),
            limit: 1,
            ..FaultKind::Zombie.usual(vec![NodeId(0)])
        };
        let settings = Settings { faults: vec![once], ..Settings::default() };
        let mut world = World::new(probe::plan(4), &settings, 3);
        world.run_until(Time(1_500_000_000));
        world.crash(ProcessId(0), Duration::from_millis(100));
        world.run_until(Time(3_000_000_000));
        let mut marks = Vec::new();
        world.take_marks(&mut marks);
        let count = |process: u32, kind: &str| {
            marks.iter().filter(|seen| seen.process.0 == process && seen.mark.kind == kind).count()
        };
        never += count(0, "probe.round") - count(1, "probe.heard").min(count(0, "probe.round"));
        assert!(count(0, "probe.boot") == 2, "it starts again after the pause");
    }
    assert!(never > 2, "{never} notes were never sent");
}

#[test]
fn a_node_without_another_build_never_meets_version_skew() {
    let skew = FaultKind::VersionSkew.usual(vec![NodeId(0), NodeId(1)]);
    let skew = FaultSpec { every: Span::millis(5, 50), lasts: Span::millis(5, 50), ..skew };
    let mut struck = World::new(busy_plan(), &Settings { faults: vec![skew], ..Settings::default() }, 3);
    struck.run_until(Time(1_000_000_000));
    let count = struck.fault_counts()[0].1;
    assert!(count.asked > 10 && count.fired == 0, "{count:?}");
    let mut marks = Vec::new();
    struck.take_marks(&mut marks);
    assert_eq!(steps(&marks, "busy.step"), (0..10).collect::<Vec<_>>(), "it runs as ever");
}

#[test]
fn who_dies_in_a_pause_and_is_paused_again_resumes_with_its_node() {
    let pause = |at| FaultSpec {
        every: Span::exactly(Duration::from_millis(at)),
        lasts: Span::millis(20_000, 20_000),
        limit: 1,
        ..FaultKind::Pause.usual(vec![NodeId(0)])
    };
    let settings = Settings { faults: vec![pause(100), pause(300)], ..Settings::default() };
    let mut world = World::new(probe::plan(4), &settings, 1);
    world.run_until(Time(200_000_000));
    world.crash(ProcessId(0), Duration::ZERO);
    world.run_until(Time(500_000_000));
    world.heal();
    let mut marks = Vec::new();
    world.take_marks(&mut marks);
    marks.clear();
    world.run_until(Time(2_000_000_000));
    world.take_marks(&mut marks);
    let rounds = marks.iter().filter(|seen| seen.process.0 == 0 && seen.mark.kind == "probe.round").count();
    assert!(rounds > 60, "{rounds} rounds in a second and a half");
}
