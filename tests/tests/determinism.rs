//! Same seed, same run: twice, on one and on eight threads, in every build profile, and whatever else the
//! registry holds.
//!
//! Fingerprints are pinned in `golden/fingerprints.txt`, one file for all profiles: the debug and the
//! release build of this test must both agree with it. After a change that is meant to change runs,
//! `STORMPROOF_REWRITE=1 cargo test -p stormproof-tests --test determinism` writes it anew.

#![allow(clippy::disallowed_methods)] // a test reads its golden file and its environment

use contract::cell::{Blueprint, blueprint};
use contract::plan::{PlanError, Role, RoleKind, Site};
use contract::{Actor, Context, Halt, ProcessId, inbox, message};
use runner::{Console, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

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

#[test]
fn fingerprints_are_equal_twice_and_those_of_the_other_build_profiles() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fingerprints.txt");
    let registry = scenarios::registry();
    let mut lines = String::new();
    for file in files("scenarios/fast").into_iter().chain(files("scenarios/negative")) {
        for seed in 0..SEEDS {
            let first = fingerprint(&registry, &file, seed);
            assert_eq!(first, fingerprint(&registry, &file, seed), "{file} seed {seed}, run twice");
            lines.push_str(&format!("{file} {seed} {first}\n"));
        }
    }
    if std::env::var_os("STORMPROOF_REWRITE").is_some() {
        std::fs::write(&golden, &lines).expect("the golden file can be written");
    }
    let pinned = std::fs::read_to_string(&golden).expect("golden/fingerprints.txt exists");
    assert_eq!(lines, pinned, "runs changed; if they should have, rewrite the golden file (see the top of this test)");
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
        knobs: &[],
        processes: |_| vec!["unrelated".into()],
        build,
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
