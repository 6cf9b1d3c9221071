//! The search against the witness check against brute force, on small histories that may be anything.
//!
//! For a history without stated points, brute force tries every order of every choice of its operations. If
//! one explains the history, its points are stated in it, and the witness check must accept just what the
//! search accepted; if none does, the search must reject, and so must the witness check whichever of the
//! orders is stated.

use crate::linearizability::{apply, complete, generate, invoke};
use crate::teller::{Teller, runner, steps, told, verdict};
use contract::history::Outcome;
use contract::{Observed, Value};
use proptest::prelude::*;
use std::cell::Cell;

/// One operation of a small history, with the positions of its invocation and its return.
#[derive(Clone, Debug)]
struct Operation {
    id: u64,
    action: &'static str,
    facts: Vec<Value>,
    from: usize,
    until: usize,
    outcome: Outcome,
    output: Value,
}

/// Anything that clients could claim of one register: results are free, so about half have no order.
fn claim(choices: &[(u8, u8, u8)]) -> (Vec<Operation>, Vec<(usize, bool)>) {
    let mut operations: Vec<Operation> = Vec::new();
    let mut events: Vec<(usize, bool)> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for &(what, a, b) in choices {
        if operations.len() < 6 && (open.is_empty() || what % 2 == 0) {
            let value = |number: u8| if number == 0 { Value::List(vec![]) } else { Value::from(u64::from(number)) };
            let (action, facts) = match a % 5 {
                0 | 1 => ("read", vec![Value::from("k")]),
                2 | 3 => ("write", vec![Value::from("k"), value(b % 3)]),
                _ => ("cas", vec![Value::from("k"), value(b % 3), value(b / 3 % 3)]),
            };
            let outcome = match b / 9 % 8 {
                0 => Outcome::Unknown,
                1 => Outcome::Failed,
                _ => Outcome::Ok,
            };
            let output = match action {
                "read" => value(a / 5 % 3),
                "write" => Value::from(true),
                _ => Value::from(a / 5 % 2 == 0),
            };
            let (id, from) = (operations.len() as u64, events.len());
            open.push(operations.len());
            events.push((operations.len(), false));
            operations.push(Operation { id, action, facts, from, until: usize::MAX, outcome, output });
        } else if !open.is_empty() {
            let which = open.remove(usize::from(a) % open.len());
            if operations[which].outcome != Outcome::Unknown {
                operations[which].until = events.len();
            }
            events.push((which, true));
        }
    }
    for operation in &mut operations {
        if operation.until == usize::MAX {
            operation.outcome = Outcome::Unknown;
        }
    }
    (operations, events)
}

/// All orders of all choices that keep real time and contain what must have happened.
fn orders(operations: &[Operation], so_far: &mut Vec<usize>, found: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    let owed = |at: &usize| operations[*at].outcome == Outcome::Ok && !so_far.contains(at);
    let first_return = (0..operations.len()).filter(owed).map(|at| operations[at].until).min();
    if first_return.is_none() && found(so_far) {
        return true;
    }
    for at in 0..operations.len() {
        let operation = &operations[at];
        let in_time = first_return.is_none_or(|first| operation.from < first);
        if so_far.contains(&at) || operation.outcome == Outcome::Failed || !in_time {
            continue;
        }
        so_far.push(at);
        if orders(operations, so_far, found) {
            return true;
        }
        so_far.pop();
    }
    false
}

/// Runs a register through the order: the version of each operation, and whether all results fit.
fn run(operations: &[Operation], order: &[usize]) -> (Vec<u64>, bool) {
    let (mut state, mut version, mut fits) = (Value::List(vec![]), 0, true);
    let mut versions = Vec::new();
    for &at in order {
        let Operation { action, facts, outcome, output, .. } = &operations[at];
        let result = match *action {
            "read" => state.clone(),
            "write" => Value::from(true),
            _ => Value::from(state == facts[1]),
        };
        if result == Value::from(true) {
            version += 1;
            state = facts[facts.len() - 1].clone();
        }
        fits &= *outcome != Outcome::Ok || result == *output;
        versions.push(version);
    }
    (versions, fits)
}

