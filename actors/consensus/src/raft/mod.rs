//! Raft as plain data: a state machine without clock, disk or network (Ongaro and Ousterhout, 2014; Ongaro's
//! thesis, 2014).

mod effect;
mod types;

pub use effect::{Effect, Tuning, Turn};
pub use types::{
    Appended, Body, Configuration, Entry, Envelope, Hard, MemberId, Payload, Position, Snapshot, SnapshotMeta,
};
