//! SKETCH of the public interface; the kernel's author replaces the bodies, the signatures stay.

use crate::fault::{FaultCount, FaultKind};
use crate::settings::Settings;
use contract::{Observed, ProcessId, Time, plan::Plan};
use std::sync::Arc;

/// Why [`World::run_until`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The time is up; events remain.
    Reached,
    /// Nothing is left to happen.
    Idle,
}

/// A whole simulated cluster as a value.
#[derive(Clone)]
pub struct World {
    _plan: Arc<Plan>,
}

impl World {
    /// A cluster that is about to boot.
    pub fn new(plan: Arc<Plan>, settings: &Settings, seed: u64) -> World {
        let _ = (settings, seed);
        World { _plan: plan }
    }
    /// True virtual time since the start.
    pub fn now(&self) -> Time {
        Time::ZERO
    }
    /// Handles one event; its number, or `None` when nothing is left.
    pub fn step(&mut self) -> Option<u64> {
        None
    }
    /// Handles every event up to and including `limit`, then stands at `limit`.
    pub fn run_until(&mut self, limit: Time) -> Progress {
        let _ = limit;
        Progress::Idle
    }
    /// Ends every fault for good, repairs links, clocks and disks, resumes and restarts what is down.
    pub fn heal(&mut self) {}
    /// Moves out the marks that can no longer be cut, in the order of their times.
    pub fn take_marks(&mut self, into: &mut Vec<Observed>) {
        into.clear();
    }
    /// A hash over every event so far: equal runs have equal fingerprints after each step.
    pub fn fingerprint(&self) -> u64 {
        0
    }
    /// Events handled so far.
    pub fn events(&self) -> u64 {
        0
    }
    /// Messages delivered to handlers so far.
    pub fn deliveries(&self) -> u64 {
        0
    }
    /// For each kind in the settings: asked and fired.
    pub fn fault_counts(&self) -> Vec<(FaultKind, FaultCount)> {
        Vec::new()
    }
    /// The departures from the quiet run so far, as lines.
    pub fn decisions(&self) -> Vec<String> {
        Vec::new()
    }
    /// The last events, oldest first, as text: `time  process  what`. With `narrate`, messages in full.
    pub fn trace(&self) -> Vec<TraceLine> {
        Vec::new()
    }
    /// An actor's state for people; `None` while it is down.
    pub fn inspect(&self, process: ProcessId) -> Option<String> {
        let _ = process;
        None
    }
    /// What every process and link waits for now, for a liveness report.
    pub fn waiting(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One event of the trace, its fields apart, so that two runs can be compared field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// The event's number.
    pub event: u64,
    /// When, in true virtual time.
    pub at: Time,
    /// The process that handled it, by name.
    pub process: String,
    /// What it was: `deliver`, `timer`, `boot`, `crash` ...
    pub what: &'static str,
    /// The other party, protocol, payload digest or text.
    pub detail: String,
    /// The event that caused it; 0 for none.
    pub cause: u64,
    /// The fingerprint after it.
    pub fingerprint: u64,
}
