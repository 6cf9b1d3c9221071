//! `lock DOMAIN -- COMMAND`: a command that runs while this process holds a lock.

use super::Common;
use crate::error::Error;
use clap::Args;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

#[derive(Args)]
pub struct LockArgs {
    /// The lock's name, such as `report`; `events` is the ledger's, `state-NAME` a saved file's.
    domain: String,
    #[command(flatten)]
    pub(super) common: Common,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Takes the lock, runs the command, gives the lock back; returns the command's exit code, or 128 and the signal that
/// ended it, as shells do.
pub(super) fn run(args: &LockArgs) -> Result<ExitCode, Error> {
    use std::os::unix::process::ExitStatusExt;
    let workspace = args.common.open()?;
    let lock = workspace.lock(&args.domain)?;
    if lock.recovered() {
        eprintln!("taken over from a process that died: what it was doing may be half done");
    }
    let (program, arguments) = args.command.split_first().unzip();
    let ended = Command::new(program.cloned().unwrap_or_default()).args(arguments.into_iter().flatten()).status();
    lock.release()?;
    let ended = ended.map_err(|error| {
        Error::Directory(program.cloned().unwrap_or_default().into(), format!("it does not run: {error}"))
    })?;
    let code = ended.code().or(ended.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
