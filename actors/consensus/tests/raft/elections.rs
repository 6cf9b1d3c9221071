//! Elections: one leader a term, votes that are durable, and nobody disturbed without need.

use crate::net::{MS, Net, tuning};
use consensus::planted::Planted;
use consensus::raft::Body;

#[test]
fn election_safety() {
    let mut net = Net::new(5, 5, tuning(), Planted::default(), 1);
    net.now += 300 * MS;
    net.expire(0);
    net.expire(1);
    net.step(|letter| matches!(letter.body, Body::PreVote { .. }));
    net.step(|letter| matches!(letter.body, Body::PreVoteReply { .. }));
    assert_eq!((net.core(0).term(), net.core(1).term()), (1, 1), "both stand in the first term");
    net.step(|letter| matches!(letter.body, Body::Vote { .. }) && (letter.from.slot == 0) == (letter.to.slot < 3));
    net.step(|letter| matches!(letter.body, Body::Vote { .. }));
    net.step(|letter| matches!(letter.body, Body::VoteReply { .. }));
    assert_eq!(net.leaders(), [1], "it has three votes, and the other one two");
    net.settle();
    assert_eq!(net.leaders(), [1]);
    assert_eq!(net.core(0).leader(), Some(net.nodes[1].id));
    net.assert_safe();
}

#[test]
fn a_vote_is_given_once_even_across_a_restart() {
    let mut net = Net::three();
    net.now += 300 * MS;
    net.expire(0);
    net.expire(2);
    net.step(|letter| matches!(letter.body, Body::PreVote { .. }) && letter.to.slot == 1);
    net.step(|letter| matches!(letter.body, Body::PreVoteReply { .. }));
    net.step(|letter| letter.from.slot == 0 && letter.to.slot == 1);
    net.lose(|letter| letter.from.slot == 1);
    net.crash(1, 0);
    net.start(1);
    net.now += 300 * MS;
    net.step(|letter| matches!(letter.body, Body::Vote { .. }) && letter.from.slot == 2 && letter.to.slot == 1);
    let refused = |body: &Body| matches!(body, Body::VoteReply { granted: false });
    assert!(net.flying.iter().any(|letter| letter.from.slot == 1 && refused(&letter.body)), "its vote was durable");
}

#[test]
fn a_vote_waits_for_its_sync() {
    let mut net = Net::three();
    net.isolate(2, true);
    net.nodes[1].disk.hangs = true;
    net.elect(0);
    net.settle();
    assert!(net.leaders().is_empty(), "the vote of machine 1 is not durable yet");
    net.unhang(1);
    net.settle();
    assert_eq!(net.leaders(), [0]);
}

#[test]
fn a_candidate_asks_for_votes_when_its_own_is_durable() {
    let mut net = Net::three();
    net.nodes[0].disk.hangs = true;
    net.elect(0);
    net.settle();
    assert!(net.leaders().is_empty() && net.core(0).term() == 1, "it has voted for itself, in memory");
    net.unhang(0);
    net.settle();
    assert_eq!(net.leaders(), [0]);
}

#[test]
fn what_waits_for_a_hung_disk_is_bounded() {
    let mut net = Net::led(3);
    net.nodes[1].disk.hangs = true;
    net.isolate(0, true);
    net.run(400);
    net.isolate(0, false);
    net.elect(2);
    net.run(30_000);
    net.unhang(1);
    let said = net.flying.iter().filter(|letter| letter.from.slot == 1).count();
    assert!((1..300).contains(&said), "{said} messages have waited");
}

#[test]
fn pre_vote_does_not_disturb_a_leader() {
    let mut net = Net::led(3);
    net.isolate(2, true);
    net.run(5_000);
    assert_eq!(net.core(2).term(), 1, "who wins no election begins no term");
    net.isolate(2, false);
    net.run(1_000);
    assert_eq!((net.leaders(), net.core(0).term()), (vec![0], 1));
}

#[test]
fn who_hears_a_leader_votes_for_nobody_else() {
    let mut net = Net::led(3);
    net.isolate(2, true);
    // Machine 2 stands on word that is not true any more.
    net.run(400);
    let id = net.nodes[1].id;
    net.say(id, net.nodes[2].id, 2, Body::PreVoteReply { granted: true });
    assert_eq!(net.core(2).term(), 2);
    net.run(100);
    net.isolate(2, false);
    let last = net.core(2).last();
    net.say(net.nodes[2].id, id, 2, Body::Vote { last, transfer: false });
    assert_eq!((net.core(1).term(), net.leaders()), (1, vec![0]));
    assert_eq!(net.marked("raft.vote_ignored"), 1);
}

#[test]
fn check_quorum() {
    let mut net = Net::led(3);
    net.isolate(0, true);
    net.run(400);
    assert!(!net.core(0).leads(), "a leader that nobody answers does not lead");
    assert_eq!(net.marked("raft.majority_lost"), 1);
    net.run(2_000);
    assert_eq!(net.leaders().len(), 1, "the others have found one");
}

#[test]
fn a_partial_partition_does_not_livelock() {
    for (a, b) in [(0, 1), (1, 2)] {
        let mut net = Net::led(3);
        net.link(a, b, false);
        net.run(10_000);
        assert_eq!((net.leaders(), net.core(0).term()), (vec![0], 1), "{a} and {b} do not hear each other");
        net.propose(0).unwrap();
        net.settle();
        assert_eq!(net.judge.committed(), 2);
        net.link(a, b, true);
        net.run(1_000);
        net.assert_equal();
    }
}

#[test]
fn a_higher_term_on_the_far_side_of_a_partial_partition_settles() {
    let mut net = Net::led(3);
    net.isolate(1, true);
    // It won its pre-vote just before it was cut off.
    net.run(400);
    net.say(net.nodes[2].id, net.nodes[1].id, 2, Body::PreVoteReply { granted: true });
    assert_eq!(net.core(1).term(), 2);
    net.link(1, 2, true);
    net.run(10_000);
    net.propose(0).unwrap();
    net.settle();
    let terms = net.core(0).term();
    net.run(10_000);
    assert_eq!((net.leaders(), net.core(0).term()), (vec![0], terms), "one disturbance at most");
    net.isolate(1, false);
    net.run(2_000);
    assert_eq!(net.leaders().len(), 1);
    net.assert_equal();
}

#[test]
fn transfer() {
    let mut net = Net::led(3);
    net.propose(0).unwrap();
    net.transfer(0, 1).unwrap();
    net.settle();
    assert_eq!((net.leaders(), net.core(1).term()), (vec![1], 2), "no timeout is waited for");
    net.run(100);
    net.assert_equal();
}

#[test]
fn a_transfer_waits_for_the_whole_log_and_not_for_ever() {
    let mut net = Net::led(3);
    net.link(0, 1, false);
    net.propose(0).unwrap();
    net.settle();
    net.transfer(0, 1).unwrap();
    assert_eq!(net.propose(0), None, "nothing is taken while leadership is handed over");
    net.settle();
    assert_eq!(net.leaders(), [0]);
    net.run(200);
    assert_eq!(net.marked("raft.transfer_failed"), 1);
    net.propose(0).unwrap();
    net.link(0, 1, true);
    net.transfer(0, 1).unwrap();
    net.run(60);
    assert_eq!(net.leaders(), [1]);
    assert!(net.core(1).last().index >= 4, "the successor has everything");
    net.run(100);
    net.assert_equal();
}
