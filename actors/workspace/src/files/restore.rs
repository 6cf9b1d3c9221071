//! Snapshots that are taken and gone back to: after any crash the workspace is as it was or as the snapshot has it,
//! and never something in between.

use super::alone::{Alone, write_back};
use crate::places::Places;
use crate::prepare::prepare;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{self, restore};
use crate::whole;
use contract::file_protocol::Event;
use contract::{Disk, FileProtocol};
use std::collections::BTreeMap;

/// A workspace whose ledger and whose one saved file always say the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreFiles;

/// What its client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes that number into both files, one after the other.
    Write(u8),
    /// Takes the snapshot of that number.
    Take(u8),
    /// Goes back to the newest snapshot, if there is one.
    Restore,
}

/// What the two files say; 0 where there is no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    ledger: u8,
    saved: u8,
}

/// What a recovery reads back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    now: Content,
    snapshots: BTreeMap<u8, Content>,
}

/// What was found last or acknowledged since, and what the operation that was cut short may have made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    sure: Found,
    perhaps: Vec<Found>,
}

const BYTES_MAX: u64 = 64;

fn places() -> Places {
    Places::of("workspace")
}

/// What the files of the workspace, or of a snapshot, say.
fn content(process: &mut Alone, disk: &mut Disk<'_>, root: &str) -> Result<Content, String> {
    let mut read = |name: &str| {
        let bytes = process.run(disk, |turn| whole::read(turn, &format!("{root}/{name}"), BYTES_MAX));
        let bytes = bytes.map_err(|error| error.to_string())?.unwrap_or_else(|| b"0".to_vec());
        let number = String::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        number.ok_or(format!("A1: {root}/{name} is not what anybody wrote"))
    };
    Ok(Content { ledger: read("events.jsonl")?, saved: read("state/a.json")? })
}

fn write(process: &mut Alone, disk: &mut Disk<'_>, number: u8) -> Result<(), String> {
    let places = places();
    let bytes = number.to_string().into_bytes();
    let targets = [(places.root().to_owned(), places.ledger()), (places.states(), places.state("a"))];
    for (parent, path) in targets {
        let replaced = process.run(disk, |turn| whole::replace(turn, &places, &parent, &path, &bytes));
        replaced.map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl FileProtocol for RestoreFiles {
    type Op = Op;
    type Ack = ();
    type State = Alone;
    type Found = Found;
    type Model = Model;

    fn name(&self) -> &'static str {
        "workspace-restore"
    }

    fn about(&self) -> &'static str {
        "the workspace's snapshots: taken, verified, restored, swept"
    }

    fn operations(&self, step: usize) -> Vec<Op> {
        let number = step as u8 + 1;
        vec![Op::Write(number), Op::Take(number), Op::Restore]
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Alone, Found), String> {
        let mut process = Alone::start(0, disk, &places());
        process.run(disk, |turn| prepare(turn, &places())).map_err(|error| error.to_string())?;
        // Which unfinished files a power loss would bring back matters to nobody, and would multiply with the rest.
        disk.sync_dir(&places().temporaries()).map_err(|error| error.to_string())?;
        process.run(disk, |turn| restore::finish(turn, &places())).map_err(|error| error.to_string())?;
        // Whoever reports what it has read makes it safe first.
        process.run(disk, |turn| whole::sync_dir(turn, &places().states())).map_err(|error| error.to_string())?;
        process.run(disk, |turn| snapshot::sweep(turn, &places())).map_err(|error| error.to_string())?;
        let mut found = Found { now: content(&mut process, disk, places().root())?, snapshots: BTreeMap::new() };
        let ids = process.run(disk, |turn| snapshot::list(turn, &places())).map_err(|error| error.to_string())?;
        for id in ids {
            // A crash damages no snapshot that exists.
            let verified = process.run(disk, |turn| snapshot::verify(turn, &places(), &id));
            let Manifest { files, .. } = verified.map_err(|error| error.to_string())?;
            let copied = content(&mut process, disk, &places().snapshot(&id))?;
            if files.len() > 2 {
                return Err(format!("snapshot {id} names files that nobody wrote: {files:?}"));
            }
            found.snapshots.insert(id.parse().map_err(|_| format!("nobody took a snapshot {id}"))?, copied);
        }
        Ok((process, found))
    }

    fn apply(&self, process: &mut Alone, op: &Op, disk: &mut Disk<'_>) -> Result<(), String> {
        write_back(disk, &places());
        match op {
            Op::Write(number) => write(process, disk, *number),
            Op::Take(number) => {
                let taken = process.run(disk, |turn| snapshot::take(turn, &places(), &number.to_string(), "test"));
                taken.map(drop).map_err(|error| error.to_string())
            }
            Op::Restore => {
                let ids = process.run(disk, |turn| snapshot::list(turn, &places()));
                let Some(newest) = ids.map_err(|error| error.to_string())?.pop() else { return Ok(()) };
                let restored = process.run(disk, |turn| restore::restore(turn, &places(), &newest));
                restored.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(op, ()) => {
                model.sure = model.sure.after(*op);
                Ok(())
            }
            Event::Cut(op) => {
                model.perhaps = vec![model.sure.after(*op)];
                if let Op::Write(number) = op {
                    let half = Content { ledger: *number, ..model.sure.now };
                    model.perhaps.push(Found { now: half, ..model.sure.clone() });
                }
                Ok(())
            }
            Event::Found(found) if *found == model.sure || model.perhaps.contains(found) => {
                *model = Model { sure: found.clone(), perhaps: Vec::new() };
                Ok(())
            }
            Event::Found(_) => Err(format!("A2: there was {:?}, or perhaps {:?}", model.sure, model.perhaps)),
        }
    }
}

impl Found {
    /// What an operation makes of it.
    fn after(&self, op: Op) -> Found {
        let mut next = self.clone();
        match op {
            Op::Write(number) => next.now = Content { ledger: number, saved: number },
            Op::Take(number) => drop(next.snapshots.insert(number, self.now)),
            Op::Restore => next.now = self.snapshots.values().next_back().copied().unwrap_or(self.now),
        }
        next
    }
}
