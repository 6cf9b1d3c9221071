//! Cycles of list-append transactions: what they must reject and accept.

use crate::linearizability::{complete, invoke};
use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::history::Outcome;
use contract::{Mark, Observed, Value};
use std::collections::BTreeMap;

#[test]
fn transactions_one_after_another_are_accepted() {
    check(
        "cycles",
        "
        client history.invoke id=1 action=txn input=[[append x 1] [r y []] [append x 2]]
        client history.complete id=1 outcome=ok output=[[append x 1] [r y []] [append x 2]]
        client history.invoke id=2 action=txn input=[[r x []] [append y 1] [r y []]]
        client history.complete id=2 outcome=ok output=[[r x [1 2]] [append y 1] [r y [1]]]
        client history.invoke id=3 action=txn input=[]
        client history.complete id=3 outcome=ok output=[]
        finish",
    );
}

#[test]
fn a_stale_snapshot_is_serializable() {
    check(
        "cycles",
        "
        client history.invoke id=1 action=txn input=[[append x 1]]
        client history.complete id=1 outcome=ok output=[[append x 1]]
        client history.invoke id=2 action=txn input=[[r x []] [r y []]]
        client history.complete id=2 outcome=ok output=[[r x []] [r y []]]
        client history.invoke id=3 action=txn input=[[r x []]]
        client history.complete id=3 outcome=ok output=[[r x [1]]]
        finish",
    );
}

#[test]
fn what_is_unknown_may_have_happened_or_not() {
    check(
        "cycles",
        "
        client history.invoke id=1 action=txn input=[[append x 1]]
        client history.complete id=1 outcome=info output=[]
        client history.invoke id=2 action=txn input=[[append x 2]]
        client2 history.invoke id=3 action=txn input=[[r x []]]
        client2 history.complete id=3 outcome=ok output=[[r x [1]]]
        client system.exit reason=crash
        client2 history.invoke id=4 action=txn input=[[append x 3]]
        client2 history.complete id=4 outcome=fail output=[]
        finish",
    );
}

