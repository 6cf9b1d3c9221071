//! A file that is saved as a whole, under its lock.

use super::SIZES;
use super::alone::{Alone, write_back};
use crate::atomic::{self, FileError};
use crate::lock::{self, Limits, Locker};
use crate::places::Places;
use crate::prepare::prepare;
use contract::file_protocol::Event;
use contract::{Disk, FileProtocol};
use serde_json::Value;

/// One file, saved again and again.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveFiles;

/// A save.
#[derive(Clone, Debug)]
pub struct Save {
    /// What the content begins with.
    pub number: u64,
    /// Its length in bytes.
    pub bytes: usize,
}

/// What its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It is this version.
    Saved(u64),
    /// Nothing was changed.
    Refused,
    /// It may have been, and nobody knows.
    Unknown,
}

/// A process with a ticket.
#[derive(Clone, Debug)]
pub struct Running {
    process: Alone,
    locker: Locker,
}

/// A version, and the number that its content begins with; zeros before the first save.
pub type Found = (u64, u64);

/// The last save that was acknowledged, and those after it that may have been done.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    sure: Found,
    open: Vec<u64>,
}

fn places() -> Places {
    Places::of("workspace")
}

/// A locker for a process that was just started.
pub fn locker(process: &mut Alone, disk: &mut Disk<'_>) -> Result<Locker, String> {
    process.run(disk, |turn| prepare(turn, &places())).map_err(|error| error.to_string())?;
    process.run(disk, |turn| lock::locker(turn, &places(), Limits::default())).map_err(|error| error.to_string())
}

impl FileProtocol for SaveFiles {
    type Op = Save;
    type Ack = Ack;
    type State = Running;
    type Found = Found;
    type Model = Model;

    fn name(&self) -> &'static str {
        "workspace-save"
    }

    fn about(&self) -> &'static str {
        "a file of the workspace that is saved as a whole under its lock"
    }

    fn operations(&self, step: usize) -> Vec<Save> {
        SIZES.map(|bytes| Save { number: step as u64 + 1, bytes }).to_vec()
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Found), String> {
        let mut process = Alone::start(0, disk, &places());
        let locker = locker(&mut process, disk)?;
        write_back(disk, &places());
        // A dead holder's lock is taken over here: what becomes of it has a protocol of its own.
        let held = process.run(disk, |turn| lock::acquire(turn, &locker, "state-file"));
        let held = held.map_err(|error| error.to_string())?;
        process.run(disk, |turn| lock::release(turn, &locker, &held)).map_err(|error| error.to_string())?;
        write_back(disk, &places());
        let loaded =
            process.run(disk, |turn| atomic::load(turn, &locker, "file")).map_err(|error| error.to_string())?;
        let found = match loaded {
            None => (0, 0),
            Some(loaded) => {
                let number = loaded.data.as_str().and_then(|text| text.split('-').next()?.parse().ok());
                (loaded.version, number.ok_or("a content that nobody saved")?)
            }
        };
        Ok((Running { process, locker }, found))
    }

    fn apply(&self, running: &mut Running, op: &Save, disk: &mut Disk<'_>) -> Result<Ack, String> {
        write_back(disk, &places());
        let text = Value::from(format!("{}-{}", op.number, "x".repeat(op.bytes)));
        let Running { process, locker } = running;
        match process.run(disk, |turn| atomic::save(turn, locker, "file", &text)) {
            Ok(saved) => Ok(Ack::Saved(saved.version)),
            Err(FileError::Disk { .. } | FileError::Lock(_)) => Ok(Ack::Refused),
            Err(FileError::Unknown { .. }) => Ok(Ack::Unknown),
            Err(error) => Err(error.to_string()),
        }
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(_, Ack::Refused) => {}
            Event::Acknowledged(op, Ack::Saved(version)) if *version > model.sure.0 => {
                *model = Model { sure: (*version, op.number), open: Vec::new() };
            }
            Event::Acknowledged(op, Ack::Saved(version)) => {
                return Err(format!("A3: save {} is version {version}, after version {}", op.number, model.sure.0));
            }
            Event::Acknowledged(op, Ack::Unknown) | Event::Cut(op) => model.open.push(op.number),
            Event::Found(found) => {
                let newer = found.0 > model.sure.0 && model.open.contains(&found.1);
                if *found != model.sure && !newer {
                    return Err(format!(
                        "A2: version {} is save {}, and {found:?} was found",
                        model.sure.0, model.sure.1
                    ));
                }
                *model = Model { sure: *found, open: Vec::new() };
            }
        }
        Ok(())
    }
}
