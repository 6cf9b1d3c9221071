//! Mutual exclusion (L1) and fencing (C2): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn a_hard_lock_that_goes_from_hand_to_hand_is_accepted() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1 hard=true
        edge lock.acquired lock=l holder=e token=1 hard=true
        edge resource.write resource=r token=1 lock=l
        edge lock.released lock=l holder=e token=1
        other lock.acquired lock=l holder=o token=2 hard=true
        other system.exit reason=crash
        edge lock.acquired lock=l holder=e token=5 hard=true
        finish",
    );
}

#[test]
fn leases_may_overlap_as_long_as_the_resource_is_fenced() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1
        primary resource.write resource=r token=1 lock=l
        other lock.acquired lock=l holder=o token=2
        primary resource.write resource=r token=1 lock=l
        primary resource.write resource=r token=2 lock=l
        primary resource.write resource=s token=1
        edge lock.released lock=l holder=e token=1
        finish",
    );
}

#[test]
fn a_late_answer_may_grant_an_overtaken_lease() {
    check(
        "mutual_exclusion",
        "
        other lock.acquired lock=l holder=o token=2
        edge lock.acquired lock=l holder=e token=1
        primary resource.write resource=r token=2 lock=l
        finish",
    );
}

#[test]
fn two_hold_a_hard_lock() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1 hard=true
        other lock.acquired lock=l holder=o token=2 hard=true   <- L1",
    );
}

#[test]
fn a_live_holders_lock_is_broken_before_its_new_incarnation_lets_go() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1 hard=true
        edge system.exit reason=crash
        edge#2 system.boot
        edge#2 lock.acquired lock=l holder=e token=2 hard=true
        other lock.acquired lock=l holder=o token=3 hard=true   <- L1",
    );
}

#[test]
fn the_same_process_holds_a_hard_lock_twice() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e/a token=1 hard=true
        edge lock.acquired lock=l holder=e/b token=2 hard=true   <- L1",
    );
}

#[test]
fn an_older_grant_of_a_hard_lock_is_acted_on() {
    check(
        "mutual_exclusion",
        "
        other lock.acquired lock=l holder=o token=2 hard=true
        other lock.released lock=l holder=o token=2
        edge lock.acquired lock=l holder=e token=1 hard=true   <- L1",
    );
}

#[test]
fn a_token_is_granted_twice() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1
        other lock.acquired lock=l holder=o token=1   <- C2",
    );
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1
        edge lock.released lock=l holder=e token=1
        edge lock.acquired lock=l holder=e token=1   <- C2",
    );
}

#[test]
fn a_zombie_writes_after_its_successor() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1
        other lock.acquired lock=l holder=o token=2
        primary resource.write resource=r token=2
        primary resource.write resource=r token=1   <- C2",
    );
}

#[test]
fn a_resource_forgets_its_token_when_it_restarts() {
    check(
        "mutual_exclusion",
        "
        primary resource.write resource=r token=9
        primary system.exit reason=power
        primary#2 resource.write resource=r token=8   <- C2",
    );
}

#[test]
fn a_write_carries_a_token_that_nobody_was_granted() {
    check(
        "mutual_exclusion",
        "
        edge lock.acquired lock=l holder=e token=1
        primary resource.write resource=r token=2 lock=l   <- C2",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge lock.acquired lock=l holder=e   <- MARKS",
        "edge lock.acquired lock=l token=1   <- MARKS",
        "edge lock.acquired lock=l holder=e token=1 hard=1   <- MARKS",
        "edge lock.released lock=l holder=e token=1   <- MARKS",
        "edge lock.acquired lock=l holder=e token=1
         edge lock.released lock=l holder=o token=1   <- MARKS",
        "edge resource.write token=1   <- MARKS",
    ] {
        check("mutual_exclusion", story);
    }
}

/// A hard lock and a lease among three processes that crash, and a resource that refuses overtaken tokens.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut token, mut highest) = (0u64, 0u64);
    let mut hard: Option<(u32, u64)> = None;
    let mut lease: Option<(u32, u64)> = None;
    let acquired = |lock: &'static str, who: u32, token: u64| {
        Mark::new("lock.acquired").with("lock", lock).with("holder", format!("p{who}")).with("token", token)
    };
    for &(what, a, b) in steps {
        let who = u32::from(a % 3);
        match (what % 6, hard, lease) {
            (0, None, _) => {
                token += 1;
                hard = Some((who, token));
                teller.tell(who, acquired("hard", who, token).with("hard", true));
            }
            (1, Some((who, token)), _) => {
                hard = None;
                let mark = Mark::new("lock.released").with("lock", "hard").with("holder", format!("p{who}"));
                teller.tell(who, mark.with("token", token));
            }
            (2, ..) => {
                token += 1;
                lease = Some((who, token));
                teller.tell(who, acquired("lease", who, token));
            }
            (3 | 4, _, Some((_, token))) if token >= highest => {
                highest = token;
                teller.tell(
                    9,
                    Mark::new("resource.write").with("resource", "r").with("token", token).with("lock", "lease"),
                );
            }
            (5, ..) if b < 80 => {
                hard = hard.filter(|(holder, _)| *holder != who);
                teller.tell(who, Mark::new("system.exit").with("reason", "crash"));
            }
            _ => {}
        }
    }
    teller.facts
}

fn second_holder(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "lock.acquired", pick, |_, mark| mark.flag("hard") == Some(true)) else { return false };
    let mut second = facts[at].clone();
    second.process.0 += 100;
    set(&mut second, "token", 1_000_000u64);
    facts.insert(at + 1, second);
    true
}

fn token_again(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "lock.acquired", pick, |_, _| true) else { return false };
    let mut again = facts[at].clone();
    again.process.0 += 100;
    facts.push(again);
    true
}

fn zombie_write(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "resource.write", pick, |_, _| true) else { return false };
    let mut late = facts[at].clone();
    let Some(last) = find(facts, "resource.write", 0, |_, mark| mark.number("token") > late.mark.number("token"))
    else {
        return false;
    };
    late.event = facts[last].event;
    facts.insert(last + 1, late);
    true
}

fn invented_token(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "resource.write", pick, |_, _| true) else { return false };
    set(&mut facts[at], "token", 1_000_000u64);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "mutual_exclusion",
        80,
        generate,
        &[
            ("a second holder", "L1", second_holder),
            ("a token granted twice", "C2", token_again),
            ("a zombie's write", "C2", zombie_write),
            ("an invented token", "C2", invented_token),
        ],
    );
}
