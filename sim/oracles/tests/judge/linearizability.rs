//! Linearizability (C1) by search and by witness: what each must reject and accept.

use crate::story::{check, judge, observed};
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::history::{Done, Op, Outcome};
use contract::{Mark, Observed, Value};
use oracles::Oracle;
use oracles::linearizability::Linearizability;

/// Histories that the search and, with their `apply` marks, the witness check accept.
const GOOD: [&str; 7] = [
    "client history.invoke id=1 action=write input=[k 1]
     edge apply op=1 key=k version=1
     client history.complete id=1 outcome=ok output=true
     client history.invoke id=2 action=read input=k
     edge apply op=2 key=k version=1
     client history.complete id=2 outcome=ok output=1
     finish",
    // A read during a write sees either value, and two keys have nothing to do with each other.
    "client history.invoke id=1 action=write input=[k 1]
     client2 history.invoke id=2 action=read input=k
     edge apply op=2 key=k version=0
     client2 history.complete id=2 outcome=ok output=[]
     client2 history.invoke id=3 action=read input=k
     edge apply op=1 key=k version=4
     edge apply op=3 key=k version=4
     client2 history.complete id=3 outcome=ok output=1
     client2 history.invoke id=4 action=read input=l
     edge apply op=4 key=l version=0
     client2 history.complete id=4 outcome=ok output=[]
     client history.complete id=1 outcome=ok output=true
     finish",
    // A swap that creates, one that does not swap, one that deletes.
    "client history.invoke id=1 action=cas input=[k [] 1]
     edge apply op=1 key=k version=1
     client history.complete id=1 outcome=ok output=true
     client history.invoke id=2 action=cas input=[k 7 2]
     edge apply op=2 key=k version=1
     client history.complete id=2 outcome=ok output=false
     client history.invoke id=3 action=cas input=[k 1 []]
     edge apply op=3 key=k version=2
     client history.complete id=3 outcome=ok output=true
     client history.invoke id=4 action=read input=k
     edge apply op=4 key=k version=2
     client history.complete id=4 outcome=ok output=[]
     finish",
    // What timed out happens much later, and its client's end changes nothing.
    "client history.invoke id=1 action=write input=[k 1]
     client history.complete id=1 outcome=info output=0
     client system.exit reason=crash
     client2 history.invoke id=2 action=read input=k
     edge apply op=2 key=k version=0
     client2 history.complete id=2 outcome=ok output=[]
     edge apply op=1 key=k version=1
     other apply op=1 key=k version=1
     client2 history.invoke id=3 action=read input=k
     edge apply op=3 key=k version=1
     client2 history.complete id=3 outcome=ok output=1
     finish",
    // Two writes at once: the one that returned first may be the later one.
    "client history.invoke id=1 action=write input=[k 1]
     client2 history.invoke id=2 action=write input=[k 2]
     edge apply op=2 key=k version=1
     edge apply op=1 key=k version=2
     client history.complete id=1 outcome=ok output=true
     client2 history.complete id=2 outcome=ok output=true
     client history.invoke id=3 action=read input=k
     edge apply op=3 key=k version=2
     client history.complete id=3 outcome=ok output=1
     finish",
    // A read that is asked again is served again; its client hears the first answer, or the second.
    "client history.invoke id=1 action=read input=k
     edge apply op=1 key=k version=0
     client2 history.invoke id=2 action=write input=[k 1]
     edge apply op=2 key=k version=1
     client2 history.complete id=2 outcome=ok output=true
     other apply op=1 key=k version=1
     client history.complete id=1 outcome=ok output=[]
     client history.invoke id=3 action=read input=k
     edge apply op=3 key=k version=1
     client2 history.invoke id=4 action=write input=[k 2]
     edge apply op=4 key=k version=2
     client2 history.complete id=4 outcome=ok output=true
     other apply op=3 key=k version=2
     client history.complete id=3 outcome=ok output=2
     other apply op=3 key=k version=2
     finish",
    // What failed never happens, and actions on other things are none of this.
    "client history.invoke id=1 action=write input=[k 1]
     client history.complete id=1 outcome=fail output=0
     client history.invoke id=2 action=ingest input=17
     client history.complete id=2 outcome=ok output=0
     client history.invoke id=3 action=read input=k
     edge apply op=3 key=k version=0
     client history.complete id=3 outcome=ok output=[]
     finish",
];

