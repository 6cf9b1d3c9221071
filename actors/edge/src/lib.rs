//! Edge custody: records taken at the point of origin reach the primary ledger exactly once (spec 000).
//!
//! ```text
//! client --ingest--> buffer --drain--> worker --uplink--> uplink --ledger--> primary's ledger
//!                    active, quarantine,                  up and down        dedups on the record id
//!                    staging, volatile errors
//! ```
//!
//! Invariants, by the ids that oracles report:
//!
//! | id | invariant | kept by |
//! |---|---|---|
//! | E1 | an accepted record is always in active, quarantine, staging or the ledger | [`buffer`]: the ack follows the sync; the commit aborts on doubt |
//! | E2 | an accepted record is in the ledger exactly once at quiescence | [`ledger`]: ids are kept with the data |
//! | E3 | staging is unlinked only when all its records are durable elsewhere | [`buffer`]: one gate for drain and commit |
//!
//! The actors' own states: a buffer's gate is free or held by one pass ([`gate`]); an uplink is up or
//! down ([`uplink`]); a worker is idle, opening, delivering or committing ([`worker`]); a log is sound,
//! torn or sealed ([`storage`]).

pub mod buffer;
pub mod files;
pub mod gate;
pub mod ledger;
pub mod message;
pub mod places;
pub mod planted;
pub mod roles;
pub mod spec;
pub mod storage;
pub mod uplink;
pub mod worker;
pub mod workload;

pub use roles::roles;