/// One of each anomaly, and more than one where they come in several forms.
const BAD: [(&str, &str); 15] = [
    (
        "a value that nobody appended",
        "client history.invoke id=1 action=txn input=[[r x []]]
         client history.complete id=1 outcome=ok output=[[r x [7]]]   <- PHANTOM",
    ),
    (
        "a value twice",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client history.complete id=1 outcome=ok output=[[append x 1]]
         client history.invoke id=2 action=txn input=[[r x []]]
         client history.complete id=2 outcome=ok output=[[r x [1 1]]]   <- DUPLICATE",
    ),
    (
        "a transaction that misses its own append",
        "client history.invoke id=1 action=txn input=[[append x 1] [r x []]]
         client history.complete id=1 outcome=ok output=[[append x 1] [r x []]]   <- INTERNAL",
    ),
    (
        "a transaction whose second read differs",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client2 history.invoke id=2 action=txn input=[[r x []] [r x []]]
         client2 history.complete id=2 outcome=ok output=[[r x []] [r x [1]]]   <- INTERNAL",
    ),
    (
        "reads of two orders",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client2 history.invoke id=2 action=txn input=[[append x 2]]
         edge history.invoke id=3 action=txn input=[[r x []]]
         edge history.complete id=3 outcome=ok output=[[r x [1 2]]]
         edge history.invoke id=4 action=txn input=[[r x []]]
         edge history.complete id=4 outcome=ok output=[[r x [2]]]
         finish   <- ORDER",
    ),
    (
        "a transaction's appends in another order than its own",
        "client history.invoke id=1 action=txn input=[[append x 1] [append x 2]]
         client history.complete id=1 outcome=ok output=[[append x 1] [append x 2]]
         client history.invoke id=2 action=txn input=[[append x 3]]
         client history.complete id=2 outcome=ok output=[[append x 3]]
         client2 history.invoke id=3 action=txn input=[[r x []]]
         client2 history.complete id=3 outcome=ok output=[[r x [2 1 3]]]
         finish   <- ORDER",
    ),
    (
        "an aborted append",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client2 history.invoke id=2 action=txn input=[[r x []]]
         client2 history.complete id=2 outcome=ok output=[[r x [1]]]
         client history.complete id=1 outcome=fail output=[]
         finish   <- G1a",
    ),
    (
        "an intermediate append",
        "client history.invoke id=1 action=txn input=[[append x 1] [append x 2]]
         client history.complete id=1 outcome=ok output=[[append x 1] [append x 2]]
         client2 history.invoke id=2 action=txn input=[[r x []]]
         client2 history.complete id=2 outcome=ok output=[[r x [1]]]
         finish   <- G1b",
    ),
    (
        "two keys in two orders",
        "client history.invoke id=1 action=txn input=[[append x 1] [append y 1]]
         client history.complete id=1 outcome=ok output=[[append x 1] [append y 1]]
         client2 history.invoke id=2 action=txn input=[[append x 2] [append y 2]]
         client2 history.complete id=2 outcome=ok output=[[append x 2] [append y 2]]
         edge history.invoke id=3 action=txn input=[[r x []] [r y []]]
         edge history.complete id=3 outcome=ok output=[[r x [1 2]] [r y [2 1]]]
         finish   <- G0",
    ),
    (
        "two that read each other",
        "client history.invoke id=1 action=txn input=[[append x 1] [r y []]]
         client2 history.invoke id=2 action=txn input=[[append y 1] [r x []]]
         client history.complete id=1 outcome=ok output=[[append x 1] [r y [1]]]
         client2 history.complete id=2 outcome=ok output=[[append y 1] [r x [1]]]
         finish   <- G1c",
    ),
    (
        "an unknown one takes part in a cycle",
        "client history.invoke id=1 action=txn input=[[append x 1] [append y 2]]
         client history.complete id=1 outcome=info output=[]
         client2 history.invoke id=2 action=txn input=[[append y 1] [r x []]]
         client2 history.complete id=2 outcome=ok output=[[append y 1] [r x [1]]]
         edge history.invoke id=3 action=txn input=[[r y []]]
         edge history.complete id=3 outcome=ok output=[[r y [1 2]]]
         finish   <- G1c",
    ),
    (
        "read skew",
        "client history.invoke id=1 action=txn input=[[append x 1] [append y 1]]
         client history.complete id=1 outcome=ok output=[[append x 1] [append y 1]]
         client2 history.invoke id=2 action=txn input=[[r x []] [r y []]]
         client2 history.complete id=2 outcome=ok output=[[r x [1]] [r y []]]
         edge history.invoke id=3 action=txn input=[[r y []]]
         edge history.complete id=3 outcome=ok output=[[r y [1]]]
         finish   <- G-single",
    ),
    (
        "a lost update",
        "client history.invoke id=1 action=txn input=[[r x []] [append x 1]]
         client2 history.invoke id=2 action=txn input=[[r x []] [append x 2]]
         client history.complete id=1 outcome=ok output=[[r x []] [append x 1]]
         client2 history.complete id=2 outcome=ok output=[[r x []] [append x 2]]
         edge history.invoke id=3 action=txn input=[[r x []]]
         edge history.complete id=3 outcome=ok output=[[r x [1 2]]]
         finish   <- G-single",
    ),
    (
        "write skew",
        "client history.invoke id=1 action=txn input=[[r x []] [append y 1]]
         client2 history.invoke id=2 action=txn input=[[r y []] [append x 1]]
         client history.complete id=1 outcome=ok output=[[r x []] [append y 1]]
         client2 history.complete id=2 outcome=ok output=[[r y []] [append x 1]]
         edge history.invoke id=3 action=txn input=[[r x []] [r y []]]
         edge history.complete id=3 outcome=ok output=[[r x [1]] [r y [1]]]
         finish   <- G2-item",
    ),
    (
        "two readers that see two writes in two orders",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client history.complete id=1 outcome=ok output=[[append x 1]]
         client2 history.invoke id=2 action=txn input=[[append y 1]]
         client2 history.complete id=2 outcome=ok output=[[append y 1]]
         edge history.invoke id=3 action=txn input=[[r x []] [r y []]]
         edge history.complete id=3 outcome=ok output=[[r x [1]] [r y []]]
         other history.invoke id=4 action=txn input=[[r x []] [r y []]]
         other history.complete id=4 outcome=ok output=[[r x []] [r y [1]]]
         primary history.invoke id=5 action=txn input=[[r x []] [r y []]]
         primary history.complete id=5 outcome=ok output=[[r x [1]] [r y [1]]]
         finish   <- G2-item",
    ),
];

