//! `stormproof workspace`: the commands, their flags and their help.
//!
//! Results go to the standard output, everything else to the standard error. Each failure says what it is and which
//! command resolves it ([`remedy`]).

mod lock;
mod remedy;
mod show;

use crate::admin::Checked;
use crate::error::Error;
use crate::open::{Options, Workspace};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The command's name below `stormproof`.
pub const NAME: &str = "workspace";
/// What it is for.
pub const ABOUT: &str = "A workspace on this machine's disk: event ledger, locks, saved files, snapshots.";

const EXIT_CODES: &str = "Exit codes:
  0 done · 1 damaged · 2 usage, or no such workspace or snapshot · 3 held by another process: ask again
  4 this program may not use it: migrate it, or take the program that wrote it · 7 the disk refused
  `lock` ends with the code of the command that it ran.";

#[derive(Parser)]
#[command(name = "stormproof workspace", bin_name = "stormproof workspace", about = ABOUT, max_term_width = 110, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a workspace in a directory.
    #[command(after_help = "Examples:\n  stormproof workspace init\n  stormproof workspace init accounts")]
    Init(Common),
    /// What is there and who is at work.
    #[command(after_help = "Examples:\n  stormproof workspace status\n  stormproof workspace status accounts --json")]
    Status(Common),
    /// Appends events and prints their numbers once they are on the disk.
    #[command(after_help = "Examples:
  stormproof workspace append accounts --domain tx --key order-7 --payload '{\"sum\":3}'
  generate-events | stormproof workspace append accounts
Without --payload, each line of the standard input is an event: {\"domain\":\"tx\",\"key\":\"order-7\",\"payload\":{}}.
The lines of one call are appended together, all or none.")]
    Append(show::AppendArgs),
    /// Prints events, one a line; takes no lock.
    #[command(after_help = "Examples:
  stormproof workspace log accounts --from 100 --limit 20
  stormproof workspace log accounts --domain tx --follow
  stormproof workspace log accounts --json > events.jsonl")]
    Log(show::LogArgs),
    /// Runs a command while it holds a lock, which no other process has meanwhile.
    #[command(after_help = "Examples:
  stormproof workspace lock report accounts -- ./make-report.sh
  stormproof workspace lock events accounts --patience 300 -- cp accounts/events.jsonl backup/
The lock is given back when the command ends, and is free when it is killed.")]
    Lock(lock::LockArgs),
    /// Reads every event, saved file and snapshot, and compares all checksums; repairs nothing.
    #[command(after_help = "Examples:\n  stormproof workspace verify accounts")]
    Verify(Common),
    /// Finishes what crashes cut short and removes what they left. Nothing acknowledged is touched.
    #[command(after_help = "Examples:\n  stormproof workspace repair accounts")]
    Repair(Common),
    /// Takes a snapshot of ledger and saved files; lists or removes snapshots.
    #[command(after_help = "Examples:
  stormproof workspace snapshot accounts
  stormproof workspace snapshot accounts --name before-upgrade
  stormproof workspace snapshot accounts --list
  stormproof workspace snapshot accounts --remove before-upgrade")]
    Snapshot(SnapshotArgs),
    /// Puts ledger and saved files back to a snapshot. What came after it is gone.
    #[command(after_help = "Examples:\n  stormproof workspace restore before-upgrade accounts")]
    Restore(RestoreArgs),
    /// Brings a workspace of an older format up to date, after a snapshot.
    #[command(after_help = "Examples:\n  stormproof workspace migrate accounts")]
    Migrate(Common),
    /// Brings the SQLite projection of the ledger up to date and prints where it is.
    #[command(after_help = "Examples:
  stormproof workspace project accounts
  sqlite3 accounts/projection.sqlite 'SELECT domain, count(*) FROM events GROUP BY domain'")]
    Project(Common),
}

