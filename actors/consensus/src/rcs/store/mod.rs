//! The store: a deterministic state machine over the commands of the log.
//!
//! It reads no clock, draws nothing and does nothing outside itself: two stores that were given the same commands are
//! equal, and [`Store::digest`] says so cheaply. The rules are etcd's, so that a real etcd can take its place:
//!
//! - A new store is at revision 1. Each command that changes keys makes the next revision; what changes nothing makes none.
//! - A transaction is done as a whole, in one revision, or refused as a whole.
//! - The store can be read at every revision since the compaction, and all changes since then can be told, those
//!   of the compaction's own revision included.
//! - The end of a lease deletes its keys in one revision; in several only if they do not fit one answer.
//! - An operation that comes again gets the answer that it got before.

mod leases;
mod pages;
mod range;
mod sessions;
mod table;
#[cfg(test)]
mod tests;
mod transact;

pub use leases::Lease;
pub use pages::BadPages;

use super::command::Command;
use super::limits::{ITEM_BYTES, Limits, invalid};
use super::message::{Answer, Done, Operation, OperationId, Refusal, Step, Transaction};
use crate::planted::{Defect, Planted};
use contract::Blob;
use leases::Leases;
use sessions::{Entry, Sessions};
use std::collections::BTreeSet;
use table::Table;

/// The revision of a store that nothing was done to, as etcd has it.
pub const FIRST_REVISION: u64 = 1;

/// The store; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    limits: Limits,
    planted: Planted,
    /// The log index of the last command.
    applied: u64,
    revision: u64,
    /// The first revision that can still be read.
    compacted: u64,
    table: Table,
    leases: Leases,
    sessions: Sessions,
}

/// What a command did, for the answer, the watchers, the leader's clock and the oracles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the client; none to [`Command::Expire`].
    pub answer: Option<Answer>,
    /// The operation was done by an earlier entry: this one did nothing.
    pub repeated: bool,
    /// Each changed key and the revision in which it changed, in the order of revisions.
    pub changed: Vec<(u64, Blob)>,
    /// What was before this revision has been forgotten.
    pub compacted: Option<u64>,
    /// What became of a lease.
    pub lease: Option<LeaseEvent>,
    /// The keys of a traced transaction that was done and the revision in which each was changed last: what it made or saw.
    pub points: Vec<(Blob, u64)>,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// Its time to live begins, or begins anew.
    Runs {
        /// The lease.
        lease: u64,
        /// Its time, in milliseconds.
        ttl_ms: u64,
        /// How often it was renewed: [`Command::Expire`] says of which renewal the time has passed.
        renewals: u64,
    },
    /// It is gone.
    Ended {
        /// The lease.
        lease: u64,
    },
}

impl Store {
    /// An empty store. Replicas of one cluster are given the same limits.
    pub fn new(limits: Limits, planted: Planted) -> Self {
        assert!(limits.are_sound(), "knobs have limits that fit one another: {limits:?}");
        Store {
            limits,
            planted,
            applied: 0,
            revision: FIRST_REVISION,
            compacted: 0,
            table: Table::default(),
            leases: Leases::default(),
            sessions: Sessions::default(),
        }
    }

    /// Does what entry `index` of the log says.
    pub fn apply(&mut self, index: u64, command: &Command) -> Applied {
        assert!(index > self.applied, "entries are applied in order, each once");
        self.applied = index;
        let mut applied = Applied::default();
        match command {
            Command::Client { id, operation } => self.client(*id, operation, &mut applied),
            Command::Expire { lease, renewals } => self.expire(*lease, *renewals, &mut applied),
        }
        self.bound_history(&mut applied);
        applied
    }

    /// The revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The first revision that can still be read; 0 before the first compaction.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// The log index of the last command.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The leases that run, in the order of their numbers: a new leader gives each its whole time.
    pub fn leases(&self) -> impl Iterator<Item = (u64, &Lease)> {
        self.leases.iter()
    }

    /// The lease, if it runs.
    pub fn lease(&self, number: u64) -> Option<&Lease> {
        self.leases.get(number)
    }

    /// The revision that changed the key last, by a deletion too; 0 if it was never written, or deleted before the
    /// compaction.
    pub fn stamp(&self, key: &Blob) -> u64 {
        self.table.stamp(key)
    }

    fn client(&mut self, id: OperationId, operation: &Operation, applied: &mut Applied) {
        if *operation == Operation::OpenSession {
            // The entry's index names the session, and the lease below: no other entry ever has it.
            self.sessions.open(self.applied, self.limits.sessions);
            applied.answer = Some(self.done(Done::Session(self.applied)));
            return;
        }
        let answer = match self.sessions.enter(id, self.applied) {
            Entry::New => {
                let answer = match self.operate(id, operation, applied) {
                    Ok(done) => self.done(done),
                    Err(refusal) => Answer::Refused(refusal),
                };
                self.sessions.answered(id, answer.clone());
                answer
            }
            Entry::Repeated(answer) => {
                applied.repeated = true;
                answer
            }
            Entry::Refused(refusal) => Answer::Refused(refusal),
        };
        applied.answer = Some(answer);
    }

