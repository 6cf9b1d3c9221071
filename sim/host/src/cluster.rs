//! A cluster of OS processes on loopback, as its parent sees it: start, kill, pause, fill up, restart, judge.
//!
//! The host knows no scenario: the caller says with which command a process is spawned, and the spawned
//! program reads its [`Assignment`] and calls [`run_process`](crate::run_process). No child outlives a dropped [`Cluster`],
//! nor a parent that was killed. A cluster stays on the thread that made it (it is not `Send`), because
//! on Linux its processes die with that thread.

pub use crate::child::How;
use crate::child::Running;
use crate::clock;
use crate::disk_fill::{Skipped, SmallDisk};
use crate::log::Log;
use crate::ports::ReservedPort;
use crate::run::{Assignment, ExitStatus};
use contract::plan::Plan;
use contract::{DiskError, Duration, NodeId, Observed, ProcessId, Time, mark};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How long a process may take to stop when it is asked to; then it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks at processes that are to end.
const STOP_LOOK: Duration = Duration::from_millis(5);

/// One process of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// For people and for the name of its error log.
    pub name: String,
    /// Its machine: processes of one node share a data directory, pause together and fill one disk.
    pub node: NodeId,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Refuses processes of other runs.
    pub cluster: u64,
    /// The processes; the index is the [`ProcessId`].
    pub seats: Vec<Seat>,
    /// Data directories and error logs go here; made if missing.
    pub run_dir: PathBuf,
    /// Nodes whose disk is to be filled, and its size in bytes.
    pub small_disks: BTreeMap<NodeId, u64>,
    /// Pause before a process that ended by itself is started again.
    pub restart_after: Duration,
    /// Marks kept; more are counted as lost.
    pub marks_max: usize,
}

impl ClusterConfig {
    /// The seats of `plan`, everything on ordinary disks under `run_dir`.
    pub fn new(plan: &Plan, cluster: u64, run_dir: PathBuf) -> Self {
        let seats = plan.processes.iter().map(|process| Seat { name: process.name.clone(), node: process.node });
        ClusterConfig {
            cluster,
            seats: seats.collect(),
            run_dir,
            small_disks: BTreeMap::new(),
            restart_after: Duration::from_millis(100),
            marks_max: 10_000_000,
        }
    }
}

/// Why a cluster cannot go on. Never the fault of what is judged: infrastructure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterError(pub String);

impl std::fmt::Display for ClusterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClusterError {}

/// The end of one incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitReport {
    /// Which process.
    pub process: ProcessId,
    /// Which start of it.
    pub incarnation: u32,
    /// How it ended.
    pub how: How,
    /// Whether the cluster itself killed or stopped it.
    pub asked: bool,
}

/// How often a fault kind was asked for and really struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// As in a scenario file.
    pub kind: &'static str,
    /// Occurrences begun.
    pub asked: u64,
    /// Processes really killed or stopped; system calls that really failed with ENOSPC.
    pub fired: u64,
}

/// Everything that a run leaves to its judges.
#[derive(Clone, Debug)]
pub struct RunLog {
    /// All marks in the order of their times, by the machine's monotonic clock.
    pub marks: Vec<Observed>,
    /// All ends, in order.
    pub exits: Vec<ExitReport>,
    /// The kinds that were asked for.
    pub faults: Vec<Tally>,
    /// What was asked for and not done, and why.
    pub skipped: Vec<Skipped>,
    /// Lines on standard outputs that were not marks.
    pub foreign_lines: u64,
    /// Marks beyond the limit: if there are any, the run proves nothing.
    pub marks_lost: u64,
}

/// A running cluster.
pub struct Cluster {
    config: ClusterConfig,
    spawn: Box<dyn FnMut(ProcessId) -> Command>,
    slots: Vec<Slot>,
    addresses: BTreeMap<ProcessId, std::net::SocketAddr>,
    _ports: Vec<ReservedPort>,
    disks: BTreeMap<NodeId, SmallDisk>,
    paused_until: BTreeMap<NodeId, Time>,
    full_until: BTreeMap<NodeId, Time>,
    log: Arc<Log>,
    exits: Vec<ExitReport>,
    tallies: BTreeMap<&'static str, (u64, u64)>,
    skipped: Vec<Skipped>,
    started: Time,
}

/// A place in the cluster, across incarnations.
struct Slot {
    running: Option<Running>,
    incarnation: u32,
    restart_at: Time,
}

