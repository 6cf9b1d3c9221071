//! Raft's claims, each as a test that could fail: directed schedules, protocol stories and random storms over
//! plain-data cores.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "a test reads its stories and its environment")]

mod damage;
mod disk;
mod elections;
mod judge;
mod membership;
mod net;
mod reads;
mod render;
mod replication;
mod stories;
mod storm;
