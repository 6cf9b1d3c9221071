//! Vector clocks over lanes (Fidge 1988, Mattern 1989): which writes are among an operation's causes.
//!
//! A client may have several writes open, and one whose outcome is unknown may never happen. So writes are
//! numbered in lanes: a lane has one open write at a time, and is left for good by one that does not end. Then
//! "all writes of this lane up to that number happened" is true whenever it is said.

use contract::ProcessId;
use std::collections::{BTreeMap, BTreeSet};

/// The number of the newest write of each lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock(BTreeMap<u32, u64>);

impl Clock {
    /// The newest write of the lane; 0 for none.
    pub(super) fn of(&self, lane: u32) -> u64 {
        self.0.get(&lane).copied().unwrap_or(0)
    }

    pub(super) fn reach(&mut self, lane: u32, number: u64) {
        let newest = self.0.entry(lane).or_default();
        *newest = number.max(*newest);
    }

    pub(super) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(lane, number)| self.reach(*lane, *number));
    }
}

/// All lanes, and which of each client's are free.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    /// How many writes each lane has had.
    numbers: Vec<u64>,
    free: BTreeMap<ProcessId, BTreeSet<u32>>,
}

impl Lanes {
    /// A free lane of the client and the number of its next write, from 1.
    pub(super) fn take(&mut self, client: ProcessId) -> (u32, u64) {
        let free = self.free.entry(client).or_default().pop_first();
        let lane = free.unwrap_or_else(|| {
            self.numbers.push(0);
            // A history has far fewer than four billion writes of unknown outcome.
            u32::try_from(self.numbers.len() - 1).unwrap_or(u32::MAX)
        });
        let number = &mut self.numbers[lane as usize];
        *number += 1;
        (lane, *number)
    }

    /// The lane's write has ended.
    pub(super) fn give_back(&mut self, client: ProcessId, lane: u32) {
        let new = self.free.entry(client).or_default().insert(lane);
        assert!(new, "a lane has one open write");
    }

    /// The client ended, and its lanes with it.
    pub(super) fn abandon(&mut self, client: ProcessId) {
        self.free.remove(&client);
    }
}
