//! Durability (G1): what it must reject and accept.

use crate::story::check;
use crate::teller::{Step, Teller, check_generated, find};
use contract::{Mark, Observed, Value};

#[test]
fn what_was_acknowledged_is_read() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        client log.read log=a from=0 digests=[10 11]
        client log.read log=a from=1 digests=[11 12 13]
        client log.read log=a from=2 digests=[]
        client log.read log=a from=0 until=1 digests=[10]
        client log.read log=b from=0 digests=[]
        finish",
    );
}

#[test]
fn an_entry_that_nobody_acknowledged_may_go() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        client log.read log=a from=0 digests=[10 11]
        edge system.exit reason=power
        client log.read log=a from=0 digests=[10]
        edge#2 log.acked log=a index=1 digest=12
        client log.read log=a from=0 digests=[10 12]
        finish",
    );
}

#[test]
fn a_read_that_began_before_the_acknowledgement_may_miss_the_entry() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        client log.read log=a from=0 digests=[10] since=3000000",
    );
}

#[test]
fn what_was_trimmed_need_not_be_there() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        edge log.trimmed log=a until=1
        client log.read log=a from=0 digests=[]   <- G1",
    );
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        edge log.trimmed log=a until=2
        client log.read log=a from=0 digests=[]
        client log.read log=a from=2 digests=[]
        finish",
    );
}

#[test]
fn an_acknowledged_entry_is_gone_after_a_power_loss() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        edge system.exit reason=power
        edge#2 system.boot
        client log.read log=a from=0 digests=[10]   <- G1",
    );
}

#[test]
fn the_whole_log_is_gone() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        client log.read log=a from=0 digests=[]   <- G1",
    );
}

#[test]
fn an_acknowledged_entry_is_another_one_now() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        client log.read log=a from=0 digests=[10 12]   <- G1",
    );
}

#[test]
fn a_repair_moves_the_entries_behind_it() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=1 digest=11
        edge log.acked log=a index=2 digest=12
        client log.read log=a from=0 digests=[10 12]   <- G1",
    );
}

#[test]
fn an_index_is_acknowledged_twice() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10
        edge log.acked log=a index=0 digest=10
        other log.acked log=a index=0 digest=11   <- G1",
    );
}

#[test]
fn a_read_that_began_after_the_acknowledgement_may_not_miss_the_entry() {
    check(
        "durability",
        "
        edge log.acked log=a index=0 digest=10

        client log.read log=a from=0 digests=[] since=2500000   <- G1",
    );
}

#[test]
fn an_entry_is_acknowledged_where_the_log_was_trimmed() {
    check(
        "durability",
        "
        edge log.trimmed log=a until=5
        edge log.acked log=a index=4 digest=10   <- G1",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    for story in [
        "edge log.acked log=a index=3   <- MARKS",
        "edge log.read log=a from=3   <- MARKS",
        "edge log.read log=a from=3 until=2 digests=[]   <- MARKS",
        "edge log.read log=a from=3 digests=[] since=noon   <- MARKS",
        "edge log.trimmed log=a   <- MARKS",
    ] {
        check("durability", story);
    }
}

/// A log that grows, is read in ranges, is trimmed, and loses tails that nobody acknowledged.
fn generate(steps: &[Step]) -> Vec<Observed> {
    let mut teller = Teller::default();
    let (mut entries, mut acked, mut trimmed) = (Vec::<u64>::new(), 0usize, 0usize);
    for &(what, a, b) in steps {
        match what % 8 {
            0..3 => entries.push(u64::from(a) * 1_000 + u64::from(b)),
            3 if acked < entries.len() => {
                let mark = Mark::new("log.acked").with("log", "a").with("index", acked).with("digest", entries[acked]);
                teller.tell(1, mark);
                acked += 1;
            }
            4 => entries.truncate(acked),
            5 if a < 60 => {
                trimmed = (trimmed + usize::from(b % 3)).min(acked);
                teller.tell(1, Mark::new("log.trimmed").with("log", "a").with("until", trimmed));
            }
            _ => {
                let from = (usize::from(a) % (entries.len() + 1)).max(trimmed.min(entries.len()));
                let until = if b % 2 == 0 { entries.len() } else { entries.len().min(from + usize::from(b % 5)) };
                let mark = Mark::new("log.read").with("log", "a").with("from", from);
                let mark = mark.with("digests", entries[from..until].to_vec());
                teller.tell(10, if until < entries.len() { mark.with("until", until) } else { mark });
            }
        }
    }
    teller.tell(
        10,
        Mark::new("log.read").with("log", "a").with("from", trimmed).with("digests", entries[trimmed..].to_vec()),
    );
    teller.facts
}

/// The last read, if it shows an acknowledged entry, and the place of that in it.
fn last_read(facts: &[Observed], pick: usize) -> Option<(usize, usize)> {
    let last = facts.len() - 1;
    let from = facts[last].mark.number("from")?;
    let acked = find(facts, "log.acked", pick, |_, mark| mark.number("index") >= Some(from))?;
    Some((last, usize::try_from(facts[acked].mark.number("index")? - from).ok()?))
}

fn digests(seen: &mut Observed) -> &mut Vec<Value> {
    let fact = seen.mark.facts.iter_mut().find(|(name, _)| name == "digests").expect("a read has digests");
    let Value::List(digests) = &mut fact.1 else { panic!("digests are a list") };
    digests
}

fn tail_lost(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some((last, at)) = last_read(facts, pick) else { return false };
    digests(&mut facts[last]).truncate(at);
    true
}

fn entry_changed(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some((last, at)) = last_read(facts, pick) else { return false };
    digests(&mut facts[last])[at] = Value::from("rotten");
    true
}

fn entry_left_out(facts: &mut Vec<Observed>, pick: usize) -> bool {
    let Some((last, at)) = last_read(facts, pick) else { return false };
    let digests = digests(&mut facts[last]);
    let gone = digests.remove(at);
    // An equal neighbour that moves up hides the loss, for any reader.
    digests.get(at) != Some(&gone)
}

#[test]
fn generated_histories() {
    check_generated(
        "durability",
        60,
        generate,
        &[
            ("the tail is lost", "G1", tail_lost),
            ("an entry changed", "G1", entry_changed),
            ("an entry is left out", "G1", entry_left_out),
        ],
    );
}
