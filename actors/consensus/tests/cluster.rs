//! Whole clusters in the simulator, judged by the oracles: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::NodeId;
use rig::Rig;

#[path = "../../rig.rs"]
mod rig;

fn rig() -> Rig {
    Rig {
        roles: consensus::roles(),
        counts: vec![("rcs", 3), ("rcs_resource", 1), ("rcs_client", 1)],
        struck: (0..3).map(NodeId).collect(),
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
        let mut run = rig().quiet(seed);
        assert!(run.run(60, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
    }
}

#[test]
fn stormy_runs_break_nothing_and_converge_when_healed() {
    rig().storms(150, &[], &[]);
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    for seed in 0..4 {
        rig().same_twice(seed);
    }
}
