//! The log: one history, whatever leaders come and go, and commits that stay.

use crate::net::{MS, Net, tuning};
use consensus::planted::Planted;
use consensus::raft::{Body, Tuning};
#[cfg(feature = "planted")]
use std::collections::BTreeSet;

/// Machine 0 of three led alone for a while, and machine 1 after it: their logs differ from entry 2 on.
fn diverged(entries: usize) -> Net {
    let mut net = Net::led(3);
    net.isolate(0, true);
    for _ in 0..entries {
        net.propose(0).unwrap();
    }
    net.elect(1);
    net.settle();
    assert!(net.core(1).leads());
    for _ in 0..entries {
        net.propose(1).unwrap();
    }
    net.settle();
    net
}

#[test]
fn leader_append_only() {
    let mut net = Net::led(3);
    net.isolate(0, true);
    for _ in 0..5 {
        net.propose(0).unwrap();
    }
    net.link(1, 2, false);
    net.run(400);
    assert!(net.leaders().is_empty());
    net.isolate(0, false);
    net.elect(0);
    net.settle();
    assert_eq!(net.leaders(), [0]);
    net.link(1, 2, true);
    net.run(100);
    assert_eq!(net.judge.commands(net.judge.committed()), [1, 2, 3, 4, 5], "what it had, it has kept");
    net.assert_equal();
}

#[test]
fn log_matching() {
    let mut net = diverged(5);
    net.isolate(0, false);
    net.run(200);
    assert!(net.marked("raft.truncated") > 0, "the entries of the first leader went");
    assert_eq!(net.judge.commands(net.judge.committed()), [6, 7, 8, 9, 10]);
    net.assert_equal();
}

#[test]
fn leader_completeness() {
    let mut net = Net::led(3);
    net.isolate(2, true);
    net.propose(0).unwrap();
    net.settle();
    assert_eq!(net.judge.committed(), 2);
    net.crash(0, 0);
    net.isolate(2, false);
    for _ in 0..5 {
        net.elect(2);
        net.settle();
        assert!(net.leaders().is_empty(), "who lacks a committed entry gets no majority");
    }
    net.elect(1);
    net.settle();
    assert_eq!(net.leaders(), [1]);
    net.run(100);
    net.assert_equal();
}

#[test]
fn state_machine_safety() {
    let net = finish_figure_8(figure_8_until_c(Planted::default(), false));
    assert_eq!(net.judge.committed(), 3, "1.1, 2.2, and what the last term began with");
    net.assert_equal();
}

/// The paper's figure 8 on machines 0 to 4, its S1 to S5, up to the moment where S1 might take 1.2 for committed.
pub fn figure_8_until_c(planted: Planted, telling: bool) -> Net {
    let mut net = Net::new(5, 5, Tuning { append_entries: 1, ..tuning() }, planted, 1);
    net.elect(0);
    net.settle();
    net.run(60);
    net.telling = telling;
    // (a) S1 leads in term 1; S1 and S2 have 1.2.
    net.propose(0).unwrap();
    net.step(|letter| letter.to.slot == 1);
    net.flying.clear();
    net.crash(0, 0);
    // (b) S5 leads in term 2 by the votes of S3 and S4, and alone has 2.2.
    net.elect(4);
    net.lose(|letter| letter.to.slot == 1);
    for _ in 0..4 {
        net.step(|letter| !matches!(letter.body, Body::Append { .. }));
    }
    assert_eq!((net.leaders(), net.core(4).term()), (vec![4], 2));
    net.flying.clear();
    net.crash(4, 0);
    // (c) S1 leads again, in term 3, and S3 gets 1.2.
    net.start(0);
    while net.leaders() != [0] {
        net.elect(0);
        for _ in 0..4 {
            net.step(|letter| !matches!(letter.body, Body::Append { .. }));
        }
    }
    let is_empty = |body: &Body| matches!(body, Body::Append { entries, .. } if entries.is_empty());
    net.step(|letter| letter.to.slot == 1 && is_empty(&letter.body));
    net.step(|letter| letter.to.slot == 2 && is_empty(&letter.body));
    net.step(|letter| letter.from.slot == 1);
    net.lose(|letter| letter.to.slot != 0);
    net.step(|letter| letter.from.slot == 2);
    net.step(|letter| letter.to.slot == 2);
    net.step(|letter| letter.from.slot == 2);
    net
}