#[test]
fn good_histories_are_accepted_by_both() {
    for story in GOOD {
        check("linearizability", story);
        check("linearization_points", story);
    }
}

/// Histories that have no order. The verdict falls when the last operation has ended that overlaps the wrong one.
const BAD: [(&str, &str); 10] = [
    (
        "a stale read",
        "client history.invoke id=1 action=write input=[k 1]
         client history.complete id=1 outcome=ok output=true
         client2 history.invoke id=2 action=read input=k
         client2 history.complete id=2 outcome=ok output=[]   <- C1",
    ),
    (
        "a value that nobody wrote",
        "client history.invoke id=1 action=read input=k
         client history.complete id=1 outcome=ok output=9   <- C1",
    ),
    (
        "a value of another key",
        "client history.invoke id=1 action=write input=[l 9]
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=read input=k
         client history.complete id=2 outcome=ok output=9   <- C1",
    ),
    (
        "a second read goes back",
        "client history.invoke id=1 action=write input=[k 1]
         client2 history.invoke id=2 action=read input=k
         client2 history.complete id=2 outcome=ok output=1
         client2 history.invoke id=3 action=read input=k
         client2 history.complete id=3 outcome=ok output=[]
         client history.complete id=1 outcome=ok output=true   <- C1",
    ),
    (
        "two swaps from one value",
        "client history.invoke id=1 action=cas input=[k [] 1]
         client2 history.invoke id=2 action=cas input=[k [] 2]
         client history.complete id=1 outcome=ok output=true
         client2 history.complete id=2 outcome=ok output=true   <- C1",
    ),
    (
        "a swap is refused that had to succeed",
        "client history.invoke id=1 action=cas input=[k [] 1]
         client history.complete id=1 outcome=ok output=false   <- C1",
    ),
    (
        "a lost update",
        "client history.invoke id=1 action=write input=[k 1]
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=cas input=[k 1 2]
         client history.complete id=2 outcome=ok output=true
         client2 history.invoke id=3 action=read input=k
         client2 history.complete id=3 outcome=ok output=1   <- C1",
    ),
    (
        "the effect of what failed is seen",
        "client history.invoke id=1 action=write input=[k 1]
         client2 history.invoke id=2 action=read input=k
         client2 history.complete id=2 outcome=ok output=1
         client history.complete id=1 outcome=fail output=0   <- C1",
    ),
    (
        "what timed out happens twice",
        "client history.invoke id=1 action=write input=[k 1]
         client history.complete id=1 outcome=info output=0
         client history.invoke id=2 action=read input=k
         client history.complete id=2 outcome=ok output=1
         client history.invoke id=3 action=write input=[k 2]
         client history.complete id=3 outcome=ok output=true
         client history.invoke id=4 action=read input=k
         client history.complete id=4 outcome=ok output=1   <- C1",
    ),
    (
        "readers disagree on the order of two writes",
        "client history.invoke id=1 action=write input=[k 1]
         client2 history.invoke id=2 action=write input=[k 2]
         edge history.invoke id=3 action=read input=k
         edge history.complete id=3 outcome=ok output=1
         edge history.invoke id=4 action=read input=k
         edge history.complete id=4 outcome=ok output=2
         other history.invoke id=5 action=read input=k
         other history.complete id=5 outcome=ok output=1
         finish   <- C1",
    ),
];

#[test]
fn the_search_rejects_what_has_no_order() {
    for (name, story) in BAD {
        println!("{name}");
        check("linearizability", story);
    }
}

