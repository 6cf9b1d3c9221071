//! Reads that see every write before them: by asking a majority, and by lease.

use crate::net::{MS, Net, tuning};
use consensus::raft::{Body, Tuning};
use contract::Duration;

#[test]
fn read_index() {
    let mut net = Net::led(3);
    net.propose(0).unwrap();
    net.settle();
    let (here, there) = (net.read(0), net.read(1));
    assert!(net.reads.is_empty(), "nobody has confirmed anything yet");
    net.settle();
    assert_eq!((net.reads[&here], net.reads[&there]), (Some(2), Some(2)));
    net.assert_safe();
}

#[test]
fn a_round_that_began_before_a_read_does_not_confirm_it() {
    let mut net = Net::led(3);
    let first = net.read(0);
    net.step(|letter| matches!(letter.body, Body::Append { .. }));
    let second = net.read(0);
    net.step(|letter| matches!(letter.body, Body::AppendReply { .. }));
    assert!(net.reads.contains_key(&first) && !net.reads.contains_key(&second));
    net.settle();
    assert_eq!(net.reads[&second], Some(1));
}

#[test]
fn a_new_leader_reads_from_its_first_entry() {
    let mut net = Net::led(3);
    net.propose(0).unwrap();
    net.settle();
    net.isolate(0, true);
    net.elect(1);
    for _ in 0..4 {
        net.step(|letter| !matches!(letter.body, Body::Append { .. }));
    }
    assert!(net.core(1).leads() && net.core(1).commit() < 2, "it does not know that entry 2 is committed");
    let context = net.read(1);
    net.settle();
    assert_eq!(net.reads[&context], Some(3));
    net.assert_safe();
}

#[test]
fn a_stale_leader_answers_no_read() {
    let mut net = Net::led(3);
    net.isolate(0, true);
    net.elect(1);
    net.settle();
    net.propose(1).unwrap();
    net.settle();
    assert_eq!(net.leaders(), [0, 1], "the first one does not know yet");
    let context = net.read(0);
    net.run(10);
    assert!(!net.reads.contains_key(&context));
    net.run(400);
    assert_eq!(net.reads[&context], None, "it has learnt that nobody answers");
}

#[test]
fn a_late_answer_is_not_taken_for_another_reads() {
    let mut net = Net::led(3);
    let old = net.read(1);
    for _ in 0..3 {
        net.step(|letter| !matches!(letter.body, Body::ReadIndexReply { .. }));
    }
    let late: Vec<_> =
        net.flying.drain(..).filter(|letter| matches!(letter.body, Body::ReadIndexReply { .. })).collect();
    assert_eq!(late.len(), 1);
    net.crash(1, 0);
    net.propose(0).unwrap();
    net.settle();
    net.start(1);
    net.run(60);
    let new = net.read(1);
    for letter in late {
        net.deliver(letter);
    }
    assert!(!net.reads.contains_key(&new) && !net.reads.contains_key(&old), "it answers nothing any more");
    net.settle();
    assert_eq!(net.reads[&new], Some(2));
    net.assert_safe();
}

#[test]
fn a_read_that_was_forwarded_is_lost_with_its_leader() {
    let mut net = Net::led(3);
    net.isolate(0, true);
    let context = net.read(1);
    net.elect(2);
    net.settle();
    assert_eq!(net.reads[&context], None);
}

fn leased(drift_ppm: u64) -> Tuning {
    // Followers wait hardly longer than they have promised to.
    Tuning { lease_reads: true, drift_ppm, election_most: Duration::from_millis(152), ..tuning() }
}

/// The leader's clock is slow, its followers' are fast, and it is cut off. How many reads it answered by its lease,
/// and whether all of them were right.
fn cut_off_with_drift(drift_ppm: u64) -> (u64, bool) {
    let mut net = Net::led_with(3, leased(drift_ppm));
    let leader = 0;
    for (n, node) in net.nodes.iter_mut().enumerate() {
        node.rate = if n == leader { 900_000 } else { 1_100_000 };
    }
    net.run(1_000);
    assert_eq!(net.leaders(), [leader]);
    let before = net.marked("raft.lease_read");
    net.isolate(leader, true);
    for _ in 0..400 {
        net.run(1);
        if net.core(leader).leads() {
            net.read(leader);
        }
        if let Some(&other) = net.leaders().iter().find(|other| **other != leader) {
            net.propose(other);
        }
    }
    (net.marked("raft.lease_read") - before, net.judge.broken.is_empty())
}

#[test]
fn leases_under_drift() {
    let (answered, right) = cut_off_with_drift(230_000);
    assert!(answered > 50 && right, "{answered} reads by lease");
}

#[test]
fn a_lease_without_a_margin_for_drift_is_seen_to_fail() {
    let (_, right) = cut_off_with_drift(0);
    assert!(!right);
}

/// Whoever tells a leader that it heard it votes for nobody for a while, even if its term rises meanwhile by some
/// other message than a request for its vote.
#[test]
fn a_promise_outlasts_a_higher_term() {
    let mut net = Net::led_with(3, Tuning { lease_reads: true, ..tuning() });
    net.run(60);
    let settled = |letter: &crate::net::Letter, from: u32, to: u32| (letter.from.slot, letter.to.slot) == (from, to);
    net.isolate(0, true);
    while net.clock(1) < net.core(1).deadline().max(net.core(2).deadline()) {
        net.now += MS;
    }
    // Both ask each other. Machine 1 says yes, and neither hears the other yet.
    net.expire(2);
    net.expire(1);
    net.step(|letter| settled(letter, 2, 1));
    net.isolate(0, false);
    net.link(0, 2, false);
    // The leader is heard again by machine 1, in time to stay.
    let now = net.clock(0);
    assert!(net.core(0).leads() && net.core(0).deadline() <= now);
    let waiting = std::mem::take(&mut net.flying);
    net.advance(0);
    net.settle();
    net.flying = waiting;
    assert!(net.core(0).leads() && net.core(1).leader() == Some(net.nodes[0].id));
    // Machine 2 hears the yes and stands. The question of machine 1 comes late and is answered in the new term.
    net.step(|letter| settled(letter, 1, 2) && matches!(letter.body, Body::PreVoteReply { .. }));
    assert_eq!(net.core(2).term(), 2);
    net.step(|letter| settled(letter, 1, 2) && matches!(letter.body, Body::PreVote { .. }));
    net.step(|letter| settled(letter, 2, 1) && matches!(letter.body, Body::PreVoteReply { .. }));
    assert_eq!(net.core(1).term(), 2, "its term has risen");
    for _ in 0..6 {
        net.step(|letter| letter.from.slot != 0 && letter.to.slot != 0);
    }
    net.read(0);
    net.assert_safe();
    assert_eq!(net.leaders(), [0], "nobody is elected while the lease lasts");
    assert!(net.marked("raft.lease_read") > 0);
}

#[test]
fn a_lease_ends_with_a_hand_over() {
    let mut net = Net::led_with(3, Tuning { lease_reads: true, ..tuning() });
    net.run(60);
    net.transfer(0, 1).unwrap();
    net.step(|letter| letter.body == Body::TimeoutNow);
    net.isolate(0, true);
    net.settle();
    net.propose(1).unwrap();
    net.settle();
    assert_eq!(net.leaders(), [0, 1], "the successor waited for no timeout");
    let context = net.read(0);
    assert!(!net.reads.contains_key(&context));
    net.assert_safe();
}
