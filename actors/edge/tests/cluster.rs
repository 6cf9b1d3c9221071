//! Whole clusters in the simulator, judged by the oracles: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::knobs::Knobs;
use contract::plan::{Plan, Population, Role};
use contract::{NodeId, Observed, ProcessId, Time};
use edge::spec::Custody;
use kernel::fault::FaultKind;
use kernel::settings::{Settings, Span};
use kernel::world::World;
use oracles::{Panel, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
const EDGES: usize = 2;
const CLIENTS: usize = 2;
const REQUESTS: u64 = 300;

/// One run, its judges, and what was seen of it.
struct Run {
    world: World,
    panel: Panel,
    marks: Vec<Observed>,
}

/// A cluster; `knobs` are `role.knob` with their numbers.
fn start(seed: u64, knobs: &[(&str, u64)], faults: &[FaultKind], defects: &[&str]) -> Run {
    let roles = edge::roles();
    let counts = [("edge", EDGES), ("primary", 1), ("ingest", CLIENTS)];
    let populations: Vec<Population<'_>> = counts.iter().map(|it| population(&roles, it.0, it.1, knobs)).collect();
    let defects: BTreeSet<String> = defects.iter().map(|id| (*id).to_owned()).collect();
    let plan = Plan::build(&populations, &defects, REQUESTS).unwrap();
    let systems: Vec<NodeId> = (0..=EDGES as u32).map(NodeId).collect();
    let faults = faults.iter().map(|kind| {
        let mut spec = kind.usual(systems.clone());
        // Storms come often, so that a run of seconds meets many.
        spec.every = Span::millis(200, 4_000);
        spec.lasts = Span::millis(50, 2_000);
        spec
    });
    let mut settings = Settings { faults: faults.collect(), choices: true, codec_sample: 16, ..Settings::default() };
    if bits(seed, 77).is_multiple_of(2) {
        // A slow disk: more crashes fall between an append and the end of its sync.
        settings.disk.sync = Span::millis(1, 20);
    }
    let world = World::new(Arc::new(plan), &settings, seed);
    Run { world, panel: Panel::new(&oracles::all()), marks: Vec::new() }
}

fn population<'r>(roles: &'r [Role], name: &str, count: usize, set: &[(&str, u64)]) -> Population<'r> {
    let role = roles.iter().find(|role| role.name == name).unwrap();
    let mut knobs = Knobs::defaults(role.knobs);
    for (key, value) in set {
        if let Some(knob) = role.knobs.iter().find(|knob| *key == format!("{name}.{}", knob.name)) {
            knobs.set(knob, *value);
        }
    }
    Population { role, count, knobs }
}

