//! Damaged disks: a replica that has lost what it may have acknowledged.

use crate::net::Net;

/// Machines 0 and 1 have committed entry 2; machine 1 has lost it, and machine 2 never had it.
fn lost_by_one() -> Net {
    let mut net = Net::led(3);
    net.isolate(2, true);
    net.propose(0).unwrap();
    net.settle();
    assert_eq!(net.judge.committed(), 2);
    net.crash(1, 0);
    net.nodes[1].disk.rot(2);
    net
}

#[test]
fn a_claim_votes_as_if_it_had_what_it_lost() {
    let mut net = lost_by_one();
    net.crash(0, 0);
    net.start(1);
    net.isolate(2, false);
    net.run(5_000);
    assert!(net.leaders().is_empty(), "the two that lack entry 2 elect nobody");
    assert!(net.marked("raft.claim_waits") > 0, "who has lost entries does not stand");
    net.start(0);
    net.run(1_000);
    assert_eq!(net.leaders(), [0], "only this one has it");
    net.assert_equal();
    assert_eq!(net.marked("raft.claim_settled"), 1);
    net.crash(0, 0);
    net.run(2_000);
    assert_eq!(net.leaders().len(), 1, "with the claim settled it votes and stands like anybody");
    net.assert_equal();
}

#[test]
fn a_leader_goes_back_for_who_has_lost_entries() {
    let mut net = lost_by_one();
    for _ in 0..3 {
        net.isolate(2, false);
        net.propose(0).unwrap();
        net.run(100);
        net.start(1);
        net.run(100);
        assert_eq!((net.leaders(), net.core(0).term()), (vec![0], 1), "the same leader");
        assert_eq!(net.nodes[1].disk.last(), net.core(0).last());
        net.assert_equal();
        net.crash(1, 0);
        net.nodes[1].disk.rot(2);
    }
}

#[test]
fn a_claim_that_the_log_covers_settles_without_a_write() {
    let mut net = Net::led(3);
    net.isolate(2, true);
    net.propose(0).unwrap();
    net.settle();
    net.crash(1, 0);
    // It crashed between the entry that settled its claim and the word of it.
    net.nodes[1].disk.hard.claim = Some(net.nodes[1].disk.last());
    net.start(1);
    net.crash(0, 0);
    net.isolate(2, false);
    net.run(2_000);
    assert_eq!(net.leaders(), [1], "the only one that has entry 2 may stand");
    net.assert_equal();
}
