//! `stormproof history`: the marks of a run as a log, or its client histories for Jepsen's checkers.

use super::Session;
use crate::draw;
use crate::exit::Exit;
use crate::run::{self, Finished, Keep};
use clap::{Args, ValueEnum};
use contract::Observed;
use oracles::edn::EdnError;
use oracles::{write_edn, write_log};
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct HistoryArgs {
    /// The scenario file.
    file: String,
    /// The root of all random choices; the scenario's own, or 0, if left out.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Writes there instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The forms of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Every mark of every process, a JSON object a line.
    Jsonl,
    /// The operations of the clients, an EDN map a line, as Jepsen's checkers read them.
    Edn,
}

/// Runs a seed and writes its history, whatever its verdict is; that goes to standard error.
pub fn history(session: &mut Session<'_, '_>, args: &HistoryArgs) -> Exit {
    let scenario = match session.load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let seed = args.seed.or(scenario.seed).unwrap_or(0);
    let drawn = match draw::draw(&scenario, seed, Keep::LITTLE.trace, Keep::LITTLE.narrate) {
        Ok(drawn) => drawn,
        Err(error) => return session.refused(error),
    };
    let mut ended = run::checked(&scenario, session.registry, &drawn).recording().run();
    let marks = std::mem::take(&mut ended.history);
    let Finished { verdict, .. } = run::finished(&scenario, seed, ended);
    let written = match &args.out {
        Some(path) => create(path).and_then(|mut file| {
            write(&mut file, args.format, &marks)?;
            Ok(file.flush()?)
        }),
        None => write(&mut *session.console.out, args.format, &marks),
    };
    match written {
        Ok(()) => {
            let signature = verdict.signature.map_or(String::new(), |signature| format!(": {signature}"));
            session.console.note(format!("seed {seed} {}{signature}; {} marks", verdict.exit.word(), marks.len()));
            Exit::Passed
        }
        Err(EdnError::Io(error)) => {
            let place = args.out.as_deref().map_or("standard output".into(), Path::to_string_lossy);
            session.broken(format!("cannot write {place}: {error}"))
        }
        Err(EdnError::Marks(violation)) => {
            session
                .console
                .note(format!("error: this history makes no sense: {violation}; see it with --format jsonl"));
            Exit::Violated
        }
    }
}

fn create(path: &Path) -> Result<impl Write + use<>, EdnError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    Ok(BufWriter::new(file))
}

fn write(out: &mut dyn Write, format: Format, marks: &[Observed]) -> Result<(), EdnError> {
    let result = match format {
        Format::Jsonl => marks.iter().try_for_each(|mark| write_log(out, mark)).map_err(EdnError::Io),
        Format::Edn => write_edn(out, marks),
    };
    match result {
        // A reader who has gone away has seen what it wanted.
        Err(EdnError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
