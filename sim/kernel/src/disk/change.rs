//! Changes that are visible and not yet durable, each with what it takes to undo it.

use super::{Doer, Ino};
use contract::ProcessId;
use std::fmt;

/// One change that a power loss may undo.
#[derive(Clone, Debug)]
pub struct Pending {
    /// When it takes effect, in true time.
    pub(super) stamp: u64,
    pub(super) by: ProcessId,
    /// Its place among all changes of the file system, in the order of the calls. The two halves of a
    /// rename between directories share one.
    pub(super) order: u64,
    /// When the first sync that covers it ends. `u64::MAX` while none does.
    durable_at: u64,
    /// Whose sync that is.
    synced_by: ProcessId,
    /// Further syncs that cover it: when they end, and whose they are. The first may be cut short or put off.
    others: Vec<(u64, ProcessId)>,
    pub(super) duty: Duty,
    pub(super) change: Change,
}

/// What the page cache and the device do about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// The next sync makes it durable.
    Usual,
    /// A failed sync has marked its pages clean: later syncs do not cover it.
    Abandoned,
    /// Syncs report success, but the device never wrote it: the fault slot that did this.
    Phantom(u32),
}

/// What changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// Bytes written at `offset`.
    Write {
        /// Where.
        offset: usize,
        /// How many bytes.
        len: usize,
        /// The bytes that were there before.
        old: Box<[u8]>,
        /// The file's length before.
        old_len: usize,
    },
    /// The length set.
    Resize {
        /// The length now.
        len: usize,
        /// The length before.
        old_len: usize,
        /// The bytes cut off.
        tail: Box<[u8]>,
    },
    /// Directory entries, as one atomic change: name, what it meant before, what it means now.
    Entries(Vec<(Box<str>, Option<Ino>, Option<Ino>)>),
}

impl Pending {
    pub(super) fn new(doer: Doer, order: u64, change: Change) -> Pending {
        let Doer { process, stamp, .. } = doer;
        let (durable_at, others, duty) = (u64::MAX, Vec::new(), Duty::Usual);
        Pending { stamp, by: process, order, durable_at, synced_by: process, others, duty, change }
    }

    /// What it changed.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Its place among all changes of the file system.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// Whether a sync that ended by `at` has made it durable.
    #[inline]
    pub fn is_durable(&self, at: u64) -> bool {
        self.durable_at <= at && self.duty == Duty::Usual
    }

    /// Whether no power loss leaves it, whatever syncs have reported.
    pub fn is_doomed(&self) -> bool {
        self.duty != Duty::Usual
    }

    /// Whether a sync has something to do about it.
    pub(super) fn waits(&self) -> bool {
        self.durable_at == u64::MAX && self.duty != Duty::Abandoned
    }

    /// Whether no sync has ended, or will end, that makes it durable.
    pub(super) fn is_unsynced(&self) -> bool {
        self.durable_at == u64::MAX || self.is_doomed()
    }

    /// A sync covers it; whether that sync reports a success that is none.
    pub(super) fn cover(&mut self, sync: Doer) -> bool {
        if self.duty == Duty::Abandoned || self.durable_at <= sync.event {
            return false;
        }
        if self.durable_at <= sync.stamp {
            self.others.push((sync.stamp, sync.process));
            return false;
        }
        if self.durable_at != u64::MAX {
            self.others.push((self.durable_at, self.synced_by));
        }
        self.durable_at = sync.stamp;
        self.synced_by = sync.process;
        self.is_doomed()
    }

    /// A sync of `process` that was to end after `at` ends at another time, or never.
    pub(super) fn put_off(&mut self, process: ProcessId, at: u64, to: impl Fn(u64) -> u64) {
        if self.durable_at == u64::MAX {
            return;
        }
        let mut syncs = vec![(self.durable_at, self.synced_by)];
        syncs.append(&mut self.others);
        for (end, _) in syncs.iter_mut().filter(|(end, by)| *by == process && *end > at) {
            *end = to(*end);
        }
        syncs.sort_by_key(|(end, _)| *end);
        (self.durable_at, self.synced_by) = syncs.remove(0);
        syncs.retain(|(end, _)| *end != u64::MAX);
        self.others = syncs;
    }

    /// When the first sync that covers it ends.
    #[inline]
    pub(super) fn durable_at(&self) -> u64 {
        self.durable_at
    }
}

impl Change {
    /// The file that a rename put in another file's place, and took from nowhere else than a name.
    pub(super) fn replaces(&self) -> Option<Ino> {
        let Change::Entries(entries) = self else { return None };
        entries.iter().find_map(|(_, before, now)| before.and(*now))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Write { offset, len, .. } => write!(f, "write of bytes {offset}..{}", offset + len),
            Change::Resize { len, old_len, .. } => write!(f, "length from {old_len} to {len}"),
            Change::Entries(entries) => {
                for (nth, (name, before, now)) in entries.iter().enumerate() {
                    let verb = match (before, now) {
                        (Some(_), Some(_)) => "replace",
                        (None, _) => "add",
                        (Some(_), None) => "remove",
                    };
                    write!(f, "{}{verb} {name}", if nth == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}
