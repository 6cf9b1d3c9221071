//! Strikes a cluster as planned: which faults the real host can make, and when they come.

use crate::cluster::{Cluster, ClusterError};
use crate::disk_fill::Skipped;
use contract::{Duration, NodeId, Observed, ProcessId};

/// The pause between two looks at the cluster.
const LOOK: Duration = Duration::from_millis(5);

/// The fault kinds that the real host can make, as in a scenario file.
pub const SUPPORTED: [&str; 3] = ["process_crash", "pause", "disk_full"];

/// Whether the real host can make `kind`; if not, the sentence to show.
pub fn supports(kind: &str) -> Result<(), Skipped> {
    if SUPPORTED.contains(&kind) {
        Ok(())
    } else {
        Err(Skipped(format!("{kind}: the real host cannot make this fault; it makes {}", SUPPORTED.join(", "))))
    }
}

/// One fault against real processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// SIGKILL; the process starts again after `down`.
    Crash {
        /// Whom.
        process: ProcessId,
        /// How long it stays down.
        down: Duration,
    },
    /// SIGSTOP to every process of the node, SIGCONT after `lasts`.
    Pause {
        /// Whom.
        node: NodeId,
        /// How long.
        lasts: Duration,
    },
    /// ENOSPC from the kernel, relieved after `lasts`; the node needs a small disk.
    DiskFull {
        /// Whom.
        node: NodeId,
        /// How long.
        lasts: Duration,
    },
}

/// A strike and when it comes, counted from the start of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub strike: Strike,
}

impl Cluster {
    /// Applies one fault now.
    pub fn strike(&mut self, strike: Strike) -> Result<(), ClusterError> {
        match strike {
            Strike::Crash { process, down } => self.crash(process, down).map(|_killed| ()),
            Strike::Pause { node, lasts } => self.pause(node, lasts).map(|_stopped| ()),
            Strike::DiskFull { node, lasts } => self.fill_disk(node, lasts).map(|_filled| ()),
        }
    }

    /// Looks after the cluster and strikes as `planned` until `done` says so or `until` has passed since
    /// the start; blocks meanwhile. `done` sees each mark once, in the order of arrival, over all calls
    /// that share `known`. Returns whether `done` said so; strikes that did not come yet stay in `planned`.
    pub fn drive(
        &mut self,
        planned: &mut Vec<Planned>,
        until: Duration,
        known: &mut usize,
        mut done: impl FnMut(&[Observed]) -> bool,
    ) -> Result<bool, ClusterError> {
        planned.sort_by_key(|planned| planned.at);
        loop {
            self.poll()?;
            let due = planned.partition_point(|planned| planned.at <= self.elapsed());
            for planned in planned.drain(..due) {
                self.strike(planned.strike)?;
            }
            let seen = self.marks_after(*known);
            *known += seen.len();
            if done(&seen) {
                return Ok(true);
            }
            if self.elapsed() >= until {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }
}
