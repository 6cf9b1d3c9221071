//! Locks of processes (L1, L2, L3): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed, mark};

#[test]
fn a_lock_goes_from_hand_to_hand_and_a_dead_holder_is_replaced() {
    check(
        "locks",
        "
        edge lock.ticket token=e
        other lock.ticket token=o
        edge lock.wanted lock=l token=e
        edge lock.taken lock=l token=e
        other lock.wanted lock=l token=o
        pending nothing
        edge system.exit reason=crash
        pending o for l
        other lock.broken lock=l of=e by=o
        other lock.taken lock=l token=o
        pending nothing
        other lock.left lock=l token=o
        other lock.taken lock=l token=o
        other lock.taken lock=l token=o
        other lock.broken lock=m of=inode-7 by=o
        finish",
    );
}

#[test]
fn two_hold_one_lock() {
    check(
        "locks",
        "
        edge lock.ticket token=e
        other lock.ticket token=o
        edge lock.taken lock=l token=e
        other lock.taken lock=m token=o
        other lock.taken lock=l token=o   <- L1",
    );
}

#[test]
fn a_live_holder_is_broken() {
    check(
        "locks",
        "
        edge lock.ticket token=e
        other lock.ticket token=o
        edge lock.taken lock=l token=e
        other lock.broken lock=l of=e by=o   <- L2",
    );
}

#[test]
fn who_gives_up_or_ends_or_is_excused_waits_no_more() {
    check(
        "locks",
        "
        edge lock.ticket token=e
        other lock.ticket token=o
        edge lock.taken lock=l token=e
        edge system.exit reason=power
        other lock.wanted lock=l token=o
        pending o for l
        other lock.refused lock=l token=o
        pending nothing
        other lock.wanted lock=l token=o
        pending o for l
        other system.exit reason=crash
        pending nothing
        second lock.ticket token=s
        second lock.wanted lock=l token=s
        pending s for l
        excuse second
        pending nothing",
    );
}

#[test]
fn marks_without_sense_are_reported() {
    check("locks", "edge lock.taken lock=l token=e   <- MARKS");
    check("locks", "edge lock.ticket token=e\nother lock.taken lock=l token=e   <- MARKS");
    check("locks", "edge lock.ticket token=e\nedge#2 lock.taken lock=l token=e   <- MARKS");
    check("locks", "edge lock.ticket token=e\nedge lock.left lock=l token=e   <- MARKS");
    check("locks", "edge lock.ticket token=e\nother lock.ticket token=e   <- MARKS");
    check("locks", "edge lock.ticket token=e\nedge lock.taken token=e   <- MARKS");
}

/// Four lockers take, leave, die and break by the rules.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let mut incarnations = [1_u32; 4];
    let token = |who: usize, incarnation: u32| format!("{who}-{incarnation}");
    let mut held: [Option<String>; 2] = [None, None];
    for who in 0..4 {
        teller.tell(who as u32, mark!("lock.ticket", token = token(who, 1)));
    }
    for &(a, b, c) in steps {
        let (who, lock) = (usize::from(a % 4), usize::from(b % 2));
        let mine = token(who, incarnations[who]);
        let name = ["l", "m"][lock];
        let mut say = |mark: Mark| teller.tell_as(who as u32, incarnations[who], mark);
        match held[lock].clone() {
            _ if c % 8 == 0 => {
                say(mark!("system.exit", reason = "crash"));
                incarnations[who] += 1;
                teller.tell_as(
                    who as u32,
                    incarnations[who],
                    mark!("lock.ticket", token = token(who, incarnations[who])),
                );
            }
            None => {
                say(mark!("lock.wanted", lock = name, token = mine.as_str()));
                say(mark!("lock.taken", lock = name, token = mine.as_str()));
                held[lock] = Some(mine);
            }
            Some(holder) if holder == mine => {
                say(mark!("lock.left", lock = name, token = mine.as_str()));
                held[lock] = None;
            }
            Some(holder) => {
                let (of, incarnation) = holder.split_once('-').expect("a token");
                let of: usize = of.parse().expect("a number");
                let dead = incarnation != incarnations[of].to_string();
                say(mark!("lock.wanted", lock = name, token = mine.as_str()));
                if dead {
                    say(mark!("lock.broken", lock = name, of = holder.as_str(), by = mine.as_str()));
                    say(mark!("lock.taken", lock = name, token = mine.as_str()));
                    held[lock] = Some(mine);
                } else {
                    say(mark!("lock.refused", lock = name, token = mine.as_str()));
                }
            }
        }
    }
    teller.facts
}

/// Who was refused because of a live holder takes the lock all the same.
fn takes_although_refused(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "lock.refused", pick, |_, _| true) else { return false };
    facts[at].mark.kind = "lock.taken".into();
    facts.truncate(at + 1);
    true
}

/// Who was refused breaks the live holder first.
fn breaks_although_refused(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "lock.refused", pick, |_, _| true) else { return false };
    let lock = facts[at].mark.text("lock").map(str::to_owned);
    let holder = facts[..at]
        .iter()
        .rev()
        .find(|seen| seen.mark.kind == "lock.taken" && seen.mark.text("lock").map(str::to_owned) == lock);
    let Some(of) = holder.and_then(|seen| seen.mark.text("token")).map(str::to_owned) else { return false };
    let by = facts[at].mark.text("token").map(str::to_owned).unwrap_or_default();
    facts[at].mark.kind = "lock.broken".into();
    set(&mut facts[at], "of", of);
    set(&mut facts[at], "by", by);
    facts.truncate(at + 1);
    true
}

#[test]
fn generated_histories_are_accepted_and_broken_ones_rejected() {
    check_generated(
        "locks",
        60,
        generate,
        &[
            ("takes although refused", "L1", takes_although_refused),
            ("breaks although refused", "L2", breaks_although_refused),
        ],
    );
}
