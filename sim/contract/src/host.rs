//! The system calls: what a host gives to the process that it runs.

use crate::address::{Pid, ProcessId};
use crate::disk::Storage;
use crate::mark::Mark;
use crate::message::Payload;
use crate::time::{Duration, Time, Wall};
use crate::timer::Alarm;

/// Who this incarnation is to its operating system. Two incarnations never share all four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Its process number; reused by the system after a while.
    pub pid: Pid,
    /// When it started, by the node's boot clock, in nanoseconds.
    pub started: u64,
    /// Changes whenever the node boots.
    pub boot: u64,
    /// The machine.
    pub host: u64,
}

/// What the process table says of a process number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Running, since that time of the node's boot clock (nanoseconds).
    Alive {
        /// When it started.
        started: u64,
    },
    /// No such process.
    Dead,
    /// It runs, but belongs to someone else: it must be taken for alive.
    NotPermitted,
}

/// One running process's view of its host. Object-safe: the actor has no host type parameter.
pub trait Host {
    /// This process.
    fn me(&self) -> ProcessId;
    /// This incarnation.
    fn identity(&self) -> Identity;
    /// Whether a process of this node runs.
    fn liveness(&self, pid: Pid) -> Liveness;
    /// The node's monotonic clock.
    fn now(&self) -> Time;
    /// The node's idea of the date.
    fn wall(&self) -> Wall;
    /// Sixty-four uniform random bits.
    fn random(&mut self) -> u64;
    /// Sends; may be lost, duplicated, delayed and reordered. Never blocks.
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>);
    /// Asks for an alarm after `after`.
    fn arm(&mut self, alarm: Alarm, after: Duration);
    /// The disk, as this process sees it.
    fn storage(&mut self) -> &mut dyn Storage;
    /// Reports a fact to oracles and coverage.
    fn mark(&mut self, mark: Mark);
    /// Whether to take the rare legal choice at `site`; never in production.
    fn choose(&mut self, site: &'static str) -> bool;
}
