//! A machine whose programs share a workspace, in the simulator: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::knobs::Knobs;
use contract::plan::{Plan, Population, Role};
use contract::{NodeId, Observed, ProcessId, Time};
use kernel::fault::FaultKind;
use kernel::settings::{Settings, Span};
use kernel::world::World;
use oracles::{Panel, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use workspace::spec::Model;

const SECOND: u64 = 1_000_000_000;
const EDITORS: usize = 2;
const REQUESTS: u64 = 120;
const MACHINE: NodeId = NodeId(0);
const JUDGES: [&str; 4] = ["locks", "files", "sessions", "convergence"];

/// One run, its judges, and what was seen of it.
struct Run {
    world: World,
    panel: Panel,
    marks: Vec<Observed>,
}

/// A workspace and its editors; `knobs` are `role.knob` with their numbers.
fn start(seed: u64, knobs: &[(&str, u64)], faults: &[FaultKind], defects: &[&str]) -> Run {
    let roles = workspace::roles();
    let populations = [population(&roles, "workspace", 1, knobs), population(&roles, "editor", EDITORS, knobs)];
    let defects: BTreeSet<String> = defects.iter().map(|id| (*id).to_owned()).collect();
    let plan = Plan::build(&populations, &defects, REQUESTS).unwrap();
    let faults = faults.iter().map(|kind| {
        let mut spec = kind.usual(vec![MACHINE]);
        // Storms come often, so that a run of seconds meets many.
        spec.every = Span::millis(200, 4_000);
        spec.lasts = Span::millis(50, 2_000);
        spec
    });
    // Few process numbers, so that those of the dead are soon used again.
    let faults = faults.collect();
    let mut settings = Settings { faults, choices: true, codec_sample: 16, pid_max: 8, ..Settings::default() };
    if bits(seed, 77).is_multiple_of(2) {
        settings.disk.sync = Span::millis(1, 20);
    }
    let world = World::new(Arc::new(plan), &settings, seed);
    let judges: Vec<_> = oracles::all().into_iter().filter(|kind| JUDGES.contains(&kind.name)).collect();
    Run { world, panel: Panel::new(&judges), marks: Vec::new() }
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
        self.run(30, false)?;
        self.world.heal();
        let rests = self.run(300, true)?;
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
    // A workspace has one copy of everything: nothing survives damage to its disk, and a device that hands out
    // another place's bytes is not promised against.
    let kinds = kinds.filter(|(_, kind)| !kind.damages() && *kind != FaultKind::MisdirectedRead);
    let kinds = kinds.filter(|(index, _)| bits(seed, *index as u64).is_multiple_of(3)).map(|(_, kind)| kind).collect();
    let choices: [(&str, [u64; 2]); 10] = [
        ("workspace.programs", [3, 5]),
        ("workspace.patience", [300_000_000, 5_000_000_000]),
        ("workspace.backoff_longest", [50_000_000, 1_000_000_000]),
        ("workspace.empty_age", [500_000_000, 3_000_000_000]),
        ("workspace.sweep_every", [200_000_000, 5_000_000_000]),
        ("editor.rate", [3_000_000, 10_000_000]),
        ("editor.names", [1, 2]),
        ("editor.hold", [100_000_000, 1_000_000_000]),
        ("editor.litters", [0, 1]),
        ("editor.text_bytes", [100, 3_000]),
    ];
    let knobs = choices.iter().map(|(name, of)| (*name, of[bits(seed, name.len() as u64 + of[1]) as usize % 2]));
    (knobs.collect(), kinds)
}

#[test]
fn a_quiet_run_obeys_the_sequential_model_and_ends() {
    for seed in 0..5 {
        let mut run = start(seed, &[], &[], &[]);
        assert!(run.run(120, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
        let mut model = Model::default();
        for seen in &run.marks {
            model.observe(&seen.mark).unwrap_or_else(|why| panic!("seed {seed}, event {}: {why}", seen.event));
        }
        model.at_rest().unwrap();
        assert!(model.saves() > 10, "{} saves", model.saves());
    }
}

#[test]
fn stormy_runs_break_nothing_converge_when_healed_and_reach_every_rare_path() {
    let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..100 {
        let (knobs, kinds) = swarm(seed);
        let mut run = start(seed, &knobs, &kinds, &[]);
        match run.storm_then_rest() {
            Ok(true) => {}
            Ok(false) => panic!("seed {seed} with {kinds:?} {knobs:?} does not converge: {}", run.explain()),
            Err(violation) => panic!("seed {seed} with {kinds:?} {knobs:?}: {violation}"),
        }
        for seen in &run.marks {
            *coverage.entry(seen.mark.kind.to_string()).or_default() += 1;
        }
    }
    let missing: Vec<&str> = RARE.into_iter().filter(|kind| !coverage.contains_key(*kind)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}\n{coverage:#?}");
}

/// Marks of rare paths.
const RARE: [&str; 3] = ["lock.broken", "lock.refused", "program.not_started"];

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
fn each_planted_defect_is_found_by_its_oracle() {
    for (defect, judge) in
        [("P05", "locks"), ("P06", "locks"), ("P07", "locks"), ("P13", "files"), ("P14", "files"), ("P15", "files")]
    {
        let found = (0..300).find_map(|seed| {
            let (knobs, kinds) = swarm(seed);
            let mut run = start(seed, &knobs, &kinds, &[defect]);
            run.storm_then_rest().err().map(|violation| (seed, violation))
        });
        let Some((seed, violation)) = found else { panic!("{defect} is not found in 300 seeds") };
        println!("{defect} after {} seeds: {violation}", seed + 1);
        assert_eq!(violation.oracle, judge, "{defect}: {violation}");
    }
}