#[derive(Args, Clone)]
struct Common {
    /// The workspace's directory.
    #[arg(default_value = ".workspace", env = "STORMPROOF_WORKSPACE")]
    dir: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Clone)]
struct How {
    /// Prints one JSON object and nothing else; failures are JSON objects on the standard error.
    #[arg(long)]
    json: bool,
    /// Seconds to wait for a lock that a running process holds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,
}

#[derive(Args)]
struct SnapshotArgs {
    #[command(flatten)]
    common: Common,
    /// What to call it; the date if left out.
    #[arg(long)]
    name: Option<String>,
    /// Lists the snapshots instead.
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// Removes that one instead.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "list"])]
    remove: Option<String>,
}

#[derive(Args)]
struct RestoreArgs {
    /// The snapshot's name; `snapshot --list` prints them.
    snapshot: String,
    #[command(flatten)]
    common: Common,
}

/// A command's result: what to print for people and for machines, and whether all is well.
struct Outcome {
    text: String,
    json: Value,
    /// Printed after the result: what is wrong, and it is no error of the command itself.
    damaged: Vec<Error>,
}

impl Outcome {
    fn of(text: impl Into<String>, json: Value) -> Result<Outcome, Error> {
        Ok(Outcome { text: text.into(), json, damaged: Vec::new() })
    }
}

/// Runs `stormproof workspace ...`; the first two of `args` are the program's name and `workspace`.
pub fn main(args: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(args.iter().skip(1)) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a terminal that does not take it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let again: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (common, result) = match cli.command {
        Command::Append(args) => (args.common.clone(), show::append(&args)),
        Command::Log(args) => (args.common.clone(), show::log(&args)),
        Command::Lock(args) => {
            let common = args.common.clone();
            match lock::run(&args) {
                Ok(code) => return code,
                Err(error) => (common, Err(error)),
            }
        }
        Command::Init(common) => (common.clone(), init(&common)),
        Command::Status(common) => (common.clone(), show::status(&common)),
        Command::Verify(common) => (common.clone(), verify(&common)),
        Command::Repair(common) => (common.clone(), repair(&common)),
        Command::Snapshot(args) => (args.common.clone(), snapshot(&args)),
        Command::Restore(args) => (args.common.clone(), restore(&args)),
        Command::Migrate(common) => (common.clone(), migrate(&common)),
        Command::Project(common) => (common.clone(), project(&common)),
    };
    finish(&common, &again, result)
}

/// Prints a result or a failure; returns the exit code.
fn finish(common: &Common, again: &[String], result: Result<Outcome, Error>) -> ExitCode {
    let (shown, failures) = match result {
        Ok(outcome) => (Some((outcome.text, outcome.json)), outcome.damaged),
        Err(error) => (None, vec![error]),
    };
    if let Some((text, json)) = shown {
        let line = if common.how.json { json.to_string() } else { text };
        if !line.is_empty() && !json.is_null() {
            // A reader that went away (`| head`) wants no more.
            let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
        }
    }
    for error in &failures {
        let remedies = remedy::remedies(error, &common.dir, again);
        if common.how.json {
            eprintln!("{}", json!({ "error": error.to_string(), "remedies": remedies }));
        } else {
            eprintln!("error: {error}");
            remedies.iter().for_each(|remedy| eprintln!("  {remedy}"));
        }
    }
    ExitCode::from(failures.first().map_or(0, remedy::code))
}

impl Common {
    fn open(&self) -> Result<Workspace, Error> {
        Workspace::open_with(&self.dir, self.options())
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        options.limits.patience = Duration::from_secs(self.how.patience);
        options
    }
}

fn init(common: &Common) -> Result<Outcome, Error> {
    let workspace = Workspace::init(&common.dir)?;
    let path = workspace.path().display();
    Outcome::of(format!("made a workspace in {path}"), json!({ "path": path.to_string() }))
}

