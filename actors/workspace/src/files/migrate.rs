//! A migration: after any crash every event is there, and once it was done it stays done.

use super::alone::{Alone, write_back};
use super::ledger::alone;
use crate::format::migrate::{MigrateError, migrate};
use crate::format::{self, Status};
use crate::ledger::{self, Cursor, NewEvent};
use crate::places::Places;
use crate::prepare::prepare;
use crate::whole;
use contract::file_protocol::Event;
use contract::{Disk, FileProtocol};

/// A workspace of format 1 with two events and the rest of a third, which was never acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrateFiles;

/// What its client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Brings it up to date.
    Migrate,
    /// Appends an event with that key, if it is up to date.
    Append(u64),
}

/// The keys of the events, in their order, and whether the workspace is up to date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    keys: Vec<String>,
    ready: bool,
}

/// What was found last or acknowledged since, and what the operation that was cut short may have made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    sure: Found,
    perhaps: Option<Found>,
}

impl Default for Model {
    fn default() -> Self {
        let keys = ["old-1", "old-2"].map(str::to_owned).to_vec();
        Model { sure: Found { keys, ready: false }, perhaps: None }
    }
}

const OLD: &str = "{\"eventId\":1,\"domain\":\"tx\",\"key\":\"old-1\",\"payload\":{\"sum\":3}}\n\
                   {\"eventId\":2,\"domain\":\"tx\",\"key\":\"old-2\"}\n{\"eventId\":3,\"dom";

fn places() -> Places {
    Places::of("workspace")
}

fn old_keys(process: &mut Alone, disk: &mut Disk<'_>) -> Result<Vec<String>, String> {
    let bytes = process.run(disk, |turn| whole::read(turn, &places().ledger(), 4_096));
    let bytes = bytes.map_err(|error| error.to_string())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let key = |line: &str| Some(serde_json::from_str::<serde_json::Value>(line).ok()?["key"].as_str()?.to_owned());
    lines.map(|line| key(line).ok_or(format!("G1: {line:?} is no event"))).collect()
}

fn new_keys(process: &mut Alone, disk: &mut Disk<'_>) -> Result<Vec<String>, String> {
    let tail = process.run(disk, |turn| ledger::catch_up(turn, &places(), None)).map_err(|error| error.to_string())?;
    process.run(disk, |turn| ledger::forget(turn, tail));
    let page = process.run(disk, |turn| ledger::read(turn, &places(), Cursor::START, 1 << 16));
    let page = page.map_err(|error| error.to_string())?;
    Ok(page.events.into_iter().map(|event| event.key).collect())
}

impl FileProtocol for MigrateFiles {
    type Op = Op;
    type Ack = bool;
    type State = Alone;
    type Found = Found;
    type Model = Model;

    fn name(&self) -> &'static str {
        "workspace-migrate"
    }

    fn about(&self) -> &'static str {
        "the workspace's migration from format 1 to 2, and appends after it"
    }

    fn operations(&self, step: usize) -> Vec<Op> {
        vec![Op::Migrate, Op::Append(step as u64)]
    }

    fn tells_boots_apart(&self) -> bool {
        true
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Alone, Found), String> {
        self.restart(0, disk)
    }

    fn restart(&self, boot: u64, disk: &mut Disk<'_>) -> Result<(Alone, Found), String> {
        let places = places();
        let mut process = Alone::start(boot, disk, &places);
        process.run(disk, |turn| prepare(turn, &places)).map_err(|error| error.to_string())?;
        let mut status = process.run(disk, |turn| format::status(turn, &places)).map_err(|error| error.to_string())?;
        if status == Status::Missing {
            let old = OLD.as_bytes();
            let made = process.run(disk, |turn| whole::replace(turn, &places, places.root(), &places.ledger(), old));
            made.map_err(|error| error.to_string())?;
            status = Status::NeedsMigration { from: 1 };
        }
        let keys = match status {
            Status::Ready => new_keys(&mut process, disk)?,
            Status::NeedsMigration { from: 1 } => old_keys(&mut process, disk)?,
            other => return Err(format!("nobody wrote a format that is {other:?}")),
        };
        Ok((process, Found { keys, ready: status == Status::Ready }))
    }

    /// Whether it was done; not, where there was nothing to do or nothing that could be done.
    fn apply(&self, process: &mut Alone, op: &Op, disk: &mut Disk<'_>) -> Result<bool, String> {
        write_back(disk, &places());
        match op {
            Op::Migrate => match process.run(disk, |turn| migrate(turn, &places(), "test")) {
                Ok(_) => Ok(true),
                Err(MigrateError::Status(Status::Ready)) => Ok(false),
                Err(error) => Err(error.to_string()),
            },
            Op::Append(key) => {
                let status = process.run(disk, |turn| format::status(turn, &places()));
                if status.map_err(|error| error.to_string())? != Status::Ready {
                    return Ok(false);
                }
                let event = NewEvent { domain: "tx".to_owned(), key: key.to_string(), payload: "1".to_owned() };
                let appended = process.run(disk, |turn| ledger::append(turn, &places(), &alone(), None, &[event]));
                let tail = appended.map_err(|error| error.to_string())?.tail;
                process.run(disk, |turn| ledger::forget(turn, tail));
                Ok(true)
            }
        }
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(op, true) => {
                model.sure = model.sure.after(*op);
                Ok(())
            }
            Event::Acknowledged(op, false) if (*op == Op::Migrate) == model.sure.ready => Ok(()),
            Event::Acknowledged(op, false) => Err(format!("{op:?} was refused where it can be done")),
            Event::Cut(op) => {
                model.perhaps = Some(model.sure.after(*op));
                Ok(())
            }
            Event::Found(found) if *found == model.sure || model.perhaps.as_ref() == Some(found) => {
                *model = Model { sure: found.clone(), perhaps: None };
                Ok(())
            }
            Event::Found(_) => Err(format!("G1: there was {:?}, or perhaps {:?}", model.sure, model.perhaps)),
        }
    }
}

impl Found {
    /// What an operation makes of it.
    fn after(&self, op: Op) -> Found {
        let mut next = self.clone();
        match op {
            Op::Migrate => next.ready = true,
            Op::Append(key) if self.ready => next.keys.push(key.to_string()),
            Op::Append(_) => {}
        }
        next
    }
}
