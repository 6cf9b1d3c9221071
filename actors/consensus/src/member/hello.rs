//! Founding: how replicas that know one another by place learn which disk is behind each place, once.
//!
//! A replica with a fresh disk says hello to all others, again and again, until somebody tells it which cluster it
//! belongs to. Where nobody belongs to one, the replica in slot 0 founds it, as soon as it knows the disks of all:
//! they are the first configuration. So a machine that lost its disk can never pass for the one that voted: its new
//! disk stands in no configuration until the leader has put it there.

use crate::raft::MemberId;
use crate::wal::message::Founding;
use contract::message;
use serde::{Deserialize, Serialize};

/// A replica says who it is, and which cluster it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is.
    pub from: MemberId,
    /// Which cluster it belongs to; `None` if it was not told yet.
    pub founding: Option<Founding>,
}
message!(Hello = "consensus.hello/1");
