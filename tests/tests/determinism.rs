//! Same seed, same run: twice, on one and on eight threads, in every build profile, on every kind of machine,
//! and whatever else the registry holds.
//!
//! Fingerprints are pinned in `golden/`, one pair of files for all: the debug and the release build of this test
//! must agree with them, and so must the builds for other machines (`make portable`). After a change that is
//! meant to change runs, `STORMPROOF_REWRITE=1 cargo test -p stormproof-tests --test determinism` writes them anew.

#![allow(clippy::disallowed_methods)] // a test reads its golden file and its environment

use contract::cell::{Blueprint, blueprint};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use contract::{Actor, Context, Halt, ProcessId, Time, inbox, message};
use kernel::{FaultKind, FaultSpec, Settings, Span, World};
use runner::{Console, Registry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use support::bench::{pingpong, quorum, steady};

const SEEDS: u64 = 6;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the crate lies in the project")
}

/// The scenario files of a folder, relative to the project's root.
fn files(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join(folder))
        .expect("the folder exists")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} holds scenarios");
    names
}

/// Runs a command line; what it printed and how it ended.
fn stormproof(registry: &Registry, args: &[&str]) -> (String, ExitCode) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
    let args = std::iter::once("stormproof").chain(args.iter().copied()).map(OsString::from);
    let exit = runner::cli::execute(registry, None, args, &mut console);
    (String::from_utf8(out).expect("output is text"), exit.into())
}

fn fingerprint(registry: &Registry, file: &str, seed: u64) -> String {
    let path = root().join(file);
    let (seed, path) = (seed.to_string(), path.to_string_lossy());
    let (out, _) = stormproof(registry, &["run", &path, "--seed", &seed, "--json"]);
    let run: serde_json::Value = serde_json::from_str(out.trim()).expect("`run --json` prints one object");
    run["fingerprint"].as_str().expect("every run has a fingerprint").to_owned()
}

/// Compares lines with a golden file, or writes it anew where that is asked for. Only lines that differ are shown.
fn agrees_with(name: &str, lines: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("STORMPROOF_REWRITE").is_some() {
        std::fs::write(&golden, lines).expect("the golden file can be written");
    }
    let pinned = std::fs::read_to_string(&golden).unwrap_or_default();
    let others = |these: &str, those: &str| -> Vec<String> {
        let those: BTreeSet<&str> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(str::to_owned).collect()
    };
    let (changed, were) = (others(lines, &pinned), others(&pinned, lines));
    assert!(
        changed.is_empty() && were.is_empty(),
        "runs differ from golden/{name}; if they should, rewrite it (see the top of this test)\nnow: {changed:#?}\npinned: {were:#?}"
    );
}

#[test]
fn fingerprints_are_equal_twice_and_those_of_other_builds_and_machines() {
    let registry = scenarios::registry();
    let mut lines = String::new();
    for file in files("scenarios/fast").into_iter().chain(files("scenarios/negative")) {
        for seed in 0..SEEDS {
            let first = fingerprint(&registry, &file, seed);
            assert_eq!(first, fingerprint(&registry, &file, seed), "{file} seed {seed}, run twice");
            lines.push_str(&format!("{file} {seed} {first}\n"));
        }
    }
    agrees_with("fingerprints.txt", &lines);
}

/// Ten virtual seconds of a workload under faults that come often.
fn steady_run(kinds: &[FaultKind], seed: u64) -> World {
    let often = |spec: FaultSpec| FaultSpec {
        every: Span::millis(200, 1_000),
        lasts: Span::millis(200, 600),
        chance_ppm: (4 * spec.chance_ppm).min(200_000),
        ..spec
    };
    let faults = steady::faults(kinds).into_iter().map(often).collect();
    let mut world = steady::world(&steady::plan(true), faults, seed);
    world.run_until(Time(10_000_000_000));
    world
}

