//! The ledger's file: each applied record stays at its log sequence number, once.

use super::host::{Alone, ME, asker};
use super::{SIZES, record};
use crate::ledger::{Config, Inbox, Ledger, Timer};
use crate::message::ledger::{Answer, Ask, Reply, Request};
use crate::places::Places;
use contract::file_protocol::Event;
use contract::timer::Timers;
use contract::{Actor, Context, Disk, Duration, FileProtocol};
use std::sync::Arc;

/// The primary's ledger, each submission with a sync of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct LedgerFiles;

/// A submission.
#[derive(Clone, Debug)]
pub struct Submit {
    /// The record's id.
    pub id: u64,
    /// Its payload.
    pub bytes: usize,
}

/// The ledger.
#[derive(Clone)]
pub struct Running {
    ledger: Ledger,
    timers: Timers<Timer>,
}

/// The ids in the order of their numbers, which start at 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    applied: Vec<u64>,
    /// The one whose submission was cut short.
    cut: Option<u64>,
}

fn config() -> Arc<Config> {
    Arc::new(Config {
        places: Places::of("primary"),
        record_bytes_max: 4_096,
        group_wait: Duration::ZERO,
        group_records: 4,
        scan_records: 64,
        scan_bytes: 65_536,
    })
}

impl Running {
    fn ask(&mut self, ask: Ask, disk: &mut Disk<'_>) -> Result<Answer, String> {
        let mut host = Alone::new(disk);
        let request = Inbox::Request(Request { call: 1, reply_to: asker(), ask });
        let handled = self.ledger.on_message(ME, request, &mut Context::new(&mut host, &mut self.timers));
        handled.map_err(|halt| halt.reason)?;
        let reply = host.sent::<Reply>().pop().ok_or("nobody was answered")?;
        Ok(reply.answer)
    }
}

impl FileProtocol for LedgerFiles {
    type Op = Submit;
    type Ack = Answer;
    type State = Running;
    type Found = Vec<u64>;
    type Model = Model;

    fn name(&self) -> &'static str {
        "edge-ledger"
    }

    fn about(&self) -> &'static str {
        "the primary's ledger: append, duplicates, repair at boot"
    }

    /// A new record, short or long; and the first one again.
    fn operations(&self, step: usize) -> Vec<Submit> {
        let again = (step > 0).then_some(Submit { id: 1, bytes: SIZES[0] });
        SIZES.map(|bytes| Submit { id: step as u64 + 1, bytes }).into_iter().chain(again).collect()
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Vec<u64>), String> {
        let mut timers = Timers::default();
        let mut host = Alone::new(disk);
        let booted = Ledger::boot(&config(), &mut Context::new(&mut host, &mut timers));
        let mut running = Running { ledger: booted.map_err(|halt| halt.reason)?, timers };
        match running.ask(Ask::Scan { from_lsn: 1, limit: 64 }, disk)? {
            Answer::Rows { rows, next: None } if rows.iter().zip(1..).all(|(row, lsn)| row.lsn == lsn) => {
                Ok((running, rows.iter().map(|row| row.record.id).collect()))
            }
            other => Err(format!("a ledger that has just booted answers {other:?}")),
        }
    }

    fn apply(
        &self,
        running: &mut Running,
        Submit { id, bytes }: &Submit,
        disk: &mut Disk<'_>,
    ) -> Result<Answer, String> {
        running.ask(Ask::Submit(record(*id, *bytes)), disk)
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(Submit { id, .. }, answer) => model.told(*id, answer),
            Event::Cut(Submit { id, .. }) => {
                model.cut = (!model.applied.contains(id)).then_some(*id);
                Ok(())
            }
            Event::Found(found) => model.found(found),
        }
    }
}

impl Model {
    fn told(&mut self, id: u64, answer: &Answer) -> Result<(), String> {
        let known = self.applied.iter().zip(1..).find(|(applied, _)| **applied == id).map(|(_, lsn)| lsn);
        match (answer, known) {
            (Answer::Applied { lsn }, None) if *lsn == self.applied.len() as u64 + 1 => self.applied.push(id),
            (Answer::Duplicate { lsn }, Some(known)) if *lsn == known => {}
            (Answer::Unavailable, _) => {}
            _ => return Err(format!("E2: record {id}, in the ledger at {known:?}, was answered {answer:?}")),
        }
        Ok(())
    }

    fn found(&mut self, found: &[u64]) -> Result<(), String> {
        let (sure, more) = found.split_at(found.len().min(self.applied.len()));
        if sure != self.applied {
            return Err(format!("E2: the ledger had {:?}", self.applied));
        }
        if !more.is_empty() && more != self.cut.as_slice() {
            return Err(format!("E2: {more:?} were never submitted, or were refused"));
        }
        *self = Model { applied: found.to_vec(), cut: None };
        Ok(())
    }
}
