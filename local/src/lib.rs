//! The workspace on this machine's disk, for programs that use no simulator.
//!
//! ```no_run
//! use local::{NewEvent, Workspace};
//!
//! # fn main() -> Result<(), local::Error> {
//! let workspace = Workspace::init(std::path::Path::new("accounts.workspace"))?;
//! let event = NewEvent { domain: "tx".into(), key: "order-7".into(), payload: r#"{"sum":3}"#.into() };
//! let first = workspace.append(&[event])?; // It is on the disk now.
//! workspace.save("totals", &serde_json::json!({ "sum": 3 }))?;
//! let lock = workspace.lock("report")?; // No other process has it.
//! lock.release()?;
//! # Ok(())
//! # }
//! ```
//!
//! What is promised is what [`workspace`] promises: this crate runs the same functions, each to its end, and adds what
//! only a program needs.
//!
//! | module | adds |
//! |---|---|
//! | [`append`] | group commit: threads that append at the same time share one write and one sync |
//! | [`admin`] | status, verification, repair, snapshots, migrations |
//! | [`projection`] | the ledger as a table in SQLite, derived and never the truth |
//! | `cli` | `stormproof workspace`, with the feature `cli` |
//!
//! A [`Workspace`] may be shared by threads; several processes may open the same directory. A process that is killed
//! holds up the others only until they see that it is gone.

// The one place where the workspace meets threads, clocks and files of this machine.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod admin;
pub mod append;
#[cfg(feature = "cli")]
pub mod cli;
mod error;
mod hand;
mod open;
#[cfg(feature = "projection")]
pub mod projection;

pub use ::workspace::atomic::{Durability, Loaded, Saved};
pub use ::workspace::ledger::{Cursor, Event, NewEvent, Page};
pub use error::Error;
pub use open::{Lock, Options, Workspace};

/// What this program calls itself in files that it writes.
pub const TOOL: &str = concat!("stormproof ", env!("CARGO_PKG_VERSION"));
