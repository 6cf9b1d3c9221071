//! Whole clusters in the simulator, judged by the oracles: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::NodeId;
use rig::Rig;

#[path = "../../rig.rs"]
mod rig;

fn rig(members: usize) -> Rig {
    Rig {
        roles: consensus::roles(),
        counts: vec![("rcs", members), ("rcs_resource", 1), ("rcs_client", 1)],
        struck: (0..members as u32).map(NodeId).collect(),
        requests: 120,
        judges: oracles::all(),
        pid_max: 4_096,
        survives: |kind| !kind.damages(),
        choices: vec![
            ("rcs.append_entries", [1, 64]),
            ("rcs.in_flight", [1, 4]),
            ("rcs.keep_entries", [0, 200]),
            ("rcs.snapshot_entries", [20, 1_000]),
            ("rcs.page_bytes", [1_024, 65_536]),
            ("rcs.lease_reads", [0, 1]),
            ("rcs.writes", [1, 2]),
            ("rcs.uncommitted", [16, 1_024]),
            ("rcs.history", [20, 10_000]),
            ("rcs_client.operators", [0, 1]),
            ("rcs_client.removals", [0, 1]),
            ("rcs_client.ttl", [500_000_000, 2_000_000_000]),
        ],
        seconds: (20, 120),
    }
}

#[test]
fn a_quiet_cluster_serves_all_its_clients() {
    for seed in 0..5 {
        let mut run = rig(3).quiet(seed);
        assert!(run.run(60, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
    }
}

#[test]
fn stormy_runs_break_nothing_and_converge_when_healed() {
    // A sound disk never looks as if it had lost anything.
    rig(3).storms(200, &RARE, &["wal.rot", "wal.disk_forgotten"]);
}

#[test]
fn stormy_runs_of_five_members_break_nothing_and_converge_when_healed() {
    rig(5).storms(60, &[], &["wal.rot", "wal.disk_forgotten"]);
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    for seed in 0..4 {
        rig(3).same_twice(seed);
    }
}

/// Three members and an examiner.
fn examined() -> Rig {
    Rig {
        counts: vec![("rcs", 3), ("rcs_exam", 1)],
        judges: oracles::all().into_iter().filter(|kind| ["agreement", "convergence"].contains(&kind.name)).collect(),
        ..rig(3)
    }
}

#[test]
fn a_quiet_cluster_passes_the_examination() {
    let mut run = examined().quiet(1);
    assert!(run.run(60, true).unwrap(), "{}", run.explain());
    let steps = run.marks.iter().filter(|seen| seen.mark.kind == "conformance.step").count();
    assert!(steps > 80, "{steps} steps");
}

#[test]
fn stormy_clusters_pass_the_examination() {
    examined().storms(60, &["conformance.step"], &[]);
}

/// Marks of rare paths.
const RARE: [&str; 19] = [
    "member.began_anew",
    "member.busy",
    "member.promoted",
    "raft.conflict",
    "raft.handed_over",
    "raft.leader_removed",
    "raft.lease_read",
    "raft.majority_lost",
    "raft.snapshot_installed",
    "raft.stepped_down",
    "raft.transfer_failed",
    "raft.truncated",
    "raft.vote_ignored",
    "rcs.expiry_overtaken",
    "rcs.repeated",
    "store.compacted",
    "wal.append_failed",
    "wal.tail_cut",
    "watch.compacted",
];

// P31 and P32 want scenarios of their own: `scenarios/negative`.
#[test]
#[cfg(feature = "planted")]
fn storms_find_planted_defects_of_the_service() {
    for (defect, judge) in [("P33", "watch"), ("P34", "linearization_points"), ("P35", "leases")] {
        rig(3).finds(defect, judge);
    }
}
