//! Effects of handlers, listed for whoever wants to crash a process between any two of them.

use contract::{ProcessId, Time};

/// What a handler did to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectKind {
    /// Sent a message.
    Send,
    /// Wrote into a file.
    Write,
    /// Set a file's length.
    Truncate,
    /// Made, renamed, linked or removed a name.
    Name,
    /// Synced a file or a directory.
    Sync,
}

/// One effect, at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose.
    pub process: ProcessId,
    /// When it takes effect, in true virtual time: a crash before this moment takes it back.
    pub at: Time,
    /// What it is.
    pub what: EffectKind,
    /// The event whose handler did it.
    pub event: u64,
}
