//! What the contestants of the kernel benchmark have in common.
//!
//! Every peer simulates the same nodes doing the same work: the decisions (whom to ask, what to
//! append, when an append is committed, which follower crashes) are made here, by plain state
//! machines without any I/O. A peer adds only what is to be measured: its own nodes, network, disk
//! and clock. So a difference between two contestants is never a difference of the protocol.

pub mod cli;
pub mod outcome;
pub mod pingpong;
pub mod quorum;
pub mod random;
