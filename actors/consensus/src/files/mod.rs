//! What consensus keeps in files, for `stormproof exhaust`: the real append process on a disk of its own.
//!
//! | protocol | code under test | a promise |
//! |---|---|---|
//! | [`WalFiles`] | [`crate::wal`]: append, overwrite, vote, snapshot, seal, repair at boot | a saved write is found whole, at most the one that was cut follows it, and a crash alone is never taken for rot |

mod alone;
mod wal;

pub use wal::WalFiles;