/// Stated orders that do not explain what clients saw.
const MISFITS: [(&str, &str); 14] = [
    (
        "a stale read",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         client history.complete id=1 outcome=ok output=true
         client2 history.invoke id=2 action=read input=k
         other apply op=2 key=k version=0   <- C1",
    ),
    (
        "a read of what is not made yet",
        "client history.invoke id=1 action=read input=k
         edge apply op=1 key=k version=1   <- C1",
    ),
    (
        "two effects at one version",
        "client history.invoke id=1 action=write input=[k 1]
         client2 history.invoke id=2 action=write input=[k 2]
         edge apply op=1 key=k version=1
         other apply op=2 key=k version=1   <- C1",
    ),
    (
        "an effect goes back",
        "client history.invoke id=1 action=write input=[k 1]
         client2 history.invoke id=2 action=write input=[k 2]
         edge apply op=1 key=k version=7
         edge apply op=2 key=k version=3   <- C1",
    ),
    (
        "a request sent twice is applied twice",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         edge apply op=1 key=k version=2   <- C1",
    ),
    (
        "a read served again goes back",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         client history.complete id=1 outcome=ok output=true
         client2 history.invoke id=2 action=read input=k
         edge apply op=2 key=k version=1
         other apply op=2 key=k version=0   <- C1",
    ),
    (
        "a read served twice and told a third value",
        "client history.invoke id=1 action=read input=k
         edge apply op=1 key=k version=0
         client2 history.invoke id=2 action=write input=[k 1]
         edge apply op=2 key=k version=1
         edge apply op=1 key=k version=1
         client history.complete id=1 outcome=ok output=7   <- C1",
    ),
    ("nobody asked", "edge apply op=1 key=k version=1   <- C1"),
    (
        "acknowledged and not applied",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         client2 history.invoke id=2 action=write input=[k 2]
         client2 history.complete id=2 outcome=ok output=true   <- C1",
    ),
    (
        "acknowledged before it is applied",
        "client history.invoke id=1 action=write input=[k 1]
         client history.complete id=1 outcome=ok output=true
         edge apply op=1 key=k version=1   <- C1",
    ),
    (
        "told that it failed, and applied",
        "client history.invoke id=1 action=write input=[k 1]
         client history.complete id=1 outcome=fail output=0
         edge apply op=1 key=k version=1   <- C1",
    ),
    (
        "applied, and told that it failed",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         client history.complete id=1 outcome=fail output=0   <- C1",
    ),
    (
        "a swap against the value",
        "client history.invoke id=1 action=cas input=[k 5 1]
         edge apply op=1 key=k version=1   <- C1",
    ),
    (
        "another value than the register's",
        "client history.invoke id=1 action=write input=[k 1]
         edge apply op=1 key=k version=1
         client history.complete id=1 outcome=ok output=true
         client history.invoke id=2 action=read input=k
         edge apply op=2 key=k version=1
         client history.complete id=2 outcome=ok output=3   <- C1",
    ),
];

#[test]
fn the_witness_check_rejects_orders_that_explain_nothing() {
    for (name, story) in MISFITS {
        println!("{name}");
        check("linearization_points", story);
    }
}

#[test]
fn marks_that_make_no_sense_are_reported_by_both() {
    for story in [
        "client history.invoke id=1 action=read input=[k]   <- MARKS",
        "client history.invoke id=1 action=write input=k   <- MARKS",
        "client history.invoke id=1 action=write input=[k]   <- MARKS",
        "client history.invoke id=1 action=cas input=[k 1]   <- MARKS",
        "client history.invoke id=1 action=read   <- MARKS",
    ] {
        check("linearizability", story);
        check("linearization_points", story);
    }
    check(
        "linearizability",
        "client history.invoke id=1 action=cas input=[k 1 2]
         client history.complete id=1 outcome=ok output=1   <- MARKS",
    );
    check("linearization_points", "edge apply op=1 version=1   <- MARKS");
}

