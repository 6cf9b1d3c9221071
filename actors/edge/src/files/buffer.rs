//! The buffer's files: records that were accepted stay until the primary has them.

use super::host::{Alone, ME, asker};
use super::{SIZES, record};
use crate::buffer::{Buffer, Config, Inbox, Timer};
use crate::message::drain::{self, Answer, Ask, PassId};
use crate::message::ingest;
use crate::places::Places;
use crate::planted::Planted;
use contract::file_protocol::Event;
use contract::timer::Timers;
use contract::{Actor, Context, Disk, Duration, FileProtocol};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The ingest buffer of one edge node, without a worker that comes by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct BufferFiles;

/// What clients and workers ask of it.
#[derive(Clone, Debug)]
pub enum Op {
    /// A client hands a record in.
    Ingest {
        /// Its id.
        id: u64,
        /// Its payload.
        bytes: usize,
    },
    /// A worker opens a pass and reads all of its pages.
    Drain,
    /// The worker commits the pass: the primary has all of it.
    CommitDelivered,
    /// The worker commits the pass: the primary has none of it.
    CommitFailed,
}

/// What they were told.
#[derive(Clone, Debug)]
pub enum Ack {
    /// What became of the record.
    Ingest(ingest::Answer),
    /// The records of the pass.
    Pass(Vec<u64>),
    /// Any other answer to a worker.
    Drain(Answer),
}

/// The buffer, and the pass that a worker goes through.
#[derive(Clone)]
pub struct Running {
    buffer: Buffer,
    timers: Timers<Timer>,
    pass: Option<(PassId, Vec<u64>)>,
    calls: u64,
}

/// Where the records may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    /// The buffer must have these.
    owed: BTreeSet<u64>,
    /// And no others than these.
    known: BTreeSet<u64>,
    /// Those of the pass that is open.
    pass: Vec<u64>,
}

fn config() -> Arc<Config> {
    Arc::new(Config {
        places: Places::of("edge"),
        workers: Vec::new(),
        segment_bytes: 65_536,
        record_bytes_max: 4_096,
        records_max: 64,
        volatile_max: 4,
        batch_records: 1,
        batch_bytes: 1_024,
        gate_timeout: Duration::from_secs(1),
        planted: Planted::default(),
    })
}

impl Running {
    fn deliver(&mut self, message: Inbox, host: &mut Alone<'_, '_>) -> Result<(), String> {
        let handled = self.buffer.on_message(ME, message, &mut Context::new(host, &mut self.timers));
        handled.map_err(|halt| halt.reason)
    }

    fn ask(&mut self, ask: Ask, disk: &mut Disk<'_>) -> Result<Answer, String> {
        let mut host = Alone::new(disk);
        self.calls += 1;
        let request = drain::Request { call: self.calls, reply_to: asker(), ask };
        self.deliver(Inbox::Drain(request), &mut host)?;
        let reply = host.sent::<drain::Reply>().pop().ok_or("a worker was not answered")?;
        Ok(reply.answer)
    }

    fn ingest(&mut self, id: u64, bytes: usize, disk: &mut Disk<'_>) -> Result<Ack, String> {
        let mut host = Alone::new(disk);
        let request = ingest::Request { record: record(id, bytes), reply_to: asker() };
        self.deliver(Inbox::Ingest(request), &mut host)?;
        let reply = host.sent::<ingest::Reply>().pop().ok_or("a client was not answered")?;
        Ok(Ack::Ingest(reply.answer))
    }

    fn drain(&mut self, disk: &mut Disk<'_>) -> Result<Ack, String> {
        let mut answer = self.ask(Ask::Open, disk)?;
        let mut ids = Vec::new();
        loop {
            let Answer::Page(page) = answer else { return Ok(Ack::Drain(answer)) };
            ids.extend(page.records.iter().map(|record| record.id));
            let pass = page.pass;
            let Some(from) = page.next else {
                self.pass = Some((pass, ids.clone()));
                return Ok(Ack::Pass(ids));
            };
            answer = self.ask(Ask::Page { pass, from }, disk)?;
        }
    }

