//! The append process alone: what is answered is durable, and what a start makes of the files.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod damage;
mod disk;
mod protocol;
mod recovery;
mod rig;
