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

impl EffectKind {
    /// Every kind.
    pub const ALL: [EffectKind; 5] =
        [EffectKind::Send, EffectKind::Write, EffectKind::Truncate, EffectKind::Name, EffectKind::Sync];

    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            EffectKind::Send => "send",
            EffectKind::Write => "write",
            EffectKind::Truncate => "truncate",
            EffectKind::Name => "name",
            EffectKind::Sync => "sync",
        }
    }
}

/// One effect, at its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose.
    pub process: ProcessId,
    /// When it takes effect, in true virtual time: a crash before this moment takes it back.
    pub at: Time,
    /// What it is.
    pub what: EffectKind,
    /// The event whose handler did it.
    pub event: u64,
    /// In words, where the run is narrated; else empty.
    pub text: String,
}
