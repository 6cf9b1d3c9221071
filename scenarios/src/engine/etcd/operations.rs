//! Reads and operations, each once, over etcd.

use super::retell;
use super::sessions::{self, Found, Outcome, SESSION_SECONDS};
use super::space::{Room, Space, rows_asked};
use consensus::rcs::Limits;
use consensus::rcs::message::{Answer, Done, Operation, OperationId, Read, Refusal, Step, StepDone, Transaction};
use host::gateway::etcd::{self, Etcd, EtcdError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions whose last renewal is remembered; beyond it all are forgotten, and renewed once more than needed.
const REMEMBERED: usize = 4_096;

/// What all workers share.
pub struct Service {
    etcd: Arc<Etcd>,
    space: Space,
    /// When the lease of a session was renewed last.
    renewed: Mutex<BTreeMap<u64, Instant>>,
}

/// A claim of an operation that is not a transaction.
enum Claim {
    /// It is begun now, in this revision.
    New(u64),
    /// As [`Found`].
    Found(Found),
}

impl Service {
    pub fn new(etcd: Arc<Etcd>, space: Space) -> Service {
        Service { etcd, space, renewed: Mutex::default() }
    }

    /// Reads.
    pub fn read(&self, read: &Read) -> Answer {
        let Read { keys, revision, limit, linearizable, traced: _ } = read;
        let (keys, limit) = (self.space.keys(keys), rows_asked(*limit));
        let found = self.etcd.range(&etcd::Read { keys, revision: *revision, limit, linearizable: *linearizable });
        match found {
            Ok(page) => {
                let shown = if *revision == 0 { page.revision } else { *revision };
                Answer::Range(self.space.range(page, shown, &mut Room::new()))
            }
            Err(error) => self.failed(error),
        }
    }

    /// Does an operation. `random` is for the numbers of sessions and leases.
    pub fn operate(&self, id: OperationId, operation: &Operation, random: u64) -> Answer {
        if let Err(refusal) = Limits::default().check(operation) {
            return Answer::Refused(refusal);
        }
        let answer = match operation {
            Operation::OpenSession => self.open(random),
            _ if id.number == 0 => return invalid("a session's operations are counted from 1"),
            Operation::Transact(transaction) => self.transact(id, transaction),
            Operation::Grant { ttl_ms } => self.grant(id, ttl_ms.div_ceil(1_000).max(1), random),
            Operation::Renew { lease } => self.renew(id, *lease),
            Operation::Revoke { lease } => self.revoke(id, *lease),
            Operation::Compact { revision } => self.compact(id, *revision),
        };
        if matches!(answer, Ok(Answer::Done { .. })) && *operation != Operation::OpenSession {
            self.keep(id.session);
        }
        answer.unwrap_or_else(|error| self.failed(error))
    }

    fn open(&self, random: u64) -> Result<Answer, EtcdError> {
        let session = number(random);
        self.etcd.grant(session, SESSION_SECONDS)?;
        let key = self.space.session(session);
        let then = vec![sessions::write(&key, session, 0, Outcome::None)];
        let done = self.etcd.transact(&etcd::Transaction { then, ..etcd::Transaction::default() })?;
        Ok(Answer::Done { revision: done.revision, done: Done::Session(session) })
    }

    /// One transaction of etcd: if the operation is new, the client's own transaction with the session's key written in
    /// either branch, so that a repeated question finds what became of the first.
    fn transact(&self, id: OperationId, wanted: &Transaction) -> Result<Answer, EtcdError> {
        let key = self.space.session(id.session);
        let branch = |steps: &[Step], held| {
            let mark = sessions::write(&key, id.session, id.number, Outcome::Transacted { held });
            steps.iter().map(|step| self.space.step(step)).chain([mark]).collect()
        };
        let inner = etcd::Transaction {
            compare: wanted.compare.iter().map(|compare| self.space.compare(compare)).collect(),
            then: branch(&wanted.then, true),
            otherwise: branch(&wanted.otherwise, false),
        };
        let done = match self.etcd.transact(&guarded(&key, id.number, etcd::Step::Nested(inner))) {
            Err(EtcdError::NoLease) => return self.transact_without_lease(id),
            done => done?,
        };
        match done.steps.into_iter().next() {
            Some(etcd::StepDone::Nested(inner)) => Ok(self.transacted(done.revision, inner)),
            other => self.transacted_before(id, wanted, &before(other.as_ref(), id.number)),
        }
    }

    fn transacted(&self, revision: u64, inner: etcd::Transacted) -> Answer {
        let mut room = Room::new();
        // Each revision of etcd is one transaction: before its first change the store was at the one before.
        let mut shown = revision - 1;
        let mut steps = Vec::new();
        for step in inner.steps {
            steps.push(match step {
                etcd::StepDone::Put => StepDone::Put,
                etcd::StepDone::Deleted(count) => StepDone::Deleted(count),
                etcd::StepDone::Range(page) => StepDone::Range(self.space.range(page, shown, &mut room)),
                etcd::StepDone::Nested(_) => unreachable!("a client's transaction has no other within"),
            });
            if retell::changed(steps.last()) {
                shown = revision;
            }
        }
        // The last one wrote the session's key.
        steps.pop();
        Answer::Done { revision, done: Done::Transacted { held: inner.held, steps } }
    }

    /// The same question again: the same answer again.
    fn transacted_before(&self, id: OperationId, wanted: &Transaction, found: &Found) -> Result<Answer, EtcdError> {
        match found {
            Found::Again(Outcome::Transacted { held }, revision) => {
                let branch = if *held { &wanted.then } else { &wanted.otherwise };
                match retell::steps(&self.etcd, &self.space, branch, *revision) {
                    Ok(steps) => {
                        let done = Done::Transacted { held: *held, steps };
                        Ok(Answer::Done { revision: *revision, done })
                    }
                    // What it saw is forgotten, and with it the answer.
                    Err(EtcdError::Compacted(_)) => Ok(Answer::Refused(Refusal::NoSession)),
                    Err(error) => Err(error),
                }
            }
            Found::Again(Outcome::NoLease, _) => Ok(Answer::Refused(Refusal::NoLease)),
            Found::Again(..) => Ok(other_operation(id)),
            Found::Refused(refusal) => Ok(Answer::Refused(refusal.clone())),
        }
    }

    /// etcd has refused the whole, the session's key included: what the client is told now must stay true, so it is
    /// written down.
    fn transact_without_lease(&self, id: OperationId) -> Result<Answer, EtcdError> {
        Ok(match self.claim(id, Outcome::NoLease)? {
            Claim::New(_) | Claim::Found(Found::Again(Outcome::NoLease, _)) => Answer::Refused(Refusal::NoLease),
            // It was done by the same question asked elsewhere: whoever asks again is told.
            Claim::Found(Found::Again(..)) => Answer::Retry { leader: None },
            Claim::Found(Found::Refused(refusal)) => Answer::Refused(refusal),
        })
    }

    /// Grants a lease in three steps: its number is written down, it is granted, and that is written down. A question
    /// that comes again goes on where the first one stopped.
    fn grant(&self, id: OperationId, seconds: u64, random: u64) -> Result<Answer, EtcdError> {
        let lease = match self.claim(id, Outcome::Granting { lease: number(random) })? {
            Claim::New(_) => number(random),
            Claim::Found(Found::Again(Outcome::Granting { lease }, _)) => lease,
            Claim::Found(found) => return Ok(granted_before(id, found)),
        };
        let (seconds, fresh) = match self.etcd.grant(lease, seconds) {
            Err(EtcdError::LeaseExists) => (self.etcd.renew(lease)?, false),
            granted => (granted?, true),
        };
        let key = self.space.session(id.session);
        let target = etcd::Target::Value(sessions::marker(id.number, Outcome::Granting { lease }));
        let done = self.etcd.transact(&etcd::Transaction {
            compare: vec![etcd::Compare { key: key.clone(), target, relation: etcd::Relation::Equal }],
            then: vec![sessions::write(&key, id.session, id.number, Outcome::Granted { lease, seconds })],
            otherwise: vec![etcd::Step::Range { keys: etcd::Keys::one(key), limit: 1 }],
        })?;
        if done.held {
            return Ok(granted(done.revision, lease, seconds));
        }
        if fresh {
            // The question was answered elsewhere, and its lease has ended since: it must not begin again.
            self.etcd.revoke(lease)?;
        }
        Ok(granted_before(id, before(done.steps.first(), id.number)))
    }

    fn renew(&self, id: OperationId, lease: u64) -> Result<Answer, EtcdError> {
        let revision = match self.claim(id, Outcome::Begun)? {
            Claim::New(revision) | Claim::Found(Found::Again(Outcome::Begun, revision)) => revision,
            Claim::Found(found) => return Ok(refused(id, found)),
        };
        let ttl_ms = self.etcd.renew(lease)? * 1_000;
        Ok(Answer::Done { revision, done: Done::Renewed { ttl_ms } })
    }

    fn revoke(&self, id: OperationId, lease: u64) -> Result<Answer, EtcdError> {
        let key = self.space.session(id.session);
        // A key under the lease: written only if the lease is there, and gone with it.
        let probe = etcd::Step::Put { key: [&*key, b"/revoke"].concat(), value: Vec::new(), lease };
        let claimed = match self.claim_with(id, Outcome::Begun, vec![probe]) {
            Err(EtcdError::NoLease) => return self.transact_without_lease(id),
            claimed => claimed?,
        };
        let begun = match claimed {
            Claim::New(revision) | Claim::Found(Found::Again(Outcome::Begun, revision)) => revision,
            Claim::Found(Found::Again(Outcome::NoLease, _)) => return Ok(Answer::Refused(Refusal::NoLease)),
            Claim::Found(found) => return Ok(refused(id, found)),
        };
        let revision = match self.etcd.revoke(lease) {
            // It was there when this began: the first question did it, or its time was over.
            Err(EtcdError::NoLease) => begun,
            revoked => revoked?,
        };
        Ok(Answer::Done { revision, done: Done::Revoked })
    }

    fn compact(&self, id: OperationId, revision: u64) -> Result<Answer, EtcdError> {
        let outcome = match self.compacted(revision)? {
            Some(floor) => Outcome::Forgotten { floor },
            None => Outcome::Begun,
        };
        let (now, outcome) = match self.claim(id, outcome)? {
            Claim::New(now) => (now, outcome),
            Claim::Found(Found::Again(before, now)) => (now, before),
            Claim::Found(found) => return Ok(refused(id, found)),
        };
        match outcome {
            Outcome::Forgotten { floor } => return Ok(Answer::Refused(Refusal::Compacted(floor))),
            Outcome::Begun => {}
            _ => return Ok(other_operation(id)),
        }
        match self.etcd.compact(revision) {
            // It was not when this began: the first question did it, or somebody else has gone further since.
            Err(EtcdError::Compacted(_)) => {}
            compacted => compacted?,
        }
        Ok(Answer::Done { revision: now, done: Done::Compacted })
    }

    /// The first revision that is left, if the store was compacted at `revision` or behind it.
    fn compacted(&self, revision: u64) -> Result<Option<u64>, EtcdError> {
        if revision < 2 {
            return Ok(Some(self.etcd.floor()?));
        }
        let keys = self.space.all();
        match self.etcd.range(&etcd::Read { keys, revision: revision - 1, limit: 1, linearizable: true }) {
            Err(EtcdError::Compacted(_)) => self.etcd.floor().map(Some),
            Err(error) if error != EtcdError::Future => Err(error),
            _ => Ok(None),
        }
    }

    /// Begins an operation that is not a transaction, or says what became of it.
    fn claim(&self, id: OperationId, outcome: Outcome) -> Result<Claim, EtcdError> {
        self.claim_with(id, outcome, Vec::new())
    }

    /// The same with further steps, if it is new.
    fn claim_with(&self, id: OperationId, outcome: Outcome, steps: Vec<etcd::Step>) -> Result<Claim, EtcdError> {
        let key = self.space.session(id.session);
        let mut wanted = guarded(&key, id.number, sessions::write(&key, id.session, id.number, outcome));
        wanted.then.extend(steps);
        let done = self.etcd.transact(&wanted)?;
        Ok(if done.held { Claim::New(done.revision) } else { Claim::Found(before(done.steps.first(), id.number)) })
    }

    /// Keeps the session from being forgotten.
    fn keep(&self, session: u64) {
        // Nothing panics while it holds the lock.
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = |at: &Instant| at.elapsed() > Duration::from_secs(SESSION_SECONDS / 4);
        if !renewed.get(&session).is_none_or(long_ago) {
            return;
        }
        if renewed.len() >= REMEMBERED {
            renewed.clear();
        }
        renewed.insert(session, Instant::now());
        drop(renewed);
        // One that fails is followed by the next; a session that is gone needs none.
        let _ = self.etcd.renew(session);
    }

    fn failed(&self, error: EtcdError) -> Answer {
        match error {
            EtcdError::Compacted(0) => match self.etcd.floor() {
                Ok(floor) => Answer::Refused(Refusal::Compacted(floor)),
                Err(_) => Answer::Retry { leader: None },
            },
            EtcdError::Compacted(floor) => Answer::Refused(Refusal::Compacted(floor)),
            EtcdError::Future => Answer::Refused(Refusal::Future),
            EtcdError::NoLease => Answer::Refused(Refusal::NoLease),
            EtcdError::Invalid(why) => Answer::Refused(Refusal::Invalid(why)),
            EtcdError::Unavailable(_) | EtcdError::LeaseExists => Answer::Retry { leader: None },
        }
    }
}

/// Does `step` if operation `number` is new to the session with that key, else reads the key.
fn guarded(key: &[u8], number: u64, step: etcd::Step) -> etcd::Transaction {
    let look = etcd::Step::Range { keys: etcd::Keys::one(key), limit: 1 };
    etcd::Transaction { compare: vec![sessions::is_new(key, number)], then: vec![step], otherwise: vec![look] }
}

/// What the session's key said when the operation was not new.
fn before(step: Option<&etcd::StepDone>, number: u64) -> Found {
    match step {
        Some(etcd::StepDone::Range(page)) => sessions::found(page.rows.first(), number),
        _ => Found::Refused(Refusal::NoSession),
    }
}

fn granted(revision: u64, lease: u64, seconds: u64) -> Answer {
    Answer::Done { revision, done: Done::Granted { lease, ttl_ms: seconds * 1_000 } }
}

fn granted_before(id: OperationId, found: Found) -> Answer {
    match found {
        Found::Again(Outcome::Granted { lease, seconds }, revision) => granted(revision, lease, seconds),
        found => refused(id, found),
    }
}

fn refused(id: OperationId, found: Found) -> Answer {
    match found {
        Found::Refused(refusal) => Answer::Refused(refusal),
        Found::Again(..) => other_operation(id),
    }
}

fn other_operation(id: OperationId) -> Answer {
    invalid(&format!("operation {} of this session was another one", id.number))
}

fn invalid(why: &str) -> Answer {
    Answer::Refused(Refusal::Invalid(why.to_owned()))
}

/// A number for a session or a lease: etcd's are positive and signed.
fn number(random: u64) -> u64 {
    (random >> 1).max(1)
}
