//! The `stormproof` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main(&scenarios::registry(), None, std::env::args_os())
}
