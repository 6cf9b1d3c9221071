//! Files that are saved as a whole (A1 to A4): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed, mark};

#[test]
fn saves_reads_and_a_save_that_was_never_acknowledged_are_accepted() {
    check(
        "files",
        "
        edge file.reading file=f boot=1
        edge file.read file=f version=0 digest=0
        edge file.writing file=f version=1 digest=11 boot=1
        edge file.saved file=f version=1 digest=11 weak=false
        other file.reading file=f boot=1
        edge file.writing file=f version=2 digest=12 boot=1
        edge file.saved file=f version=2 digest=12 weak=false
        other file.read file=f version=1 digest=11
        edge file.writing file=f version=3 digest=13 boot=1
        edge system.exit reason=power
        edge#2 file.reading file=f boot=1
        edge#2 file.read file=f version=2 digest=12
        edge#2 file.writing file=f version=3 digest=14 boot=1
        other file.reading file=f boot=1
        other file.read file=f version=3 digest=14
        finish",
    );
}

#[test]
fn a_read_shows_what_nobody_wrote_or_a_file_is_damaged() {
    check(
        "files",
        "edge file.writing file=f version=1 digest=11 boot=1\nedge file.read file=f version=1 digest=10   <- A1",
    );
    check("files", "edge file.damaged file=f   <- A1");
    check(
        "files",
        "
        edge file.writing file=f version=1 digest=10 boot=1
        edge system.exit reason=power
        edge#2 file.writing file=f version=1 digest=11 boot=1
        edge#2 file.saved file=f version=1 digest=11
        edge#2 file.reading file=f boot=1
        edge#2 file.read file=f version=1 digest=10   <- A1",
    );
}

#[test]
fn an_acknowledged_save_is_lost() {
    check(
        "files",
        "
        edge file.writing file=f version=1 digest=11 boot=1
        edge file.saved file=f version=1 digest=11 weak=false
        edge system.exit reason=power
        other file.reading file=f boot=1
        other file.read file=f version=0 digest=0   <- A2",
    );
}

#[test]
fn a_weak_save_is_lost_only_with_the_power() {
    const SAVED: &str = "
        edge file.writing file=f version=1 digest=11 boot=1
        edge file.saved file=f version=1 digest=11 weak=false
        edge file.writing file=f version=2 digest=12 boot=1
        edge file.saved file=f version=2 digest=12 weak=true
        edge file.reading file=f boot=1
        edge file.read file=f version=2 digest=12 weak=true
        edge system.exit reason=crash";
    const READ: &str = "
        edge#2 file.read file=f version=1 digest=11 weak=true";
    check("files", &format!("{SAVED}\nedge#2 file.reading file=f boot=1{READ}   <- A2"));
    let lost = format!("{SAVED}\nedge#2 file.reading file=f boot=2{READ}");
    check("files", &format!("{lost}\nedge#2 file.writing file=f version=2 digest=22 boot=2"));
}

#[test]
fn versions_go_back() {
    check(
        "files",
        "
        edge file.writing file=f version=1 digest=11 boot=1
        edge file.writing file=f version=2 digest=12 boot=1
        other file.reading file=f boot=1
        other file.read file=f version=2 digest=12
        edge file.reading file=f boot=1
        edge file.read file=f version=1 digest=11   <- A3",
    );
    check(
        "files",
        "
        edge file.writing file=f version=2 digest=11 boot=1
        edge file.saved file=f version=2 digest=11
        other file.writing file=f version=2 digest=12 boot=1   <- A3",
    );
    check("files", "edge file.saved file=f version=2 digest=11   <- A3");
}

#[test]
fn residue_is_waited_for_and_reported() {
    check(
        "files",
        "
        edge file.residue workspace=w count=2
        pending the last left 2
        edge file.residue workspace=w count=0
        pending nothing
        edge system.exit reason=crash
        pending a sweep of w
        edge#2 file.residue workspace=w count=0
        pending nothing
        edge#2 system.exit reason=crash
        finish   <- A4",
    );
    check("files", "edge file.residue workspace=w count=2\nexcuse edge\npending nothing\nfinish");
}

#[test]
fn marks_without_their_facts_are_reported() {
    check("files", "edge file.read file=f version=1   <- MARKS");
    check("files", "edge file.residue workspace=w   <- MARKS");
}

/// Three processes save and read one file; some saves are never acknowledged, and some of those are undone.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut version, mut visible) = (0_u64, (0_u64, 0_u64));
    let mut say = |who: u8, mark: Mark| teller.tell(u32::from(who % 3), mark);
    for (nth, &(who, kind, _)) in steps.iter().enumerate() {
        let digest = 100 + nth as u64;
        match kind % 4 {
            0 | 1 => {
                version = visible.0 + 1;
                visible = (version, digest);
                say(who, mark!("file.writing", file = "f", version = version, digest = digest, boot = 1_u64));
                say(who, mark!("file.saved", file = "f", version = version, digest = digest, weak = false));
            }
            2 => say(who, mark!("file.writing", file = "f", version = visible.0 + 1, digest = digest, boot = 1_u64)),
            _ => {
                say(who, mark!("file.reading", file = "f", boot = 1_u64));
                say(who, mark!("file.read", file = "f", version = visible.0, digest = visible.1, weak = false));
            }
        }
    }
    let _ = version;
    teller.facts
}

fn reads_something_else(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let after_a_save = |_: usize, mark: &Mark| mark.number("version").is_some_and(|version| version > 0);
    let Some(at) = find(facts, "file.read", pick, after_a_save) else { return false };
    set(&mut facts[at], "digest", 7_u64);
    true
}

fn reads_nothing(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let after_a_save = |_: usize, mark: &Mark| mark.number("version").is_some_and(|version| version > 0);
    let Some(at) = find(facts, "file.read", pick, after_a_save) else { return false };
    set(&mut facts[at], "version", 0_u64);
    true
}

fn writes_again(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "file.saved", pick, |_, _| true) else { return false };
    let mut again = facts[at].clone();
    again.mark.kind = "file.writing".into();
    set(&mut again, "boot", 1_u64);
    facts.insert(at + 1, again);
    true
}

#[test]
fn generated_histories_are_accepted_and_broken_ones_rejected() {
    check_generated(
        "files",
        40,
        generate,
        &[
            ("reads something else", "A1", reads_something_else),
            ("reads nothing", "A2", reads_nothing),
            ("writes again", "A3", writes_again),
        ],
    );
}
