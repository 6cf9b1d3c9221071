//! Causal consistency (CC): what it must reject and accept.

use crate::linearizability::{complete, invoke};
use crate::story::{check, judge, observed};
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::history::Outcome;
use contract::{Mark, Observed, Value};
use std::collections::BTreeMap;

#[test]
fn stale_reads_are_accepted() {
    check(
        "causal",
        "
        client history.invoke id=1 action=write input=[x 1]
        client history.complete id=1 outcome=ok output=true
        client history.invoke id=2 action=write input=[x 2]
        client history.complete id=2 outcome=ok output=true
        client2 history.invoke id=3 action=read input=x
        client2 history.complete id=3 outcome=ok output=[]
        client2 history.invoke id=4 action=read input=x
        client2 history.complete id=4 outcome=ok output=1
        client history.invoke id=5 action=read input=x
        client history.complete id=5 outcome=ok output=2
        finish",
    );
}

#[test]
fn concurrent_writes_may_be_seen_in_any_order() {
    check(
        "causal",
        "
        client history.invoke id=1 action=write input=[x 1]
        client history.complete id=1 outcome=ok output=true
        client2 history.invoke id=2 action=write input=[x 2]
        client2 history.complete id=2 outcome=ok output=true
        edge history.invoke id=3 action=read input=x
        edge history.complete id=3 outcome=ok output=1
        edge history.invoke id=4 action=read input=x
        edge history.complete id=4 outcome=ok output=2
        other history.invoke id=5 action=read input=x
        other history.complete id=5 outcome=ok output=2
        other history.invoke id=6 action=read input=x
        other history.complete id=6 outcome=ok output=1
        finish",
    );
}

#[test]
fn a_write_of_unknown_outcome_is_no_cause_until_it_is_read() {
    check(
        "causal",
        "
        client history.invoke id=1 action=write input=[x 1]
        client history.complete id=1 outcome=info output=0
        client history.invoke id=2 action=read input=x
        client history.complete id=2 outcome=ok output=[]
        client history.invoke id=3 action=read input=x
        client history.complete id=3 outcome=ok output=1
        client system.exit reason=crash
        client#2 history.invoke id=4 action=read input=x
        client#2 history.complete id=4 outcome=ok output=[]
        finish",
    );
}

#[test]
fn values_written_twice_and_swaps_are_undecided() {
    let mut judge = judge("causal");
    let story = "client history.invoke id=1 action=write input=[x 1]
        client history.complete id=1 outcome=ok output=true
        client history.invoke id=2 action=write input=[x 1]
        client history.complete id=2 outcome=ok output=true
        client history.invoke id=3 action=read input=x
        client history.complete id=3 outcome=ok output=1
        client history.invoke id=4 action=cas input=[y [] 1]
        client history.complete id=4 outcome=ok output=true
        client history.invoke id=5 action=read input=y
        client history.complete id=5 outcome=ok output=[]";
    observed(story).iter().try_for_each(|seen| judge.observe(seen)).expect("nobody knows");
    assert_eq!((judge.judged(), judge.undecided()), (0, 3));
}

/// Histories in which somebody sees an effect without its cause.
const BAD: [(&str, &str); 8] = [
    (
        "a value that nobody wrote",
        "client history.invoke id=1 action=read input=x
         client history.complete id=1 outcome=ok output=1   <- CC",
    ),
    (
        "a value before it is written",
        "client history.invoke id=1 action=read input=x
         client history.complete id=1 outcome=ok output=1   <- CC
         client history.invoke id=2 action=write input=[x 1]",
    ),
    (
        "a client misses its own write",
        "client history.invoke id=1 action=write input=[x 1]
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=read input=x
         client history.complete id=2 outcome=ok output=[]   <- CC",
    ),
    (
        "a client goes back",
        "client history.invoke id=1 action=write input=[x 1]
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=write input=[x 2]
         client history.complete id=2 outcome=ok output=true
         client2 history.invoke id=3 action=read input=x
         client2 history.complete id=3 outcome=ok output=2
         client2 history.invoke id=4 action=read input=x
         client2 history.complete id=4 outcome=ok output=1   <- CC",
    ),
    (
        "an answer is seen before its question",
        "client history.invoke id=1 action=write input=[question 1]
         client history.complete id=1 outcome=ok output=true
         client2 history.invoke id=2 action=read input=question
         client2 history.complete id=2 outcome=ok output=1
         client2 history.invoke id=3 action=write input=[answer 1]
         client2 history.complete id=3 outcome=ok output=true
         edge history.invoke id=4 action=read input=answer
         edge history.complete id=4 outcome=ok output=1
         edge history.invoke id=5 action=read input=question
         edge history.complete id=5 outcome=ok output=[]   <- CC",
    ),
    (
        "an overwritten value after its overwriting was seen elsewhere",
        "client history.invoke id=1 action=write input=[x 1]
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=write input=[x 2]
         client history.complete id=2 outcome=ok output=true
         client history.invoke id=3 action=write input=[y 1]
         client history.complete id=3 outcome=ok output=true
         client2 history.invoke id=4 action=read input=y
         client2 history.complete id=4 outcome=ok output=1
         client2 history.invoke id=5 action=read input=x
         client2 history.complete id=5 outcome=ok output=1   <- CC",
    ),
    (
        "a value whose write had failed",
        "client history.invoke id=1 action=write input=[x 1]
         client history.complete id=1 outcome=fail output=0
         client2 history.invoke id=2 action=read input=x
         client2 history.complete id=2 outcome=ok output=1   <- CC",
    ),
    (
        "a value whose write fails after it was read",
        "client history.invoke id=1 action=write input=[x 1]
         client2 history.invoke id=2 action=read input=x
         client2 history.complete id=2 outcome=ok output=1
         client history.complete id=1 outcome=fail output=0   <- CC",
    ),
];

