//! `history`: what it writes is what the run stated, and what other programs read.

use crate::fixture::{Folder, command};
use crate::quorum::{QUORUM, needs_the_first, quorum_registry};
use oracles::read_log;
use runner::Exit;

#[test]
fn json_lines_are_the_marks_of_the_run_and_judge_like_it() {
    let folder = Folder::new("jsonl");
    let file = folder.write("quorum.toml", QUORUM);
    let printed = command(&quorum_registry(), &["history", &file, "--seed", "3"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.err);
    let marks = read_log(printed.out.as_bytes()).expect("a log of marks");
    assert!(printed.err.contains(&format!("seed 3 passed; {} marks", marks.len())), "{}", printed.err);
    let run = command(&quorum_registry(), &["run", &file, "--seed", "3"]);
    for kind in ["history.complete", "fixture.kept", "system.boot"] {
        let count = marks.iter().filter(|seen| seen.mark.kind == kind).count();
        assert!(count > 0 && run.out.contains(&format!("{kind} {count}")), "{count} times {kind}: {}", run.out);
    }
    let out = folder.path("marks.jsonl");
    let printed_again = command(&quorum_registry(), &["history", &file, "--seed", "3", "--out", &out]);
    assert_eq!((printed_again.exit, printed_again.out), (Exit::Passed, String::new()));
    assert_eq!(std::fs::read_to_string(out).unwrap(), printed.out);
}

#[test]
fn edn_has_an_end_for_each_operation() {
    let folder = Folder::new("edn");
    let file = folder.write("quorum.toml", QUORUM);
    let printed = command(&quorum_registry(), &["history", &file, "--seed", "3", "--format", "edn"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.err);
    let count = |words: &str| printed.out.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count(":type :invoke"), count(":type :ok"), count(":f :write")), (80, 80, 160), "{}", printed.out);
    for (index, line) in printed.out.lines().enumerate() {
        assert!(line.starts_with(&format!("{{:index {index}, :type :")) && line.ends_with('}'), "{line}");
    }
}

#[test]
fn the_history_of_a_failure_on_a_copy_goes_on_to_its_end() {
    let folder = Folder::new("copy");
    let file = folder.write("T06.toml", &needs_the_first());
    let export =
        |seed: u64| command(&quorum_registry(), &["history", &file, "--format", "edn", "--seed", &seed.to_string()]);
    let found = (0..60).map(export).find(|printed| printed.err.contains("not_converged"));
    let printed = found.expect("T06 is found");
    assert_eq!(printed.exit, Exit::Passed, "the export itself is well");
    assert!(printed.err.contains("convergence/LIVE"), "{}", printed.err);
    assert!(printed.out.contains(":type :info"), "what never ended is indeterminate: {}", printed.out);
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = Folder::new("unwritable");
    let file = folder.write("quorum.toml", QUORUM);
    let nowhere = folder.path("no/such/folder/marks.jsonl");
    let printed = command(&quorum_registry(), &["history", &file, "--out", &nowhere]);
    assert_eq!(printed.exit, Exit::Infrastructure);
    assert!(printed.err.contains("cannot write ") && printed.err.contains("marks.jsonl"), "{}", printed.err);
    let printed = command(&quorum_registry(), &["history", &file, "--format", "csv"]);
    assert_eq!(printed.exit, Exit::Usage);
    let help = command(&quorum_registry(), &["history", "--help"]);
    assert!(help.out.contains("--format edn --out history.edn"), "{}", help.out);
}
