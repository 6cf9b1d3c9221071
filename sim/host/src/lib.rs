//! The real world: the same actors on TCP, real files and real clocks.
//!
//! | to | read |
//! |---|---|
//! | run one process of a plan in this OS process | [`run_process`], [`Assignment`] |
//! | run several processes in one OS process | [`Node`] |
//! | start, kill, pause and fill up a cluster of OS processes on loopback | [`Cluster`] |
//! | know what a network peer did wrong, and how often | [`stats`] |
//! | reach an outside service | [`gateway`] |
//!
//! No component is known here, and no simulator: a process is a [`contract::cell::Blueprint`], and what it
//! states about itself leaves as [`contract::Observed`] lines. The README says what each fault kind means
//! on real machines and which kinds this host cannot make.

// The one library in which clocks, threads, sockets and files are the subject itself.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod alarms;
mod child;
mod clock;
pub mod cluster;
pub mod disk_fill;
pub mod drive;
pub mod gateway;
pub mod identity;
mod inbound;
pub mod limits;
mod link;
mod log;
pub mod marks;
mod net;
pub mod node;
pub mod ports;
mod process;
mod queue;
pub mod run;
pub mod stats;
pub mod storage;
mod wire;

pub use cluster::{Cluster, ClusterConfig, ClusterError, RunLog, Seat};
pub use disk_fill::Skipped;
pub use drive::{Planned, Strike};
pub use limits::Limits;
pub use marks::{Channel, JsonLines, MarkSink};
pub use node::{LocalProcess, Node, NodeConfig, NodeError};
pub use ports::ReservedPort;
pub use run::{Assignment, ExitStatus, ProcessConfig, run_process};
