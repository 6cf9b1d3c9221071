//! What a workspace keeps in files, for `stormproof exhaust`: the real operations on a disk of their own.
//!
//! | protocol | code under test | a promise |
//! |---|---|---|
//! | [`LedgerFiles`] | [`crate::ledger`]: append, take back, repair, read | what was appended is found, once and in its order; what was refused is not (G1, G2, G3) |
//! | [`SaveFiles`] | [`crate::atomic`]: save, load | a saved version is found whole, and never an older one (A1, A2, A3) |
//! | [`LockFiles`] | [`mod@crate::lock`]: acquire, release, takeover, sweep | a dead holder's lock is taken, and leaves nothing (L3, A4) |
//! | [`RestoreFiles`] | [`crate::snapshot`]: take, verify, restore, sweep | a snapshot is whole or none; a restore is done or not begun |
//! | [`MigrateFiles`] | [`mod@crate::format::migrate`] | no event is lost, and what is up to date stays so |
//!
//! Each restart is another process of the same machine. What the protocols never make durable themselves, since nothing
//! depends on it (watermarks, tickets, locks), is taken for written back when the next operation or the next step of a
//! restart begins: otherwise the states of all earlier ones would multiply.

mod alone;
mod ledger;
mod lock;
mod migrate;
mod restore;
mod save;

pub use ledger::LedgerFiles;
pub use lock::LockFiles;
pub use migrate::MigrateFiles;
pub use restore::RestoreFiles;
pub use save::SaveFiles;

/// Payloads, in bytes: one that fits into a sector, one that does not.
const SIZES: [usize; 2] = [8, 700];
