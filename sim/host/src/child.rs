//! One OS process of a cluster, as its parent holds it.

use crate::log::Log;
use crate::run::Assignment;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

/// How an OS process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With that exit status; see [`ExitStatus::code`](crate::ExitStatus::code).
    Code(i32),
    /// By that signal.
    Signal(i32),
}

impl From<ExitStatus> for How {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => How::Code(code),
            None => How::Signal(status.signal().unwrap_or(0)),
        }
    }
}

/// A running process. Not yet waited for, so its number cannot mean another process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Held open: its end tells the process that its parent is gone.
    _stdin: ChildStdin,
    reader: JoinHandle<bool>,
}

impl Running {
    /// Spawns `command` with its assignment on the standard input and its marks going to `log`.
    ///
    /// It gets a process group of its own: a Ctrl-C at the terminal reaches the parent only, which ends it.
    pub(crate) fn spawn(
        mut command: Command,
        assignment: &Assignment,
        stderr: File,
        log: &Arc<Log>,
    ) -> io::Result<Running> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).process_group(0);
        let mut child = command.spawn()?;
        let started = Self::attend(&mut child, assignment, log);
        match started {
            Ok((stdin, reader)) => Ok(Running { child, _stdin: stdin, reader }),
            Err(error) => {
                // The first failure is the one to report.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn attend(
        child: &mut Child,
        assignment: &Assignment,
        log: &Arc<Log>,
    ) -> io::Result<(ChildStdin, JoinHandle<bool>)> {
        let missing = || io::Error::other("a pipe that was asked for is missing");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let (log, process, incarnation) = (Arc::clone(log), assignment.process, assignment.incarnation);
        let name = format!("marks-{}-{incarnation}", process.0);
        let reader = std::thread::Builder::new()
            .name(name)
            .spawn(move || log.read_lines(stdout, |seen| (seen.process, seen.incarnation) == (process, incarnation)))?;
        let line = serde_json::to_string(assignment)? + "\n";
        match stdin.write_all(line.as_bytes()) {
            // It ended already; its exit status says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
        Ok((stdin, reader))
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Whether it has ended, and how; does not wait.
    pub(crate) fn ended(&mut self) -> io::Result<Option<How>> {
        Ok(self.child.try_wait()?.map(How::from))
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) -> io::Result<How> {
        self.child.kill()?;
        Ok(self.child.wait()?.into())
    }

    /// After its end: waits until all its marks are in the log; whether it stated its own exit.
    pub(crate) fn drain(self) -> bool {
        self.reader.join().unwrap_or(false)
    }
}
