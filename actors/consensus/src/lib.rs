//! Consensus: Raft, its append process, and on it the Routing Coordination Service (spec 001).

pub mod planted;
pub mod raft;
pub mod rcs;
pub mod wal;