/// The history, with a point for each operation of `order` as early as its invocation and the order allow.
fn tell(operations: &[Operation], events: &[(usize, bool)], order: &[usize], versions: &[u64]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut points = order.iter().zip(versions).peekable();
    for (position, &(which, ended)) in events.iter().enumerate() {
        let Operation { id, action, facts, outcome, output, .. } = &operations[which];
        let process = 10 + which as u32;
        if ended {
            let (outcome, output) = (*outcome, output.clone());
            teller.tell(process, complete(*id, outcome, output));
        } else {
            let input = if *action == "read" { facts[0].clone() } else { Value::List(facts.clone()) };
            teller.tell(process, invoke(*id, action, input));
        }
        while let Some((at, version)) = points.next_if(|(at, _)| operations[**at].from <= position) {
            teller.tell(1, apply(operations[*at].id, &Value::from("k"), *version));
        }
    }
    teller.facts
}

#[test]
fn search_and_witness_agree_with_brute_force_on_ten_thousand_small_histories() {
    let (linearizable, hopeless, witnesses) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let choices = prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 4..14);
    runner(10_000)
        .run(&choices, |choices| {
            let (operations, events) = claim(&choices);
            let plain = tell(&operations, &events, &[], &[]);
            let searched = verdict("linearizability", &plain).0;
            let mut witness = None;
            orders(&operations, &mut Vec::new(), &mut |order| {
                let (versions, fits) = run(&operations, order);
                if fits {
                    witness = Some(tell(&operations, &events, order, &versions));
                } else if witnesses.get() % 7 == 0 {
                    let facts = tell(&operations, &events, order, &versions);
                    let rejected = verdict("linearization_points", &facts).0.is_some() || order.is_empty();
                    assert!(rejected, "an order that does not fit was accepted\n{}", told(&facts));
                }
                witnesses.set(witnesses.get() + 1);
                fits
            });
            prop_assert_eq!(searched.is_none(), witness.is_some(), "search: {:?}\n{}", searched, told(&plain));
            match witness {
                None => hopeless.set(hopeless.get() + 1),
                Some(facts) => {
                    linearizable.set(linearizable.get() + 1);
                    let checked = verdict("linearization_points", &facts).0;
                    prop_assert!(checked.is_none(), "{checked:?}\n{}", told(&facts));
                    prop_assert!(verdict("linearizability", &facts).0.is_none());
                }
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let (linearizable, hopeless) = (linearizable.get(), hopeless.get());
    assert!(linearizable > 2_000 && hopeless > 2_000, "{linearizable} have an order and {hopeless} have none");
}

#[test]
fn what_the_witness_check_accepts_the_search_accepts() {
    let (accepted, rejected) = (Cell::new(0), Cell::new(0));
    let hits = prop::collection::vec((any::<prop::sample::Index>(), 0..4u64), 0..2);
    runner(2_000)
        .run(&(steps(100), hits), |(steps, hits)| {
            let mut facts = generate(&steps);
            for (index, output) in hits {
                let at = index.index(facts.len());
                if facts[at].mark.text("outcome") == Some("ok") {
                    crate::teller::set(&mut facts[at], "output", output);
                }
            }
            let (witness, search) = (verdict("linearization_points", &facts).0, verdict("linearizability", &facts).0);
            if witness.is_none() {
                accepted.set(accepted.get() + 1);
                prop_assert!(search.is_none(), "{search:?}\n{}", told(&facts));
            } else if search.is_some() {
                rejected.set(rejected.get() + 1);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(accepted.get() > 500 && rejected.get() > 50, "{} accepted, {} rejected", accepted.get(), rejected.get());
}
