//! What a narrated run keeps of its events: what each carried, and what its handler did, in order.
//!
//! Notes cost time and memory and never change a run. Effects are noted at the moment of the call; a crash
//! inside the handler's span takes back those after it, and the notes of those stay.

use crate::event::Message;
use contract::{DiskError, Mark, NodeId, ProcessId, Time};
use std::collections::BTreeMap;

/// One thing that an event carried or that its handler did.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The message that reached its receiver, or nobody.
    Message {
        /// The protocol's name.
        protocol: &'static str,
        /// Its path of causes, as in [`crate::Decision::key`].
        identity: u64,
        /// When it left its sender, in true time.
        sent: Time,
        /// The message for people; empty where it met nobody.
        text: String,
    },
    /// The handler sent a message.
    Sent {
        /// When, in true time.
        at: Time,
        /// To whom.
        to: ProcessId,
        /// The protocol's name.
        protocol: &'static str,
        /// Its path of causes.
        identity: u64,
    },
    /// The handler called the disk.
    Disk(DiskNote),
    /// The process, or its host, stated a fact.
    Mark {
        /// When, in true time.
        at: Time,
        /// The fact.
        mark: Mark,
    },
    /// The nodes that an occurrence of a fault strikes.
    Struck(Vec<NodeId>),
    /// Anything else, as a sentence.
    Text(String),
}

impl Note {
    /// Of a message at the end of its way.
    pub(crate) fn of(message: &Message) -> Note {
        Note::Message {
            protocol: message.payload.name(),
            identity: message.identity.0,
            sent: Time(message.sent),
            text: format!("{:?}", message.payload),
        }
    }
}

/// A disk call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskNote {
    /// When it began, in true time.
    pub at: Time,
    /// When it returned.
    pub until: Time,
    /// Which call: `append`, `sync` ...
    pub call: &'static str,
    /// The path, where it is known; of calls with two paths the first.
    pub path: String,
    /// The second path, how much, or where: `"-> edge-0/staging"`, `"63 bytes"`.
    pub detail: String,
    /// How it ended.
    pub outcome: Result<(), DiskError>,
}

impl DiskNote {
    /// Whether it made something durable.
    pub fn is_durable_point(&self) -> bool {
        matches!(self.call, "sync" | "sync_dir") && self.outcome.is_ok()
    }

    /// Whether it changed files or names.
    pub fn is_change(&self) -> bool {
        matches!(self.call, "create" | "append" | "write" | "truncate" | "rename" | "link" | "unlink" | "mkdir")
    }
}

/// The call without its times: `append edge-0/active 63 bytes: no space left on device (ENOSPC)`.
impl std::fmt::Display for DiskNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.call)?;
        for part in [&self.path, &self.detail] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        match &self.outcome {
            Ok(()) => Ok(()),
            Err(error) => write!(f, ": {error}"),
        }
    }
}

/// The notes of a run, by event; those of the oldest events go when there are too many.
#[derive(Clone, Debug)]
pub struct Notes {
    by_event: BTreeMap<u64, Vec<Note>>,
    /// Events whose notes are kept.
    capacity: usize,
    /// The event of the last note.
    last: u64,
}

impl Notes {
    /// No notes yet.
    pub fn new(capacity: usize) -> Notes {
        Notes { by_event: BTreeMap::new(), capacity: capacity.max(1), last: 0 }
    }

    /// Adds a note to an event.
    pub fn push(&mut self, event: u64, note: Note) {
        self.last = event;
        self.by_event.entry(event).or_default().push(note);
        if self.by_event.len() > self.capacity {
            self.by_event.pop_first();
        }
    }

    /// The notes of an event, in the order in which they were made.
    pub fn of(&self, event: u64) -> &[Note] {
        self.by_event.get(&event).map_or(&[], Vec::as_slice)
    }

    /// The last note.
    pub fn last(&self) -> Option<&Note> {
        self.by_event.get(&self.last)?.last()
    }

    /// The n-th note of an event, to be completed.
    pub fn get_mut(&mut self, event: u64, nth: usize) -> Option<&mut Note> {
        self.by_event.get_mut(&event)?.get_mut(nth)
    }
}
