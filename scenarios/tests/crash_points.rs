//! Certificates over the real components: edge custody and a workspace recover from every crash; each planted defect
//! does not.

// The tests start the `stormproof` command and write a scenario file of their own; a helper that fails fails its test.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::unwrap_used)]
// Without its planted defects a build cannot read the negative scenarios.
#![cfg(feature = "planted")]

use std::path::Path;
use std::process::{Command, Output};

/// The project's root, from which scenario paths are written.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn crash_points(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormproof"));
    command.current_dir(root()).arg("crash-points").args(args).env_remove("STORMPROOF_SEED");
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// The whole scenario is certified in half a minute by a release build; this is its first few requests.
#[test]
fn edge_custody_recovers_from_a_crash_at_every_boundary_and_from_a_second_one() {
    let whole = std::fs::read_to_string(root().join("scenarios/fast/edge_custody.toml")).unwrap();
    let text = whole.replace("requests = 200", "requests = 8");
    assert_ne!(text, whole);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("custody-{}.toml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let (code, text) = crash_points(&[file.to_str().unwrap(), "--second", "300"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, Some(0), "{text}");
    for expected in ["CERTIFIED", "edge/buffer", "primary/ledger", "sampled 300 of "] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
}

#[track_caller]
fn check_workspace(scenario: &str) {
    let (code, text) = crash_points(&[scenario, "--second", "300"]);
    assert_eq!(code, Some(0), "{text}");
    for expected in ["CERTIFIED", "workspace/program-2", "sampled 300 of "] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
}

#[test]
fn a_workspace_recovers_from_a_crash_at_every_boundary_and_from_a_second_one_in_the_takeover() {
    check_workspace("scenarios/fast/workspace_takeover.toml");
}

#[test]
fn a_ledger_recovers_from_a_crash_at_every_boundary_and_from_a_second_one_in_the_repair() {
    check_workspace("scenarios/fast/workspace_append.toml");
}

#[track_caller]
fn check_fails(scenario: &str, place: &str) {
    let (code, text) = crash_points(&[scenario]);
    assert_eq!(code, Some(1), "{text}");
    let named = text.lines().find(|line| line.contains("edge-0/buffer") && line.contains(" just "));
    let named = named.unwrap_or_else(|| panic!("no boundary is named:\n{text}"));
    assert!(text.contains("by custody, invariant E1"), "{text}");
    assert!(named.contains(place), "another boundary than expected:\n{text}");
}

#[test]
fn a_staging_file_unlinked_too_early_is_named() {
    check_fails("scenarios/negative/p01_teardown_unlink.toml", "unlink staging");
}

#[test]
fn a_record_that_lives_in_memory_only_is_named() {
    check_fails("scenarios/negative/p02_ghost_window.toml", "send edge.ingest.reply");
}

#[test]
fn a_staging_file_that_is_written_over_is_named() {
    check_fails("scenarios/negative/p04_staging_clobber.toml", "is killed just after write");
}
