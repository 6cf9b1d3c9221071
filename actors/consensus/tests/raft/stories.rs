//! Protocol stories: what machines say to one another, message by message, as text that a reader can follow.
//!
//! The texts are in `tests/stories`. Positions are written term.index, terms in brackets. After a change that is
//! meant to change them, `STORMPROOF_REWRITE=1 cargo test -p stormproof-consensus --test raft stories` writes them
//! anew.

use crate::net::{MS, Net, tuning};
use crate::replication::{figure_8_until_c, finish_figure_8};
use consensus::planted::Planted;
use consensus::raft::{Body, Tuning};
use std::path::Path;

/// Compares what was told with the text of that name, or writes it anew where that is asked for.
fn is_the_story(name: &str, net: &Net) {
    net.assert_safe();
    let told = format!("{}\n", net.story.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(name);
    if std::env::var_os("STORMPROOF_REWRITE").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(told, pinned, "the story of {name} differs; if it should, rewrite it (see the top of this file)");
}

fn telling(mut net: Net) -> Net {
    net.telling = true;
    net
}

#[test]
fn an_election() {
    let mut net = telling(Net::three());
    net.elect(0);
    net.settle();
    net.propose(0).unwrap();
    net.settle();
    net.run(60);
    is_the_story("election.txt", &net);
}

#[test]
fn a_conflict() {
    let mut net = Net::led(3);
    net.isolate(0, true);
    for _ in 0..3 {
        net.propose(0).unwrap();
    }
    net.elect(1);
    net.settle();
    net.propose(1).unwrap();
    net.settle();
    net.transfer(1, 2).unwrap();
    net.settle();
    net.isolate(0, false);
    let mut net = telling(net);
    net.run(51);
    is_the_story("conflict.txt", &net);
}

#[test]
fn a_read_by_a_follower() {
    let mut net = Net::led(3);
    net.propose(0).unwrap();
    net.settle();
    let mut net = telling(net);
    net.read(1);
    net.settle();
    is_the_story("read_by_a_follower.txt", &net);
}

#[test]
fn a_snapshot() {
    let mut net = Net::led_with(3, Tuning { keep_entries: 0, ..tuning() });
    net.isolate(2, true);
    for _ in 0..5 {
        net.propose(0).unwrap();
        net.settle();
    }
    net.snapshot(0);
    net.isolate(2, false);
    let mut net = telling(net);
    while net.marked("raft.snapshot_installed") == 0 {
        net.advance(MS);
        net.settle();
    }
    net.propose(0).unwrap();
    net.settle();
    is_the_story("snapshot.txt", &net);
}

#[test]
fn a_hand_over() {
    let mut net = Net::led(3);
    net.link(0, 1, false);
    net.propose(0).unwrap();
    net.settle();
    net.link(0, 1, true);
    let mut net = telling(net);
    net.transfer(0, 1).unwrap();
    net.run(60);
    is_the_story("hand_over.txt", &net);
}

#[test]
fn a_sync_that_hangs() {
    let mut net = telling(Net::led(3));
    net.nodes[1].disk.hangs = true;
    net.propose(0).unwrap();
    net.run(60);
    net.unhang(1);
    net.settle();
    is_the_story("hung_sync.txt", &net);
}

#[test]
fn figure_8() {
    let net = figure_8_until_c(Planted::default(), true);
    let net = finish_figure_8(net);
    assert!(net.marked("raft.truncated") > 0 && !net.flying.iter().any(|letter| letter.body == Body::TimeoutNow));
    is_the_story("figure_8.txt", &net);
}
