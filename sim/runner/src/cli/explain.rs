//! `stormproof explain`: one run as a page, a Perfetto trace or a text.

#![allow(clippy::disallowed_methods, reason = "reports are files of whoever asks for them")]

use super::Session;
use crate::console::Tone;
use crate::draw;
use crate::exit::Exit;
use crate::explain::{Report, page, perfetto, story};
use crate::run::Keep;
use crate::show;
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the page goes when nobody says.
const PAGE: &str = "explain.html";

#[derive(Args)]
pub struct ExplainArgs {
    /// The scenario file, or the token that a failed run printed.
    file_or_token: String,
    /// The root of all random choices; the scenario's own, or 0, if left out. A token brings its own.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// Writes the page into this file; explain.html if nothing else is asked for.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Writes a trace for ui.perfetto.dev or chrome://tracing into this file.
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Prints the chains of causes as text, oldest first.
    #[arg(long)]
    text: bool,
}

/// Runs, explains, writes what was asked for; the replay line is the last.
pub fn explain(session: &mut Session<'_, '_>, args: &ExplainArgs) -> Exit {
    let (scenario, seed) = match session.subject(&args.file_or_token, args.seed) {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let drawn = match draw::draw(&scenario, seed, Keep::ALL.trace, true) {
        Ok(drawn) => drawn,
        Err(error) => return session.refused(error),
    };
    let report = {
        let console = &mut *session.console;
        let mut tick = |nth: u64| {
            if console.live && nth.is_multiple_of(8) {
                console.note(format!("looking for the nearest passing run: {nth} tried"));
            }
        };
        Report::new(&scenario, session.registry, &drawn, &mut tick)
    };
    let default = (args.perfetto.is_none() && !args.text).then(|| PathBuf::from(PAGE));
    let trace = || perfetto::trace(&report.failing, &report.slice).to_string();
    let written = [
        args.out.clone().or(default).map(|path| write(session, "page", &path, &page::html(&report))),
        args.perfetto.as_ref().map(|path| write(session, "trace", path, &trace())),
    ];
    if let Some(exit) = written.into_iter().flatten().find_map(Result::err) {
        return exit;
    }
    if args.text {
        session.console.say(story::text(&report).trim_end());
    } else {
        say(session, &report);
    }
    report.failing.verdict.exit
}

fn write(session: &mut Session<'_, '_>, what: &str, path: &Path, text: &str) -> Result<(), Exit> {
    std::fs::write(path, text).map_err(|error| {
        session.broken(format!("cannot write the {what} to `{}`: {error}; name another file", path.display()))
    })?;
    session.console.note(format!("wrote {} ({} KiB)", path.display(), text.len().div_ceil(1024)));
    Ok(())
}

fn say(session: &mut Session<'_, '_>, report: &Report) {
    let verdict = &report.failing.verdict;
    let sentence = session.console.paint(show::tone(verdict.exit), &report.sentence);
    session.console.say(sentence);
    for fact in &verdict.facts {
        session.console.say(format!("  {fact}"));
    }
    match &report.passing {
        Some(passing) => {
            session.console.say(format!("nearest passing run: {}", passing.words));
            if let Some(difference) = &passing.difference {
                let at = contract::Time(difference.at);
                session.console.say(format!("first difference: {at}, in the {}", difference.part));
                session.console.say(format!("  failing: {}", difference.here_says));
                session.console.say(format!("  passing: {}", difference.there_says));
            }
        }
        None if verdict.failed() => {
            let line = format!("no passing run was found nearby, in {} tries", report.tried);
            let line = session.console.paint(Tone::Doubtful, line);
            session.console.say(line);
        }
        None => {}
    }
    session.say_command("replay: ", &verdict.replay());
}
