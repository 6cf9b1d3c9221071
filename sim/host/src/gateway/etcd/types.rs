//! etcd's questions and answers as plain data. Revisions, versions and leases are never negative in etcd: `u64` here.

use std::fmt;

/// Some keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The first.
    pub first: Vec<u8>,
    /// The first one behind them; `None` for the one key `first`.
    pub end: Option<Vec<u8>>,
}

impl Keys {
    /// One key.
    pub fn one(key: impl Into<Vec<u8>>) -> Keys {
        Keys { first: key.into(), end: None }
    }

    /// All keys that begin so; at least one byte of the beginning is below 255.
    pub fn beginning_with(prefix: impl Into<Vec<u8>>) -> Keys {
        let first = prefix.into();
        let kept = first.iter().rposition(|&byte| byte < u8::MAX);
        let kept = kept.expect("a beginning of nothing but 255 has no end"); // what the caller has promised
        let mut end = first[..=kept].to_vec();
        end[kept] += 1;
        Keys { first, end: Some(end) }
    }
}

/// If all comparisons hold, `then` is done, else `otherwise`; the changes make one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// All must hold.
    pub compare: Vec<Compare>,
    /// In order; etcd refuses to change a key twice.
    pub then: Vec<Step>,
    /// In order.
    pub otherwise: Vec<Step>,
}

/// A statement about one key; one that is not there has the revisions, version and lease 0 and no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: Vec<u8>,
    /// Left and right side.
    pub target: Target,
    /// How they relate.
    pub relation: Relation,
}

/// A property of a key and what it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The revision that created it.
    Created(u64),
    /// The revision that changed it last.
    Modified(u64),
    /// Writes since it was created.
    Version(u64),
    /// Its value, in the order of bytes.
    Value(Vec<u8>),
    /// Its lease.
    Lease(u64),
}

/// Of the property to the given value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// The lease that deletes it; 0 for none.
        lease: u64,
    },
    /// Deletes keys.
    Delete(Keys),
    /// Reads keys as the steps before have left them.
    Range {
        /// Which.
        keys: Keys,
        /// At most so many; 0 for all.
        limit: u64,
    },
    /// A transaction within this one.
    Nested(Transaction),
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transacted {
    /// The store's revision after it; of a nested one 0, for it has no other than the outer.
    pub revision: u64,
    /// Whether the comparisons held.
    pub held: bool,
    /// One for each step that was taken.
    pub steps: Vec<StepDone>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepDone {
    /// Written.
    Put,
    /// So many were deleted.
    Deleted(u64),
    /// Read.
    Range(Range),
    /// The transaction within.
    Nested(Transacted),
}

/// A read outside of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which keys.
    pub keys: Keys,
    /// As of this revision; 0 for the newest.
    pub revision: u64,
    /// At most so many; 0 for all.
    pub limit: u64,
    /// Whether it sees every write that ended before it began; if not, the server answers from what it has.
    pub linearizable: bool,
}

/// Rows in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The store's revision; 0 within a nested transaction.
    pub revision: u64,
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether there are more than the limit let through.
    pub more: bool,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The revision that created it.
    pub created: u64,
    /// The revision that changed it last.
    pub modified: u64,
    /// Writes since it was created, from 1.
    pub version: u64,
    /// Its lease; 0 for none.
    pub lease: u64,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Written.
    Put(Row),
    /// Deleted.
    Deleted {
        /// The key.
        key: Vec<u8>,
        /// When.
        revision: u64,
    },
}

impl Event {
    /// Which key.
    pub fn key(&self) -> &[u8] {
        match self {
            Event::Put(row) => &row.key,
            Event::Deleted { key, .. } => key,
        }
    }

    /// At which revision.
    pub fn revision(&self) -> u64 {
        match self {
            Event::Put(row) => row.modified,
            Event::Deleted { revision, .. } => *revision,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdError {
    /// No answer came, or one that promises nothing. What was to be changed may have been changed.
    Unavailable(String),
    /// What was before this revision is forgotten; 0 where etcd does not say which.
    Compacted(u64),
    /// The store has not reached that revision.
    Future,
    /// There is no such lease.
    NoLease,
    /// There is such a lease already.
    LeaseExists,
    /// etcd never does this.
    Invalid(String),
}

impl fmt::Display for EtcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EtcdError::Unavailable(why) => write!(f, "etcd gave no answer: {why}"),
            EtcdError::Compacted(0) => f.write_str("etcd has forgotten that revision"),
            EtcdError::Compacted(floor) => write!(f, "etcd has forgotten what was before revision {floor}"),
            EtcdError::Future => f.write_str("etcd has not reached that revision"),
            EtcdError::NoLease => f.write_str("etcd knows no such lease"),
            EtcdError::LeaseExists => f.write_str("etcd has such a lease already"),
            EtcdError::Invalid(why) => write!(f, "etcd refuses this: {why}"),
        }
    }
}

impl std::error::Error for EtcdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_ends_at_the_next_one() {
        let keys = |prefix: &[u8]| Keys::beginning_with(prefix).end.unwrap();
        assert_eq!(keys(b"a/"), b"a0");
        assert_eq!(keys(b"a\xff\xff"), b"b");
    }
}