    fn commit(&mut self, delivered: bool, disk: &mut Disk<'_>) -> Result<Ack, String> {
        // A worker without a pass commits one that nobody knows.
        let unknown = (PassId { epoch: u64::MAX, number: 0 }, Vec::new());
        let (pass, ids) = self.pass.take().unwrap_or(unknown);
        let (delivered, failed) = if delivered { (ids, Vec::new()) } else { (Vec::new(), ids) };
        Ok(Ack::Drain(self.ask(Ask::Commit { pass, delivered, failed }, disk)?))
    }
}

impl FileProtocol for BufferFiles {
    type Op = Op;
    type Ack = Ack;
    type State = Running;
    type Found = BTreeSet<u64>;
    type Model = Model;

    fn name(&self) -> &'static str {
        "edge-buffer"
    }

    fn about(&self) -> &'static str {
        "the edge's ingest buffer: append, rotate, drain, quarantine, commit"
    }

    fn operations(&self, step: usize) -> Vec<Op> {
        let ingest = SIZES.map(|bytes| Op::Ingest { id: step as u64 + 1, bytes });
        ingest.into_iter().chain([Op::Drain, Op::CommitDelivered, Op::CommitFailed]).collect()
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, BTreeSet<u64>), String> {
        let mut timers = Timers::default();
        let mut host = Alone::new(disk);
        let booted = Buffer::boot(&config(), &mut Context::new(&mut host, &mut timers));
        let running = Running { buffer: booted.map_err(|halt| halt.reason)?, timers, pass: None, calls: 0 };
        // A worker of this check reads what there is; the buffer that goes on has not seen it.
        let found = match running.clone().drain(disk)? {
            Ack::Pass(ids) => ids.into_iter().collect(),
            Ack::Drain(Answer::Empty) => BTreeSet::new(),
            other => return Err(format!("a buffer that has just booted answers {other:?}")),
        };
        Ok((running, found))
    }

    fn apply(&self, running: &mut Running, op: &Op, disk: &mut Disk<'_>) -> Result<Ack, String> {
        match op {
            Op::Ingest { id, bytes } => running.ingest(*id, *bytes, disk),
            Op::Drain => running.drain(disk),
            Op::CommitDelivered => running.commit(true, disk),
            Op::CommitFailed => running.commit(false, disk),
        }
    }

    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(op, ack) => model.told(op, ack),
            Event::Cut(op) => model.asked(op),
            Event::Found(found) => model.found(found)?,
        }
        Ok(())
    }
}

impl Model {
    /// An operation was begun: what it may change, it may have changed.
    fn asked(&mut self, op: &Op) {
        match op {
            Op::Ingest { id, .. } => _ = self.known.insert(*id),
            // The primary has them before the worker says so.
            Op::CommitDelivered => self.pass.drain(..).for_each(|id| _ = self.owed.remove(&id)),
            Op::CommitFailed => self.pass.clear(),
            Op::Drain => {}
        }
    }

    fn told(&mut self, op: &Op, ack: &Ack) {
        self.asked(op);
        match (op, ack) {
            (Op::Ingest { id, .. }, Ack::Ingest(ingest::Answer::Accepted)) => _ = self.owed.insert(*id),
            (_, Ack::Pass(ids)) => self.pass.clone_from(ids),
            _ => {}
        }
    }

    fn found(&mut self, found: &BTreeSet<u64>) -> Result<(), String> {
        if let Some(id) = self.owed.difference(found).next() {
            return Err(format!("E1: record {id} was accepted, the primary does not have it, and it is gone"));
        }
        if let Some(id) = found.difference(&self.known).next() {
            return Err(format!("E2: record {id} was never handed in"));
        }
        // A boot states what it found as durable.
        self.owed.clone_from(found);
        self.pass.clear();
        Ok(())
    }
}
