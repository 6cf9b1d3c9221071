//! Raft as plain data: a state machine without clock, disk or network (Ongaro and Ousterhout, "In Search of an
//! Understandable Consensus Algorithm", 2014; Ongaro's thesis, 2014).
//!
//! ```text
//!                 no leader heard            a majority would vote          a majority has voted
//!   Follower ------------------> pre-Candidate ------------------> Candidate ------------------> Leader
//!      ^                              |                                |                            |
//!      +------------------------------+--------------------------------+----------------------------+
//!            a leader of this term is heard, a later term is heard, or a leader loses its majority
//! ```
//!
//! [`Core`] is told of messages, of time, of proposals and of writes that became durable, and pushes what it wants
//! done into [`Turn::effects`]. [`Core::next_write`] says what to write next.

mod core;
mod durable;
mod effect;
mod election;
mod following;
mod leading;
mod log;
mod membership;
mod reads;
mod types;

pub use self::core::{Core, NotTaken, Recovered};
pub use effect::{Effect, Tuning, Turn};
pub use membership::Change;
pub use types::{
    Appended, Body, Configuration, Entry, Envelope, Hard, MemberId, Payload, Position, Snapshot, SnapshotMeta,
};
