//! Whole clusters in the simulator, judged by the oracles: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::NodeId;
use edge::spec::Custody;
use rig::Rig;

#[path = "../../rig.rs"]
mod rig;

const REQUESTS: u64 = 300;

fn rig() -> Rig {
    Rig {
        roles: edge::roles(),
        counts: vec![("edge", 2), ("primary", 1), ("ingest", 2)],
        struck: (0..=2).map(NodeId).collect(),
        requests: REQUESTS,
        judges: oracles::all(),
        pid_max: 4_096,
        // What an edge has accepted has one copy until the primary has it: nothing survives damage to its disk.
        survives: |kind| !kind.damages(),
        choices: vec![
            ("edge.segment_bytes", [1_024, 65_536]),
            ("edge.gate_timeout", [500_000_000, 10_000_000_000]),
            ("edge.volatile_max", [2, 256]),
            ("edge.batch_records", [3, 32]),
            ("edge.submit_deadline", [500_000_000, 3_000_000_000]),
            ("edge.uplink_queue", [4, 128]),
            ("edge.drain_every", [100_000_000, 1_000_000_000]),
            ("edge.ask_deadline", [1_000_000_000, 5_000_000_000]),
            ("primary.group_wait", [0, 5_000_000]),
            ("ingest.rate", [5_000_000, 20_000_000]),
            ("ingest.record_bytes", [64, 1_024]),
        ],
        seconds: (40, 180),
    }
}

#[test]
fn a_quiet_run_obeys_the_sequential_model_and_leaves_nothing_behind() {
    for seed in 0..5 {
        let mut run = rig().quiet(seed);
        assert!(run.run(60, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
        let mut custody = Custody::default();
        for seen in &run.marks {
            custody.observe(&seen.mark).unwrap_or_else(|why| panic!("seed {seed}, event {}: {why}", seen.event));
        }
        custody.at_rest().unwrap();
        assert_eq!(custody.accepted().len() as u64, REQUESTS);
    }
}

#[test]
fn stormy_runs_break_nothing_converge_when_healed_and_reach_every_rare_path() {
    // A worker that lost count would commit inexactly.
    rig().storms(150, &RARE, &["edge.commit_inexact"]);
}

/// Marks of rare paths. Rot and holes need faults that the kernel does not have yet; tests/buffer.rs and tests/ledger.rs reach them.
const RARE: [&str; 23] = [
    "edge.asked_again",
    "edge.commit_aborted",
    "edge.drain_refused",
    "edge.full",
    "edge.gate_busy",
    "edge.gate_taken_over",
    "edge.requeued",
    "edge.stale_commit",
    "edge.stale_page",
    "edge.staging_resumed",
    "edge.tail_repaired",
    "edge.unlink_failed",
    "edge.volatile",
    "edge.volatile_full",
    "edge.write_failed",
    "ledger.duplicate",
    "ledger.tail_repaired",
    "ledger.write_failed",
    "uplink.down",
    "uplink.full",
    "uplink.late_answer",
    "uplink.refused",
    "worker.gave_up",
];

#[test]
fn the_same_seed_gives_the_same_run() {
    rig().same_twice(11);
}

#[cfg(feature = "planted")]
#[test]
fn the_custody_oracle_finds_each_planted_defect() {
    for defect in ["P01", "P02", "P03", "P04"] {
        rig().finds(defect, "custody");
    }
}
