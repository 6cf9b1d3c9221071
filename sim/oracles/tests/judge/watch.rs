//! The watch contract (C3): what it must reject and accept, and what it waits for.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn a_watcher_that_gets_everything_in_order_is_accepted() {
    check(
        "watch",
        "
        client watch.started watcher=w from=1
        primary store.changed revision=1 key=a
        pending watcher w waits for revision 1 of a
        client watch.event watcher=w revision=1 key=a
        primary store.changed revision=2 key=a
        primary store.changed revision=2 key=b
        second store.changed revision=1 key=a
        client watch.event watcher=w revision=2 key=b
        pending revision 2 of a
        client watch.event watcher=w revision=2 key=a
        client watch.progress watcher=w revision=2
        pending nothing
        finish",
    );
}

#[test]
fn a_watcher_of_a_prefix_gets_only_that() {
    check(
        "watch",
        "
        primary store.changed revision=1 key=a/1
        primary store.changed revision=2 key=b/1
        primary store.changed revision=3 key=a/2
        client watch.started watcher=w from=1 prefix=a/
        client watch.event watcher=w revision=1 key=a/1
        client watch.event watcher=w revision=3 key=a/2
        pending nothing
        finish",
    );
}

#[test]
fn a_watcher_may_resume_where_it_was_or_before() {
    check(
        "watch",
        "
        primary store.changed revision=1 key=a
        primary store.changed revision=2 key=a
        client watch.started watcher=w from=1
        client watch.event watcher=w revision=1 key=a
        client system.exit reason=crash
        pending nothing
        client#2 watch.started watcher=w from=2
        client#2 watch.event watcher=w revision=2 key=a
        client#2 watch.stopped watcher=w
        client#2 watch.started watcher=w from=1
        client#2 watch.event watcher=w revision=1 key=a
        client#2 watch.event watcher=w revision=2 key=a
        finish",
    );
}

#[test]
fn a_watcher_that_was_compacted_away_begins_anew() {
    check(
        "watch",
        "
        client watch.started watcher=w from=1
        primary store.changed revision=1 key=a
        primary store.changed revision=2 key=a
        primary store.changed revision=3 key=a
        primary store.compacted revision=3
        client watch.compacted watcher=w revision=3
        pending nothing
        client watch.started watcher=w from=4
        pending nothing
        finish",
    );
}

/// Each begins with three changes and a watcher that has the first.
const BAD: [(&str, &str); 13] = [
    ("a change is left out", "client watch.event watcher=w revision=3 key=c   <- C3"),
    ("a change comes again", "client watch.event watcher=w revision=1 key=a   <- C3"),
    (
        "time travel",
        "client watch.event watcher=w revision=2 key=b
         client watch.event watcher=w revision=1 key=a   <- C3",
    ),
    (
        "time travel behind a progress notification",
        "client watch.event watcher=w revision=2 key=b
         client watch.event watcher=w revision=3 key=c
         client watch.progress watcher=w revision=3
         client watch.event watcher=w revision=3 key=c   <- C3",
    ),
    ("a phantom", "client watch.event watcher=w revision=2 key=z   <- C3"),
    ("a progress notification lies", "client watch.progress watcher=w revision=2   <- C3"),
    ("progress beyond the store", "client watch.progress watcher=w revision=9   <- C3"),
    (
        "a resume past a change",
        "client watch.stopped watcher=w
         client watch.started watcher=w from=3   <- C3",
    ),
    (
        "half of a revision is left out",
        "primary store.changed revision=3 key=d
         client watch.event watcher=w revision=2 key=b
         client watch.event watcher=w revision=3 key=d
         primary store.changed revision=4 key=a
         client watch.event watcher=w revision=4 key=a   <- C3",
    ),
    ("a compaction that did not happen", "client watch.compacted watcher=w revision=3   <- C3"),
    (
        "a watcher is cut off that lacks nothing that is gone",
        "primary store.compacted revision=1
         client watch.compacted watcher=w revision=1   <- C3",
    ),
    (
        "an event after the watch was compacted",
        "primary store.compacted revision=3
         client watch.compacted watcher=w revision=3
         client watch.event watcher=w revision=3 key=c   <- C3",
    ),
    ("a replica changes the past", "second store.changed revision=2 key=z   <- C3"),
];

#[test]
fn what_breaks_the_contract_is_rejected() {
    for (name, story) in BAD {
        println!("{name}");
        let before = "primary store.changed revision=1 key=a
            primary store.changed revision=2 key=b
            primary store.changed revision=3 key=c
            client watch.started watcher=w from=1
            client watch.event watcher=w revision=1 key=a\n";
        check("watch", &format!("{before}{story}"));
    }
}

