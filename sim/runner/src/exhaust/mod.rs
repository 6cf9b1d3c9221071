//! Tries a file protocol with all short sequences of operations, every crash point and every legal state
//! of the disk.
//!
//! Most crash bugs of file systems need three operations or fewer on a fresh file system (CrashMonkey and
//! ACE, OSDI 2018); the same is tried here with what is built on top of one. For each sequence, from short to
//! long, so that the first failure is a shortest one:
//!
//! 1. **Crash points.** After each disk call of the last operation, and once more when it is acknowledged.
//!    What lies before them was tried with the shorter sequence.
//! 2. **States.** The death of the process, which keeps the page cache, and every state that a power loss may
//!    leave under the profile ([`kernel::disk::states`]); equal ones once.
//! 3. **Recovery.** It runs on each of them; what it reads back is judged.
//! 4. **Second crash.** At each point inside that recovery and after it, with all states again, a recovery
//!    reads back and is judged. What a recovery has read back is expected to stay.
//! 5. **Going on.** After the recovery each operation is done once more, and crashes when it is acknowledged.
//!
//! Also, in one operation of a sequence, one call that takes space may be refused, each in turn.
//!
//! A recovery depends on nothing but the disk, and for some protocols the boot, so that equal ones are recovered
//! once; a disk and a model that were judged together are not judged again.

mod disk;
mod explore;
mod restart;

pub use disk::{Point, TrialDisk};

use contract::FileProtocol;
use kernel::Profile;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Operations in the longest sequences.
    pub length: usize,
    /// What a power loss may leave.
    pub profile: Profile,
    /// States of one crash point, at most; what is left out is counted.
    pub states_max: usize,
    /// Whether one call that takes space may be refused in each sequence.
    pub refusals: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { length: 3, profile: Profile::PosixMin, states_max: 4_096, refusals: true }
    }
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences of operations; those with a refused call count for themselves.
    pub sequences: u64,
    /// Points at which their last operations were crashed.
    pub points: u64,
    /// Different states that those crashes left, summed over the points.
    pub states: u64,
    /// Different states of the disk from which a first recovery ran.
    pub recoveries: u64,
    /// States left by crashes inside those recoveries, after them, and after one more operation.
    pub second: u64,
    /// States that [`Options::states_max`] left out. A certificate with any is not complete.
    pub omitted: u64,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much was tried.
    pub counts: Counts,
    /// The first failure, in the order in which things are tried.
    pub failure: Option<Failure>,
}

/// A crash, and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// What happened where, as a phrase.
    pub place: String,
    /// What became of each unsynced change. Empty if nothing was unsynced.
    pub changes: Vec<String>,
}

/// A broken promise, with all that it takes to see why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The operations with what was acknowledged, in order.
    pub steps: Vec<String>,
    /// The crash after them, unless the promise was broken without one.
    pub crash: Option<Crash>,
    /// What came after the recovery from it: one more operation, a second crash.
    pub then: Vec<String>,
    /// The second crash.
    pub second: Option<Crash>,
    /// What the last recovery read back, or what it said instead.
    pub found: String,
    /// What is wrong with that.
    pub why: String,
}

/// A protocol whose types are erased, for a registry.
pub trait Subject: Send + Sync {
    /// As on the command line.
    fn name(&self) -> &'static str;
    /// What it keeps, in a few words.
    fn about(&self) -> &'static str;
    /// Tries everything, until the first failure. `tick` hears of the counts now and then.
    fn explore(&self, options: &Options, tick: &mut dyn FnMut(&Counts)) -> Report;
}

impl<P: FileProtocol> Subject for P {
    fn name(&self) -> &'static str {
        FileProtocol::name(self)
    }
    fn about(&self) -> &'static str {
        FileProtocol::about(self)
    }
    fn explore(&self, options: &Options, tick: &mut dyn FnMut(&Counts)) -> Report {
        explore(self, options, tick)
    }
}

/// Tries everything with `protocol`, until the first failure. `tick` hears of the counts now and then.
pub fn explore<P: FileProtocol>(protocol: &P, options: &Options, tick: &mut dyn FnMut(&Counts)) -> Report {
    explore::Explorer::new(protocol, options, tick).run()
}
