//! Fold (R1): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn replicas_and_incarnations_that_agree_are_accepted() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=0 digest=10
        edge fold.applied machine=m lsn=1 digest=11
        other fold.applied machine=m lsn=1 digest=11
        edge system.exit reason=crash
        edge#2 fold.applied machine=m lsn=0 digest=10
        edge#2 fold.applied machine=m lsn=1 digest=11
        edge#2 fold.applied machine=m lsn=1 digest=11
        edge#2 fold.applied machine=n lsn=0 digest=99
        finish",
    );
}

#[test]
fn a_snapshot_with_its_tail_equals_a_full_replay() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=5 digest=15
        edge fold.applied machine=m lsn=7 digest=17
        other fold.loaded machine=m lsn=5 digest=15
        other fold.applied machine=m lsn=7 digest=17
        other fold.loaded machine=m lsn=5 digest=15
        finish",
    );
}

#[test]
fn two_replicas_have_different_states() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        other fold.applied machine=m lsn=1 digest=12   <- R1",
    );
}

#[test]
fn a_replay_gives_another_state() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        edge system.exit reason=crash
        edge#2 fold.applied machine=m lsn=1 digest=12   <- R1",
    );
}

#[test]
fn a_snapshot_is_not_the_fold() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        other fold.loaded machine=m lsn=1 digest=12   <- R1",
    );
}

#[test]
fn a_snapshot_with_a_tail_applied_twice_differs_later() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        edge fold.applied machine=m lsn=2 digest=12
        other fold.loaded machine=m lsn=1 digest=11
        other fold.applied machine=m lsn=2 digest=23   <- R1",
    );
}

#[test]
fn a_state_changes_without_an_entry() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        edge fold.applied machine=m lsn=1 digest=12   <- R1",
    );
}

#[test]
fn a_machine_goes_back_while_it_runs() {
    check(
        "fold",
        "
        edge fold.applied machine=m lsn=1 digest=11
        edge fold.applied machine=m lsn=2 digest=12
        edge fold.applied machine=m lsn=1 digest=11   <- R1",
    );
}

#[test]
fn a_machine_goes_back_behind_the_state_that_it_loaded() {
    check(
        "fold",
        "
        edge fold.loaded machine=m lsn=5 digest=15
        edge fold.applied machine=m lsn=4 digest=14   <- R1",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge fold.applied machine=m lsn=1   <- MARKS",
        "edge fold.applied machine=m digest=1   <- MARKS",
        "edge fold.loaded lsn=1 digest=1   <- MARKS",
    ] {
        check("fold", story);
    }
}

/// Replicas that fold at their own pace, restart, and load snapshots.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut lsn, mut incarnation) = ([0u64; 3], [1u32; 3]);
    for &(what, a, b) in steps {
        let who = usize::from(a % 3);
        let kind = match what % 8 {
            0 => {
                teller.tell_as(who as u32, incarnation[who], Mark::new("system.exit").with("reason", "crash"));
                incarnation[who] += 1;
                lsn[who] = u64::from(b % 8).min(lsn[who]);
                continue;
            }
            1 => {
                lsn[who] = u64::from(b % 16);
                "fold.loaded"
            }
            _ => {
                lsn[who] += u64::from(b % 3);
                "fold.applied"
            }
        };
        let mark = Mark::new(kind).with("machine", "m").with("lsn", lsn[who]).with("digest", lsn[who] * 17 + 5);
        teller.tell_as(who as u32, incarnation[who], mark);
    }
    teller.facts
}

fn differs(facts: &mut Vec<Observed>, pick: usize, kind: &str) -> bool {
    let twice = |at: usize, mark: &Mark| {
        facts.iter().enumerate().any(|(other, seen)| other != at && seen.mark.number("lsn") == mark.number("lsn"))
    };
    let Some(at) = find(facts, kind, pick, twice) else { return false };
    set(&mut facts[at], "digest", "wrong");
    true
}

fn applied_differs(facts: &mut Vec<Observed>, pick: usize) -> bool {
    differs(facts, pick, "fold.applied")
}

fn loaded_differs(facts: &mut Vec<Observed>, pick: usize) -> bool {
    differs(facts, pick, "fold.loaded")
}

fn goes_back(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "fold.applied", pick, |_, mark| mark.number("lsn") > Some(0)) else { return false };
    let mut back = facts[at].clone();
    let lsn = back.mark.number("lsn").unwrap_or(0) - 1;
    set(&mut back, "lsn", lsn);
    set(&mut back, "digest", lsn * 17 + 5);
    facts.insert(at + 1, back);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "fold",
        60,
        generate,
        &[
            ("an applied state differs", "R1", applied_differs),
            ("a loaded state differs", "R1", loaded_differs),
            ("a machine goes back", "R1", goes_back),
        ],
    );
}