#[test]
fn each_anomaly_is_rejected_by_its_name() {
    for (name, story) in BAD {
        println!("{name}");
        check("cycles", story);
    }
}

#[test]
fn a_shortest_cycle_is_reported_with_its_facts() {
    let (_, story) = BAD[13];
    let facts = crate::story::observed(story.split("finish").next().expect("the story before its end"));
    let violation = crate::teller::verdict("cycles", &facts).0.expect("write skew");
    assert_eq!(
        violation.facts,
        "transaction 1 of client 10 did not see 1 of \"x\", which transaction 2 of client 11 appended; \
         transaction 2 of client 11 did not see 1 of \"y\", which transaction 1 of client 10 appended"
    );
    assert_eq!(violation.events, [1, 2, 3, 4]);
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "client history.invoke id=1 action=txn input=7   <- MARKS",
        "client history.invoke id=1 action=txn input=[7]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[append x]]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[append x y]]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[append x 1] [append x 1]]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[append x 1]]
         client history.complete id=1 outcome=ok output=[[append x 2]]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[r x []]]
         client history.complete id=1 outcome=ok output=[]   <- MARKS",
        "client history.invoke id=1 action=txn input=[[r x []]]
         client history.complete id=1 outcome=ok output=[[r x [one]]]   <- MARKS",
    ] {
        check("cycles", story);
    }
}

const KEYS: [&str; 3] = ["x", "y", "z"];

/// A serial store under clients whose operations overlap, time out and fail, and which in the end read all.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut lists: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut next = 1;
    let mut open: BTreeMap<u32, (u64, Outcome, Value)> = BTreeMap::new();
    let mut id = 0;
    let mut run = |micros: Vec<(bool, &'static str)>, commits: bool| {
        let part = |word: &str, key: &str, value: Value| Value::List(vec![word.into(), key.into(), value]);
        let (mut input, mut output) = (Vec::new(), Vec::new());
        for (append, key) in micros {
            if append {
                input.push(part("append", key, next.into()));
                output.push(part("append", key, next.into()));
                if commits {
                    lists.entry(key).or_default().push(next);
                }
                next += 1;
            } else {
                input.push(part("r", key, Value::List(vec![])));
                let values = lists.get(key).cloned().unwrap_or_default();
                output.push(part("r", key, values.into()));
            }
        }
        (Value::List(input), Value::List(output))
    };
    for &(what, a, b) in steps {
        let who = 10 + u32::from(what % 4);
        if let Some((id, outcome, output)) = open.remove(&who) {
            teller.tell(who, complete(id, outcome, output));
            continue;
        }
        id += 1;
        let outcome = match b % 16 {
            0 => Outcome::Failed,
            1 => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        let commits = outcome == Outcome::Ok || (outcome == Outcome::Unknown && a % 2 == 0);
        let micro = |bits: u8| (!bits.is_multiple_of(3), KEYS[usize::from(bits / 3 % 3)]);
        let micros = [a, a / 9, b / 2, b / 18].into_iter().take(1 + usize::from(what / 64)).map(micro).collect();
        let (input, output) = run(micros, commits);
        teller.tell(who, invoke(id, "txn", input));
        open.insert(who, (id, outcome, output));
    }
    for (who, (id, outcome, output)) in open {
        teller.tell(who, complete(id, outcome, output));
    }
    let (input, output) = run(KEYS.iter().map(|key| (false, *key)).collect(), true);
    teller.tell(9, invoke(1_000_000, "txn", input));
    teller.tell(9, complete(1_000_000, Outcome::Ok, output));
    teller.facts
}

