//! Whole clusters of a component in the simulator, judged by oracles: what the components' cluster tests share. Each
//! takes it in with `#[path]`, since tests of an actor may know the kernel and the oracles and no other crate.

use contract::knobs::Knobs;
use contract::plan::{Plan, Population, Role};
use contract::{NodeId, Observed, ProcessId, Time};
use kernel::fault::FaultKind;
use kernel::settings::{Settings, Span};
use kernel::world::World;
use oracles::{OracleKind, Panel, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

/// What a component's clusters are made of.
pub struct Rig {
    /// Its roles,
    pub roles: Vec<Role>,
    /// and how many nodes of each.
    pub counts: Vec<(&'static str, usize)>,
    /// The nodes that faults strike.
    pub struck: Vec<NodeId>,
    /// Operations of all clients together.
    pub requests: u64,
    /// Who judges.
    pub judges: Vec<OracleKind>,
    /// Process numbers are given out again after so many.
    pub pid_max: u32,
    /// Fault kinds that the component promises to survive.
    pub survives: fn(FaultKind) -> bool,
    /// `role.knob`, and the two values that a seed draws from.
    pub choices: Vec<(&'static str, [u64; 2])>,
    /// Seconds of virtual time for a storm, and at most for the rest after it.
    pub seconds: (u64, u64),
}

/// One run, its judges, and what was seen of it.
pub struct Run {
    pub world: World,
    pub panel: Panel,
    pub marks: Vec<Observed>,
}

impl Rig {
    /// A quiet cluster with every knob at its default.
    pub fn quiet(&self, seed: u64) -> Run {
        self.start(seed, (&[], &[]), &[])
    }

    fn start(&self, seed: u64, (knobs, faults): (&[(&str, u64)], &[FaultKind]), defects: &[&str]) -> Run {
        let populations: Vec<Population<'_>> =
            self.counts.iter().map(|(name, count)| population(&self.roles, name, *count, knobs)).collect();
        let defects: BTreeSet<String> = defects.iter().map(|id| (*id).to_owned()).collect();
        // The populations are the rig's own: a plan that cannot be built is a mistake in the test.
        let plan = Plan::build(&populations, &defects, self.requests).unwrap();
        let faults = faults.iter().map(|kind| {
            let mut spec = kind.usual(self.struck.clone());
            // Storms come often, so that a run of seconds meets many.
            spec.every = Span::millis(200, 4_000);
            spec.lasts = Span::millis(50, 2_000);
            spec
        });
        let (faults, pid_max) = (faults.collect(), self.pid_max);
        let mut settings = Settings { faults, choices: true, codec_sample: 16, pid_max, ..Settings::default() };
        if bits(seed, 77).is_multiple_of(2) {
            // A slow disk: more crashes fall between an append and the end of its sync.
            settings.disk.sync = Span::millis(1, 20);
        }
        let world = World::new(Arc::new(plan), &settings, seed);
        Run { world, panel: Panel::new(&self.judges), marks: Vec::new() }
    }

    /// The knobs and the fault kinds of a seed: each kind is there in every third seed, limits are small or usual.
    fn swarm(&self, seed: u64) -> (Vec<(&'static str, u64)>, Vec<FaultKind>) {
        let kinds = FaultKind::ALL.into_iter().enumerate().filter(|(_, kind)| (self.survives)(*kind));
        let kinds = kinds.filter(|(index, _)| bits(seed, *index as u64).is_multiple_of(3));
        let knob = |(name, of): &(&'static str, [u64; 2])| {
            (*name, of[bits(seed, name.len() as u64 + of[0].max(of[1])) as usize % 2])
        };
        (self.choices.iter().map(knob).collect(), kinds.map(|(_, kind)| kind).collect())
    }

    /// The storm of a seed, and then the healed end of it; whether it came to rest.
    fn storm(&self, seed: u64, defects: &[&str]) -> (Run, Result<bool, Violation>) {
        let (knobs, kinds) = self.swarm(seed);
        let mut run = self.start(seed, (&knobs, &kinds), defects);
        let rests = run.storm_then_rest(self.seconds);
        (run, rests)
    }

    /// Storms break nothing, converge when they are healed, and among them reach all of these marks and none of those.
    pub fn storms(&self, seeds: u64, rare: &[&str], never: &[&str]) {
        let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
        for seed in 0..seeds {
            let (run, rests) = self.storm(seed, &[]);
            match rests {
                Ok(true) => {}
                Ok(false) => panic!("seed {seed} with {:?} does not converge: {}", self.swarm(seed), run.explain()),
                Err(violation) => panic!("seed {seed} with {:?}: {violation}", self.swarm(seed)),
            }
            for seen in &run.marks {
                assert!(!never.contains(&&*seen.mark.kind), "seed {seed}, event {}: {}", seen.event, seen.mark);
                *coverage.entry(seen.mark.kind.to_string()).or_default() += 1;
            }
        }
        let missing: Vec<&&str> = rare.iter().filter(|kind| !coverage.contains_key(**kind)).collect();
        assert!(missing.is_empty(), "never reached: {missing:?}\n{coverage:#?}");
    }

    /// The same seed gives the same run.
    pub fn same_twice(&self, seed: u64) {
        let run = || {
            let (knobs, kinds) = self.swarm(seed);
            let mut run = self.start(seed, (&knobs, &kinds), &[]);
            // A world that cannot run fails the test, which is what it is for.
            run.run(20, false).unwrap();
            (run.world.fingerprint(), run.marks)
        };
        assert_eq!(run(), run());
    }

    /// A planted defect is found within 300 storms, by its oracle.
    #[cfg(feature = "planted")]
    pub fn finds(&self, defect: &str, judge: &str) {
        let found = (0..300).find_map(|seed| self.storm(seed, &[defect]).1.err().map(|violation| (seed, violation)));
        let Some((seed, violation)) = found else { panic!("{defect} is not found in 300 seeds") };
        println!("{defect} after {} seeds: {violation}", seed + 1);
        assert_eq!(violation.oracle, judge, "{defect}: {violation}");
    }
}

impl Run {
    /// Runs until nothing is pending (if that is awaited) or `seconds` of virtual time are over.
    pub fn run(&mut self, seconds: u64, awaits_rest: bool) -> Result<bool, Violation> {
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

    fn storm_then_rest(&mut self, (storm, rest): (u64, u64)) -> Result<bool, Violation> {
        self.run(storm, false)?;
        self.world.heal();
        let rests = self.run(rest, true)?;
        if rests {
            self.panel.finish()?;
        }
        Ok(rests)
    }

    /// Who waits for what, for a test that fails.
    pub fn explain(&self) -> String {
        let all = (0..self.world.plan().processes.len() as u32).map(ProcessId);
        let states = all.filter_map(|process| self.world.inspect(process));
        let states: Vec<String> = states.map(|text| text.chars().take(1_500).collect()).collect();
        format!("{:#?}\n{:?}\n{}", self.panel.pending(), self.world.waiting(), states.join("\n"))
    }
}

fn population<'r>(roles: &'r [Role], name: &str, count: usize, set: &[(&str, u64)]) -> Population<'r> {
    // A role that is missing here is a mistake in the test that named it.
    let role = roles.iter().find(|role| role.name == name).unwrap();
    let mut knobs = Knobs::defaults(role.knobs);
    for (key, value) in set {
        if let Some(knob) = role.knobs.iter().find(|knob| *key == format!("{name}.{}", knob.name)) {
            knobs.set(knob, *value);
        }
    }
    Population { role, count, knobs }
}

/// Random bits of a seed, for drawing shapes.
fn bits(seed: u64, about: u64) -> u64 {
    let mixed = (seed ^ about.rotate_left(32)).wrapping_add(about).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}
