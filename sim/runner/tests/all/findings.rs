//! What a sweep leaves of its failures, and when it ends by itself.

use crate::fixture::{CALM, Folder, command, planted, registry};
use runner::Exit;
use serde_json::Value;

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Nobody can answer in no time: there is no liveness to speak of.
fn late() -> String {
    CALM.replace("liveness = \"30s\"", "liveness = \"1ns\"").replace("requests = 40", "requests = 4000")
}

fn entries(folder: &str) -> Vec<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn each_signature_has_a_folder_with_all_that_is_known() {
    let folder = Folder::new("findings");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let (out, saved) = (folder.path("out"), folder.path("regress"));
    let save = format!("--save-regressions={saved}");
    let sweep = ["sweep", &file, "--seeds", "0..200", "--out", &out, "--shrink-time", "10s", &save];
    let printed = command(&registry(), &sweep);
    assert_eq!(printed.exit, Exit::Passed, "{}{}", printed.out, printed.err);
    let found = entries(&format!("{out}/failures"));
    assert_eq!(found.len(), 1, "{found:?}");
    let name = found[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("promise_k1_"), "{name}");
    let files: Vec<_> = entries(found[0].to_str().unwrap());
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["facts.txt", "minimal.toml", "report.html", "token"]);
    let (facts, page, token) = (read(&files[0]), read(&files[2]), read(&files[3]));
    assert!(
        facts.starts_with("promise/K1") && facts.contains(&format!("stormproof replay {}", token.trim())),
        "{facts}"
    );
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
    assert_eq!(command(&registry(), &["replay", token.trim()]).exit, Exit::Violated);
    assert_eq!(command(&registry(), &["replay", files[1].to_str().unwrap()]).exit, Exit::Violated);
    assert!(!std::path::Path::new(&saved).exists(), "what a negative scenario looks for is no regression");
}

#[test]
fn a_regression_is_saved_once_and_swept_with_its_own_seed() {
    let folder = Folder::new("regress");
    let file = folder.write("late.toml", &late());
    let saved = folder.path("regress");
    let save = format!("--save-regressions={saved}");
    let sweep = ["sweep", &file, "--seeds", "3..6", "--shrink-time", "5s", &save];
    let printed = command(&registry(), &sweep);
    assert_eq!(printed.exit, Exit::NotConverged, "{}{}", printed.out, printed.err);
    let files = entries(&saved);
    assert_eq!(files.len(), 1, "{files:?}{}", printed.err);
    let text = read(&files[0]);
    assert!(text.starts_with("# Fails: answered/LIVE"), "{text}");
    assert!(command(&registry(), &sweep).err.contains("has it already"));
    assert!(entries(&saved) == files && read(&files[0]) == text, "a saved file is never overwritten");
    let again = command(&registry(), &["sweep", &saved, "--json"]);
    let summary: Value = serde_json::from_str(again.out.lines().last().unwrap()).unwrap();
    assert_eq!((again.exit, &summary["runs"]), (Exit::NotConverged, &1.into()), "{}", again.out);
    // The name is taken by something else: the next failure gets another.
    folder.write("regress/other.toml", CALM);
    std::fs::rename(folder.path("regress/other.toml"), &files[0]).unwrap();
    command(&registry(), &sweep);
    assert_eq!((entries(&saved).len(), read(&files[0]) == CALM), (2, true));
}

#[test]
fn a_run_that_takes_too_long_is_a_failure() {
    let folder = Folder::new("slow");
    let file = folder.write("calm.toml", CALM);
    let out = folder.path("out");
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..8", "--run-limit", "1ns", "--out", &out]);
    assert_eq!(printed.exit, Exit::NotConverged, "{}", printed.out);
    assert!(printed.out.contains("wall clock: the run took longer than its limit"), "{}", printed.out);
    assert!(printed.out.contains("8 runs, first seed 0") && printed.out.contains("replay: stormproof replay SP1:"));
    let found = entries(&format!("{out}/failures"));
    assert!(read(&found[0].join("facts.txt")).contains("not shrunk: the run does not repeat"));
    let unlimited = command(&registry(), &["sweep", &file, "--seeds", "0..30", "--run-limit", "0"]);
    assert_eq!(unlimited.exit, Exit::Passed, "{}", unlimited.out);
}

#[test]
fn a_sweep_ends_once_new_behaviour_is_rare_whatever_the_number_of_threads() {
    let folder = Folder::new("quiet");
    let file = folder.write("calm.toml", CALM);
    let sweep = |jobs: &str| {
        let printed = command(&registry(), &["sweep", &file, "--until-quiet=4e-3", "--jobs", jobs, "--json"]);
        assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
        let summary: Value = serde_json::from_str(printed.out.lines().last().unwrap()).unwrap();
        summary["scenarios"][0].clone()
    };
    let (one, four) = (sweep("1"), sweep("4"));
    assert_eq!(one, four);
    let chance = one["novelty"]["chance"].as_f64().unwrap();
    assert!(chance < 4e-3 && one["runs"].as_u64() >= Some(1_000), "{one}");
    let never = command(&registry(), &["sweep", &file, "--until-quiet=1e-9", "--seeds", "0..100"]);
    assert!(never.out.contains("too few runs to estimate the chance of something new"), "{}", never.out);
    assert_eq!(command(&registry(), &["sweep", &file, "--until-quiet=2"]).exit, Exit::Usage);
}