/// One step of a small transaction: an append of a value, or a read of what it saw, of one of two keys.
#[derive(Clone, Debug)]
enum Small {
    Append(usize, u64),
    Read(usize, Vec<u64>),
}

/// Transactions that run one after another, in which some reads see too little; at last one reads all.
fn small(choices: &[Step]) -> Vec<Vec<Small>> {
    let mut lists = [Vec::new(), Vec::new()];
    let mut next = 0;
    let mut transactions: Vec<Vec<Small>> = vec![Vec::new()];
    for &(what, a, b) in choices {
        if what > 150 && transactions.len() < 5 {
            transactions.push(Vec::new());
        }
        let key = usize::from(a % 2);
        let micro = if what % 2 == 0 {
            next += 1;
            let at = lists[key].len() - if b < 30 { lists[key].len().min(1) } else { 0 };
            lists[key].insert(at, next);
            Small::Append(key, next)
        } else {
            let less = if b > 200 { usize::from(b % 3).min(lists[key].len()) } else { 0 };
            Small::Read(key, lists[key][..lists[key].len() - less].to_vec())
        };
        transactions.last_mut().expect("there is one").push(micro);
    }
    transactions.push(vec![Small::Read(0, lists[0].clone()), Small::Read(1, lists[1].clone())]);
    transactions
}

/// Whether some order of the transactions, one after another, gives just these reads.
fn serializable(left: &[Vec<Small>], lists: &[Vec<u64>; 2]) -> bool {
    left.is_empty()
        || (0..left.len()).any(|at| {
            let mut lists = lists.clone();
            let fits = left[at].iter().all(|micro| match micro {
                Small::Append(key, value) => {
                    lists[*key].push(*value);
                    true
                }
                Small::Read(key, values) => lists[*key] == *values,
            });
            let mut rest = left.to_vec();
            rest.remove(at);
            fits && serializable(&rest, &lists)
        })
}

fn tell_small(transactions: &[Vec<Small>]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let list = |micros: &[Small], seen: bool| -> Value {
        let part = |micro: &Small| match micro {
            Small::Append(key, value) => Value::List(vec!["append".into(), KEYS[*key].into(), (*value).into()]),
            Small::Read(key, values) => {
                let values = if seen { values.clone() } else { vec![] };
                Value::List(vec!["r".into(), KEYS[*key].into(), values.into()])
            }
        };
        Value::List(micros.iter().map(part).collect())
    };
    for (id, micros) in transactions.iter().enumerate() {
        teller.tell(id as u32, invoke(id as u64, "txn", list(micros, false)));
    }
    for (id, micros) in transactions.iter().enumerate() {
        teller.tell(id as u32, complete(id as u64, Outcome::Ok, list(micros, true)));
    }
    teller.facts
}

