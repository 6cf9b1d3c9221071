//! The benchmark workloads as ordinary actors over the public contract.

pub mod cost;
pub mod pingpong;
pub mod quorum;
pub mod steady;
