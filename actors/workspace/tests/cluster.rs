//! A machine whose programs share a workspace, in the simulator: quiet, stormy, and with each planted defect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use contract::NodeId;
use kernel::fault::FaultKind;
use rig::Rig;
use workspace::spec::Model;

#[path = "../../rig.rs"]
mod rig;

const JUDGES: [&str; 4] = ["locks", "files", "sessions", "convergence"];

fn rig() -> Rig {
    Rig {
        roles: workspace::roles(),
        counts: vec![("workspace", 1), ("editor", 2)],
        struck: vec![NodeId(0)],
        requests: 120,
        judges: oracles::all().into_iter().filter(|kind| JUDGES.contains(&kind.name)).collect(),
        // Few process numbers, so that those of the dead are soon used again.
        pid_max: 8,
        // A workspace has one copy of everything: nothing survives damage to its disk, and a device that hands out
        // another place's bytes is not promised against.
        survives: |kind| !kind.damages() && kind != FaultKind::MisdirectedRead,
        choices: vec![
            ("workspace.programs", [3, 5]),
            ("workspace.patience", [300_000_000, 5_000_000_000]),
            ("workspace.backoff_longest", [50_000_000, 1_000_000_000]),
            ("workspace.empty_age", [500_000_000, 3_000_000_000]),
            ("workspace.sweep_every", [200_000_000, 5_000_000_000]),
            ("editor.rate", [3_000_000, 10_000_000]),
            ("editor.names", [1, 2]),
            ("editor.hold", [100_000_000, 1_000_000_000]),
            ("editor.litters", [0, 1]),
            ("editor.text_bytes", [100, 3_000]),
        ],
        seconds: (30, 300),
    }
}

#[test]
fn a_quiet_run_obeys_the_sequential_model_and_ends() {
    for seed in 0..5 {
        let mut run = rig().quiet(seed);
        assert!(run.run(120, true).unwrap(), "seed {seed}: {}", run.explain());
        run.panel.finish().unwrap();
        let mut model = Model::default();
        for seen in &run.marks {
            model.observe(&seen.mark).unwrap_or_else(|why| panic!("seed {seed}, event {}: {why}", seen.event));
        }
        model.at_rest().unwrap();
        assert!(model.saves() > 10, "{} saves", model.saves());
    }
}

#[test]
fn stormy_runs_break_nothing_converge_when_healed_and_reach_every_rare_path() {
    rig().storms(100, &["lock.broken", "lock.refused", "program.not_started"], &[]);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    rig().same_twice(11);
}

#[cfg(feature = "planted")]
#[test]
fn each_planted_defect_is_found_by_its_oracle() {
    for (defect, judge) in
        [("P05", "locks"), ("P06", "locks"), ("P07", "locks"), ("P13", "files"), ("P14", "files"), ("P15", "files")]
    {
        rig().finds(defect, judge);
    }
}
