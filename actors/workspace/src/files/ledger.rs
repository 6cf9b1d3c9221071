//! The ledger's file and its watermark. The lock is left out: nobody else is there, and it has a protocol of its own.

use super::SIZES;
use super::alone::{Alone, write_back};
use crate::ledger::{self, Cursor, NewEvent, Tail};
use crate::lock::Held;
use crate::places::Places;
use crate::prepare::prepare;
use contract::file_protocol::Event;
use contract::{Disk, FileProtocol};

/// A ledger, one batch an append.
#[derive(Clone, Copy, Debug, Default)]
pub struct LedgerFiles;

/// An append of one batch.
#[derive(Clone, Debug)]
pub struct Append {
    /// Tells the batches apart.
    pub batch: u64,
    /// The payload of each event, in bytes.
    pub sizes: Vec<usize>,
}

/// What its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The first event has this number.
    Appended(u64),
    /// Nothing was appended.
    Refused,
    /// It may have been, and nobody knows.
    Unknown,
}

/// A process with the ledger open.
#[derive(Clone, Debug)]
pub struct Running {
    process: Alone,
    tail: Option<Tail>,
}

/// The batches in their order: which, of how many events, and whether it must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model(Vec<(u64, usize, bool)>);

/// Which batch each event is of, in the order of their numbers.
pub type Found = Vec<String>;

fn places() -> Places {
    Places::of("workspace")
}

/// The lock, as a process without others has it.
pub(super) fn alone() -> Held {
    Held { path: places().lock(ledger::DOMAIN), inode: 0, recovered: false }
}

fn key(batch: u64, nth: usize) -> String {
    format!("{batch}-{nth}")
}

fn events(Append { batch, sizes }: &Append) -> Vec<NewEvent> {
    let event = |(nth, size): (usize, &usize)| NewEvent {
        domain: "tx".to_owned(),
        key: key(*batch, nth),
        payload: format!("\"{}\"", "x".repeat(*size)),
    };
    sizes.iter().enumerate().map(event).collect()
}

/// All that is settled, in pages of one sector.
fn read(process: &mut Alone, disk: &mut Disk<'_>) -> Result<Found, String> {
    let (mut keys, mut cursor) = (Vec::new(), Cursor::START);
    loop {
        let page = process.run(disk, |turn| ledger::read(turn, &places(), cursor, 512));
        let page = page.map_err(|error| error.to_string())?;
        keys.extend(page.events.into_iter().map(|event| event.key));
        cursor = page.cursor;
        if !page.more {
            return Ok(keys);
        }
    }
}

impl FileProtocol for LedgerFiles {
    type Op = Append;
    type Ack = Ack;
    type State = Running;
    type Found = Found;
    type Model = Model;

    fn name(&self) -> &'static str {
        "workspace-ledger"
    }

    fn about(&self) -> &'static str {
        "the workspace's ledger: append in batches, take back, repair, read"
    }

    /// One event in a sector of its own; three of which the middle one is longer than a sector.
    fn operations(&self, step: usize) -> Vec<Append> {
        let [short, long] = SIZES;
        let batch = step as u64 + 1;
        vec![Append { batch, sizes: vec![short] }, Append { batch, sizes: vec![short, long, short] }]
    }

    fn tells_boots_apart(&self) -> bool {
        true
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Found), String> {
        self.restart(0, disk)
    }

    fn restart(&self, boot: u64, disk: &mut Disk<'_>) -> Result<(Running, Found), String> {
        let mut process = Alone::start(boot, disk, &places());
        process.run(disk, |turn| prepare(turn, &places())).map_err(|error| error.to_string())?;
        let tail = process.run(disk, |turn| ledger::catch_up(turn, &places(), None));
        let tail = Some(tail.map_err(|error| error.to_string())?);
        let found = read(&mut process, disk)?;
        Ok((Running { process, tail }, found))
    }

    fn apply(&self, running: &mut Running, op: &Append, disk: &mut Disk<'_>) -> Result<Ack, String> {
        write_back(disk, &places());
        let Running { process, tail } = running;
        let known = tail.take();
        match process.run(disk, |turn| ledger::append(turn, &places(), &alone(), known, &events(op))) {
            Ok(appended) => {
                *tail = Some(appended.tail);
                Ok(Ack::Appended(appended.first))
            }
            Err(error) => Ok(if error.unknown { Ack::Unknown } else { Ack::Refused }),
        }
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(op, ack) => model.told(op, *ack),
            Event::Cut(op) => {
                model.0.push((op.batch, op.sizes.len(), false));
                Ok(())
            }
            Event::Found(found) => model.found(found),
        }
    }
}

impl Model {
    fn told(&mut self, op: &Append, ack: Ack) -> Result<(), String> {
        let before: usize = self.0.iter().map(|(_, count, _)| count).sum();
        match ack {
            Ack::Refused => return Ok(()),
            Ack::Appended(first) if first == 0 || first > before as u64 + 1 => {
                return Err(format!("G2: at most {before} events came before number {first}"));
            }
            _ => self.0.push((op.batch, op.sizes.len(), ack != Ack::Unknown)),
        }
        Ok(())
    }

    fn found(&mut self, found: &Found) -> Result<(), String> {
        let (mut rest, mut kept) = (&found[..], Vec::new());
        for &(batch, count, sure) in &self.0 {
            let keys: Vec<String> = (0..count).map(|nth| key(batch, nth)).collect();
            match rest.strip_prefix(&keys[..]) {
                Some(behind) => {
                    rest = behind;
                    kept.push((batch, count, true));
                }
                None if sure => return Err(format!("G1: batch {batch} was appended, and is not there in its order")),
                None => {}
            }
        }
        match rest.first() {
            None => {
                self.0 = kept;
                Ok(())
            }
            Some(key) => {
                Err(format!("G2: event {key} was never appended, was refused, or is one of a part of a batch"))
            }
        }
    }
}
