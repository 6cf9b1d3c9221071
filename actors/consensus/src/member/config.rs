//! What a member is given.

use crate::planted::Planted;
use crate::raft::{Envelope, Tuning};
use crate::rcs::Limits;
use crate::wal;
use contract::{Addr, Duration};

/// What a member is given; each number is a knob of the role `rcs`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its slot: the index of its node among the nodes of the role.
    pub me: u32,
    /// The members by slot, this one too.
    pub peers: Vec<Addr<Envelope>>,
    /// The append process of its node.
    pub log: Addr<wal::message::Request>,
    /// Times and limits of the core.
    pub tuning: Tuning,
    /// Writes that the append process has not confirmed yet, at most.
    pub writes: usize,
    /// What the append process has not answered after this is said to it again.
    pub log_retry: Duration,
    /// Entries between two snapshots.
    pub snapshot_entries: u64,
    /// After this a watch is answered although nothing has changed.
    pub poll: Duration,
    /// Watches that wait for changes, at most; more are asked to try another member.
    pub polls: usize,
    /// Reads that wait to be confirmed, at most; more are asked to try another member.
    pub reads: usize,
    /// Limits of the store; the same at all members of a cluster.
    pub limits: Limits,
    /// The defects that are switched on.
    pub planted: Planted,
}

impl Config {
    /// How long a leader waits for a lease of `ttl_ms` milliseconds to be renewed: by its own clock, which may be faster than the
    /// holder's.
    pub(super) fn patience(&self, ttl_ms: u64) -> Duration {
        let margin = ttl_ms.saturating_mul(self.tuning.drift_ppm) / 1_000_000;
        Duration::from_millis(ttl_ms.saturating_add(margin).saturating_add(1))
    }
}
