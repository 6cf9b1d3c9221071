//! The wire: what clients, buffers, workers, uplinks and the ledger say to one another.
//!
//! Each request names its asker's address; each reply names the call it answers, so that a late or
//! repeated answer is recognised. Repeating any request is harmless.

use contract::{Blob, Wall};
use serde::{Deserialize, Serialize};

/// One record: custody of it passes from place to place, its id never changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// Unique in the cluster: the client's index in the upper 32 bits, its sequence number below.
    pub id: u64,
    /// When an edge took custody, by that edge's own date: provenance for people, which may be wrong and
    /// decides nothing. A client leaves it at zero.
    pub taken_at: Wall,
    /// What the client wants kept.
    pub payload: Blob,
}

/// A client asks a buffer to take a record.
pub mod ingest {
    use super::Record;
    use contract::{Addr, message};
    use serde::{Deserialize, Serialize};

    /// Take this record; asked again until it is accepted.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Request {
        /// The record; a repetition carries the same one.
        pub record: Record,
        /// Where the answer goes, now or later.
        pub reply_to: Addr<Reply>,
    }
    message!(Request = "edge.ingest.request/1");

    /// The answer about one record.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Reply {
        /// The record's id.
        pub id: u64,
        /// What became of it.
        pub answer: Answer,
    }
    message!(Reply = "edge.ingest.reply/1");

    /// What became of a record.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Answer {
        /// It is durable; the client may forget it.
        Accepted,
        /// It is held in memory only, because no file took it; ask again.
        Pending,
        /// The buffer is at a limit; ask again later.
        Full,
        /// It is longer than this buffer takes; asking again is useless.
        TooLong,
    }
}

/// A worker drains a buffer: opens a pass, takes its pages, commits it.
pub mod drain {
    use super::Record;
    use contract::{Addr, DiskError, message};
    use serde::{Deserialize, Serialize};

    /// One recovery pass. A restarted buffer has another epoch, so no pass of before is ever mistaken for a new one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    pub struct PassId {
        /// Random, drawn at the buffer's boot.
        pub epoch: u64,
        /// Counts the passes of that epoch.
        pub number: u64,
    }

    /// What a worker asks.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Request {
        /// Names this request in the answer.
        pub call: u64,
        /// Where the answer goes.
        pub reply_to: Addr<Reply>,
        /// The question.
        pub ask: Ask,
    }
    message!(Request = "edge.drain.request/1");

    /// The questions of a worker.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Ask {
        /// Open a pass and give its first page.
        Open,
        /// The page that starts at `from`, an index into the pass.
        Page {
            /// The pass.
            pass: PassId,
            /// As the page before said in [`Page::next`].
            from: u64,
        },
        /// End the pass.
        Commit {
            /// The pass.
            pass: PassId,
            /// Records that the primary has.
            delivered: Vec<u64>,
            /// Records that must be tried again.
            failed: Vec<u64>,
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
    message!(Reply = "edge.drain.reply/1");

    /// What a buffer answers.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Answer {
        /// Records to deliver.
        Page(Page),
        /// Nothing to drain.
        Empty,
        /// Another pass holds the gate.
        Busy {
            /// That pass.
            holder: PassId,
        },
        /// The disk did not let the pass begin; everything is where it was.
        Unavailable(DiskError),
        /// The pass holds the gate no more: forget it.
        Stale,
        /// Staging is gone, all its records are elsewhere.
        Committed,
        /// Staging stays, a later pass goes through it again.
        Aborted,
    }

    /// A part of a pass.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Page {
        /// The pass.
        pub pass: PassId,
        /// Records to deliver.
        pub records: Vec<Record>,
        /// Where the next page starts; `None` on the last.
        pub next: Option<u64>,
    }

    /// The buffer needs draining now; lost without harm.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Nudge;
    message!(Nudge = "edge.nudge/1");
}

/// A worker sends records through the uplink.
pub mod uplink {
    use super::Record;
    use contract::{Addr, message};
    use serde::{Deserialize, Serialize};

    /// Carry this record to the primary.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Request {
        /// Names this request in the answer.
        pub call: u64,
        /// Where the answer goes.
        pub reply_to: Addr<Reply>,
        /// The record.
        pub record: Record,
    }
    message!(Request = "edge.uplink.request/1");

    /// The answer to one request.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Reply {
        /// The request.
        pub call: u64,
        /// The answer.
        pub answer: Answer,
    }
    message!(Reply = "edge.uplink.reply/1");

    /// What became of a submission.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Answer {
        /// The primary has it.
        Delivered {
            /// Its log sequence number.
            lsn: u64,
        },
        /// The link is down, its queue is full or the primary could not take it; try again.
        Unavailable,
        /// The primary will never take it.
        Rejected,
    }
}

/// The primary's ledger.
pub mod ledger {
    use super::Record;
    use contract::{Addr, message};
    use serde::{Deserialize, Serialize};

    /// What is asked of the ledger.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Request {
        /// Names this request in the answer.
        pub call: u64,
        /// Where the answer goes.
        pub reply_to: Addr<Reply>,
        /// The question.
        pub ask: Ask,
    }
    message!(Request = "edge.ledger.request/1");

    /// The questions to a ledger.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Ask {
        /// Keep this record, once.
        Submit(Record),
        /// Read records in their order.
        Scan {
            /// From this log sequence number on; the first is 1.
            from_lsn: u64,
            /// At most so many.
            limit: u64,
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
    message!(Reply = "edge.ledger.reply/1");

    /// What a ledger answers.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Answer {
        /// The record is durable, as of now.
        Applied {
            /// Its log sequence number.
            lsn: u64,
        },
        /// The record was durable already.
        Duplicate {
            /// Its log sequence number.
            lsn: u64,
        },
        /// Not now: the disk refused; nothing changed.
        Unavailable,
        /// The record is longer than this ledger takes.
        TooLong,
        /// Records in order.
        Rows {
            /// Each with its log sequence number.
            rows: Vec<Row>,
            /// Where to go on; `None` at the end of the ledger.
            next: Option<u64>,
        },
    }

    /// One record of the ledger.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Row {
        /// Its place in the order, from 1.
        pub lsn: u64,
        /// The record.
        pub record: Record,
    }
}
