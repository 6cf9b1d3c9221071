//! Shared ledgers (G1, G2, G3): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed, Value};

#[test]
fn what_was_acknowledged_is_read_again() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10 11]
        other ledger.reading ledger=l
        edge ledger.acked ledger=l first=3 digests=[12]
        # Acknowledged while it was reading.
        other ledger.read ledger=l from=1 digests=[10 11]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=2 digests=[11 12]
        pending nothing
        edge ledger.cut ledger=l last=3
        finish",
    );
}

#[test]
fn a_page_need_not_reach_the_end() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10 11 12]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[10] more=true
        other ledger.reading ledger=l
        other ledger.read ledger=l from=2 digests=[11]   <- G1",
    );
}

#[test]
fn what_was_never_acknowledged_may_go_or_stay() {
    check(
        "ledger",
        "
        edge ledger.cut ledger=l last=0
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[10 11]
        finish",
    );
}

#[test]
fn an_acknowledged_event_is_gone() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[]   <- G1",
    );
}

#[test]
fn an_event_that_was_read_is_gone() {
    check(
        "ledger",
        "
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[10]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[]   <- G1",
    );
}

#[test]
fn an_event_changed() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10]
        other ledger.reading ledger=l
        other ledger.read ledger=l from=1 digests=[11]   <- G1",
    );
}

#[test]
fn two_writers_give_one_number() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10 11]
        other ledger.acked ledger=l first=2 digests=[20]   <- G2",
    );
}

#[test]
fn a_repair_cuts_off_an_acknowledged_event() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10 11]
        edge#2 ledger.cut ledger=l last=1   <- G3",
    );
}

#[test]
fn damage_is_reported() {
    check("ledger", "edge ledger.damaged ledger=l at=17   <- G1");
}

#[test]
fn ledgers_have_nothing_to_do_with_each_other() {
    check(
        "ledger",
        "
        edge ledger.acked ledger=l first=1 digests=[10]
        edge ledger.acked ledger=m first=1 digests=[20]
        other ledger.cut ledger=n last=0
        finish",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge ledger.acked ledger=l first=1   <- MARKS",
        "edge ledger.acked ledger=l digests=[1]   <- MARKS",
        "edge ledger.read ledger=l from=1 digests=[]   <- MARKS",
        "edge ledger.cut last=1   <- MARKS",
    ] {
        check("ledger", story);
    }
}

fn digest(number: u64) -> u64 {
    number * 7 + 3
}

fn ledger(kind: &'static str) -> Mark {
    Mark::new(kind).with("ledger", "l")
}

/// Two writers take turns; a third process reads from somewhere to the end, or a part; a repair cuts what is behind.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut last = 0u64;
    for &(what, a, b) in steps {
        match what % 4 {
            0 | 1 => {
                let digests: Vec<u64> = (last + 1..=last + 1 + u64::from(a % 3)).map(digest).collect();
                let mark = ledger("ledger.acked").with("first", last + 1).with("digests", digests.clone());
                teller.tell(1 + u32::from(b % 2), mark);
                last += digests.len() as u64;
            }
            2 => {
                let from = 1 + u64::from(a) % (last + 1);
                let until = if b % 3 == 0 { from + (last + 1 - from) / 2 } else { last + 1 };
                let digests: Vec<u64> = (from..until).map(digest).collect();
                let mark = ledger("ledger.read").with("from", from).with("digests", digests);
                teller.tell(3, ledger("ledger.reading"));
                teller.tell(3, mark.with("more", until <= last));
            }
            _ => teller.tell(2, ledger("ledger.cut").with("last", last)),
        }
    }
    teller.facts
}

fn numbers(mark: &Mark) -> Vec<u64> {
    mark.numbers("digests")
}

fn an_event_is_missing_at_the_end(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let whole = |_: usize, mark: &Mark| !numbers(mark).is_empty() && mark.flag("more") == Some(false);
    let Some(at) = find(facts, "ledger.read", pick, whole) else { return false };
    let mut digests = numbers(&facts[at].mark);
    digests.pop();
    set(&mut facts[at], "digests", digests);
    true
}

fn an_event_is_another(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "ledger.read", pick, |_, mark| !numbers(mark).is_empty()) else { return false };
    let mut digests = numbers(&facts[at].mark);
    digests[0] += 1;
    set(&mut facts[at], "digests", digests);
    true
}

fn a_number_is_given_twice(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let later = |_: usize, mark: &Mark| mark.number("first").is_some_and(|first| first > 1);
    let Some(at) = find(facts, "ledger.acked", pick, later) else { return false };
    let first = facts[at].mark.number("first").expect("it was looked at");
    set(&mut facts[at], "first", first - 1);
    true
}

fn a_cut_goes_too_far(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let any = |_: usize, mark: &Mark| mark.number("last").is_some_and(|last| last > 0);
    let Some(at) = find(facts, "ledger.cut", pick, any) else { return false };
    let last = facts[at].mark.number("last").expect("it was looked at");
    set(&mut facts[at], "last", Value::Number(last - 1));
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "ledger",
        60,
        generate,
        &[
            ("the last event is not found", "G1", an_event_is_missing_at_the_end),
            ("an event is another one", "G1", an_event_is_another),
            ("a number is given twice", "G2", a_number_is_given_twice),
            ("a cut goes too far", "G3", a_cut_goes_too_far),
        ],
    );
}
