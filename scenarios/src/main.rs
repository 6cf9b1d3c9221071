//! The `stormproof` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main(&scenarios::registry(), Some(&scenarios::Host), std::env::args_os())
}
