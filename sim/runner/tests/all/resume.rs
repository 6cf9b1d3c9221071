//! A sweep that was killed, interrupted or torn goes on as if nothing had happened; another sweep does not.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a process of the real machine is killed at moments of the machine's time"
)]

use crate::fixture::{CALM, Folder, Printed, command, planted, registry};
use runner::Exit;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Makes a process of this test the command line of the fixture.
const ARGUMENTS: &str = "RUNNER_TEST_ARGUMENTS";

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The command line, as a process of its own. Without the variable there is nothing to do.
#[test]
fn command_line_of_a_child() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments: Vec<&str> = arguments.split('\n').collect();
    let Printed { exit, out, err } = command(&registry(), &arguments);
    std::fs::write(format!("{}.printed", arguments[1]), format!("{exit:?}\n{out}{err}")).unwrap();
}

fn child(arguments: &[&str]) -> Child {
    let test = ["--exact", "resume::command_line_of_a_child", "--nocapture"];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(test).env(ARGUMENTS, arguments.join("\n"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The last line of `--json` without what the machine's time decides.
fn summary(printed: &Printed) -> Value {
    let mut summary: Value = serde_json::from_str(printed.out.lines().last().unwrap()).unwrap();
    summary.as_object_mut().unwrap().remove("wall_time");
    summary
}

/// Waits until the results have so many bytes; `false` if the child ended before.
fn wait_for(child: &mut Child, results: &str, bytes: u64) -> bool {
    let start = Instant::now();
    while std::fs::metadata(results).map_or(0, |file| file.len()) < bytes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "the child writes nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn a_sweep_that_is_killed_again_and_again_ends_like_one_that_is_not() {
    let folder = Folder::new("killed");
    let calm = folder.write("calm.toml", CALM);
    let defect = folder.write("T01.toml", &planted("T01", ""));
    let (whole, parts) = (folder.path("whole"), folder.path("parts"));
    let sweep = ["sweep", &calm, &defect, "--seeds", "0..4000", "--json", "--shrink-time", "0", "--jobs", "2"];
    let expected = command(&registry(), &[&sweep[..], &["--out", &whole]].concat());
    let resumed = [&sweep[..], &["--out", &parts, "--resume"]].concat();
    let results = format!("{parts}/results.jsonl");
    let all = read(&format!("{whole}/results.jsonl"));
    let mut killed = 0;
    for part in 1..=5 {
        let mut child = child(&resumed);
        let running = wait_for(&mut child, &results, all.len() as u64 * part / 8);
        let _ = child.kill();
        child.wait().unwrap();
        killed += u64::from(running);
    }
    assert!(killed >= 3, "the sweep was killed on its way only {killed} times");
    let printed = command(&registry(), &resumed);
    assert_eq!(printed.exit, expected.exit, "{}{}", printed.out, printed.err);
    assert_eq!(summary(&printed), summary(&expected));
    assert!(read(&results) == all, "the results differ");
}

#[test]
fn ctrl_c_ends_a_sweep_with_its_sums_and_how_to_go_on() {
    let folder = Folder::new("interrupted");
    let calm = folder.write("calm.toml", CALM);
    let (whole, parts) = (folder.path("whole"), folder.path("parts"));
    let sweep = ["sweep", &calm, "--seeds", "0..3000"];
    let interrupted = [&sweep[..], &["--out", &parts]].concat();
    let mut child = child(&interrupted);
    assert!(wait_for(&mut child, &format!("{parts}/results.jsonl"), 1), "it ended before it was interrupted");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let printed = read(&format!("{calm}.printed"));
    assert!(printed.starts_with("Vacuous\n") && printed.contains("interrupted after "), "{printed}");
    let line = printed.lines().find(|line| line.starts_with("interrupted; go on with: ")).unwrap();
    let words: Vec<&str> = line.split(' ').skip_while(|word| *word != "sweep").collect();
    assert_eq!(words.last(), Some(&"--resume"), "{line}");
    assert_eq!(command(&registry(), &words).exit, Exit::Passed);
    command(&registry(), &[&sweep[..], &["--out", &whole]].concat());
    assert!(read(&format!("{parts}/results.jsonl")) == read(&format!("{whole}/results.jsonl")), "the results differ");
}

#[test]
fn a_torn_line_is_run_again() {
    let folder = Folder::new("torn");
    let calm = folder.write("calm.toml", CALM);
    let out = folder.path("out");
    let sweep = ["sweep", &calm, "--seeds", "0..20", "--out", &out, "--resume"];
    assert_eq!(command(&registry(), &sweep).exit, Exit::Passed, "there is nothing to go on with: it begins");
    let results = format!("{out}/results.jsonl");
    let all = read(&results);
    for length in [0, 1, all.len() / 2, all.len() - 1, all.len()] {
        std::fs::write(&results, &all[..length]).unwrap();
        assert_eq!(command(&registry(), &sweep).exit, Exit::Passed);
        assert!(read(&results) == all, "torn at {length}");
    }
    command(&registry(), &sweep[..6]);
    assert!(read(&results) == all, "without --resume it begins anew");
}

#[test]
fn only_the_same_sweep_goes_on() {
    let folder = Folder::new("other");
    let calm = folder.write("calm.toml", CALM);
    let out = folder.path("out");
    let sweep = |seeds: &str| command(&registry(), &["sweep", &calm, "--seeds", seeds, "--out", &out, "--resume"]);
    assert_eq!(sweep("0..20").exit, Exit::Passed);
    let other = sweep("0..30");
    assert_eq!(other.exit, Exit::Usage);
    assert!(other.err.contains("had `seeds` \"0..20\", this one has \"0..30\": go on with"), "{}", other.err);
    folder.write("calm.toml", &format!("{CALM}# changed\n"));
    let other = sweep("0..20");
    assert!(other.exit == Exit::Usage && other.err.contains("had `scenarios`"), "{}", other.err);
    folder.write("calm.toml", CALM);
    let results = format!("{out}/results.jsonl");
    let damaged = read(&results).replacen("\"seed\":7,", "\"seed\":8,", 1);
    std::fs::write(&results, damaged).unwrap();
    let damaged = sweep("0..20");
    assert!(damaged.err.contains("results.jsonl:8: it has seed 8 of "), "{}", damaged.err);
}
