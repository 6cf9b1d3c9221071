//! Processes and machines.

use super::{Experiment, Run, Shown, usual};
use kernel::FaultKind;

pub const ALL: &[Experiment] = &[usual(FaultKind::ProcessCrash, process_crash)];

fn process_crash() -> Shown {
    let run = Run::of(FaultKind::ProcessCrash, 1, |_| {});
    assert!(run.numbers(0, "probe.boot", "host_boot").iter().all(|boot| *boot == 1), "the machine stays up");
    let pids = run.numbers(0, "probe.boot", "pid");
    assert!(pids.len() as u64 >= run.count.fired && pids.windows(2).all(|pair| pair[0] != pair[1]), "{pids:?}");
    assert_eq!(run.marks(0, "system.exit").count() as u64, run.count.fired);
    run.others_are_well();
    run.shown(format!("{} starts of one process on one boot of its machine", pids.len()))
}
