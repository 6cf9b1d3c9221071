//! The keys and values of the specification, and the transactions that change them: nothing is written that another
//! has changed since it was read.
//!
//! | key | value | who |
//! |---|---|---|
//! | `routes/subgraphs/{subgraph}` | [`Route`] | where a subgraph lives ([`route`]) |
//! | `snapshots/{territory}/{snapshot}` | [`Snapshot`] | a snapshot and how far it is ([`snapshot`]) |
//! | `latest/{territory}` | [`Latest`] | the territory's committed snapshot: at most one, since this is one key |
//! | `migrations/{subgraph}` | [`Migration`] | a subgraph on its way ([`migration`]) |
//! | `elections/{name}` | who won | a lock: there while its winner's lease runs ([`election`]) |
//!
//! Values are JSON. Dates in them are texts of their writers' clocks; nothing is decided by them.

pub mod election;
pub mod keys;
pub mod migration;
pub mod route;
pub mod snapshot;

pub use election::Guard;
pub use keys::Invalid;
pub use migration::Migration;
pub use route::Route;
pub use snapshot::{Latest, Snapshot};

use super::message::{Answer, Compare, Done, Keys, Relation, Row, Step, StepDone, Target, Transaction};
use contract::Blob;
use serde::{Serialize, de::DeserializeOwned};

/// A value of this schema.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is called where it cannot be read.
    const NAME: &'static str;
}

/// A record as it was read: what a swap is conditioned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// The record.
    pub record: T,
    /// The revision that wrote it.
    pub modified: u64,
}

/// What came of a transaction of this schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap<T> {
    /// It was done, in this revision.
    Made {
        /// The revision that wrote what it writes.
        revision: u64,
    },
    /// Nothing was done: this is what is there.
    Lost(Option<Found<T>>),
}

impl<T: Record> Found<T> {
    /// Reads a record.
    ///
    /// # Errors
    /// When the value is not one; the message names the key.
    pub fn read(row: &Row) -> Result<Found<T>, Invalid> {
        match serde_json::from_slice(&row.value) {
            Ok(record) => Ok(Found { record, modified: row.modified }),
            Err(why) => Err(Invalid(format!("{} is not a {}: {why}", row.key.escape_ascii(), T::NAME))),
        }
    }
}

impl<T: Record> Swap<T> {
    /// Reads the answer to a transaction of this schema about a `T`.
    ///
    /// # Errors
    /// When it was refused, answers something else, or what is there cannot be read.
    pub fn read(answer: &Answer) -> Result<Swap<T>, Invalid> {
        match answer {
            Answer::Done { revision, done: Done::Transacted { held: true, .. } } => {
                Ok(Swap::Made { revision: *revision })
            }
            Answer::Done { done: Done::Transacted { held: false, steps }, .. } => match &steps[..] {
                [StepDone::Range(range)] => Ok(Swap::Lost(range.rows.first().map(Found::read).transpose()?)),
                _ => Err(Invalid("the answer to another transaction".to_owned())),
            },
            other => Err(Invalid(format!("not done: {other:?}"))),
        }
    }
}

/// Writes `record` at a key that is not there.
fn create<T: Record>(key: Blob, record: &T) -> Transaction {
    let absent = Compare { key: key.clone(), target: Target::Created(0), relation: Relation::Equal };
    guarded(vec![absent], key.clone(), vec![put(key, record)])
}

/// Writes `record` over what was found.
fn replace<T: Record>(key: Blob, found: &Found<T>, record: &T) -> Transaction {
    guarded(vec![unchanged(&key, found.modified)], key.clone(), vec![put(key, record)])
}

/// Deletes what was found.
fn remove<T: Record>(key: Blob, found: &Found<T>) -> Transaction {
    guarded(vec![unchanged(&key, found.modified)], key.clone(), vec![Step::Delete(Keys::One(key))])
}

/// `then` if all of `compare` hold, else a look at `key`.
fn guarded(compare: Vec<Compare>, key: Blob, then: Vec<Step>) -> Transaction {
    Transaction { compare, then, otherwise: vec![Step::Range { keys: Keys::One(key), limit: 0 }] }
}

/// The key was not changed since `modified`; 0 for a key that is not there.
fn unchanged(key: &Blob, modified: u64) -> Compare {
    Compare { key: key.clone(), target: Target::Modified(modified), relation: Relation::Equal }
}

fn put<T: Record>(key: Blob, record: &T) -> Step {
    // Records are structures of texts and numbers, all of which JSON can say.
    let value = serde_json::to_vec(record).unwrap_or_else(|why| unreachable!("a {} has its JSON: {why}", T::NAME));
    Step::Put { key, value: value.into(), lease: 0 }
}