    fn done(&self, done: Done) -> Answer {
        Answer::Done { revision: self.revision, done }
    }

    fn operate(&mut self, id: OperationId, operation: &Operation, applied: &mut Applied) -> Result<Done, Refusal> {
        self.limits.check(operation)?;
        match operation {
            Operation::OpenSession => unreachable!("it is done before sessions are looked at"),
            Operation::Transact(transaction) => {
                let done = self.transact(transaction, &mut applied.changed)?;
                if id.traced > 0 {
                    applied.points = self.points(transaction);
                }
                Ok(done)
            }
            Operation::Grant { ttl_ms } => self.grant(*ttl_ms, applied),
            Operation::Renew { lease } => {
                let renewed = self.leases.renew(*lease).ok_or(Refusal::NoLease)?;
                let Lease { ttl_ms, renewals, .. } = *renewed;
                applied.lease = Some(LeaseEvent::Runs { lease: *lease, ttl_ms, renewals });
                Ok(Done::Renewed { ttl_ms })
            }
            Operation::Revoke { lease } => {
                self.end_lease(*lease, applied).ok_or(Refusal::NoLease)?;
                Ok(Done::Revoked)
            }
            Operation::Compact { revision } => self.compact(*revision, applied),
        }
    }

    fn grant(&mut self, ttl_ms: u64, applied: &mut Applied) -> Result<Done, Refusal> {
        if self.leases.len() >= self.limits.leases {
            return Err(invalid(format!("{} leases run; there is room for no more until one ends", self.leases.len())));
        }
        let (lease, ttl_ms) = (self.applied, ttl_ms.max(self.limits.ttl_least_ms));
        self.leases.begin(lease, ttl_ms, 0);
        applied.lease = Some(LeaseEvent::Runs { lease, ttl_ms, renewals: 0 });
        Ok(Done::Granted { lease, ttl_ms })
    }

    /// A lease that was renewed since its end was decided goes on (etcd#15247).
    fn expire(&mut self, lease: u64, renewals: u64, applied: &mut Applied) {
        let as_decided = self.leases.get(lease).is_some_and(|it| it.renewals == renewals);
        if as_decided || self.planted.has(Defect::P35) {
            self.end_lease(lease, applied);
        }
    }

    /// Ends a lease and deletes its keys, in as few revisions as fit answers. `None` if there is no such lease.
    fn end_lease(&mut self, lease: u64, applied: &mut Applied) -> Option<()> {
        let keys = self.leases.end(lease)?;
        let mut bytes = 0;
        let mut open = false;
        for key in keys {
            bytes += ITEM_BYTES + key.len();
            if !open || bytes > self.limits.answer_bytes {
                self.revision += 1;
                (open, bytes) = (true, ITEM_BYTES + key.len());
            }
            self.delete_one(key, self.revision, &mut applied.changed);
        }
        applied.lease = Some(LeaseEvent::Ended { lease });
        Some(())
    }

    fn compact(&mut self, revision: u64, applied: &mut Applied) -> Result<Done, Refusal> {
        if revision > self.revision {
            return Err(Refusal::Future);
        }
        if revision <= self.compacted {
            return Err(Refusal::Compacted(self.compacted));
        }
        self.compact_to(revision, applied);
        Ok(Done::Compacted)
    }

    /// Forgets what is older than the limit allows.
    fn bound_history(&mut self, applied: &mut Applied) {
        let oldest = self.revision.saturating_sub(self.limits.history);
        if oldest > self.compacted {
            self.compact_to(oldest, applied);
        }
    }

    fn compact_to(&mut self, revision: u64, applied: &mut Applied) {
        assert!(self.compacted < revision && revision <= self.revision, "what is forgotten was there");
        self.table.compact(revision);
        self.compacted = revision;
        applied.compacted = Some(revision);
    }

    /// The keys that a transaction compares, writes, deletes or reads one by one, with their newest revisions.
    fn points(&self, transaction: &Transaction) -> Vec<(Blob, u64)> {
        let compared = transaction.compare.iter().map(|compare| &compare.key);
        let steps = transaction.then.iter().chain(&transaction.otherwise);
        let stepped = steps.filter_map(|step| match step {
            Step::Put { key, .. } => Some(key),
            Step::Delete(keys) | Step::Range { keys, .. } => keys.one(),
        });
        let keys: BTreeSet<&Blob> = compared.chain(stepped).collect();
        keys.into_iter().map(|key| (key.clone(), self.stamp(key))).collect()
    }
}