#[test]
fn a_key_that_takes_too_long_is_undecided_and_the_others_are_judged() {
    let mut judge = Linearizability::with_limit(50);
    let mut teller = Teller::default();
    for id in 1..=12u64 {
        teller.tell(id as u32, invoke(id, "write", vec![Value::from("k"), Value::from(id)]));
    }
    for id in 1..=12u64 {
        teller.tell(id as u32, complete(id, Outcome::Ok, true));
    }
    teller.tell(1, invoke(20, "read", "k"));
    teller.tell(1, complete(20, Outcome::Ok, 77u64));
    teller.facts.iter().try_for_each(|seen| judge.observe(seen)).expect("nobody knows");
    assert_eq!((judge.judged(), judge.undecided()), (0, 13));
    let other = "client history.invoke id=30 action=read input=l\nclient history.complete id=30 outcome=ok output=3";
    let other = observed(other);
    judge.observe(&other[0]).expect("an invocation");
    judge.observe(&other[1]).expect_err("another key is still judged");
}

#[test]
fn many_operations_of_unknown_outcome_stay_cheap() {
    let mut judge = judge("linearizability");
    let mut teller = Teller::default();
    for id in 0..60u64 {
        teller.tell(1, invoke(id, "write", vec![Value::from("k"), Value::from(id)]));
        teller.tell(1, complete(id, Outcome::Unknown, 0u64));
    }
    for id in 100..2_000u64 {
        teller.tell(2, invoke(id, "write", vec![Value::from("k"), Value::from(id)]));
        teller.tell(2, complete(id, Outcome::Ok, true));
        teller.tell(3, invoke(id + 10_000, "read", "k"));
        teller.tell(3, complete(id + 10_000, Outcome::Ok, if id % 100 == 0 { id / 100 } else { id }));
    }
    teller.facts.iter().try_for_each(|seen| judge.observe(seen)).expect("a legal history");
    assert_eq!((judge.judged(), judge.undecided()), (3_800, 0));
}

pub fn invoke(id: u64, action: &'static str, input: impl Into<Value>) -> Mark {
    Op { id, action, input: input.into() }.into_mark()
}

pub fn complete(id: u64, outcome: Outcome, output: impl Into<Value>) -> Mark {
    Done { id, outcome, output: output.into() }.into_mark()
}

pub fn apply(op: u64, key: &Value, version: u64) -> Mark {
    Mark::new("apply").with("op", op).with("key", key.clone()).with("version", version)
}

/// A client of the system below.
#[derive(Clone, Default)]
struct Client {
    open: Option<(u64, &'static str, Value)>,
    answer: Option<Value>,
}

/// A correct store of two registers under five clients: operations overlap, answers get lost, requests are
/// applied after their clients gave up, and replicas repeat what they applied.
pub fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut clients = vec![Client::default(); 5];
    let mut registers = [(0u64, Value::List(vec![])), (0u64, Value::List(vec![]))];
    let mut late: Vec<(u64, Value)> = Vec::new();
    for (id, &(what, a, b)) in steps.iter().enumerate() {
        let who = usize::from(what % 5);
        let process = 10 + who as u32;
        let key = usize::from(a % 2);
        let name = Value::from(["k", "l"][key]);
        let client = &mut clients[who];
        match (client.open.take(), client.answer.take()) {
            (None, _) => {
                let (old, new) = (Value::from(u64::from(b % 4)), Value::from(u64::from(b / 4 % 4)));
                let (action, input) = match a / 2 % 4 {
                    0 | 1 => ("read", name),
                    2 => ("write", Value::List(vec![name, new])),
                    _ => ("cas", Value::List(vec![name, if b > 200 { Value::List(vec![]) } else { old }, new])),
                };
                teller.tell(process, invoke(id as u64, action, input.clone()));
                client.open = Some((id as u64, action, input));
            }
            (Some((id, _, input)), None) if b < 20 => {
                teller.tell(process, complete(id, Outcome::Unknown, 0u64));
                if let Value::List(facts) = &input
                    && facts.len() == 2
                    && b < 10
                {
                    late.push((id, input));
                }
            }
            (Some((id, _, _)), None) if b < 30 => teller.tell(process, complete(id, Outcome::Failed, 0u64)),
            (Some((id, action, input)), None) => {
                client.answer = Some(perform(&mut registers, &mut teller, id, action, &input));
                client.open = Some((id, action, input));
            }
            (Some((id, ..)), Some(_)) if b < 20 => teller.tell(process, complete(id, Outcome::Unknown, 0u64)),
            (Some((id, ..)), Some(output)) => teller.tell(process, complete(id, Outcome::Ok, output)),
        }
        if what > 230
            && let Some((id, input)) = late.pop()
        {
            perform(&mut registers, &mut teller, id, "write", &input);
        }
    }
    teller.facts
}