fn verify(common: &Common) -> Result<Outcome, Error> {
    let checked = common.open()?.verify()?;
    let mut lines = Vec::new();
    let mut all = Vec::new();
    for Checked { what, found } in &checked {
        lines.push(match found {
            Ok(found) => format!("{what:<24} sound    {found}"),
            Err(_) => format!("{what:<24} damaged"),
        });
        let (sound, text) = (found.is_ok(), found.as_ref().map_or_else(Error::to_string, Clone::clone));
        all.push(json!({ "what": what, "sound": sound, "found": text }));
    }
    let damaged = checked.into_iter().filter_map(|checked| checked.found.err()).collect();
    Ok(Outcome { text: lines.join("\n"), json: json!({ "checked": all }), damaged })
}

fn repair(common: &Common) -> Result<Outcome, Error> {
    let repaired = Workspace::unchecked(&common.dir, common.options())?.repair()?;
    let restored = repaired.restored.as_ref().map_or(String::new(), |id| format!("finished the restore of {id}\n"));
    let text = format!(
        "{restored}cut {} bytes that were never acknowledged\nremoved {} files of unfinished snapshots\n{}",
        repaired.cut,
        repaired.unfinished_snapshots,
        match repaired.residue_left {
            0 => "removed what dead processes left".to_owned(),
            left => format!("{left} files of dead processes could not be removed"),
        }
    );
    Outcome::of(text, json!(repaired))
}

fn snapshot(args: &SnapshotArgs) -> Result<Outcome, Error> {
    let workspace = args.common.open()?;
    if args.list {
        let snapshots = workspace.snapshots()?;
        return Outcome::of(snapshots.join("\n"), json!({ "snapshots": snapshots }));
    }
    if let Some(id) = &args.remove {
        workspace.remove_snapshot(id)?;
        return Outcome::of(format!("removed snapshot {id}"), json!({ "removed": id }));
    }
    let (id, manifest) = workspace.snapshot(args.name.as_deref())?;
    let bytes: u64 = manifest.files.iter().map(|file| file.size).sum();
    let text = format!("took snapshot {id}: {} files, {bytes} bytes", manifest.files.len());
    Outcome::of(text, json!({ "snapshot": id, "manifest": manifest }))
}

fn restore(args: &RestoreArgs) -> Result<Outcome, Error> {
    let workspace = Workspace::open_to_restore(&args.common.dir, args.common.options())?;
    let manifest = workspace.restore(&args.snapshot)?;
    let text = format!("restored {}, of {}: {} files", args.snapshot, manifest.created_at, manifest.files.len());
    Outcome::of(text, json!({ "restored": args.snapshot, "manifest": manifest }))
}

fn migrate(common: &Common) -> Result<Outcome, Error> {
    let migrated = Workspace::migrate(&common.dir, common.options())?;
    let current = ::workspace::format::CURRENT;
    let text = format!("migrated from format {} to {current}: {} events", migrated.from, migrated.events);
    let cut = match migrated.cut {
        0 => String::new(),
        cut => format!("\nleft behind {cut} bytes that were never acknowledged"),
    };
    let json = json!({ "from": migrated.from, "to": current, "events": migrated.events, "cut": migrated.cut });
    Outcome::of(text + &cut, json)
}

fn project(common: &Common) -> Result<Outcome, Error> {
    let projected = common.open()?.project()?;
    let (path, events, added) = (projected.path.display(), projected.events, projected.added);
    let rebuilt = if projected.rebuilt { ", rebuilt" } else { "" };
    let json = json!({
        "path": path.to_string(), "events": events, "added": added, "rebuilt": projected.rebuilt
    });
    Outcome::of(format!("{path}: {events} events, {added} of them new{rebuilt}"), json)
}

/// A path of the workspace as whoever gave `dir` finds it.
fn shown(dir: &Path, path: &str) -> String {
    let below = path.split_once('/').map_or("", |(_, below)| below);
    dir.join(below).display().to_string()
}