/// ... and on to where S5 has overwritten 1.2 everywhere, and all run again.
pub fn finish_figure_8(mut net: Net) -> Net {
    net.flying.clear();
    net.crash(0, 0);
    // (d) S5 leads by the votes of S2, S3 and S4, and its 2.2 replaces 1.2.
    net.start(4);
    while net.leaders() != [4] {
        net.elect(4);
        net.settle();
    }
    net.run(200);
    net.start(0);
    net.run(200);
    net
}

#[test]
fn figure_8() {
    let net = figure_8_until_c(Planted::default(), false);
    assert_eq!((net.core(0).term(), net.core(2).last().index), (3, 2), "three machines have 1.2");
    assert_eq!(net.judge.committed(), 1, "an entry of an earlier term is not committed by counting");
    net.assert_safe();
}

#[cfg(feature = "planted")]
#[test]
fn figure_8_shows_p31() {
    let p31 = Planted::among(&BTreeSet::from(["P31".to_owned()])).unwrap();
    let net = figure_8_until_c(p31, false);
    assert_eq!(net.judge.committed(), 2, "1.2 is taken for committed");
    let lost = std::panic::catch_unwind(|| finish_figure_8(figure_8_until_c(p31, false)));
    let seen = lost.as_ref().map_or(true, |net| !net.judge.broken.is_empty());
    assert!(seen, "and another entry takes its place");
}

#[test]
fn conflicts_are_skipped_a_term_at_a_time() {
    let mut net = diverged(30);
    net.transfer(1, 2).unwrap();
    net.settle();
    assert!(net.core(2).leads());
    let before = net.marked("raft.conflict");
    net.isolate(0, false);
    net.run(100);
    let conflicts = net.marked("raft.conflict") - before;
    assert!((1..=4).contains(&conflicts), "{conflicts} conflicts over 30 entries of one term");
    net.assert_equal();
}

#[test]
fn heartbeats_flow_while_a_sync_hangs() {
    let mut net = Net::led(3);
    net.nodes[1].disk.hangs = true;
    net.propose(0).unwrap();
    net.run(3_000);
    assert_eq!((net.leaders(), net.core(0).term(), net.core(1).term()), (vec![0], 1, 1));
    assert_eq!(net.core(1).commit(), 2, "it knows what the two others have committed");
    assert_eq!(net.nodes[1].disk.last().index, 1);
    net.nodes[2].disk.hangs = true;
    net.propose(0).unwrap();
    net.run(1_000);
    assert_eq!(net.judge.committed(), 2, "what is durable on one machine of three is not committed");
    net.unhang(1);
    net.run(100);
    assert_eq!(net.judge.committed(), 3);
    net.assert_equal();
}

#[test]
fn a_leader_with_a_hung_disk_still_commits_by_its_followers() {
    let mut net = Net::led(3);
    net.nodes[0].disk.hangs = true;
    for _ in 0..40 {
        net.propose(0).unwrap();
        net.run(10);
    }
    assert_eq!((net.leaders(), net.judge.committed()), (vec![0], 41));
    assert_eq!(net.nodes[0].disk.last().index, 1, "nothing of it is durable here");
    // A snapshot stands for what was never written.
    net.snapshot(0);
    net.propose(0).unwrap();
    net.unhang(0);
    net.run(100);
    assert_eq!(net.nodes[0].disk.last().index, 42);
    net.crash(0, 0);
    net.start(0);
    net.run(1_000);
    net.assert_equal();
}

#[test]
fn a_leaders_own_copy_counts_when_it_is_durable() {
    let mut net = Net::led(3);
    net.nodes[0].disk.hangs = true;
    net.isolate(2, true);
    net.propose(0).unwrap();
    net.settle();
    assert_eq!(net.judge.committed(), 1, "one durable copy of three");
    net.unhang(0);
    assert_eq!(net.judge.committed(), 2);
}

