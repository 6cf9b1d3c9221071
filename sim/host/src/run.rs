//! What a spawned OS process does: takes its assignment, runs one process of the plan, leaves with a status.

use crate::door::Door;
use crate::limits::Limits;
use crate::marks::{JsonLines, MarkSink};
use crate::node::{LocalProcess, Node, NodeConfig, NodeError};
use crate::process::Exit;
use actix::System;
use contract::cell::Blueprint;
use contract::{Halt, Mark, Observed, ProcessId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// No assignment is longer, in bytes.
const ASSIGNMENT_MAX: u64 = 1 << 20;

/// What a parent tells an OS process that it spawned: one JSON line on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Which cluster; processes of others are refused.
    pub cluster: u64,
    /// Which process of the plan.
    pub process: ProcessId,
    /// Which start of it, from 1.
    pub incarnation: u32,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where everyone listens; may include this process.
    pub peers: BTreeMap<ProcessId, SocketAddr>,
    /// The node's disk, shared by the processes of one node.
    pub data_dir: PathBuf,
}

impl Assignment {
    /// Reads the line that [`Cluster`](crate::Cluster) writes; blocks until it is there.
    pub fn receive() -> io::Result<Assignment> {
        use io::{BufRead, Read};
        let mut line = String::new();
        io::stdin().lock().take(ASSIGNMENT_MAX).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// One process for [`run_process`].
pub struct ProcessConfig {
    /// Who, where, with whom.
    pub assignment: Assignment,
    /// What it does.
    pub blueprint: Arc<dyn Blueprint>,
    /// Bounds and intervals.
    pub limits: Limits,
    /// A fixed seed of [`contract::Context::random`] for tests; `None` asks the operating system.
    pub seed: Option<u64>,
    /// Whether the end of the standard input, that is of the parent, ends the process. On Linux the death
    /// of the parent's *thread* that spawned it does, too, even while the process is stopped.
    pub stop_at_stdin_end: bool,
    /// As in [`LocalProcess::door`].
    pub door: Option<Door>,
    /// Which marks are written; `None` for all. A measurement that nobody judges leaves out what only judges read.
    pub wanted: Option<fn(&Mark) -> bool>,
}

/// How [`run_process`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It was asked to.
    Stopped,
    /// The actor could not go on; its supervisor may start it again after a pause.
    Halted(Halt),
    /// An assertion failed.
    Panicked(String),
    /// It never began: the address, the data directory or the process table did not play along.
    CouldNotStart(String),
}

impl ExitStatus {
    /// The exit status of the OS process: 0 stopped, 20 halted, 21 panicked, 22 could not start. One more
    /// is given elsewhere: [`MARKS_LOST`](crate::marks::MARKS_LOST).
    pub fn code(&self) -> u8 {
        match self {
            ExitStatus::Stopped => 0,
            ExitStatus::Halted(_) => 20,
            ExitStatus::Panicked(_) => 21,
            ExitStatus::CouldNotStart(_) => 22,
        }
    }
}

impl From<Exit> for ExitStatus {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Stopped => ExitStatus::Stopped,
            Exit::Halted(halt) => ExitStatus::Halted(halt),
            Exit::Panicked(text) => ExitStatus::Panicked(text),
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        std::process::ExitCode::from(status.code())
    }
}

/// Runs one process of a plan in this OS process, its marks as JSON lines on the standard output, until
/// it ends or SIGTERM, SIGINT or (if asked for) the end of the standard input stops it. On a stop it
/// finishes the event it is in and states its network counters as `system.stats`. A process that could
/// not go on says why on the standard error; its last mark is then `system.exit`.
///
/// The caller should leave `main` with the returned status: a thread may still be blocked in the disk.
pub fn run_process(config: ProcessConfig) -> ExitStatus {
    let process = config.assignment.process.0;
    let status = System::new().block_on(async {
        match supervise(config).await {
            Ok(status) => status,
            Err(error) => ExitStatus::CouldNotStart(error.0),
        }
    });
    match &status {
        // A panic has been reported by its hook already.
        ExitStatus::Stopped | ExitStatus::Panicked(_) => {}
        ExitStatus::Halted(halt) => eprintln!("process {process} halted: {halt}"),
        ExitStatus::CouldNotStart(why) => eprintln!("process {process} could not start: {why}"),
    }
    status
}

/// Lets some marks through.
struct Wanted {
    sink: Box<dyn MarkSink>,
    wanted: fn(&Mark) -> bool,
}

impl MarkSink for Wanted {
    fn state(&mut self, observed: &Observed) {
        if (self.wanted)(&observed.mark) {
            self.sink.state(observed);
        }
    }
}

async fn supervise(config: ProcessConfig) -> Result<ExitStatus, NodeError> {
    let ProcessConfig { assignment, blueprint, limits, seed, stop_at_stdin_end, door, wanted } = config;
    if stop_at_stdin_end {
        die_with_parent().map_err(|error| NodeError(format!("parent's death signal: {error}")))?;
    }
    let stop = stop_signal(stop_at_stdin_end).map_err(|error| NodeError(format!("signals: {error}")))?;
    let stdout = || JsonLines::stdout().map_err(|error| NodeError(format!("standard output: {error}")));
    let Assignment { cluster, process, incarnation, listen, peers, data_dir } = assignment;
    let sink: Box<dyn MarkSink> = Box::new(stdout()?);
    let marks: Box<dyn MarkSink> = match wanted {
        Some(wanted) => Box::new(Wanted { sink, wanted }),
        None => sink,
    };
    let local = LocalProcess { id: process, incarnation, blueprint, data_dir, seed, marks, door };
    let mut node = Node::start(NodeConfig { cluster, listen, peers, limits, processes: vec![local] })?;
    let status = tokio::select! {
        (_, status) = node.ended() => status,
        () = stop => node.stop().await,
    };
    if status != ExitStatus::Stopped {
        return Ok(status);
    }
    let at = crate::clock::monotonic();
    stdout()?.state(&Observed { at, process, incarnation, event: 0, mark: node.stats().mark() });
    Ok(status)
}

/// The end of the standard input reaches a process only while it runs; one that is stopped (SIGSTOP) when
/// its parent dies must be killed by the kernel, or it would stay for ever.
#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// Completes when this OS process is asked to stop.
fn stop_signal(stdin_end: bool) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stdin = if stdin_end { Some(stdin_end_signal()?) } else { None };
    Ok(async move {
        let end = async {
            match stdin {
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = end => {}
        }
    })
}

/// Completes when the standard input ends. A thread waits for it, because a blocked read cannot be
/// cancelled; it ends with the OS process.
fn stdin_end_signal() -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        // Whatever ends the input, a failure included, means that the parent is gone.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    })?;
    Ok(end)
}