#[test]
fn the_kernel_alone_has_the_pinned_fingerprints_under_every_fault() {
    let mut lines = String::new();
    let mut unmet: BTreeSet<FaultKind> = FaultKind::ALL.into();
    let every = FaultKind::ALL.into_iter().map(|kind| (kind.name(), vec![kind]));
    for (name, kinds) in every.chain([("quiet", vec![]), ("all", FaultKind::ALL.to_vec())]) {
        for seed in 1..=2 {
            let world = steady_run(&kinds, seed);
            lines.push_str(&format!("steady/{name} {seed} {:016x}\n", world.fingerprint()));
            let fired = world.fault_counts().into_iter().filter(|(_, count)| count.fired > 0);
            fired.for_each(|(kind, _)| _ = unmet.remove(&kind));
        }
    }
    assert!(unmet.is_empty(), "runs in which a fault never fires pin nothing of it: {unmet:?}");
    for seed in 1..=4 {
        let mut pings = World::new(Arc::new(pingpong::plan(16, 2)), &Settings::default(), seed);
        pings.run_deliveries(10_000);
        let mut appends = World::new(Arc::new(quorum::plan(500)), &Settings::default(), seed);
        appends.run_until(Time(60_000_000_000));
        lines.push_str(&format!("pingpong {seed} {:016x}\n", pings.fingerprint()));
        lines.push_str(&format!("quorum-log {seed} {:016x}\n", appends.fingerprint()));
    }
    agrees_with("kernel.txt", &lines);
}

#[test]
fn sweeps_on_one_and_on_eight_threads_are_equal_to_the_byte() {
    let registry = scenarios::registry();
    let folder = root().join("scenarios/fast");
    let folder = folder.to_string_lossy();
    let results = ["1", "8"].map(|jobs| {
        let out = std::env::temp_dir().join(format!("stormproof-threads-{}-{jobs}", std::process::id()));
        let _ = std::fs::remove_dir_all(&out);
        stormproof(&registry, &["sweep", &folder, "--seeds", "0..64", "--jobs", jobs, "--out", &out.to_string_lossy()]);
        let results = std::fs::read_to_string(out.join("results.jsonl")).expect("a sweep writes its results");
        std::fs::remove_dir_all(&out).expect("the folder is ours");
        results
    });
    assert!(results[0].lines().count() >= 64);
    assert_eq!(results[0], results[1]);
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nothing;
message!(Nothing = "test.unrelated/1");
inbox! { enum Inbox { Nothing(Nothing) } }

/// An actor that no scenario asks for.
#[derive(Clone, Debug)]
struct Unrelated;

impl Actor for Unrelated {
    type Config = ();
    type Inbox = Inbox;
    type Timer = ();
    fn boot((): &(), _: &mut Context<'_, Self>) -> Result<Self, Halt> {
        Ok(Unrelated)
    }
    fn on_message(&mut self, _: ProcessId, _: Inbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

fn unrelated(name: &'static str) -> Role {
    fn build(_: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
        Ok(blueprint::<Unrelated>(()))
    }
    Role {
        name,
        about: "does nothing",
        kind: RoleKind::System,
        core: Core::All,
        knobs: &[],
        processes: |_| vec!["unrelated".into()],
        build,
        other_build: None,
    }
}

#[test]
fn an_unrelated_actor_in_the_registry_changes_nothing() {
    let plain = scenarios::registry();
    let mut crowded = scenarios::registry();
    crowded.roles.insert(0, unrelated("aardvark"));
    crowded.roles.push(unrelated("zebra"));
    let runs = |registry: &Registry| -> BTreeMap<(String, u64), String> {
        let all = files("scenarios/fast").into_iter().flat_map(|file| (0..3).map(move |seed| (file.clone(), seed)));
        all.map(|(file, seed)| ((file.clone(), seed), fingerprint(registry, &file, seed))).collect()
    };
    assert_eq!(runs(&plain), runs(&crowded));
}

#[test]
fn seeds_run_in_another_order_are_the_same_runs() {
    let registry = scenarios::registry();
    let file = &files("scenarios/fast")[0];
    let forward: Vec<String> = (0..40).map(|seed| fingerprint(&registry, file, seed)).collect();
    for seed in (0..40).rev() {
        assert_eq!(forward[seed as usize], fingerprint(&registry, file, seed), "seed {seed} after others than before");
    }
}
