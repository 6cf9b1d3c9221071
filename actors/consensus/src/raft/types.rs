//! What Raft keeps and says: members, entries, configurations, durable state, snapshots.

use contract::{Blob, message};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A replica: its place in the plan and the disk that it keeps its promises on.
///
/// A machine that comes back with an empty disk has forgotten its votes. It draws another disk id, so that
/// nothing that the old disk promised is expected of the new one: it is another member, and enters by a change
/// of the configuration (BookKeeper's cookie, bookkeeper#2612).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId {
    /// The index of its node among the nodes of the role.
    pub slot: u32,
    /// Drawn when the disk was first used; never zero.
    pub disk: u64,
}

/// A place in the log. The order is that of "more up to date" (Raft, section 5.4.1): term first, then index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term of the entry; 0 before the first.
    pub term: u64,
    /// The index of the entry, from 1; 0 before the first.
    pub index: u64,
}

/// Who decides and who only listens. Changes one voter at a time (Ongaro's thesis, section 4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// They vote, and a majority of them commits.
    pub voters: BTreeSet<MemberId>,
    /// They get the log and decide nothing.
    pub learners: BTreeSet<MemberId>,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub at: Position,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A new leader's first entry: with it everything before it is committed (Raft, section 8).
    Noop,
    /// For the state machine.
    Command(Blob),
    /// From here on this is the configuration, committed or not.
    Configure(Configuration),
}

/// What must be durable before anything is said that depends on it (Raft, figure 2, "persistent state").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hard {
    /// The latest term that this member has seen.
    pub term: u64,
    /// Whom it voted for in that term.
    pub vote: Option<MemberId>,
    /// The last entry that it may have acknowledged and has lost to a damaged disk. Until its log is at least
    /// as up to date as this, it votes as if it still had that entry, and does not stand for election.
    pub claim: Option<Position>,
}

/// Which prefix of the log a snapshot stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry that it covers.
    pub at: Position,
    /// The configuration as of that entry.
    pub configuration: Configuration,
}

/// A state machine's state, in pages that each fit a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it covers.
    pub meta: SnapshotMeta,
    /// The state; at least one page, each at most as long as [`crate::raft::Tuning::page_bytes`].
    pub pages: Arc<[Blob]>,
}

/// One message between members.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Which cluster, drawn when it was founded: members of another one are not heard.
    pub cluster: u64,
    /// The sender.
    pub from: MemberId,
    /// The receiver: what was meant for another disk is not for this one.
    pub to: MemberId,
    /// The sender's term; in [`Body::PreVote`] the term in which it would stand, which nobody takes over.
    pub term: u64,
    /// What is said.
    pub body: Body,
}
message!(Envelope = "consensus.raft/1");

/// What members say to one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Would you vote for me? (Thesis, section 9.6.) Changes nothing at the receiver.
    PreVote {
        /// The end of the sender's log.
        last: Position,
    },
    /// The answer; its envelope carries the asked term if granted, else the voter's own.
    PreVoteReply {
        /// Whether it would.
        granted: bool,
    },
    /// RequestVote.
    Vote {
        /// The end of the candidate's log.
        last: Position,
        /// The leader asked for this election ([`Body::TimeoutNow`]): it need not be waited for.
        transfer: bool,
    },
    /// The answer.
    VoteReply {
        /// Whether the vote was given.
        granted: bool,
    },
    /// AppendEntries; without entries it is a heartbeat.
    Append {
        /// The entry before the first one.
        previous: Position,
        /// In order, without gaps.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: u64,
        /// Counts the leader's rounds: the answer repeats it, which confirms reads and leases as of then.
        round: u64,
    },
    /// The answer, also sent unasked when entries have become durable.
    AppendReply {
        /// The last round that the sender has heard of.
        round: u64,
        /// What it has.
        outcome: Appended,
    },
    /// A page of a snapshot.
    Page {
        /// What the snapshot covers.
        meta: SnapshotMeta,
        /// Which page, from 0.
        page: u32,
        /// How many there are.
        pages: u32,
        /// The page.
        data: Blob,
        /// As in [`Body::Append`].
        round: u64,
    },
    /// The answer: which page is wanted next. When all are there and durable, an [`Body::AppendReply`] says so.
    PageReply {
        /// As in [`Body::AppendReply`].
        round: u64,
        /// The snapshot's last index.
        index: u64,
        /// The first page that is missing.
        wanted: u32,
    },
    /// Stand for election now: the leader hands over (thesis, section 3.10).
    TimeoutNow,
    /// A follower asks which index a read must wait for (thesis, section 6.4).
    ReadIndex {
        /// Names the read; never used twice, not even by a later incarnation.
        context: u64,
    },
    /// The answer, given after a majority has confirmed who leads.
    ReadIndexReply {
        /// Of the question.
        context: u64,
        /// What must have been applied.
        index: u64,
    },
}

/// What a follower has of a leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Appended {
    /// Its log equals the leader's up to this index, durably.
    Matched(u64),
    /// The entry before the first one is not what the leader believes. The leader goes on at or before this
    /// position: the last one that may be common (Raft, section 5.3, end; one step a term, not an entry).
    Conflict(Position),
}

impl Configuration {
    /// The number of votes that decide.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// Whether it is a voter or a learner.
    pub fn has(&self, member: MemberId) -> bool {
        self.voters.contains(&member) || self.learners.contains(&member)
    }

    /// Everybody, voters first.
    pub fn all(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.voters.iter().chain(&self.learners).copied()
    }
}
