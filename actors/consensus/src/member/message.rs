//! What an operator asks of a member: who are you, who leads, change who votes.
//!
//! A change is accepted by the leader only, one at a time, and an accepted one may still be lost with its leader: the
//! operator looks at the status until it shows what he wanted. Asking again for what is already so changes nothing.

use crate::raft::{Configuration, MemberId};
use contract::{Addr, message};
use serde::{Deserialize, Serialize};

/// One request of an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names this request in the answer.
    pub call: u64,
    /// Where the answer goes.
    pub reply_to: Addr<Reply>,
    /// The question.
    pub ask: Ask,
}
message!(Request = "consensus.admin/1");

/// The questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Say what you know.
    Status,
    /// Send this member the log; it does not vote yet.
    AddLearner(MemberId),
    /// Let this learner vote; refused until it has caught up.
    Promote(MemberId),
    /// This voter or learner takes part no more.
    Remove(MemberId),
    /// Hand leadership over to this voter.
    Transfer(MemberId),
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub call: u64,
    /// The answer.
    pub answer: Answer,
}
message!(Reply = "consensus.admin.reply/1");

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// What this member knows.
    Status(Status),
    /// The leader has begun to do it; the status shows when it is done.
    Accepted,
    /// Not now: another change is under way, the learner is behind, or it would leave nobody. Why, for people.
    Refused(String),
    /// Ask the leader: its slot, as far as this member knows.
    NotLeader {
        /// The slot.
        leader: Option<u32>,
    },
}

/// What a member knows of its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The member itself, by the disk that it has now.
    pub me: MemberId,
    /// Its term.
    pub term: u64,
    /// The leader of that term, if it knows one.
    pub leader: Option<MemberId>,
    /// The newest configuration in its log, committed or not.
    pub configuration: Configuration,
    /// The last index that it knows to be committed.
    pub commit: u64,
}