#[test]
fn effects_without_their_causes_are_rejected() {
    for (name, story) in BAD {
        println!("{name}");
        check("causal", story);
    }
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "client history.invoke id=1 action=write input=x   <- MARKS",
        "client history.invoke id=1 action=read input=[x]   <- MARKS",
        "client history.complete id=1 outcome=ok output=1   <- MARKS",
    ] {
        check("causal", story);
    }
}

const KEYS: [&str; 3] = ["x", "y", "z"];

/// Replicas that take each other's writes in causal order, each with a client of its own.
///
/// A replica has applied a prefix of every replica's writes; it takes the next of another one only if it has
/// what that one had when it wrote. Of concurrent writes each replica keeps the one that it took last.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut logs: [Vec<(usize, u64, [usize; 3])>; 3] = Default::default();
    let mut taken = [[0usize; 3]; 3];
    let mut values: [BTreeMap<usize, u64>; 3] = Default::default();
    let (mut id, mut next) = (0, 0);
    for &(what, a, b) in steps {
        let (who, from, key) = (usize::from(what % 3), usize::from(a % 3), usize::from(b % 3));
        match what / 3 % 4 {
            0 => {
                next += 1;
                id += 1;
                logs[who].push((key, next, taken[who]));
                taken[who][who] += 1;
                values[who].insert(key, next);
                teller.tell(who as u32, invoke(id, "write", vec![Value::from(KEYS[key]), Value::from(next)]));
                let outcome = if a < 30 { Outcome::Unknown } else { Outcome::Ok };
                teller.tell(who as u32, complete(id, outcome, true));
            }
            1 | 2 => {
                let Some(&(key, value, needs)) = logs[from].get(taken[who][from]) else { continue };
                if (0..3).all(|other| taken[who][other] >= needs[other]) && who != from {
                    taken[who][from] += 1;
                    values[who].insert(key, value);
                }
            }
            _ => {
                id += 1;
                teller.tell(who as u32, invoke(id, "read", KEYS[key]));
                let value = values[who].get(&key).map_or(Value::List(vec![]), |value| Value::from(*value));
                teller.tell(who as u32, complete(id, Outcome::Ok, value));
            }
        }
    }
    teller.facts
}

fn read_of_something(facts: &[Observed], pick: usize) -> Option<usize> {
    find(facts, "history.complete", pick, |_, mark| matches!(mark.get("output"), Some(Value::Number(_))))
}

fn phantom(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = read_of_something(facts, pick) else { return false };
    set(&mut facts[at], "output", 1_000_000u64);
    true
}

/// After a read, the same client reads again and sees nothing.
fn forgets(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = read_of_something(facts, pick) else { return false };
    let again = [facts[at - 1].clone(), facts[at].clone()];
    for (offset, mut seen) in again.into_iter().enumerate() {
        set(&mut seen, "id", 1_000_000u64);
        if offset == 1 {
            set(&mut seen, "output", Value::List(vec![]));
        }
        facts.insert(at + 1 + offset, seen);
    }
    true
}

/// Somebody saw what its client is told has failed.
fn failed(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = read_of_something(facts, pick) else { return false };
    let value = facts[at].mark.get("output").cloned();
    let wrote = |mark: &Mark| matches!(mark.get("input"), Some(Value::List(parts)) if parts.get(1) == value.as_ref());
    let Some(write) = find(facts, "history.invoke", 0, |_, mark| wrote(mark)) else { return false };
    set(&mut facts[write + 1], "outcome", "fail");
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "causal",
        120,
        generate,
        &[
            ("a read of a phantom", "CC", phantom),
            ("a client forgets what it saw", "CC", forgets),
            ("a read of what failed", "CC", failed),
        ],
    );
}