impl Run {
    /// Runs until nothing is pending (if that is awaited) or `seconds` of virtual time are over.
    fn run(&mut self, seconds: u64, awaits_rest: bool) -> Result<bool, Violation> {
        let end = self.world.now().0 + seconds * SECOND;
        while self.world.now().0 < end {
            self.world.run_until(Time(self.world.now().0 + SECOND / 4));
            let mut new = Vec::new();
            self.world.take_marks(&mut new);
            let verdict = self.panel.observe_all(&new);
            self.marks.append(&mut new);
            verdict?;
            if awaits_rest && self.panel.pending().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The storm, then the healed end of it; whether it came to rest.
    fn storm_then_rest(&mut self) -> Result<bool, Violation> {
        self.run(40, false)?;
        self.world.heal();
        let rests = self.run(180, true)?;
        if rests {
            self.panel.finish()?;
        }
        Ok(rests)
    }

    fn explain(&self) -> String {
        let all = (0..self.world.plan().processes.len() as u32).map(ProcessId);
        let states = all.filter_map(|process| self.world.inspect(process));
        let states: Vec<String> = states.map(|text| text.chars().take(1_500).collect()).collect();
        format!("{:#?}\n{:?}\n{}", self.panel.pending(), self.world.waiting(), states.join("\n"))
    }
}

/// Random bits of a seed, for drawing shapes.
fn bits(seed: u64, about: u64) -> u64 {
    let mixed = (seed ^ about.rotate_left(32)).wrapping_add(about).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// The knobs and the fault kinds of a seed: each kind is there in every third seed, limits are small or usual.
fn swarm(seed: u64) -> (Vec<(&'static str, u64)>, Vec<FaultKind>) {
    let kinds = FaultKind::ALL.into_iter().enumerate();
    // What an edge has accepted has one copy until the primary has it: nothing survives damage to its disk.
    let kinds = kinds.filter(|(_, kind)| !kind.damages());
    let kinds = kinds.filter(|(index, _)| bits(seed, *index as u64).is_multiple_of(3)).map(|(_, kind)| kind).collect();
    let choices: [(&str, [u64; 2]); 11] = [
        ("edge.segment_bytes", [1_024, 65_536]),
        ("edge.gate_timeout", [500_000_000, 10_000_000_000]),
        ("edge.volatile_max", [2, 256]),
        ("edge.batch_records", [3, 32]),
        ("edge.submit_deadline", [500_000_000, 3_000_000_000]),
        ("edge.uplink_queue", [4, 128]),
        ("edge.drain_every", [100_000_000, 1_000_000_000]),
        ("edge.ask_deadline", [1_000_000_000, 5_000_000_000]),
        ("primary.group_wait", [0, 5_000_000]),
        ("ingest.rate", [5_000_000, 20_000_000]),
        ("ingest.record_bytes", [64, 1_024]),
    ];
    let knobs = choices.iter().map(|(name, of)| (*name, of[bits(seed, name.len() as u64 + of[0]) as usize % 2]));
    (knobs.collect(), kinds)
}

#[test]
fn a_quiet_run_obeys_the_sequential_model_and_leaves_nothing_behind() {
    for seed in 0..5 {
        let mut run = start(seed, &[], &[], &[]);
        assert!(run.run(60, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
        let mut custody = Custody::default();
        for seen in &run.marks {
            custody.observe(&seen.mark).unwrap_or_else(|why| panic!("seed {seed}, event {}: {why}", seen.event));
        }
        custody.at_rest().unwrap();
        assert_eq!(custody.accepted().len() as u64, REQUESTS);
    }
}

#[test]
fn stormy_runs_break_nothing_converge_when_healed_and_reach_every_rare_path() {
    let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..150 {
        let (knobs, kinds) = swarm(seed);
        let mut run = start(seed, &knobs, &kinds, &[]);
        match run.storm_then_rest() {
            Ok(true) => {}
            Ok(false) => panic!("seed {seed} with {kinds:?} {knobs:?} does not converge: {}", run.explain()),
            Err(violation) => panic!("seed {seed} with {kinds:?} {knobs:?}: {violation}"),
        }
        assert!(
            !run.marks.iter().any(|seen| seen.mark.kind == "edge.commit_inexact"),
            "seed {seed}: a worker lost count"
        );
        for seen in &run.marks {
            *coverage.entry(seen.mark.kind.to_string()).or_default() += 1;
        }
    }
    let missing: Vec<&str> = RARE.into_iter().filter(|kind| !coverage.contains_key(*kind)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}\n{coverage:#?}");
}

/// Marks of rare paths. Rot and holes need faults that the kernel does not have yet; tests/buffer.rs and tests/ledger.rs reach them.
const RARE: [&str; 23] = [
    "edge.asked_again",
    "edge.commit_aborted",
    "edge.drain_refused",
    "edge.full",
    "edge.gate_busy",
    "edge.gate_taken_over",
    "edge.requeued",
    "edge.stale_commit",
    "edge.stale_page",
    "edge.staging_resumed",
    "edge.tail_repaired",
    "edge.unlink_failed",
    "edge.volatile",
    "edge.volatile_full",
    "edge.write_failed",
    "ledger.duplicate",
    "ledger.tail_repaired",
    "ledger.write_failed",
    "uplink.down",
    "uplink.full",
    "uplink.late_answer",
    "uplink.refused",
    "worker.gave_up",
];

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let (knobs, kinds) = swarm(11);
        let mut run = start(11, &knobs, &kinds, &[]);
        run.run(20, false).unwrap();
        (run.world.fingerprint(), run.marks)
    };
    assert_eq!(run(), run());
}

#[cfg(feature = "planted")]
#[test]
fn the_custody_oracle_finds_each_planted_defect() {
    for defect in ["P01", "P02", "P03", "P04"] {
        let found = (0..300).find_map(|seed| {
            let (knobs, kinds) = swarm(seed);
            let mut run = start(seed, &knobs, &kinds, &[defect]);
            run.storm_then_rest().err().map(|violation| (seed, violation))
        });
        let Some((seed, violation)) = found else { panic!("{defect} is not found in 300 seeds") };
        println!("{defect} after {} seeds: {violation}", seed + 1);
        assert_eq!(violation.oracle, "custody", "{defect}: {violation}");
    }
}
