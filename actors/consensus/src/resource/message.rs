//! Between the holder of a lock and the resource that the lock protects.

use contract::{Addr, message};
use serde::{Deserialize, Serialize};

/// One write of a holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names this request in the answer; a repetition carries the same one.
    pub call: u64,
    /// Where the answer goes.
    pub reply_to: Addr<Reply>,
    /// The lock under which it writes.
    pub lock: String,
    /// Its fencing token; a sound resource takes no write without one.
    pub token: Option<u64>,
    /// The token under which the holder believes to write, for oracles. It decides nothing.
    pub traced: u64,
}
message!(Request = "resource.write/1");

/// The answer to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub call: u64,
    /// Whether it was taken; if not, a later holder has written.
    pub taken: bool,
}
message!(Reply = "resource.write.reply/1");
