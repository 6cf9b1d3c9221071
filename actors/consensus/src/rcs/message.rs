//! The wire of the Routing Coordination Service: etcd's data model, request by request.
//!
//! The same messages are served by our own replicas and by a gateway to a real etcd. A watch is a question that waits
//! for its answer (a long poll): the asker says from which revision on, the answer says up to which revision it is
//! complete. Loss, repetition and reordering of messages then cannot make a gap.

use contract::{Addr, Blob, message};
use serde::{Deserialize, Serialize};

/// One request of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names this request in the answer; a repetition carries the same one.
    pub call: u64,
    /// Where the answer goes.
    pub reply_to: Addr<Reply>,
    /// The question.
    pub ask: Ask,
}
message!(Request = "rcs.request/1");

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub call: u64,
    /// The answer.
    pub answer: Answer,
}
message!(Reply = "rcs.reply/1");

/// The questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Something that goes through the log. What it does, it does once, however often it is asked.
    Do {
        /// Which operation this is.
        id: OperationId,
        /// What is to be done.
        operation: Operation,
    },
    /// Read.
    Read(Read),
    /// Tell me of changes.
    Watch(Watch),
}

/// An operation of a session, so that a repeated one is recognised (Ongaro's thesis, section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperationId {
    /// As [`Done::Session`] gave it; for [`Operation::OpenSession`] a random number.
    pub session: u64,
    /// Counts the session's operations from 1. One at a time: asking for the next one gives up the one before.
    pub number: u64,
    /// The operation of the client's history that this is, for oracles; 0 for none. It decides nothing.
    pub traced: u64,
}

/// What goes through the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Begin a session. A repeated question may open two; the unused one is forgotten in time.
    OpenSession,
    /// Compare and change, all or nothing.
    Transact(Transaction),
    /// Begin a lease.
    Grant {
        /// How long it lasts without being renewed, in milliseconds; the replicas may raise it to their least.
        ttl_ms: u64,
    },
    /// Begin the lease's time anew.
    Renew {
        /// The lease.
        lease: u64,
    },
    /// End the lease and delete its keys.
    Revoke {
        /// The lease.
        lease: u64,
    },
    /// Forget what keys were before this revision.
    Compact {
        /// The first revision at which the store can still be read.
        revision: u64,
    },
}

/// If all comparisons hold, `then` is done, else `otherwise`; all its changes make one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// All must hold; none always hold.
    pub compare: Vec<Compare>,
    /// In order; no key is changed twice.
    pub then: Vec<Step>,
    /// In order; no key is changed twice.
    pub otherwise: Vec<Step>,
}

/// A statement about one key. A key that is not there has the revisions and the version 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    pub key: Blob,
    /// Which of its properties, and what it is compared with.
    pub target: Target,
    /// How.
    pub relation: Relation,
}

/// A property of a key and the value that it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The revision that created it.
    Created(u64),
    /// The revision that changed it last.
    Modified(u64),
    /// How often it was written since it was created.
    Version(u64),
    /// Its value; a key that is not there fails every comparison of values.
    Value(Blob),
    /// Its lease; 0 for none.
    Lease(u64),
}

/// A relation between a property (left) and the given value (right).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Write a key.
    Put {
        /// The key; not empty.
        key: Blob,
        /// The value.
        value: Blob,
        /// The lease that deletes it when it ends; 0 for none.
        lease: u64,
    },
    /// Delete keys.
    Delete(Keys),
    /// Read keys as the steps before have left them.
    Range {
        /// Which.
        keys: Keys,
        /// At most so many; 0 for as many as fit an answer.
        limit: u64,
    },
}

/// Some keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keys {
    /// This one.
    One(Blob),
    /// All that begin so; all of them if it is empty.
    Prefix(Blob),
    /// From the first, included, to the second, not included.
    Between(Blob, Blob),
}

/// A read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Which keys.
    pub keys: Keys,
    /// As of this revision; 0 for the newest.
    pub revision: u64,
    /// At most so many; 0 for as many as fit an answer.
    pub limit: u64,
    /// Whether it must see every write that ended before it began. If not, any replica answers from what it has.
    pub linearizable: bool,
    /// The operation of the client's history that this is, for oracles; 0 for none.
    pub traced: u64,
}

/// A long poll for changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Of which keys.
    pub keys: Keys,
    /// The first revision that the asker has not seen.
    pub from: u64,
    /// At most so many changes; those of one revision are never parted.
    pub limit: u64,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The operation was done. `revision` is the store's after it.
    Done {
        /// The store's revision when it was done.
        revision: u64,
        /// What came of it.
        done: Done,
    },
    /// The answer to a read.
    Range(Range),
    /// The answer to a watch. `from` repeats the question.
    Changes {
        /// The first revision that was asked for.
        from: u64,
        /// Every change in `from..=until` of the watched keys is in `changes`, and nothing else: ask on from `until + 1`.
        until: u64,
        /// In the order of revisions.
        changes: Vec<Change>,
    },
    /// Not done, and it will not be.
    Refused(Refusal),
    /// Not this replica, or not now: ask again, here or elsewhere. A write may still be done.
    Retry {
        /// The slot of the leader, as far as this replica knows.
        leader: Option<u32>,
    },
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// The session.
    Session(u64),
    /// The transaction.
    Transacted {
        /// Whether the comparisons held.
        held: bool,
        /// An answer for each step that was taken, in order.
        steps: Vec<StepDone>,
    },
    /// A lease; its number never comes again.
    Granted {
        /// Names it.
        lease: u64,
        /// In milliseconds.
        ttl_ms: u64,
    },
    /// The lease goes on for its time to live from the moment at which the question was sent.
    Renewed {
        /// In milliseconds.
        ttl_ms: u64,
    },
    /// The lease is gone.
    Revoked,
    /// What was before is forgotten.
    Compacted,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepDone {
    /// Written.
    Put,
    /// So many keys were deleted.
    Deleted(u64),
    /// What was read.
    Range(Range),
}

/// Some keys with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The revision that this shows.
    pub revision: u64,
    /// In the order of the keys.
    pub rows: Vec<Row>,
    /// Whether there are more keys than were given; ask on behind the last one, at the same revision.
    pub more: bool,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key.
    pub key: Blob,
    /// The value.
    pub value: Blob,
    /// The revision that created it; the fencing token of whoever created it as a lock.
    pub created: u64,
    /// The revision that changed it last.
    pub modified: u64,
    /// How often it was written since it was created, from 1.
    pub version: u64,
    /// Its lease; 0 for none.
    pub lease: u64,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Written.
    Put(Row),
    /// Deleted, by a request or by the end of its lease.
    Deleted {
        /// The key.
        key: Blob,
        /// The revision.
        revision: u64,
    },
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// What was before this revision is forgotten; read or watch from here on, after reading everything anew.
    Compacted(u64),
    /// The store has not reached that revision.
    Future,
    /// There is no such lease: it has ended.
    NoLease,
    /// There is no such session: it was forgotten. Whether the operation was done before is not known.
    NoSession,
    /// The session has asked for a later operation already.
    Overtaken,
    /// It cannot be done as it is written: too long, an empty key, a key changed twice. Asking again is useless.
    Invalid(String),
}