#[test]
fn a_write_under_way_counts_for_nothing_once_its_entries_are_overwritten() {
    let mut net = Net::led(5);
    net.nodes[1].disk.hangs = true;
    net.nodes[1].writes = 8;
    for _ in 0..3 {
        net.propose(0).unwrap();
    }
    net.step(|letter| letter.to.slot == 1);
    net.flying.clear();
    net.crash(0, 0);
    net.elect(2);
    net.settle();
    assert_eq!((net.leaders(), net.core(1).last().term), (vec![2], 2), "1.2 to 1.4 were overwritten in memory");
    while net.nodes[1].disk.pending.len() > 1 {
        net.sync(1);
        net.settle();
        net.assert_safe();
    }
    net.unhang(1);
    net.run(100);
    net.assert_equal();
}

#[test]
fn flow_control() {
    let mut net = Net::led(3);
    let mut taken = 0;
    while net.propose(0).is_some() {
        taken += 1;
    }
    assert_eq!(taken, tuning().uncommitted, "what waits to be committed has a limit");
    let with_entries = |body: &Body| matches!(body, Body::Append { entries, .. } if !entries.is_empty());
    let flying = net.flying.iter().filter(|letter| letter.to.slot == 1 && with_entries(&letter.body)).count();
    assert_eq!(flying, tuning().in_flight, "and so has what is on its way");
    while !net.flying.is_empty() {
        for letter in &net.flying {
            if let Body::Append { entries, .. } = &letter.body {
                assert!(entries.len() <= tuning().append_entries);
            }
        }
        net.step(|_| true);
    }
    net.run(100);
    net.assert_equal();
}

#[test]
fn lost_messages_are_made_up_for() {
    let mut net = Net::led(3);
    for _ in 0..6 {
        net.propose(0).unwrap();
    }
    net.flying.clear();
    net.run(200);
    assert_eq!(net.judge.committed(), 7);
    net.assert_equal();
}

/// Machine 2 of three lacks what the leader does not keep any more.
fn far_behind() -> Net {
    let mut net = Net::led_with(3, Tuning { keep_entries: 0, ..tuning() });
    net.isolate(2, true);
    for _ in 0..10 {
        net.propose(0).unwrap();
        net.settle();
    }
    net.snapshot(0);
    net.isolate(2, false);
    net
}

#[test]
fn a_snapshot_is_sent_page_by_page() {
    let mut net = far_behind();
    net.telling = true;
    net.run(100);
    let pages = net.story.iter().filter(|line| line.contains(" snapshot 1.11 page ")).count();
    assert_eq!(pages, 5, "ten commands of eight bytes, two a page");
    assert_eq!(net.marked("raft.snapshot_installed"), 1);
    net.propose(0).unwrap();
    net.run(60);
    net.assert_equal();
}

#[test]
fn a_snapshot_survives_lost_pages_crashes_and_a_new_leader() {
    let mut net = far_behind();
    while net.marked("raft.snapshot_sent") == 0 {
        net.advance(MS);
        net.step(|_| true);
    }
    net.step(|_| true);
    net.lose(|letter| matches!(letter.body, Body::Page { .. }));
    net.run(3);
    net.crash(2, 0);
    net.start(2);
    net.snapshot(1);
    net.run(60);
    net.transfer(0, 1).unwrap();
    net.run(300);
    assert!(net.marked("raft.snapshot_installed") >= 1);
    net.assert_equal();
}

#[test]
fn a_follower_that_crashes_before_its_snapshot_is_durable_gets_it_again() {
    let mut net = far_behind();
    net.nodes[2].disk.hangs = true;
    net.run(200);
    assert_eq!(net.nodes[2].state.0, 11, "it shows the snapshot already");
    net.crash(2, 0);
    net.nodes[2].disk.hangs = false;
    net.start(2);
    assert_eq!(net.nodes[2].state.0, 0);
    net.run(200);
    assert_eq!(net.marked("raft.snapshot_installed"), 2);
    net.assert_equal();
}
