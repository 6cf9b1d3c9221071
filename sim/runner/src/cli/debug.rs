//! `stormproof debug`: walks through a run, on a terminal or by a script.

#![allow(clippy::disallowed_methods, reason = "scripts are files of whoever asks for them")]

use super::Session;
use crate::debug::screen::Screen;
use crate::debug::{Debugger, run_in_terminal, script};
use crate::exit::Exit;
use clap::Args;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct DebugArgs {
    /// The scenario file, or the token that a failed run printed.
    file_or_token: String,
    /// The root of all random choices; the scenario's own, or 0, if left out. A token brings its own.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// Takes commands from this file, a line each, and prints the answers; needs no terminal.
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    script: Option<PathBuf>,
    /// Takes commands from the standard input, a line each, and prints the answers; needs no terminal.
    #[arg(long)]
    batch: bool,
}

/// Opens the run and hands it to the terminal or to the script.
pub fn debug(session: &mut Session<'_, '_>, args: &DebugArgs) -> Exit {
    let (scenario, seed) = match session.subject(&args.file_or_token, args.seed) {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let mut debugger = match Debugger::new(&scenario, session.registry, seed) {
        Ok(debugger) => debugger,
        Err(error) => return session.refused(error),
    };
    match &args.script {
        Some(path) => play_file(session, &mut debugger, path),
        None if args.batch => {
            let lines = std::io::stdin().lock().lines().map_while(Result::ok);
            script::play(&mut debugger, "standard input", lines, session.console)
        }
        None => on_terminal(session, debugger),
    }
}

fn play_file(session: &mut Session<'_, '_>, debugger: &mut Debugger, path: &Path) -> Exit {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return session.refused(format!("cannot read script `{}`: {error}; name another file", path.display()));
        }
    };
    let lines = text.lines().map(str::to_owned);
    script::play(debugger, &path.display().to_string(), lines, session.console)
}

fn on_terminal(session: &mut Session<'_, '_>, debugger: Debugger) -> Exit {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return session.refused(
            "debug needs a terminal as standard input and output; without one, give it commands with --script FILE or --batch",
        );
    }
    let mut screen = Screen::new(debugger, session.console.colour);
    if let Err(error) = run_in_terminal(&mut screen) {
        return session.broken(format!("the terminal does not answer: {error}; try --batch"));
    }
    say_acts(session, screen.debugger());
    Exit::Passed
}

/// What was done by hand is printed, since the screen is gone.
fn say_acts(session: &mut Session<'_, '_>, debugger: &Debugger) {
    let acts = debugger.script();
    if acts.is_empty() {
        return;
    }
    session.console.say("what was done by hand, as a script for --script:");
    for line in acts {
        session.console.say(line);
    }
}
