//! Consensus: Raft, its append process, and on it the Routing Coordination Service (spec 001).

pub mod exam;
pub mod files;
pub mod member;
pub mod planted;
pub mod raft;
pub mod rcs;
pub mod resource;
pub mod roles;
pub mod wal;
pub mod workload;

pub use roles::roles;