impl Cluster {
    /// Starts every process. `spawn` gives the command for one: its program and arguments, no pipes.
    pub fn start(
        config: ClusterConfig,
        spawn: impl FnMut(ProcessId) -> Command + 'static,
    ) -> Result<Cluster, ClusterError> {
        assert!(!config.seats.is_empty(), "a cluster has a process");
        let ports: Result<Vec<ReservedPort>, _> = config.seats.iter().map(|_| ReservedPort::on_loopback()).collect();
        let ports = ports.map_err(|error| failed("reserve a loopback port", &error))?;
        let addresses =
            ports.iter().enumerate().map(|(index, port)| (ProcessId(index as u32), port.address())).collect();
        let mut skipped = Vec::new();
        let mut disks = BTreeMap::new();
        for (&node, &bytes) in &config.small_disks {
            match SmallDisk::new(bytes) {
                Ok(disk) => drop(disks.insert(node, disk)),
                Err(reason) => skipped.push(Skipped(format!("disk_full on node {}: {reason}", node.0))),
            }
        }
        let started = clock::monotonic();
        let slots = config.seats.iter().map(|_| Slot { running: None, incarnation: 0, restart_at: started }).collect();
        let mut cluster = Cluster {
            log: Arc::new(Log::new(config.marks_max)),
            config,
            spawn: Box::new(spawn),
            slots,
            addresses,
            _ports: ports,
            disks,
            paused_until: BTreeMap::new(),
            full_until: BTreeMap::new(),
            exits: Vec::new(),
            tallies: BTreeMap::new(),
            skipped,
            started,
        };
        fs::create_dir_all(cluster.config.run_dir.join("logs"))
            .map_err(|error| failed("make the run directory", &error))?;
        cluster.start_due(started)?;
        Ok(cluster)
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        clock::monotonic().since(self.started)
    }

    /// When it was started, by the clock of [`Observed::at`].
    pub fn started(&self) -> Time {
        self.started
    }

    /// Where a process listens.
    pub fn address(&self, process: ProcessId) -> Option<std::net::SocketAddr> {
        self.addresses.get(&process).copied()
    }

    /// Whether a process runs now (a paused one does), as of the last [`Cluster::poll`].
    pub fn is_running(&self, process: ProcessId) -> bool {
        self.slots.get(process.0 as usize).is_some_and(|slot| slot.running.is_some())
    }

    /// The latest start of a process, from 1.
    pub fn incarnation(&self, process: ProcessId) -> u32 {
        self.slots[process.0 as usize].incarnation
    }

    /// The marks that arrived after the first `known` ones, in the order of arrival, for seeing progress.
    /// Judges want [`RunLog::marks`]: between processes, arrival is not the order of time.
    pub fn marks_after(&self, known: usize) -> Vec<Observed> {
        self.log.marks().get(known..).unwrap_or_default().to_vec()
    }

    /// Where the error output of a process goes.
    pub fn error_log(&self, process: ProcessId) -> PathBuf {
        let name = self.config.seats[process.0 as usize].name.replace(['/', '\\'], "-");
        self.config.run_dir.join("logs").join(format!("{name}.stderr"))
    }

    /// Kills one process with SIGKILL; it starts again after `down`. Whether there was one to kill.
    pub fn crash(&mut self, process: ProcessId, down: Duration) -> Result<bool, ClusterError> {
        self.count("process_crash", 1, 0);
        // One that has just ended by itself was not killed by us.
        self.reap(process, clock::monotonic())?;
        let slot = &mut self.slots[process.0 as usize];
        let Some(mut running) = slot.running.take() else { return Ok(false) };
        let how = running.kill().map_err(|error| failed("kill a process", &error))?;
        slot.restart_at = clock::monotonic() + down;
        self.buried(process, how, running, true);
        self.count("process_crash", 0, 1);
        Ok(true)
    }

    /// Stops all processes of a node with SIGSTOP for `lasts`. How many were stopped.
    pub fn pause(&mut self, node: NodeId, lasts: Duration) -> Result<u64, ClusterError> {
        self.count("pause", 1, 0);
        let until = clock::monotonic() + lasts;
        let end = self.paused_until.entry(node).or_insert(until);
        *end = until.max(*end);
        let stopped = self.signal_node(node, Signal::STOP)?;
        self.count("pause", 0, stopped);
        Ok(stopped)
    }

