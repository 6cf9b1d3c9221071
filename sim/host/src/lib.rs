//! The real world: the same actors on TCP, real files and real clocks.
//!
//! | to | read |
//! |---|---|
//! | run one process of a plan in this OS process | [`run_process`], [`Assignment`] |
//! | run several processes in one OS process | [`Node`] |
//! | start, kill, pause and fill up a cluster of OS processes on loopback | [`Cluster`] |
//! | know what a network peer did wrong, and how often | [`stats`] |
//! | reach an outside service | [`gateway`] |
//! | give a plain program the contract's system calls | [`Local`] |
//!
//! Without the feature `cluster` only what a plain program needs is built: no runtime, no sockets.
//!
//! No component is known here, and no simulator: a process is a [`contract::cell::Blueprint`], and what it
//! states about itself leaves as [`contract::Observed`] lines. The README says what each fault kind means
//! on real machines and which kinds this host cannot make.

// The one library in which clocks, threads, sockets and files are the subject itself.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[cfg(feature = "cluster")]
mod alarms;
#[cfg(feature = "cluster")]
mod child;
mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod disk_fill;
#[cfg(feature = "cluster")]
mod door;
#[cfg(feature = "cluster")]
pub mod drive;
#[cfg(feature = "cluster")]
pub mod gateway;
pub mod identity;
#[cfg(feature = "cluster")]
mod inbound;
#[cfg(feature = "cluster")]
pub mod limits;
#[cfg(feature = "cluster")]
mod link;
pub mod local;
#[cfg(feature = "cluster")]
mod log;
pub mod marks;
#[cfg(feature = "cluster")]
mod net;
#[cfg(feature = "cluster")]
pub mod node;
#[cfg(feature = "cluster")]
pub mod ports;
#[cfg(feature = "cluster")]
mod process;
#[cfg(feature = "cluster")]
mod queue;
mod random;
#[cfg(feature = "cluster")]
pub mod run;
#[cfg(feature = "cluster")]
pub mod stats;
pub mod storage;
#[cfg(feature = "cluster")]
mod wire;

#[cfg(feature = "cluster")]
pub use cluster::{Cluster, ClusterConfig, ClusterError, RunLog, Seat};
pub use disk_fill::Skipped;
#[cfg(feature = "cluster")]
pub use door::Door;
#[cfg(feature = "cluster")]
pub use drive::{Planned, Strike};
#[cfg(feature = "cluster")]
pub use limits::Limits;
pub use local::Local;
pub use marks::{Channel, JsonLines, MarkSink};
#[cfg(feature = "cluster")]
pub use node::{LocalProcess, Node, NodeConfig, NodeError};
#[cfg(feature = "cluster")]
pub use ports::ReservedPort;
#[cfg(feature = "cluster")]
pub use run::{Assignment, ExitStatus, ProcessConfig, run_process};
