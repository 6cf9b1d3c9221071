//! The event ledger: append-only lines that survive what they were acknowledged for (G1, G2, G3).
//!
//! | to | call | under the lock |
//! |---|---|---|
//! | add events | [`append()`] | `events` |
//! | know that the end is sound, and make it so | [`catch_up`] | `events` |
//! | read | [`read()`], page by page | none |
//! | check every line | [`verify`] | none |
//!
//! A batch of events is one write and one sync. It is *settled* when the sync has succeeded and the [`watermark`] says
//! so; then it is acknowledged, and no repair touches it again. What lies behind the watermark of this boot was never
//! acknowledged: the next holder of the lock cuts it off, whoever left it there. In a boot without a watermark nobody
//! has written yet; what a power loss left is judged by its bytes ([`batch`]).
//!
//! ```text
//!                write                sync              watermark, answer
//!   settled  ------------> written ---------> durable ------------------> settled
//!      ^                      | fails            | fails
//!      |  truncate, sync      |                  |
//!      +----------------------+                  +--> unknown: whoever locks next cuts it off
//! ```
//!
//! Departures from spec 002: lines have a batch and a checksum, since a line that parses proves nothing about those
//! before it; and the end of what is durable is written down, since a new holder cannot see it in the page cache.

mod append;
pub mod batch;
pub mod line;
mod read;
mod settle;
pub mod watermark;

pub use append::{AppendError, Appended, append};
pub use line::{Event, NewEvent, Unfit};
pub use read::{Cursor, Page, Verified, read, verify};
pub use settle::{Tail, catch_up, forget, replaced};

use crate::turn::{Step, Turn};
use contract::{DiskError, mark};
use std::fmt;

/// The domain of the lock under which the ledger is changed.
pub const DOMAIN: &str = "events";

/// Why the ledger could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// The disk refused; ask again.
    Disk {
        /// Which file it was about.
        path: String,
        /// What it said.
        error: DiskError,
    },
    /// Bytes that were durable are not there any more, or not as they were. Nothing was cut: restore a snapshot.
    Damaged {
        /// The ledger.
        path: String,
        /// The first byte that cannot be read as it was written.
        at: u64,
    },
    /// The file is another one than the reader began with; begin again.
    Replaced {
        /// The ledger.
        path: String,
    },
    /// The events cannot be written as they are.
    Unfit(Unfit),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Disk { path, error } => write!(f, "{path}: {error}"),
            LedgerError::Damaged { path, at } => write!(f, "LEDGER_DAMAGED: {path} is damaged at byte {at}"),
            LedgerError::Replaced { path } => write!(f, "{path} was replaced while it was read"),
            LedgerError::Unfit(unfit) => write!(f, "{unfit}"),
        }
    }
}

impl std::error::Error for LedgerError {}

/// The value of a call, or out of the operation with the call's error made one of its own.
macro_rules! attempt {
    ($call:expr, $error:expr) => {
        match $call? {
            Ok(value) => value,
            Err(error) => return Ok(Err($error(error))),
        }
    };
}
use attempt;

/// Damage is a fact whoever finds it.
fn tell_damage(turn: &mut Turn<'_>, error: &LedgerError) -> Step<()> {
    match error {
        LedgerError::Damaged { path, at } => turn.mark(mark!("ledger.damaged", ledger = path.as_str(), at = *at)),
        _ => Ok(()),
    }
}

/// Says which file a disk error is about.
fn on(path: &str) -> impl Fn(DiskError) -> LedgerError + '_ {
    move |error| LedgerError::Disk { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
