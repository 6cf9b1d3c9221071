//! Session guarantees (RYW, MR, MW, WFR): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn sessions_that_go_forward_are_accepted() {
    check(
        "sessions",
        "
        client session.read session=s key=k version=0
        client session.wrote session=s key=k version=1
        client session.read session=s key=k version=1
        client2 session.read session=t key=k version=0
        client2 session.read session=t key=k version=1
        client session.read session=s key=other version=0
        client session.read session=s key=k version=7
        client session.read session=s key=k version=7
        client session.wrote session=s key=k version=8
        finish",
    );
}

#[test]
fn a_new_session_owes_nothing_to_an_old_one() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=4
        client#2 session.read session=s2 key=k version=0
        finish",
    );
}

#[test]
fn operations_that_overlap_may_end_in_any_order() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=2 since=500000
        client session.wrote session=s key=k version=1 since=600000
        client session.read session=s key=k version=1 since=700000
        finish",
    );
}

#[test]
fn a_read_misses_the_sessions_own_write() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=2
        client session.read session=s key=k version=1   <- RYW",
    );
}

#[test]
fn a_key_is_gone_that_the_session_wrote() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=2
        client session.read session=s key=k version=2
        client session.read session=s key=k version=0   <- RYW",
    );
}

#[test]
fn a_second_read_through_another_proxy_is_older() {
    check(
        "sessions",
        "
        client session.read session=s key=k version=5
        client session.read session=s key=k version=4   <- MR",
    );
}

#[test]
fn a_later_write_gets_an_older_version() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=5
        client session.wrote session=s key=k version=4   <- MW",
    );
}

#[test]
fn two_writes_get_one_version() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=5
        client session.wrote session=s key=k version=5   <- MW",
    );
}

#[test]
fn a_write_does_not_follow_what_the_session_read() {
    check(
        "sessions",
        "
        client session.read session=s key=k version=5
        client session.wrote session=s key=k version=3   <- WFR",
    );
}

#[test]
fn a_read_that_began_after_the_write_ended_misses_it() {
    check(
        "sessions",
        "
        client session.wrote session=s key=k version=2
        client session.wrote session=s key=k version=3
        client session.read session=s key=k version=2 since=3500000   <- RYW",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "client session.read session=s key=k   <- MARKS",
        "client session.read session=s version=1   <- MARKS",
        "client session.wrote key=k version=1   <- MARKS",
        "client session.wrote session=s key=k version=1 since=noon   <- MARKS",
    ] {
        check("sessions", story);
    }
}

/// Sessions that read and write two keys through replicas, of which each takes one that is new enough.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut newest, mut least) = ([0u64; 2], [[0u64; 2]; 3]);
    for &(what, a, b) in steps {
        let (who, key) = (usize::from(a % 3), usize::from(what % 2));
        let mark = |kind| Mark::new(kind).with("session", format!("s{who}")).with("key", ["k", "l"][key]);
        if what % 6 < 2 {
            newest[key] += 1;
            least[who][key] = newest[key];
            teller.tell(who as u32, mark("session.wrote").with("version", newest[key]));
        } else {
            let version = (least[who][key] + u64::from(b % 3)).min(newest[key]);
            least[who][key] = version;
            teller.tell(who as u32, mark("session.read").with("version", version));
        }
    }
    teller.facts
}

/// After a fact of `kind` with a version above one, its session states `then` with one version less.
fn back(facts: &mut Vec<Observed>, pick: usize, kind: &str, then: &'static str) -> bool {
    let own = |at: usize, mark: &Mark, verb: &str| {
        let mut before = facts[..at].iter().map(|seen| &seen.mark);
        before.any(|earlier| earlier.kind == verb && crate::teller::same(earlier, mark, &["session", "key", "version"]))
    };
    let fits = |at: usize, mark: &Mark| mark.number("version") > Some(1) && !own(at, mark, "session.wrote");
    let Some(at) = find(facts, kind, pick, fits) else { return false };
    // The version before is no newer than what the session wrote earlier only if it wrote nothing there yet.
    let session = facts[at].mark.clone();
    let wrote_before = facts[..at].iter().any(|seen| {
        seen.mark.kind == "session.wrote" && crate::teller::same(&seen.mark, &session, &["session", "key"])
    });
    if kind == "session.read" && wrote_before {
        return false;
    }
    let mut older = facts[at].clone();
    older.mark.kind = then.into();
    let version = session.number("version").unwrap_or(0) - 1;
    set(&mut older, "version", version);
    facts.insert(at + 1, older);
    true
}

fn misses_own_write(facts: &mut Vec<Observed>, pick: usize) -> bool {
    back(facts, pick, "session.wrote", "session.read")
}

fn reads_back(facts: &mut Vec<Observed>, pick: usize) -> bool {
    back(facts, pick, "session.read", "session.read")
}

fn writes_back(facts: &mut Vec<Observed>, pick: usize) -> bool {
    back(facts, pick, "session.wrote", "session.wrote")
}

fn writes_behind_read(facts: &mut Vec<Observed>, pick: usize) -> bool {
    back(facts, pick, "session.read", "session.wrote")
}

#[test]
fn generated_histories() {
    check_generated(
        "sessions",
        60,
        generate,
        &[
            ("a read misses a write", "RYW", misses_own_write),
            ("a read goes back", "MR", reads_back),
            ("a write goes back", "MW", writes_back),
            ("a write behind a read", "WFR", writes_behind_read),
        ],
    );
}