    /// Fills the small disk of a node for `lasts`. `false`, and noted as skipped, if it has none.
    pub fn fill_disk(&mut self, node: NodeId, lasts: Duration) -> Result<bool, ClusterError> {
        let Some(disk) = self.disks.get_mut(&node) else {
            let reason = Skipped(format!("disk_full on node {}: it has no small disk", node.0));
            if !self.config.small_disks.contains_key(&node) && !self.skipped.contains(&reason) {
                self.skipped.push(reason);
            }
            return Ok(false);
        };
        disk.fill().map_err(|error| failed("fill a disk", &error))?;
        let until = clock::monotonic() + lasts;
        let end = self.full_until.entry(node).or_insert(until);
        *end = until.max(*end);
        self.count("disk_full", 1, 0);
        Ok(true)
    }

    /// Looks after everything: ends faults that are over, keeps full disks full, notices processes that
    /// ended and starts those whose pause is over. To be called every few milliseconds.
    pub fn poll(&mut self) -> Result<(), ClusterError> {
        let now = clock::monotonic();
        self.end_faults(now)?;
        for process in self.processes() {
            self.reap(process, now)?;
        }
        self.start_due(now)
    }

    /// Ends every fault and starts everything that is down.
    pub fn heal(&mut self) -> Result<(), ClusterError> {
        self.end_faults(Time::MAX)?;
        self.slots.iter_mut().for_each(|slot| slot.restart_at = Time::ZERO);
        self.poll()
    }

    /// Notes that something was asked for and is not done.
    pub fn skip(&mut self, reason: Skipped) {
        self.skipped.push(reason);
    }

    /// Stops every process, first politely, and hands over what was seen.
    pub fn finish(mut self) -> Result<RunLog, ClusterError> {
        self.end_faults(Time::MAX)?;
        for process in self.processes() {
            // What has ended by now was not asked to.
            self.reap(process, clock::monotonic())?;
        }
        for running in self.slots.iter().filter_map(|slot| slot.running.as_ref()) {
            running.signal(Signal::TERM).map_err(|error| failed("stop a process", &error))?;
        }
        let limit = clock::monotonic() + STOP_PATIENCE;
        for process in self.processes() {
            self.end_one(process, limit)?;
        }
        let marks = self.log.merged();
        let no_space = contract::Value::Text(DiskError::NoSpace.to_string());
        let failed_calls = marks.iter().filter(|seen| seen.mark.kind == "system.disk_error");
        let failed_calls = failed_calls.filter(|seen| seen.mark.get("error") == Some(&no_space));
        let failed_calls: u64 = failed_calls.filter_map(|seen| seen.mark.number("calls")).sum();
        if let Some((_, fired)) = self.tallies.get_mut("disk_full") {
            *fired = failed_calls;
        }
        let faults = self.tallies.iter().map(|(&kind, &(asked, fired))| Tally { kind, asked, fired });
        Ok(RunLog {
            marks,
            faults: faults.collect(),
            exits: std::mem::take(&mut self.exits),
            skipped: std::mem::take(&mut self.skipped),
            foreign_lines: self.log.foreign_lines(),
            marks_lost: self.log.lost(),
        })
    }

    fn processes(&self) -> impl Iterator<Item = ProcessId> + use<> {
        (0..self.slots.len() as u32).map(ProcessId)
    }

    fn count(&mut self, kind: &'static str, asked: u64, fired: u64) {
        let tally = self.tallies.entry(kind).or_insert((0, 0));
        *tally = (tally.0 + asked, tally.1 + fired);
    }

    fn end_faults(&mut self, now: Time) -> Result<(), ClusterError> {
        for node in over(&mut self.paused_until, now) {
            self.signal_node(node, Signal::CONT)?;
        }
        for node in over(&mut self.full_until, now) {
            let Some(disk) = self.disks.get_mut(&node) else { continue };
            disk.relieve().map_err(|error| failed("relieve a disk", &error))?;
        }
        for disk in self.disks.values_mut().filter(|disk| disk.is_full()) {
            disk.fill().map_err(|error| failed("keep a disk full", &error))?;
        }
        Ok(())
    }

