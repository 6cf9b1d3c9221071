//! What the edge keeps in files, for `stormproof exhaust`: the real actors on a disk of their own.
//!
//! | protocol | code under test | a promise |
//! |---|---|---|
//! | [`BufferFiles`] | [`crate::buffer`] and [`crate::storage`]: append, rotate, drain, quarantine, commit, boot | an accepted record is found until the primary has it (E1, E3) |
//! | [`LedgerFiles`] | [`crate::ledger`]: append, repair at boot | an applied record is found once, at its number (E2) |

mod buffer;
mod host;
mod ledger;

pub use buffer::BufferFiles;
pub use ledger::LedgerFiles;

use crate::message::Record;

/// Payloads, in bytes: one whose batch fits into a sector, one whose batch does not.
const SIZES: [usize; 2] = [8, 700];

/// A record that a client hands in.
fn record(id: u64, bytes: usize) -> Record {
    Record { id, taken_at: contract::Wall::default(), payload: vec![id as u8; bytes].into() }
}
