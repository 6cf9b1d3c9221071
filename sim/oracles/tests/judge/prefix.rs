//! Prefix (Q3): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find, set};
use contract::{Mark, Observed};

#[test]
fn consumers_at_their_own_pace_are_accepted() {
    check(
        "prefix",
        "
        primary stream.published stream=s lsn=0 digest=10
        edge stream.delivered stream=s consumer=x lsn=0 digest=10
        primary stream.published stream=s lsn=1
        edge stream.delivered stream=s consumer=x lsn=1
        edge stream.delivered stream=s consumer=y lsn=0 digest=10
        finish",
    );
}

#[test]
fn a_consumer_may_begin_anywhere_and_go_back() {
    check(
        "prefix",
        "
        edge stream.subscribed stream=s consumer=x from=7
        edge stream.delivered stream=s consumer=x lsn=7
        edge stream.delivered stream=s consumer=x lsn=8
        edge system.exit reason=crash
        edge#2 stream.subscribed stream=s consumer=x from=7
        edge#2 stream.delivered stream=s consumer=x lsn=7
        edge#2 stream.subscribed stream=s consumer=x from=8
        edge#2 stream.delivered stream=s consumer=x lsn=8
        finish",
    );
}

#[test]
fn an_entry_is_left_out() {
    check(
        "prefix",
        "
        edge stream.delivered stream=s consumer=x lsn=0
        edge stream.delivered stream=s consumer=x lsn=2   <- Q3",
    );
}

#[test]
fn the_first_entry_is_left_out() {
    check("prefix", "edge stream.delivered stream=s consumer=x lsn=1   <- Q3");
}

#[test]
fn an_entry_is_delivered_again() {
    check(
        "prefix",
        "
        edge stream.delivered stream=s consumer=x lsn=0
        edge stream.delivered stream=s consumer=x lsn=1
        edge stream.delivered stream=s consumer=x lsn=1   <- Q3",
    );
}

#[test]
fn two_entries_change_places() {
    check(
        "prefix",
        "
        edge stream.subscribed stream=s consumer=x from=4
        edge stream.delivered stream=s consumer=x lsn=5   <- Q3",
    );
}

#[test]
fn a_consumer_resumes_past_what_it_got() {
    check(
        "prefix",
        "
        edge stream.delivered stream=s consumer=x lsn=0
        edge#2 stream.subscribed stream=s consumer=x from=2   <- Q3",
    );
}

#[test]
fn a_phantom_is_delivered() {
    check(
        "prefix",
        "
        primary stream.published stream=s lsn=0
        edge stream.delivered stream=s consumer=x lsn=0
        edge stream.delivered stream=s consumer=x lsn=1   <- Q3",
    );
}

#[test]
fn two_consumers_get_different_entries() {
    check(
        "prefix",
        "
        edge stream.delivered stream=s consumer=x lsn=0 digest=10
        edge stream.delivered stream=s consumer=y lsn=0 digest=11   <- Q3",
    );
}

#[test]
fn the_source_publishes_two_entries_at_one_place() {
    check(
        "prefix",
        "
        primary stream.published stream=s lsn=0 digest=10
        primary#2 stream.published stream=s lsn=0 digest=11   <- Q3",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge stream.delivered stream=s consumer=x   <- MARKS",
        "edge stream.delivered stream=s lsn=0   <- MARKS",
        "edge stream.subscribed stream=s consumer=x from=start   <- MARKS",
        "edge stream.published lsn=0   <- MARKS",
    ] {
        check("prefix", story);
    }
}

/// Two consumers of a stream, one of which forgets its place now and then.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut published, mut next) = (0u64, [0u64; 2]);
    for &(what, a, _) in steps {
        let who = usize::from(a % 2);
        let consumer = ["x", "y"][who];
        let stream = |kind| Mark::new(kind).with("stream", "s");
        match what % 6 {
            0..3 => {
                teller.tell(3, stream("stream.published").with("lsn", published).with("digest", published * 31 + 1));
                published += 1;
            }
            5 if a > 200 => {
                next[who] = next[who].saturating_sub(u64::from(a % 3));
                teller.tell(1, stream("stream.subscribed").with("consumer", consumer).with("from", next[who]));
            }
            _ if next[who] < published => {
                let mark = stream("stream.delivered").with("consumer", consumer).with("lsn", next[who]);
                teller.tell(1, mark.with("digest", next[who] * 31 + 1));
                next[who] += 1;
            }
            _ => {}
        }
    }
    teller.facts
}

fn delivered_again(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "stream.delivered", pick, |_, _| true) else { return false };
    facts.insert(at, facts[at].clone());
    true
}

fn left_out(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let next_is_delivered = |at: usize, mark: &Mark| {
        let consumer = mark.text("consumer");
        let mut after = facts[at + 1..].iter().filter(|seen| seen.mark.text("consumer") == consumer);
        after.next().is_some_and(|seen| seen.mark.kind == "stream.delivered")
    };
    let Some(at) = find(facts, "stream.delivered", pick, next_is_delivered) else { return false };
    facts.remove(at);
    true
}

fn phantom(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "stream.delivered", pick, |_, _| true) else { return false };
    set(&mut facts[at], "lsn", 1_000_000u64);
    true
}

fn changed(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some(at) = find(facts, "stream.delivered", pick, |_, _| true) else { return false };
    set(&mut facts[at], "digest", 0u64);
    true
}

#[test]
fn generated_histories() {
    check_generated(
        "prefix",
        60,
        generate,
        &[
            ("an entry comes again", "Q3", delivered_again),
            ("an entry is left out", "Q3", left_out),
            ("a phantom comes", "Q3", phantom),
            ("an entry changed on its way", "Q3", changed),
        ],
    );
}
