//! The wire: what editors ask of the programs that share a workspace.
//!
//! Each request names its asker's address; each reply names the call that it answers. A request that comes again while
//! the first is under way is dropped; one that comes again later is done again, which is harmless: a save of the same
//! content is another version of it, and events that were appended again have the same keys.

use crate::ledger::{Event, NewEvent};
use contract::{Addr, Duration, message};
use serde::{Deserialize, Serialize};

/// What is asked of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names this request in the answer; unique in the cluster.
    pub call: u64,
    /// Where the answer goes.
    pub reply_to: Addr<Reply>,
    /// The question.
    pub ask: Ask,
}
message!(Request = "workspace.request/1");

/// The questions to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Save this text as the next version of a file.
    Save {
        /// Which file.
        name: String,
        /// Its new content.
        text: String,
    },
    /// Read a file.
    Load {
        /// Which file.
        name: String,
    },
    /// Take a lock, hold it for a while, give it back.
    Hold {
        /// Which lock.
        domain: String,
        /// For how long.
        time: Duration,
    },
    /// Append these events to the ledger, one after the other.
    Append {
        /// At least one.
        events: Vec<NewEvent>,
    },
    /// Read the ledger.
    Read {
        /// From this event on; the answer may begin before it.
        from: u64,
    },
    /// Leave an empty lock file behind, as an older version does that dies between making and filling it.
    Litter {
        /// Which lock.
        domain: String,
    },
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub call: u64,
    /// The answer.
    pub answer: Answer,
}
message!(Reply = "workspace.reply/1");

/// What a program answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The save is as durable as it says.
    Saved {
        /// The file's version now.
        version: u64,
        /// Whether a power loss may bring the file's last version back.
        weak: bool,
    },
    /// The file; version 0 and no text where it was never saved.
    Loaded {
        /// Its version.
        version: u64,
        /// Its content.
        text: String,
    },
    /// The events are in the ledger for good.
    Appended {
        /// The number of the first of them.
        first: u64,
    },
    /// A part of the ledger.
    Events {
        /// In the order of their numbers.
        events: Vec<Event>,
        /// The number of the next event.
        next: u64,
        /// Whether that one can be read already.
        more: bool,
    },
    /// The lock was held and given back, or its file littered.
    Done,
    /// Not now: nothing was promised. Ask again.
    Failed {
        /// Why, for people.
        why: String,
    },
}
