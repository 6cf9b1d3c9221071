//! The benchmark workloads as ordinary actors over the public contract.

pub mod pingpong;
pub mod quorum;
