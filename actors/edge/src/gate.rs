//! The lifecycle gate: one recovery pass at a time, from its drain to its commit.
//!
//! ```text
//!          open                          commit, or nothing to drain
//!  Free ---------> Held(pass) ------------------------------------> Free
//!                    |   ^ the holder has been silent for longer than patience, or asks anew:
//!                    +---+ another worker takes over with a NEW pass id
//! ```
//! A commit of a pass that was taken over finds another id in the gate and is stale.

use crate::message::{Record, drain::PassId};
use contract::{Duration, ProcessId, Time};
use std::sync::Arc;

/// A recovery pass that holds the gate.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Its identity.
    pub id: PassId,
    /// Who drains.
    pub worker: ProcessId,
    /// What it yields, in order.
    pub records: Arc<Vec<Record>>,
    opened_by: u64,
    seen: Time,
}

/// What a worker that wants to open a pass meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nobody holds the gate.
    Free,
    /// It holds the gate already by this very call: its first answer was lost.
    Again,
    /// Another worker is at it.
    Busy(PassId),
    /// The holder was silent too long, or is an earlier life of the asker: it has lost the gate.
    TakenOver(PassId),
}

/// The gate of one buffer incarnation.
#[derive(Clone, Debug)]
pub struct Gate {
    epoch: u64,
    passes: u64,
    timeout: Duration,
    /// Passes taken over since the last one that ended by itself: each doubles the patience, so that passes
    /// which need longer than the timeout still come to an end.
    taken_over: u32,
    holder: Option<Pass>,
}

/// Patience grows to this many timeouts: 2^6.
const PATIENCE_DOUBLINGS: u32 = 6;

impl Gate {
    /// A free gate. `epoch` is random, so that passes of earlier incarnations are strangers.
    pub fn new(epoch: u64, timeout: Duration) -> Self {
        Gate { epoch, passes: 0, timeout, taken_over: 0, holder: None }
    }

    /// `worker` wants to open a pass with request `call`. Anything but `Busy` and `Again` leaves the gate free.
    pub fn enter(&mut self, worker: ProcessId, call: u64, now: Time) -> Entry {
        let Some(holder) = &mut self.holder else { return Entry::Free };
        let id = holder.id;
        if holder.worker == worker && holder.opened_by == call {
            holder.seen = now;
            return Entry::Again;
        }
        let patience = self.timeout * (1 << self.taken_over.min(PATIENCE_DOUBLINGS));
        let silent = now.since(holder.seen) >= patience;
        if holder.worker != worker && !silent {
            return Entry::Busy(id);
        }
        self.holder = None;
        self.taken_over = self.taken_over.saturating_add(1);
        Entry::TakenOver(id)
    }

    /// Gives the free gate to a new pass.
    pub fn open(&mut self, worker: ProcessId, call: u64, records: Vec<Record>, now: Time) -> &Pass {
        assert!(self.holder.is_none(), "the gate is entered before it is opened");
        assert!(!records.is_empty(), "a pass yields something");
        self.passes += 1;
        let id = PassId { epoch: self.epoch, number: self.passes };
        self.holder.insert(Pass { id, worker, records: Arc::new(records), opened_by: call, seen: now })
    }

    /// The pass `id` if it holds the gate and `worker` opened it; counts as a sign of life.
    pub fn held(&mut self, id: PassId, worker: ProcessId, now: Time) -> Option<&Pass> {
        let holder = self.holder.as_mut().filter(|pass| pass.id == id && pass.worker == worker)?;
        holder.seen = now;
        Some(holder)
    }

    /// The pass that holds the gate.
    pub fn holder(&self) -> Option<&Pass> {
        self.holder.as_ref()
    }

    /// Ends the pass that holds the gate.
    pub fn leave(&mut self) {
        assert!(self.holder.is_some(), "only the holder leaves the gate");
        self.holder = None;
        self.taken_over = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Gate, PATIENCE_DOUBLINGS};
    use crate::message::Record;
    use contract::{Duration, ProcessId, Time};

    const A: ProcessId = ProcessId(1);
    const B: ProcessId = ProcessId(2);

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn one() -> Vec<Record> {
        vec![Record { id: 1, taken_at: contract::Wall::default(), payload: vec![1].into() }]
    }

    fn gate() -> Gate {
        Gate::new(7, Duration::from_millis(100))
    }

    #[test]
    fn a_second_worker_is_refused_and_told_of_the_holder() {
        let mut gate = gate();
        assert_eq!(gate.enter(A, 1, at(0)), Entry::Free);
        let pass = gate.open(A, 1, one(), at(0)).id;
        assert_eq!(gate.enter(B, 1, at(99)), Entry::Busy(pass));
    }

    #[test]
    fn a_repeated_open_whose_answer_was_lost_is_the_same_pass() {
        let mut gate = gate();
        let pass = gate.open(A, 1, one(), at(0)).id;
        assert_eq!(gate.enter(A, 1, at(50)), Entry::Again);
        assert_eq!(gate.holder().map(|pass| pass.id), Some(pass));
    }

    #[test]
    fn a_silent_holder_loses_the_gate_and_its_late_commit_is_stale() {
        let mut gate = gate();
        let old = gate.open(A, 1, one(), at(0)).id;
        assert_eq!(gate.enter(B, 1, at(100)), Entry::TakenOver(old));
        let new = gate.open(B, 1, one(), at(100)).id;
        assert_ne!(old, new);
        assert!(gate.held(old, A, at(101)).is_none());
        assert!(gate.held(new, A, at(101)).is_none(), "a pass belongs to the worker that opened it");
        assert!(gate.held(new, B, at(101)).is_some());
    }

    #[test]
    fn each_page_is_a_sign_of_life() {
        let mut gate = gate();
        let pass = gate.open(A, 1, one(), at(0)).id;
        assert!(gate.held(pass, A, at(90)).is_some());
        assert_eq!(gate.enter(B, 1, at(189)), Entry::Busy(pass));
        assert_eq!(gate.enter(B, 2, at(190)), Entry::TakenOver(pass));
    }

    #[test]
    fn a_restarted_worker_takes_over_from_its_former_life_at_once() {
        let mut gate = gate();
        let old = gate.open(A, 1, one(), at(0)).id;
        assert_eq!(gate.enter(A, 2, at(1)), Entry::TakenOver(old));
    }

    #[test]
    fn passes_of_two_incarnations_never_share_an_id() {
        let old = Gate::new(7, Duration::ZERO).open(A, 1, one(), at(0)).id;
        let new = Gate::new(8, Duration::ZERO).open(A, 1, one(), at(0)).id;
        assert_ne!(old, new);
    }

    /// Two workers whose passes need longer than the timeout would otherwise take each other over for ever.
    #[test]
    fn each_takeover_doubles_the_patience_until_a_pass_ends_by_itself() {
        let mut gate = Gate::new(7, Duration::from_millis(100));
        let mut now = 0;
        for turn in 0..10u32 {
            let worker = if turn % 2 == 0 { A } else { B };
            if turn > 0 {
                let patience = 100u64 << (turn - 1).min(PATIENCE_DOUBLINGS);
                assert!(matches!(gate.enter(worker, 1, at(now + patience - 1)), Entry::Busy(_)), "turn {turn}");
                now += patience;
                assert!(matches!(gate.enter(worker, 1, at(now)), Entry::TakenOver(_)), "turn {turn}");
            }
            gate.open(worker, 1, one(), at(now));
        }
        gate.leave();
        gate.open(A, 2, one(), at(now));
        assert!(matches!(gate.enter(B, 2, at(now + 100)), Entry::TakenOver(_)), "patience is short again");
    }
}
