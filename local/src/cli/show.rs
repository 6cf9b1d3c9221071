//! `status`, `append` and `log`: what goes in and what is there.

use super::{Common, Outcome};
use crate::admin::Overview;
use crate::error::Error;
use crate::open::Workspace;
use ::workspace::format::{CURRENT, Status};
use ::workspace::ledger::{Cursor, Event, NewEvent, Unfit};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::Duration;

/// Bytes of the ledger that are read at once.
const PAGE: usize = 1 << 20;
/// How often `log --follow` looks for new events.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub struct AppendArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Which part of the workspace the event is about.
    #[arg(long, requires = "payload")]
    domain: Option<String>,
    /// Your own name for it.
    #[arg(long, default_value = "", requires = "payload")]
    key: String,
    /// JSON.
    #[arg(long, requires = "domain")]
    payload: Option<String>,
}

#[derive(Args)]
pub struct LogArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The first event's number.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// At most so many.
    #[arg(long)]
    limit: Option<u64>,
    /// Only that domain's.
    #[arg(long)]
    domain: Option<String>,
    /// Goes on with new events until it is stopped.
    #[arg(long)]
    follow: bool,
}

/// An event as it stands on a line of the standard input.
#[derive(Deserialize)]
struct Line<'l> {
    domain: String,
    #[serde(default)]
    key: String,
    #[serde(borrow)]
    payload: &'l RawValue,
}

pub(super) fn status(common: &Common) -> Result<Outcome, Error> {
    let workspace = match Workspace::open_with(&common.dir, common.options()) {
        Err(Error::Format(status @ Status::NeedsMigration { from })) => {
            let text = format!("format {from}, needs a migration to {CURRENT}");
            let json = json!({ "format": from, "needs_migration": true });
            return Ok(Outcome { text, json, damaged: vec![Error::Format(status)] });
        }
        opened => opened?,
    };
    let overview = workspace.overview()?;
    let mut json = json!(overview);
    json["path"] = json!(workspace.path().display().to_string());
    json["format"] = json!(CURRENT);
    json["needs_migration"] = json!(false);
    Outcome::of(text(&workspace, &overview), json)
}

fn text(workspace: &Workspace, overview: &Overview) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = format!(
        "workspace    {}\nformat       {CURRENT}, up to date\nledger       {} events, {} bytes\nsaved files  {}\nsnapshots    {}\n",
        workspace.path().display(),
        overview.events,
        overview.bytes,
        list(&overview.files),
        list(&overview.snapshots),
    );
    for lock in &overview.locks {
        let holder = match (lock.pid, lock.alive) {
            (Some(pid), true) => format!("held by process {pid}, which runs"),
            (Some(pid), false) => format!("left by process {pid}, which is dead; the next who wants it takes it over"),
            (None, _) => "its file does not say whose it is".to_owned(),
        };
        text += &format!("lock         {}: {holder}\n", lock.domain);
    }
    text
}

pub(super) fn append(args: &AppendArgs) -> Result<Outcome, Error> {
    let workspace = args.common.open()?;
    let events = match (&args.domain, &args.payload) {
        (Some(domain), Some(payload)) => {
            vec![NewEvent { domain: domain.clone(), key: args.key.clone(), payload: payload.clone() }]
        }
        _ => from_input()?,
    };
    let ids = workspace.append(&events)?;
    let text = match (ids.start, ids.end - 1) {
        (first, last) if first == last => format!("event {first} is on the disk"),
        (first, last) => format!("events {first} to {last} are on the disk"),
    };
    Outcome::of(text, json!({ "first": ids.start, "last": ids.end - 1 }))
}

fn from_input() -> Result<Vec<NewEvent>, Error> {
    let mut events = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::Directory("standard input".into(), error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let Line { domain, key, payload } = serde_json::from_str(&line).map_err(|_| Error::Unfit(Unfit::Payload))?;
        events.push(NewEvent { domain, key, payload: payload.get().to_owned() });
    }
    Ok(events)
}

/// Prints events as they are read; nothing is left to print at the end.
pub(super) fn log(args: &LogArgs) -> Result<Outcome, Error> {
    let workspace = args.common.open()?;
    let (mut cursor, mut left) = (Cursor::START, args.limit.unwrap_or(u64::MAX));
    let mut out = std::io::stdout().lock();
    loop {
        let page = workspace.read(cursor, PAGE)?;
        cursor = page.cursor;
        let wanted = |event: &&Event| event.id >= args.from && args.domain.as_ref().is_none_or(|d| *d == event.domain);
        for event in page.events.iter().filter(wanted) {
            if left == 0 {
                break;
            }
            left -= 1;
            let line = if args.common.how.json { as_json(event).to_string() } else { as_text(event) };
            // A reader that went away (`| head`) wants no more.
            if writeln!(out, "{line}").is_err() {
                left = 0;
            }
        }
        if left == 0 || (!page.more && !args.follow) {
            return Outcome::of("", Value::Null);
        }
        if !page.more {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn as_text(event: &Event) -> String {
    let at = ::workspace::date::iso(contract::Wall(event.at.saturating_mul(1_000_000)));
    format!("{:>8}  {at}  {:<12} {:<16} {}", event.id, event.domain, event.key, event.payload)
}

fn as_json(event: &Event) -> Value {
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    json!({ "eventId": event.id, "domain": event.domain, "at": event.at, "key": event.key, "payload": payload })
}
