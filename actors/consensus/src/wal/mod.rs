//! The append process of a node: the only writer of the log, the vote and the snapshot.

pub mod message;
