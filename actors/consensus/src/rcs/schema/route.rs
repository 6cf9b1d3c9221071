//! Routes: which territory is the primary of a subgraph.

use super::{Found, Invalid, Record, create, keys, remove, replace};
use crate::rcs::message::Transaction;
use serde::{Deserialize, Serialize};

/// Where a subgraph lives (specification 001, "RCS Key-Value Schema").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The primary.
    pub primary_territory_id: String,
    /// Counts the changes of this route, from 1. A holder of a higher one refuses whoever comes with a lower one.
    pub version: u64,
    /// When it was changed last, as RFC 3339 has it.
    pub last_updated_ts: String,
}

impl Record for Route {
    const NAME: &'static str = "route";
}

/// The first route of a subgraph; not done if it has one.
///
/// # Errors
/// When the subgraph cannot be part of a key.
pub fn register(subgraph: &str, territory: &str, now: &str) -> Result<Transaction, Invalid> {
    Ok(create(keys::route(subgraph)?, &first(territory, now)))
}

/// Makes `territory` the primary; not done if the route was changed since `found`.
///
/// # Errors
/// When the subgraph cannot be part of a key.
pub fn flip(subgraph: &str, found: &Found<Route>, territory: &str, now: &str) -> Result<Transaction, Invalid> {
    Ok(replace(keys::route(subgraph)?, found, &found.record.next(territory, now)?))
}

/// Ends the route; not done if it was changed since `found`.
///
/// # Errors
/// When the subgraph cannot be part of a key.
pub fn retire(subgraph: &str, found: &Found<Route>) -> Result<Transaction, Invalid> {
    Ok(remove(keys::route(subgraph)?, found))
}

fn first(territory: &str, now: &str) -> Route {
    Route { primary_territory_id: territory.to_owned(), version: 1, last_updated_ts: now.to_owned() }
}

impl Route {
    /// The route after a flip to `territory`.
    pub(super) fn next(&self, territory: &str, now: &str) -> Result<Route, Invalid> {
        let Some(version) = self.version.checked_add(1) else {
            return Err(Invalid("the route's version cannot rise any more".to_owned()));
        };
        Ok(Route { version, ..first(territory, now) })
    }
}
