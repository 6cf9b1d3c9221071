//! Agreement (Q1): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, same, set};
use contract::{Mark, Observed};

#[test]
fn replicas_that_agree_are_accepted() {
    check(
        "agreement",
        "
        edge log.committed log=a index=0 digest=10
        other log.committed log=a index=0 digest=10
        other log.committed log=a index=1 digest=11
        edge system.exit reason=power
        edge#2 log.committed log=a index=0 digest=10
        edge#2 log.committed log=a index=1 digest=11
        primary log.committed log=a index=7 digest=x17
        finish",
    );
}

#[test]
fn logs_have_nothing_to_do_with_each_other() {
    check(
        "agreement",
        "
        edge log.committed log=a index=0 digest=10
        edge log.committed log=b index=0 digest=20
        finish",
    );
}

#[test]
fn two_replicas_commit_different_entries() {
    check(
        "agreement",
        "
        edge log.committed log=a index=0 digest=10
        edge log.committed log=a index=1 digest=11
        other log.committed log=a index=0 digest=10
        other log.committed log=a index=1 digest=12   <- Q1",
    );
}

#[test]
fn a_replica_changes_its_mind() {
    check(
        "agreement",
        "
        edge log.committed log=a index=3 digest=10
        edge log.committed log=a index=3 digest=11   <- Q1",
    );
}

#[test]
fn a_replica_comes_back_from_a_power_loss_with_another_entry() {
    check(
        "agreement",
        "
        edge log.committed log=a index=3 digest=10
        edge system.exit reason=power
        edge#2 system.boot
        edge#2 log.committed log=a index=3 digest=11   <- Q1",
    );
}

#[test]
fn a_minority_that_lost_its_disk_commits_anew_after_the_first_is_gone() {
    check(
        "agreement",
        "
        edge log.committed log=a index=3 digest=10
        edge system.exit reason=power
        other log.committed log=a index=2 digest=9
        primary log.committed log=a index=3 digest=11   <- Q1",
    );
}

#[test]
fn a_third_replica_disagrees_with_two() {
    check(
        "agreement",
        "
        edge log.committed log=a index=3 digest=10
        other log.committed log=a index=3 digest=10
        primary log.committed log=a index=3 digest=ten   <- Q1",
    );
}

#[test]
fn an_old_index_is_not_forgotten() {
    let mut story: String = (0..50).map(|index| format!("edge log.committed log=a index={index} digest=1\n")).collect();
    story.push_str("other log.committed log=a index=0 digest=2   <- Q1");
    check("agreement", &story);
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge log.committed log=a index=3   <- MARKS",
        "edge log.committed log=a digest=3   <- MARKS",
        "edge log.committed index=3 digest=3   <- MARKS",
        "edge log.committed log=a index=three digest=3   <- MARKS",
    ] {
        check("agreement", story);
    }
}

/// Replicas at different places of two logs, with restarts that state anew from anywhere.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut next = [[0u64; 2]; 3];
    for &(who, log, jump) in steps {
        let (replica, log) = (usize::from(who % 3), usize::from(log % 2));
        let at = &mut next[replica][log];
        if jump > 220 {
            *at = at.saturating_sub(u64::from(jump) % 7);
        }
        let digest = (*at * 31 + 7) ^ log as u64;
        let name = ["a", "b"][log];
        let mark = Mark::new("log.committed").with("log", name).with("index", *at).with("digest", digest);
        teller.tell(replica as u32, mark);
        *at += 1;
    }
    teller.facts
}

fn another_replica(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "log.committed", pick, |_, _| true) else { return false };
    let mut other = facts[at].clone();
    other.process.0 += 1;
    set(&mut other, "digest", 0u64);
    facts.push(other);
    true
}

fn itself_later(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "log.committed", pick, |_, _| true) else { return false };
    let mut later = facts[at].clone();
    later.incarnation += 1;
    set(&mut later, "digest", "another");
    facts.push(later);
    true
}

fn one_of_several(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let several = |at: usize, mark: &Mark| {
        facts.iter().enumerate().any(|(other, seen)| other != at && same(&seen.mark, mark, &["log", "index"]))
    };
    let Some(at) = find(facts, "log.committed", pick, several) else { return false };
    set(&mut facts[at], "digest", 0u64);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "agreement",
        60,
        generate,
        &[
            ("another replica disagrees", "Q1", another_replica),
            ("a replica disagrees with itself", "Q1", itself_later),
            ("one of several statements differs", "Q1", one_of_several),
        ],
    );
}