fn perform(registers: &mut [(u64, Value); 2], teller: &mut Teller, op: u64, action: &str, input: &Value) -> Value {
    let facts = if let Value::List(facts) = input { facts.clone() } else { vec![input.clone()] };
    let register = &mut registers[usize::from(facts[0] == Value::from("l"))];
    let output = match action {
        "read" => register.1.clone(),
        "write" => Value::from(true),
        _ => Value::from(register.1 == facts[1]),
    };
    if output == Value::from(true) {
        *register = (register.0 + 1, facts[facts.len() - 1].clone());
    }
    let mark = apply(op, &facts[0], register.0);
    teller.tell(1, mark.clone());
    if op.is_multiple_of(3) {
        teller.tell(2, mark);
    }
    output
}

fn completed_read(facts: &[Observed], pick: usize) -> Option<usize> {
    let is_read = |_: usize, mark: &Mark| {
        let id = mark.number("id");
        let invoked = facts.iter().find(|seen| seen.mark.kind == "history.invoke" && seen.mark.number("id") == id);
        mark.text("outcome") == Some("ok") && invoked.is_some_and(|seen| seen.mark.text("action") == Some("read"))
    };
    find(facts, "history.complete", pick, is_read)
}

fn invented_value(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = completed_read(facts, pick) else { return false };
    set(&mut facts[at], "output", 99u64);
    true
}

/// The read's value was overwritten before anything else is read, and then it comes again.
fn stale_read(facts: &mut Vec<Observed>, _: usize) -> bool {
    let story = "client history.invoke id=9001 action=write input=[k 50]
        client history.complete id=9001 outcome=ok output=true
        client history.invoke id=9002 action=write input=[k 51]
        client history.complete id=9002 outcome=ok output=true
        client history.invoke id=9003 action=read input=k
        client history.complete id=9003 outcome=ok output=50";
    // A write of an earlier client may still be open, but none of them writes 50.
    facts.extend(observed(story));
    true
}

fn two_swaps(facts: &mut Vec<Observed>, _: usize) -> bool {
    let story = "client history.invoke id=9001 action=write input=[k 50]
        client history.complete id=9001 outcome=ok output=true
        client history.invoke id=9002 action=cas input=[k 50 51]
        client2 history.invoke id=9003 action=cas input=[k 50 52]
        client history.complete id=9002 outcome=ok output=true
        client2 history.complete id=9003 outcome=ok output=true";
    facts.extend(observed(story));
    true
}

#[test]
fn generated_histories_before_the_search() {
    check_generated(
        "linearizability",
        120,
        generate,
        &[
            ("a read of an invented value", "C1", invented_value),
            ("a stale read", "C1", stale_read),
            ("two swaps from one value", "C1", two_swaps),
        ],
    );
}

fn applied_twice(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "apply", pick, |_, _| true) else { return false };
    let mut again = facts[at].clone();
    set(&mut again, "version", 1_000_000u64);
    facts.push(again);
    true
}

fn never_applied(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = completed_read(facts, pick) else { return false };
    let id = facts[at].mark.number("id");
    // The rest of the history must still say that this system states its order.
    facts.retain(|seen| seen.mark.kind != "apply" || seen.mark.number("op") != id);
    find(facts, "apply", 0, |_, _| true).is_some()
}

fn applied_before_it_was_asked(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "apply", pick, |_, _| true) else { return false };
    let early = facts[at].clone();
    facts.insert(0, early);
    true
}

#[test]
fn generated_histories_before_the_witness_check() {
    check_generated(
        "linearization_points",
        120,
        generate,
        &[
            ("a read of an invented value", "C1", invented_value),
            ("an operation applied twice", "C1", applied_twice),
            ("an operation never applied", "C1", never_applied),
            ("an operation applied before it was asked for", "C1", applied_before_it_was_asked),
        ],
    );
}
