//! Changes of the configuration, one voter at a time (thesis, chapter 4).

use crate::net::{MS, Net, member, tuning};
use consensus::planted::Planted;
use consensus::raft::{Body, Change, NotTaken};

/// Three voters and a fourth machine that nobody knows; machine 0 leads.
fn and_a_newcomer() -> Net {
    let mut net = Net::new(4, 3, tuning(), Planted::default(), 1);
    net.elect(0);
    net.settle();
    net
}

#[test]
fn single_server_change() {
    let mut net = and_a_newcomer();
    let new = member(3);
    assert_eq!(net.change(0, Change::Promote(new)), Err(NotTaken::NotNow), "it has nothing yet");
    net.change(0, Change::AddLearner(new)).unwrap();
    assert_eq!(net.change(0, Change::Remove(member(1))), Err(NotTaken::NotNow), "the step before is under way");
    net.run(60);
    net.change(0, Change::Promote(new)).unwrap();
    assert_eq!(net.core(0).configuration().majority(), 3, "it is in force at once");
    net.run(60);
    net.change(0, Change::Remove(member(1))).unwrap();
    net.run(60);
    assert!(!net.core(3).configuration().has(member(1)));
    assert_eq!(net.change(0, Change::Remove(member(1))), Err(NotTaken::Pointless));
    assert_eq!(net.change(1, Change::AddLearner(member(1))), Err(NotTaken::NotLeader));
    net.crash(1, 0);
    net.assert_equal();
}

/// Without the correction of 2015, two configurations could decide apart: a leader's step that only it has, and
/// the next leader's step, differ by two voters.
#[test]
fn a_step_waits_for_the_first_commit_of_its_term() {
    let mut net = Net::led(4);
    net.isolate(0, true);
    net.change(0, Change::Remove(member(3))).unwrap();
    net.elect(1);
    for _ in 0..4 {
        net.step(|letter| !matches!(letter.body, Body::Append { .. }));
    }
    assert!(net.core(1).leads() && net.core(1).commit() < net.core(1).last().index);
    assert_eq!(net.change(1, Change::Remove(member(0))), Err(NotTaken::NotNow));
    net.settle();
    net.change(1, Change::Remove(member(0))).unwrap();
    net.settle();
    net.isolate(0, false);
    net.run(1_000);
    assert!(net.core(1).configuration().voters.contains(&member(3)), "the step of the first leader was never taken");
    net.assert_safe();
}

#[test]
fn learners_do_not_vote() {
    let mut net = and_a_newcomer();
    net.change(0, Change::AddLearner(member(3))).unwrap();
    net.run(60);
    net.isolate(1, true);
    net.isolate(2, true);
    net.propose(0).unwrap();
    net.settle();
    assert_eq!(net.core(3).last(), net.core(0).last(), "the learner has it");
    assert_eq!(net.judge.committed(), 2, "and that commits nothing");
    net.run(400);
    assert!(net.leaders().is_empty(), "a learner keeps no leader in office");
    for _ in 0..5 {
        net.elect(3);
        net.elect(0);
        net.settle();
    }
    assert!(net.leaders().is_empty() && net.core(3).term() <= 1, "it does not stand, nor does its word elect");
}

#[test]
fn a_leader_goes_when_its_removal_is_committed() {
    let mut net = Net::led(3);
    net.change(0, Change::Remove(member(0))).unwrap();
    assert_eq!(net.leaders(), [0], "until then it leads without counting itself");
    net.settle();
    assert!(net.leaders().is_empty());
    assert_eq!(net.marked("raft.leader_removed"), 1);
    net.run(2_000);
    let [leader] = net.leaders()[..] else { panic!("the others have found one") };
    let term = net.core(leader).term();
    net.run(5_000);
    assert_eq!((net.leaders(), net.core(leader).term()), (vec![leader], term), "who is out disturbs nobody");
}

#[test]
fn a_voter_whose_removal_is_not_committed_may_be_needed_as_leader() {
    let mut net = Net::led(2);
    net.link(0, 1, false);
    net.change(0, Change::Remove(member(0))).unwrap();
    net.run(500);
    assert!(net.leaders().is_empty());
    net.link(0, 1, true);
    // The other one lacks the change, needs both votes and has the shorter log.
    net.run(3_000);
    assert_eq!(net.leaders(), [1]);
    assert!(!net.core(1).configuration().has(member(0)) && net.core(1).configuration_is_committed());
}

#[test]
fn a_wiped_machine_comes_back_as_somebody_else() {
    let mut net = Net::led(3);
    for _ in 0..5 {
        net.propose(0).unwrap();
    }
    net.settle();
    let old = net.nodes[1].id;
    let new = net.wipe(1);
    net.run(200);
    assert_eq!(net.core(1).last().index, 0, "nothing is said to a disk that is gone");
    net.change(0, Change::Replace { old, new }).unwrap();
    net.run(100);
    net.change(0, Change::Promote(new)).unwrap();
    net.run(100);
    assert_eq!(net.core(0).configuration().voters.len(), 3);
    net.crash(2, 0);
    net.propose(0).unwrap();
    net.run(100);
    assert_eq!(net.judge.commands(net.judge.committed()).len(), 6, "it counts again");
    net.now += MS;
    net.assert_equal();
}
