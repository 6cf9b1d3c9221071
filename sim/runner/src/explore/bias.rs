//! Strikes right after what processes state: the start of a recovery, a rotation, a lease, another route.
//!
//! Systems are weakest in the steps after such a moment, and a uniform time hardly ever meets them. So about half
//! of the faults of a seed that strike machines, disks and links wait, when they are due, for the next mark of a
//! kind that the seed draws among those that their targets state in most runs, and strike within 16 ms of it, mostly
//! within microseconds. Each kind is as likely as the others, so that rare ones count most.

use super::Lessons;
use crate::draw::{Draws, below};
use crate::scenario::{FaultAsk, Scenario};
use kernel::{Family, FaultKind};
use rand_core::Rng;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Turns about half of the faults that can wait into faults that do.
pub(super) fn bias(scenario: &mut Scenario, draws: Draws, lessons: &Lessons) {
    let chosen: Vec<Option<String>> = (0..scenario.faults.len())
        .map(|slot| {
            let fault = &scenario.faults[slot];
            let mut rng = draws.stream(&format!("explore/bias/{slot}"));
            let waits = can_wait(fault) && below(&mut rng, 2) == 0;
            let salt = rng.next_u64();
            let marks = lessons.marks_of(scenario, &fault.targets);
            // The least hash wins: a mark that is added to the system changes few of the choices.
            let mark = marks.into_iter().min_by_key(|mark| xxh3_64_with_seed(mark.as_bytes(), salt))?;
            waits.then(|| mark.to_string())
        })
        .collect();
    for (fault, mark) in scenario.faults.iter_mut().zip(chosen) {
        if mark.is_some() {
            fault.after = mark;
        }
    }
}

/// Faults that are part of a story keep their time. Those that meet messages or calls by chance, and clocks, last
/// so long that their beginning says little.
fn can_wait(fault: &FaultAsk) -> bool {
    let is_moment = match fault.kind.family() {
        Family::Process => true,
        Family::Storage => !fault.kind.damages(),
        Family::Network => matches!(
            fault.kind,
            FaultKind::Partition | FaultKind::OneWayPartition | FaultKind::PartialPartition | FaultKind::Reset
        ),
        Family::Clock => false,
    };
    is_moment && fault.after.is_none() && !fault.scripted
}
