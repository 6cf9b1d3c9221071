//! What an actor may do, and what a host owes it.
//!
//! An [`Actor`] is a plain state machine. It runs each event to completion, pushes its effects into a
//! [`Context`] and uses the [`Disk`] in blocking style, so that program order is the durability rule.
//! Nothing here knows whether the world is simulated or real: both hosts implement [`Host`], and the
//! same compiled actor runs under either.
//!
//! | to | read |
//! |---|---|
//! | write an actor | [`actor`], [`context`] |
//! | define messages | [`message`], [`message!`], [`inbox!`] |
//! | keep something durable | [`disk`] |
//! | have every crash of it tried | [`file_protocol`] |
//! | retry, time out, deduplicate | [`calls`] |
//! | tell oracles what happened | [`mark`], [`history`] |
//! | say what runs where | [`plan`], [`knobs`] |
//! | put bytes on a wire or a disk | [`codec`] |
//! | write a host | [`host`], [`cell`] |

pub mod actor;
pub mod address;
pub mod blob;
pub mod calls;
pub mod cell;
pub mod codec;
pub mod context;
pub mod disk;
pub mod file_protocol;
pub mod history;
pub mod host;
pub mod knobs;
pub mod mark;
pub mod message;
pub mod plan;
pub mod time;
pub mod timer;

pub use actor::{Actor, Halt};
pub use address::{Addr, NodeId, Pid, ProcessId};
pub use blob::Blob;
pub use context::Context;
pub use disk::{Disk, DiskError, File, Open};
pub use file_protocol::FileProtocol;
pub use host::Host;
pub use mark::{Mark, Observed, Value};
pub use message::{Inbox, Message, Payload, Protocol};
pub use time::{Duration, Time, Wall};