#[test]
fn small_histories_are_rejected_if_and_only_if_no_serial_order_explains_them() {
    let (good, bad) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    crate::teller::runner(10_000)
        .run(&crate::teller::steps(10), |choices| {
            let transactions = small(&choices);
            let expected = serializable(&transactions, &[vec![], vec![]]);
            let facts = tell_small(&transactions);
            let found = crate::teller::verdict("cycles", &facts).0;
            proptest::prop_assert_eq!(found.is_none(), expected, "{:?}\n{}", found, crate::teller::told(&facts));
            let count = if expected { &good } else { &bad };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(good.get() > 2_000 && bad.get() > 1_500, "{} serializable, {} not", good.get(), bad.get());
}

/// The list of one of the reads of the last transaction that has `least` values, to be changed.
fn last_list(facts: &mut [Observed], pick: usize, least: usize) -> Option<&mut Vec<Value>> {
    let output = facts.last_mut()?.mark.facts.iter_mut().find(|(name, _)| name == "output");
    let Some((_, Value::List(reads))) = output else { return None };
    let lists = reads.iter_mut().filter_map(|read| match read {
        Value::List(parts) => match &mut parts[2] {
            Value::List(values) if values.len() >= least => Some(values),
            _ => None,
        },
        _ => None,
    });
    let mut lists: Vec<&mut Vec<Value>> = lists.collect();
    if lists.is_empty() { None } else { Some(lists.remove(pick % lists.len())) }
}

fn phantom(facts: &mut Vec<Observed>, pick: usize) -> bool {
    last_list(facts, pick, 0).map(|list| list.push(Value::from(1_000_000u64))).is_some()
}

fn twice(facts: &mut Vec<Observed>, pick: usize) -> bool {
    last_list(facts, pick, 1).map(|list| list.push(list[0].clone())).is_some()
}

fn reordered(facts: &mut Vec<Observed>, pick: usize) -> bool {
    // Another read sees the true order, as far as the swapped pair.
    let Some(list) = last_list(facts, pick, 2) else { return false };
    let truth = list.clone();
    list.swap(0, 1);
    let shows = Value::List(vec![truth[0].clone()]);
    let key = KEYS.into_iter().find(|key| output_of(facts, key).is_some_and(|list| list[0] == truth[1]));
    let Some(key) = key else { return false };
    let read = |values: Value| Value::List(vec![Value::List(vec!["r".into(), key.into(), values])]);
    let mut teller = Teller { facts: std::mem::take(facts) };
    teller.tell(8, invoke(2_000_000, "txn", read(Value::List(vec![]))));
    teller.tell(8, complete(2_000_000, Outcome::Ok, read(shows)));
    *facts = teller.facts;
    true
}

fn output_of<'f>(facts: &'f [Observed], key: &str) -> Option<&'f [Value]> {
    let Some(Value::List(reads)) = facts.last()?.mark.get("output") else { return None };
    reads.iter().find_map(|read| match read {
        Value::List(parts) if parts[1] == Value::from(key) => match &parts[2] {
            Value::List(values) if !values.is_empty() => Some(&values[..]),
            _ => None,
        },
        _ => None,
    })
}

fn aborted(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let appends = |at: usize, mark: &Mark| {
        at + 1 < facts.len() && mark.text("outcome") == Some("ok") && mark.to_string().contains("append")
    };
    let Some(at) = find(facts, "history.complete", pick, appends) else { return false };
    set(&mut facts[at], "outcome", "fail");
    true
}

fn write_skew(facts: &mut Vec<Observed>, _: usize) -> bool {
    let mut teller = Teller { facts: std::mem::take(facts) };
    let part = |word: &str, key: &str, value: Value| Value::List(vec![word.into(), key.into(), value]);
    let list = |values: &[u64]| Value::from(values.to_vec());
    let both = |read: &str, to: &str| Value::List(vec![part("r", read, list(&[])), part("append", to, 1u64.into())]);
    for (id, read, to) in [(3_000_000, "p", "q"), (3_000_001, "q", "p")] {
        teller.tell(id as u32, invoke(id, "txn", both(read, to)));
    }
    for (id, read, to) in [(3_000_000, "p", "q"), (3_000_001, "q", "p")] {
        teller.tell(id as u32, complete(id, Outcome::Ok, both(read, to)));
    }
    let reads = |values: &[u64]| Value::List(vec![part("r", "p", list(values)), part("r", "q", list(values))]);
    teller.tell(7, invoke(3_000_002, "txn", reads(&[])));
    teller.tell(7, complete(3_000_002, Outcome::Ok, reads(&[1])));
    *facts = teller.facts;
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "cycles",
        80,
        generate,
        &[
            ("a read of a phantom", "PHANTOM", phantom),
            ("a read of one value twice", "DUPLICATE", twice),
            ("reads of two orders", "ORDER", reordered),
            ("reads of an aborted append", "G1a", aborted),
            ("write skew", "G2-item", write_skew),
        ],
    );
}
