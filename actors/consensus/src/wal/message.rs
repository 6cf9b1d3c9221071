//! Between a member and the append process of its node: one writer, one file, durable before `Saved`.
//!
//! A member opens a session, loads what is there, and from then on sends numbered writes. The append process
//! does them in the order of their numbers, whatever the order in which they come; a write may be sent again. A
//! restart of either ends the session: the member of an ended one is told so and starts anew from the disk.

use crate::raft::{Configuration, Entry, Hard, SnapshotMeta};
use contract::{Addr, Blob, message};
use serde::{Deserialize, Serialize};

/// What a member asks of its append process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Where the answer goes.
    pub reply_to: Addr<Reply>,
    /// As [`Answer::Opened`] gave it; anything in [`Ask::Open`].
    pub session: u64,
    /// The question.
    pub ask: Ask,
}
message!(Request = "consensus.wal.request/1");

/// The questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Begin a session; every earlier one ends.
    Open {
        /// The answer repeats it.
        nonce: u64,
    },
    /// The kept entries from this index on.
    Entries {
        /// Index of the first wanted entry.
        from: u64,
    },
    /// A page of the kept snapshot.
    Page {
        /// Which, from 0.
        page: u32,
    },
    /// Remember for good which cluster this disk belongs to. Numbered like a write.
    Found {
        /// The number of this write.
        seq: u64,
        /// What is to be remembered.
        founding: Founding,
    },
    /// A page of the snapshot that the write with this number names; any order, before or after the write.
    Stage {
        /// The number of that write.
        seq: u64,
        /// Which page, from 0.
        page: u32,
        /// The page.
        data: Blob,
    },
    /// Make this durable.
    Write {
        /// The number of this write, from 1 in each session.
        seq: u64,
        /// What the write says.
        write: Write,
    },
}

/// One durable step. Everything in it becomes durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The state from now on.
    pub hard: Hard,
    /// To append. If the first one's index is kept already, that entry and all after it go first.
    pub entries: Vec<Entry>,
    /// A new snapshot and its number of pages. Kept entries that do not follow from it go.
    pub snapshot: Option<(SnapshotMeta, u32)>,
    /// Entries below this index are no longer needed; never above the snapshot's end plus one.
    pub keep_from: u64,
}

/// Which cluster a disk belongs to, and who its members were at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// Drawn by the founder; never zero.
    pub cluster: u64,
    /// The configuration before the first entry.
    pub genesis: Configuration,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The session that it belongs to.
    pub session: u64,
    /// The answer.
    pub answer: Answer,
}
message!(Reply = "consensus.wal.reply/1");

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The session begins; this is what the disk holds.
    Opened {
        /// Of the question.
        nonce: u64,
        /// What is there.
        held: Held,
    },
    /// Entries in order, from the asked index on, as many as fit; none at the end.
    Entries {
        /// The asked index.
        from: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// A page of the snapshot.
    Page {
        /// Which.
        page: u32,
        /// The page.
        data: Blob,
    },
    /// Everything up to and with this number is durable.
    Saved {
        /// The number of the last durable write.
        seq: u64,
    },
    /// The session has ended.
    Ended,
}

/// What a disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The disk's id; never zero.
    pub disk: u64,
    /// Which cluster it belongs to; `None` until it was told.
    pub founding: Option<Founding>,
    /// The state.
    pub hard: Hard,
    /// The snapshot and its number of pages.
    pub snapshot: Option<(SnapshotMeta, u32)>,
    /// The index of the first kept entry; one past `last` if there is none.
    pub first: u64,
    /// The index of the last kept entry; the snapshot's if there is none, else 0.
    pub last: u64,
}
