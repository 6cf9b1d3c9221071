//! Every scenario file of this folder is read, built and run; every planted defect is caught; nothing else is.

// The tests start the `stormproof` command and write scenario files of their own; a helper that fails fails its test.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::unwrap_used)]
// Without its planted defects a build cannot read the negative scenarios.
#![cfg(feature = "planted")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The project's root, from which scenario paths are written.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn stormproof(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormproof"));
    command.current_dir(root()).args(args).env_remove("STORMPROOF_SEED").output().unwrap()
}

/// Fails with what the command printed unless it ended with `code`.
#[track_caller]
fn check(args: &[&str], code: i32) -> String {
    let output = stormproof(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The scenario files of a folder, as paths from the root.
fn files(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("scenarios").join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".toml")).map(|name| format!("scenarios/{folder}/{name}")).collect()
}

/// A folder of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_file_is_read_and_its_plan_is_built() {
    let checked = check(&["check", "scenarios/fast", "scenarios/negative"], 0);
    for file in files("fast").iter().chain(&files("negative")) {
        assert!(checked.contains(&format!("{file}: ok")), "{file} was not checked:\n{checked}");
    }
}

#[test]
fn every_planted_defect_has_its_negative_scenario_and_every_negative_scenario_its_defect() {
    let registered: BTreeSet<String> =
        scenarios::registry().defects.iter().map(|defect| defect.scenario.to_owned()).collect();
    assert_eq!(registered, files("negative"));
}

#[test]
fn every_planted_defect_is_caught_by_its_oracle_in_each_range_of_seeds() {
    let text = check(&["defects", "--ranges", "5", "--budget", "200"], 0);
    assert_eq!(text.matches("missed in 0 of 5 ranges").count(), scenarios::registry().defects.len(), "{text}");
}

#[test]
fn without_its_defect_no_negative_scenario_fails() {
    let folder = Folder::new("controls");
    let mut args = vec!["sweep".to_owned()];
    for file in files("negative") {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("defect ") && !line.starts_with("caught_by "));
        let control = lines.collect::<Vec<_>>().join("\n");
        assert_ne!(control, text.trim_end(), "{file} plants nothing");
        args.push(folder.write(file.rsplit('/').next().unwrap(), &control));
    }
    args.extend(["--seeds", "0..100"].map(String::from));
    check(&args.iter().map(String::as_str).collect::<Vec<_>>(), 0);
}

#[test]
fn a_sweep_of_the_fast_folder_passes_with_every_fault_kind_fired() {
    check(&["sweep", "scenarios/fast", "--seeds", "0..150"], 0);
}

#[test]
fn a_run_and_its_replay_have_one_fingerprint_and_repeat_event_by_event() {
    for seed in ["4", "7"] {
        let first = check_either(&["run", "scenarios/fast/edge_custody.toml", "--seed", seed, "--check-determinism"]);
        let token = first.lines().last().unwrap().rsplit(' ').next().unwrap();
        let again = check_either(&["replay", token]);
        assert!(again.contains("the fingerprint is equal"), "{again}");
    }
}

/// A run that holds, whether each of its faults met somebody or not.
#[track_caller]
fn check_either(args: &[&str]) -> String {
    let output = stormproof(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 6)), "{args:?}\n{text}");
    text
}

#[test]
fn the_same_judges_pass_a_run_on_real_processes_that_are_killed_and_stopped() {
    let folder = Folder::new("real");
    let text = r#"
title  = "a short storm on real processes"
nodes  = { edge = 1, primary = 1 }
limits = { requests = 40, safety = "8s", liveness = "60s" }
[[workload]]
name = "ingest"
rate = 10.0
[[fault]]
kind  = "process_crash"
every = "300ms..1s"
lasts = "50ms..200ms"
[[fault]]
kind  = "pause"
every = "500ms..1500ms"
lasts = "50ms..300ms"
[[fault]]
kind = "power_loss"
[swarm]
faults = false
safety = false
[expect]
oracles = ["custody", "exactly_once", "convergence"]
"#;
    let text = check(&["run", "--real", &folder.write("real.toml", text)], 0);
    for expected in ["\nPASSED", "process_crash ", "workload.done 1", "skipped power_loss"] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
}