    fn signal_node(&self, node: NodeId, signal: Signal) -> Result<u64, ClusterError> {
        let mut reached = 0;
        for (slot, _) in self.slots.iter().zip(&self.config.seats).filter(|(_, seat)| seat.node == node) {
            if let Some(running) = &slot.running {
                running.signal(signal).map_err(|error| failed("signal a process", &error))?;
                reached += 1;
            }
        }
        Ok(reached)
    }

    /// Starts what is down and due. A paused machine starts nothing.
    fn start_due(&mut self, now: Time) -> Result<(), ClusterError> {
        for index in 0..self.slots.len() {
            let node = self.config.seats[index].node;
            let due = self.slots[index].running.is_none() && self.slots[index].restart_at <= now;
            if due && !self.paused_until.contains_key(&node) {
                self.start_one(ProcessId(index as u32), node)?;
            }
        }
        Ok(())
    }

    fn start_one(&mut self, process: ProcessId, node: NodeId) -> Result<(), ClusterError> {
        let data_dir = match self.disks.get(&node) {
            Some(disk) => disk.data_dir(),
            None => self.config.run_dir.join(format!("node-{}", node.0)),
        };
        let stderr = append_to(&self.error_log(process)).map_err(|error| failed("open an error log", &error))?;
        let slot = &mut self.slots[process.0 as usize];
        assert!(slot.running.is_none(), "a place runs one process");
        slot.incarnation += 1;
        let assignment = Assignment {
            cluster: self.config.cluster,
            process,
            incarnation: slot.incarnation,
            listen: self.addresses[&process],
            peers: self.addresses.clone(),
            data_dir,
        };
        let running = Running::spawn((self.spawn)(process), &assignment, stderr, &self.log);
        slot.running = Some(running.map_err(|error| failed("spawn a process", &error))?);
        Ok(())
    }

    /// Notices that a process ended by itself. One that could not even start would not the next time.
    fn reap(&mut self, process: ProcessId, now: Time) -> Result<(), ClusterError> {
        let slot = &mut self.slots[process.0 as usize];
        let Some(running) = &mut slot.running else { return Ok(()) };
        let Some(how) = running.ended().map_err(|error| failed("wait for a process", &error))? else { return Ok(()) };
        slot.restart_at = now + self.config.restart_after;
        if let Some(running) = slot.running.take() {
            self.buried(process, how, running, false);
        }
        let hopeless = How::Code(i32::from(ExitStatus::CouldNotStart(String::new()).code()));
        if how == hopeless {
            let log = self.error_log(process);
            return Err(ClusterError(format!("process {} could not start; see {}", process.0, log.display())));
        }
        Ok(())
    }

    /// Waits for one process until `limit`, then kills it.
    fn end_one(&mut self, process: ProcessId, limit: Time) -> Result<(), ClusterError> {
        let Some(mut running) = self.slots[process.0 as usize].running.take() else { return Ok(()) };
        let how = loop {
            match running.ended().map_err(|error| failed("wait for a process", &error))? {
                Some(how) => break how,
                None if clock::monotonic() < limit => std::thread::sleep(STOP_LOOK),
                None => break running.kill().map_err(|error| failed("kill a process", &error))?,
            }
        };
        self.buried(process, how, running, true);
        Ok(())
    }

    /// Records an end. A process that could not say so itself has its exit stated for it, after its last mark.
    fn buried(&mut self, process: ProcessId, how: How, running: Running, asked: bool) {
        let incarnation = self.slots[process.0 as usize].incarnation;
        let exit_stated = running.drain();
        self.exits.push(ExitReport { process, incarnation, how, asked });
        if !exit_stated && how != How::Code(0) {
            let mark = mark!("system.exit", reason = "crash", why = format!("{how:?}"));
            self.log.push(Observed { at: clock::monotonic(), process, incarnation, event: 0, mark });
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in self.slots.iter_mut().filter_map(|slot| slot.running.as_mut()) {
            // One that cannot be killed has ended already; the others must be, whatever happens to this one.
            let _ = running.kill();
        }
    }
}

/// Takes out the nodes whose fault is over.
fn over(until: &mut BTreeMap<NodeId, Time>, now: Time) -> Vec<NodeId> {
    let ended: Vec<NodeId> = until.iter().filter(|(_, end)| **end <= now).map(|(&node, _)| node).collect();
    until.retain(|_, end| *end > now);
    ended
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn failed(what: &str, error: &io::Error) -> ClusterError {
    ClusterError(format!("cannot {what}: {error}"))
}
