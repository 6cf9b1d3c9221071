//! Migrations: a subgraph on its way from one territory to another.
//!
//! ```text
//!   begin          Stream               flip             CatchUp             Synced           Commit
//!   -----> PENDING -----> SNAPSHOT_STREAMING -> ROUTE_FLIPPED -> CATCHUP_STREAMING -> SYNC_COMPLETE -> COMMITTED
//!            |   ^ Retry        |
//!            +---+-- FAILED <---+ Fail
//! ```
//!
//! The specification's diagram leads from every state to FAILED, and from there back to PENDING. Once the route is flipped
//! the destination takes writes that the source never sees, and starting again from the source would lose them. So after the
//! flip there is only the way forward: whoever is lost then is replaced, and the log is replayed (invariant T3, defect P40).

use super::{Found, Invalid, Record, Route, create, guarded, keys, put, replace, unchanged};
use crate::rcs::message::Transaction;
use serde::{Deserialize, Serialize};

/// How far a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Nothing was moved yet.
    Pending,
    /// The snapshot is on its way.
    SnapshotStreaming,
    /// The destination is the primary; it queues writes.
    RouteFlipped,
    /// The log since the snapshot is on its way.
    CatchupStreaming,
    /// The destination has everything.
    SyncComplete,
    /// Done.
    Committed,
    /// Given up before the flip; the source is the primary.
    Failed,
}

/// The steps of a migration, the flip excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The source has taken its snapshot at this log sequence number.
    Stream {
        /// The last one that the snapshot contains.
        snapshot_lsn: u64,
    },
    /// The source or the destination was lost before the flip.
    Fail,
    /// Begin again, under the next epoch.
    Retry,
    /// The log since the snapshot is being sent.
    CatchUp,
    /// The destination has everything.
    Synced,
    /// It is done.
    Commit,
}

/// A migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// What moves.
    pub subgraph_id: String,
    /// Counts the attempts, from 1: messages of an earlier one are not heard.
    pub migration_epoch: u64,
    /// Where from.
    pub source_territory_id: String,
    /// Where to.
    pub destination_territory_id: String,
    /// How far it is.
    pub state: State,
    /// The last log sequence number in the snapshot that moves.
    pub snapshot_lsn: Option<u64>,
    /// The last one that the destination has made durable.
    pub last_acknowledged_lsn_by_dest: Option<u64>,
    /// When the record was changed last, as RFC 3339 has it.
    pub last_updated_ts: String,
}

impl Record for Migration {
    const NAME: &'static str = "migration";
}

/// Begins a migration; not done if the subgraph has one.
///
/// # Errors
/// When a name cannot be part of a key, or it would lead where it begins.
pub fn begin(subgraph: &str, from: &str, to: &str, now: &str) -> Result<Transaction, Invalid> {
    if from == to {
        return Err(Invalid(format!("subgraph {subgraph} is in {to} already")));
    }
    let record = Migration {
        subgraph_id: subgraph.to_owned(),
        migration_epoch: 1,
        source_territory_id: from.to_owned(),
        destination_territory_id: to.to_owned(),
        state: State::Pending,
        snapshot_lsn: None,
        last_acknowledged_lsn_by_dest: None,
        last_updated_ts: now.to_owned(),
    };
    Ok(create(keys::migration(subgraph)?, &record))
}

/// Takes a step; not done if the record was changed since `found`.
///
/// # Errors
/// When the step does not lead on from where the migration is.
pub fn advance(found: &Found<Migration>, step: Step, now: &str) -> Result<Transaction, Invalid> {
    let mut next = Migration { last_updated_ts: now.to_owned(), ..found.record.clone() };
    next.state = match (found.record.state, step) {
        (State::Pending, Step::Stream { snapshot_lsn }) => {
            next.snapshot_lsn = Some(snapshot_lsn);
            State::SnapshotStreaming
        }
        (State::Pending | State::SnapshotStreaming, Step::Fail) => State::Failed,
        (State::Failed, Step::Retry) => {
            next.migration_epoch = next.migration_epoch.saturating_add(1);
            (next.snapshot_lsn, next.last_acknowledged_lsn_by_dest) = (None, None);
            State::Pending
        }
        (State::RouteFlipped, Step::CatchUp) => State::CatchupStreaming,
        (State::CatchupStreaming, Step::Synced) => State::SyncComplete,
        (State::SyncComplete, Step::Commit) => State::Committed,
        (state, step) => return Err(found.astray(&format!("{step:?}"), state)),
    };
    Ok(replace(keys::migration(&next.subgraph_id)?, found, &next))
}

/// Makes the destination the primary: one transaction over the route and the migration. Not done if either was changed
/// since it was found.
///
/// # Errors
/// When the snapshot has not been sent, or the route does not lead to the source.
pub fn flip(found: &Found<Migration>, route: &Found<Route>, now: &str) -> Result<Transaction, Invalid> {
    let Migration { subgraph_id, source_territory_id, destination_territory_id, state, .. } = &found.record;
    if *state != State::SnapshotStreaming || route.record.primary_territory_id != *source_territory_id {
        return Err(found.astray("the flip", *state));
    }
    let (key, path) = (keys::migration(subgraph_id)?, keys::route(subgraph_id)?);
    let flipped = Migration { state: State::RouteFlipped, last_updated_ts: now.to_owned(), ..found.record.clone() };
    let then = vec![put(key.clone(), &flipped), put(path.clone(), &route.record.next(destination_territory_id, now)?)];
    Ok(guarded(vec![unchanged(&key, found.modified), unchanged(&path, route.modified)], key, then))
}

/// The destination has made everything up to `lsn` durable. Not done if the record was changed since `found`.
///
/// # Errors
/// When the migration is not under way, or the number would go back.
pub fn acknowledge(found: &Found<Migration>, lsn: u64, now: &str) -> Result<Transaction, Invalid> {
    let Migration { subgraph_id, state, last_acknowledged_lsn_by_dest: before, .. } = &found.record;
    let under_way = matches!(state, State::SnapshotStreaming | State::RouteFlipped | State::CatchupStreaming);
    if !under_way || before.is_some_and(|before| lsn < before) {
        return Err(found.astray(&format!("the acknowledgement of {lsn}"), *state));
    }
    let next =
        Migration { last_acknowledged_lsn_by_dest: Some(lsn), last_updated_ts: now.to_owned(), ..found.record.clone() };
    Ok(replace(keys::migration(subgraph_id)?, found, &next))
}

impl Found<Migration> {
    fn astray(&self, step: &str, state: State) -> Invalid {
        Invalid(format!("migration of {}: {step} does not lead on from {state:?}", self.record.subgraph_id))
    }
}
