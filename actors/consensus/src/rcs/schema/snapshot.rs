//! Snapshots: from the first byte uploaded to the last one collected.
//!
//! ```text
//!   begin           verify            commit             the next commit      collect
//!   -----> UPLOADING ----> VERIFYING ------> COMMITTED ----------> SUPERSEDED ----> (gone)
//!              |               |  collect
//!              +---------------+--------> (gone)
//! ```
//!
//! A commit is one transaction over the new record, the one before it and `latest/{territory}`, so that a territory has
//! exactly one committed snapshot from the first commit on (specification 001; invariant S2).

use super::{Found, Invalid, Record, create, guarded, keys, put, remove, replace, unchanged};
use crate::rcs::message::Transaction;
use serde::{Deserialize, Serialize};

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Its object may be there in part.
    Uploading,
    /// Its object is whole, and is being read back.
    Verifying,
    /// It is the one to recover from.
    Committed,
    /// A newer one is; its object may be collected after a while.
    Superseded,
}

/// A snapshot of a territory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Whose state it is.
    pub territory_id: String,
    /// Names it for good.
    pub snapshot_uuid: String,
    /// How far it is.
    pub state: State,
    /// The last log sequence number that it contains.
    pub lsn: u64,
    /// Where the object is, from [`State::Verifying`] on.
    pub object: Option<Object>,
    /// When the record was changed last, as RFC 3339 has it.
    pub last_updated_ts: String,
}

/// The object that holds a snapshot's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name in the object store.
    pub location: String,
    /// Its checksum, as the object store's user computes it.
    pub checksum: String,
    /// Its length.
    pub bytes: u64,
}

/// Which snapshot of a territory is the committed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Its name.
    pub snapshot_uuid: String,
}

impl Record for Snapshot {
    const NAME: &'static str = "snapshot";
}

impl Record for Latest {
    const NAME: &'static str = "latest snapshot";
}

/// Begins a snapshot; not done if there is one of that name.
///
/// # Errors
/// When a name cannot be part of a key.
pub fn begin(territory: &str, snapshot: &str, lsn: u64, now: &str) -> Result<Transaction, Invalid> {
    let record = Snapshot {
        territory_id: territory.to_owned(),
        snapshot_uuid: snapshot.to_owned(),
        state: State::Uploading,
        lsn,
        object: None,
        last_updated_ts: now.to_owned(),
    };
    Ok(create(keys::snapshot(territory, snapshot)?, &record))
}

/// The object is whole; not done if the record was changed since `found`.
///
/// # Errors
/// When it is not being uploaded, or a name cannot be part of a key.
pub fn verify(found: &Found<Snapshot>, object: Object, now: &str) -> Result<Transaction, Invalid> {
    let verifying = found.step(State::Uploading, State::Verifying, Some(object), now)?;
    Ok(replace(found.record.key()?, found, &verifying))
}

/// The object was read back and is right: from now on this is the one to recover from, and the one before it is
/// superseded. Not done if any of the three was changed since it was found.
///
/// # Errors
/// When it is not being verified, when `before` is not the committed one that `latest` names, or when a name cannot be part
/// of a key.
pub fn commit(
    found: &Found<Snapshot>,
    latest: Option<&Found<Latest>>,
    before: Option<&Found<Snapshot>>,
    now: &str,
) -> Result<Transaction, Invalid> {
    let committed = found.step(State::Verifying, State::Committed, found.record.object.clone(), now)?;
    let named = latest.map(|latest| (&found.record.territory_id, &latest.record.snapshot_uuid));
    if named != before.map(|before| (&before.record.territory_id, &before.record.snapshot_uuid)) {
        return Err(Invalid("the snapshot before is not the one that is committed: read both again".to_owned()));
    }
    let (key, pointer) = (found.record.key()?, keys::latest(&found.record.territory_id)?);
    let mut compare =
        vec![unchanged(&key, found.modified), unchanged(&pointer, latest.map_or(0, |latest| latest.modified))];
    let name = Latest { snapshot_uuid: committed.snapshot_uuid.clone() };
    let mut then = vec![put(key.clone(), &committed), put(pointer, &name)];
    if let Some(before) = before {
        let superseded = before.step(State::Committed, State::Superseded, before.record.object.clone(), now)?;
        compare.push(unchanged(&superseded.key()?, before.modified));
        then.push(put(superseded.key()?, &superseded));
    }
    Ok(guarded(compare, key, then))
}

/// The object is gone, or never came to be: the record goes, too. Not done if it was changed since `found`.
///
/// # Errors
/// When it is the committed one, or a name cannot be part of a key.
pub fn collect(found: &Found<Snapshot>) -> Result<Transaction, Invalid> {
    if found.record.state == State::Committed {
        return Err(Invalid(format!("snapshot {} is the committed one", found.record.snapshot_uuid)));
    }
    Ok(remove(found.record.key()?, found))
}

impl Snapshot {
    fn key(&self) -> Result<contract::Blob, Invalid> {
        keys::snapshot(&self.territory_id, &self.snapshot_uuid)
    }
}

impl Found<Snapshot> {
    fn step(&self, from: State, to: State, object: Option<Object>, now: &str) -> Result<Snapshot, Invalid> {
        let Snapshot { snapshot_uuid, state, .. } = &self.record;
        if *state != from {
            return Err(Invalid(format!(
                "snapshot {snapshot_uuid} is {state:?}, and only from {from:?} becomes {to:?}"
            )));
        }
        Ok(Snapshot { state: to, object, last_updated_ts: now.to_owned(), ..self.record.clone() })
    }
}
