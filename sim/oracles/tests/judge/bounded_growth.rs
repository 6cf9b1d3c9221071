//! Bounded growth (BOUND): what it must reject and accept, and what it waits for.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn gauges_within_their_limits_are_accepted() {
    check(
        "bounded_growth",
        "
        edge gauge name=queue value=900
        edge gauge name=queue value=3
        edge gauge.limit name=queue limit=3
        edge gauge name=queue value=3
        other gauge name=queue value=2
        edge gauge name=unlimited value=1000000
        finish",
    );
}

#[test]
fn a_newer_limit_replaces_an_older_one() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=queue limit=3
        edge gauge.limit name=queue limit=5
        edge gauge name=queue value=5
        edge gauge.limit name=queue limit=4   <- BOUND",
    );
}

#[test]
fn rest_is_waited_for() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=files limit=9 rest=1
        edge gauge name=files value=4
        pending files is 4 in process 1
        edge gauge name=files value=1
        pending nothing
        other gauge name=files value=2
        other system.exit reason=crash
        pending nothing
        finish",
    );
}

#[test]
fn a_queue_grows_past_its_limit() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=queue limit=3
        edge gauge name=queue value=3
        edge gauge name=queue value=4   <- BOUND",
    );
}

#[test]
fn it_was_past_its_limit_before_that_was_stated() {
    check(
        "bounded_growth",
        "
        edge gauge name=queue value=4
        other gauge.limit name=queue limit=3   <- BOUND",
    );
}

#[test]
fn a_limit_holds_in_every_process() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=queue limit=3
        edge gauge name=queue value=1
        other gauge name=queue value=4   <- BOUND",
    );
}

#[test]
fn a_limit_outlives_its_process() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=queue limit=3
        edge system.exit reason=crash
        edge#2 gauge name=queue value=4   <- BOUND",
    );
}

#[test]
fn residue_is_left_at_the_end() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=files limit=9 rest=1
        edge gauge name=files value=2
        finish   <- BOUND",
    );
}

#[test]
fn residue_comes_back_with_the_next_incarnation() {
    check(
        "bounded_growth",
        "
        edge gauge.limit name=files limit=9 rest=0
        edge gauge name=files value=2
        edge system.exit reason=power
        edge#2 system.boot
        pending nothing
        edge#2 gauge name=files value=2
        pending files
        finish   <- BOUND",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge gauge name=queue   <- MARKS",
        "edge gauge value=4   <- MARKS",
        "edge gauge.limit name=queue   <- MARKS",
        "edge gauge.limit name=queue limit=4 rest=5   <- MARKS",
        "edge gauge.limit name=queue limit=4 rest=low   <- MARKS",
    ] {
        check("bounded_growth", story);
    }
}

/// Queues of three processes under one limit, empty at the end.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut limit = 50u64;
    let state = |limit: u64| Mark::new("gauge.limit").with("name", "queue").with("limit", limit).with("rest", 5u64);
    teller.tell(0, state(limit));
    for &(what, a, b) in steps {
        let who = u32::from(a % 3);
        match what % 8 {
            0 => {
                limit = limit.max(50 + u64::from(b));
                teller.tell(who, state(limit));
            }
            1 => teller.tell(who, Mark::new("system.exit").with("reason", "crash")),
            _ => teller.tell(who, Mark::new("gauge").with("name", "queue").with("value", u64::from(b) % (limit + 1))),
        }
    }
    for who in 0..3 {
        teller.tell(who, Mark::new("gauge").with("name", "queue").with("value", u64::from(who) + 3));
    }
    teller.facts
}

fn above(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "gauge", pick, |_, _| true) else { return false };
    set(&mut facts[at], "value", 307u64);
    true
}

fn lower_limit(facts: &mut Vec<Observed>, _: usize) -> bool {
    let mut lower = facts[0].clone();
    set(&mut lower, "limit", 4u64);
    set(&mut lower, "rest", 4u64);
    facts.push(lower);
    true
}

fn residue(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let at = facts.len() - 1 - pick % 3;
    set(&mut facts[at], "value", 6u64);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "bounded_growth",
        60,
        generate,
        &[
            ("a gauge above every limit", "BOUND", above),
            ("a limit below a gauge", "BOUND", lower_limit),
            ("residue", "BOUND", residue),
        ],
    );
}