#[test]
fn an_event_outside_the_prefix_is_rejected() {
    check(
        "watch",
        "
        primary store.changed revision=1 key=b/1
        client watch.started watcher=w from=1 prefix=a/
        client watch.event watcher=w revision=1 key=b/1   <- C3",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "client watch.event watcher=w revision=1 key=a   <- MARKS",
        "client watch.started watcher=w   <- MARKS",
        "client watch.started watcher=w from=1 prefix=7   <- MARKS",
        "primary store.changed revision=1   <- MARKS",
        "primary store.compacted key=1   <- MARKS",
    ] {
        check("watch", story);
    }
}

const KEYS: [&str; 3] = ["a/x", "a/y", "b"];

/// A watcher of everything and one of `a/`, which lag, stop, resume, are compacted away and begin anew.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut changes, mut compacted) = (Vec::<(u64, &str)>::new(), 0u64);
    let (names, prefixes) = (["all", "some"], ["", "a/"]);
    let (mut next, mut open) = ([0usize; 2], [false; 2]);
    for &(what, a, b) in steps {
        let who = usize::from(a % 2);
        let head = changes.last().map_or(0, |(revision, _)| *revision);
        let mark = |kind| Mark::new(kind).with("watcher", names[who]);
        let lacks = |next: usize| changes[next..].iter().position(|(_, key)| key.starts_with(prefixes[who]));
        match what % 8 {
            0..3 => {
                for key in KEYS.iter().take(1 + usize::from(b > 200)) {
                    let key = if b > 200 { key } else { KEYS[usize::from(b % 3)] };
                    changes.push((head + 1, key));
                    teller.tell(1, Mark::new("store.changed").with("revision", head + 1).with("key", key));
                }
            }
            3 if !open[who] => {
                open[who] = true;
                let from = changes.get(next[who]).map_or(head + 1, |(revision, _)| *revision);
                // All of a revision comes again, so that the watcher begins at its start.
                next[who] = changes.iter().position(|(revision, _)| *revision >= from).unwrap_or(changes.len());
                teller.tell(9, mark("watch.started").with("from", from).with("prefix", prefixes[who]));
            }
            4 if open[who] && b < 50 => {
                open[who] = false;
                teller.tell(9, mark("watch.stopped"));
            }
            5 if b < 30 && head > 0 => {
                compacted = compacted.max(head);
                teller.tell(1, Mark::new("store.compacted").with("revision", head));
            }
            6 if open[who] && lacks(next[who]).is_none() && head > 0 => {
                next[who] = changes.len();
                teller.tell(9, mark("watch.progress").with("revision", head));
            }
            _ if open[who] => {
                let Some(skip) = lacks(next[who]) else { continue };
                let (revision, key) = changes[next[who] + skip];
                next[who] += skip + 1;
                teller.tell(9, mark("watch.event").with("revision", revision).with("key", key));
            }
            _ => {}
        }
    }
    teller.facts
}

fn comes_again(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "watch.event", pick, |_, _| true) else { return false };
    facts.insert(at + 1, facts[at].clone());
    true
}

fn left_out(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let followed = |at: usize, mark: &Mark| {
        let watcher = mark.text("watcher");
        let mut after = facts[at + 1..].iter().filter(|seen| seen.mark.text("watcher") == watcher);
        // The events of one revision may come in any order, so only the next revision shows the gap.
        after.next().is_some_and(|seen| match &*seen.mark.kind {
            "watch.event" => seen.mark.number("revision") > mark.number("revision"),
            kind => kind == "watch.progress",
        })
    };
    let Some(at) = find(facts, "watch.event", pick, followed) else { return false };
    facts.remove(at);
    true
}

fn phantom(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "watch.event", pick, |_, _| true) else { return false };
    set(&mut facts[at], "key", "a/never");
    true
}

fn early_progress(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "watch.event", pick, |_, _| true) else { return false };
    let mut lie = facts[at].clone();
    lie.mark.kind = "watch.progress".into();
    facts.insert(at, lie);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "watch",
        100,
        generate,
        &[
            ("an event comes again", "C3", comes_again),
            ("an event is left out", "C3", left_out),
            ("a phantom comes", "C3", phantom),
            ("progress is told too early", "C3", early_progress),
        ],
    );
}

#[test]
fn nobody_waits_for_the_watchers_of_an_excused_process_which_are_judged_all_the_same() {
    check(
        "watch",
        "
        client watch.started watcher=w from=1
        client2 watch.started watcher=v from=1
        primary store.changed revision=1 key=a
        client2 watch.event watcher=v revision=1 key=a
        pending watcher w
        excuse client
        pending nothing
        primary store.changed revision=2 key=a
        pending watcher v
        client2 watch.event watcher=v revision=2 key=a
        client watch.event watcher=w revision=2 key=a   <- C3",
    );
}
