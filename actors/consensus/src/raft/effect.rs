//! What the core is given for one event, and what it wants done after it.

use super::types::{Body, Entry, MemberId, Snapshot};
use contract::{Duration, Mark, Time};

/// One event's surroundings: the core reads no clock and no random source of its own.
pub struct Turn<'t> {
    /// The node's monotonic clock.
    pub now: Time,
    /// Sixty-four uniform random bits.
    pub random: &'t mut dyn FnMut() -> u64,
    /// Whether to take a rare legal choice ([`contract::Context::choose`]).
    pub choose: &'t mut dyn FnMut(&'static str) -> bool,
    /// What is to be done after the event, in order.
    pub effects: &'t mut Vec<Effect>,
}

/// What the core wants done. Messages in here may go at once: the core holds back what depends on a write.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this.
    Send {
        /// To whom.
        to: MemberId,
        /// [`super::Envelope::term`].
        term: u64,
        /// What.
        body: Body,
    },
    /// These are committed: apply them, in order. Each comes once in the life of a core.
    Commit(Vec<Entry>),
    /// The state machine is to become this: its log is too far behind to be continued.
    Install(Snapshot),
    /// The read may be answered once everything up to this index has been applied.
    ReadAt {
        /// As [`super::Core::read`] was given it.
        context: u64,
        /// What must have been applied.
        index: u64,
    },
    /// The read cannot be confirmed: leadership was lost. Ask the next leader.
    ReadLost {
        /// As [`super::Core::read`] was given it.
        context: u64,
    },
    /// This member leads now, or no longer, or knows another leader: proposals of before may be lost.
    Leader {
        /// The leader, if one is known.
        leader: Option<MemberId>,
        /// Its term.
        term: u64,
    },
    /// A fact for oracles and coverage.
    Mark(Mark),
}

/// Times and limits of the core; each is a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// A follower waits at least so long for a leader. No vote is given within this time of hearing from one.
    pub election_least: Duration,
    /// ... and at most so long; each wait is drawn anew.
    pub election_most: Duration,
    /// Time between two rounds of a leader.
    pub heartbeat: Duration,
    /// Whether reads may rely on the leader's lease instead of a round (thesis, section 6.4.1).
    pub lease_reads: bool,
    /// By how much two clocks may differ in rate, in millionths: the lease is shorter by that.
    pub drift_ppm: u64,
    /// Entries in one message, at most.
    pub append_entries: usize,
    /// Bytes of commands in one message or write; one entry is always sent.
    pub append_bytes: usize,
    /// Messages with entries on their way to one follower, at most.
    pub in_flight: usize,
    /// Entries that wait to be committed, at most; more proposals are refused.
    pub uncommitted: usize,
    /// Entries kept behind a snapshot, for followers that are a little late.
    pub keep_entries: u64,
    /// Bytes in a page of a snapshot, at most.
    pub page_bytes: usize,
}
