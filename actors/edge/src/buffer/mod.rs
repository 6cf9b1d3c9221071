//! The ingest buffer: takes custody of records, and gives it up only to files that are durable elsewhere.
//!
//! A record is accepted once it is synced in the active log, or, when that fails, in the quarantine log. When
//! that fails too it is kept in memory as a volatile write error, and its client is told to ask again. The
//! methods come in three kinds: `on_*` handle one request; the parts of a pass ([`drain`], [`commit`]) keep
//! one gate from first to last; [`recovery`] runs at boot.

mod commit;
mod drain;
mod ingest;
mod recovery;

use crate::gate::Gate;
use crate::message::{Record, drain as wire, ingest as asks};
use crate::places::Places;
use crate::planted::Planted;
use crate::storage::Log;
use contract::{Actor, Addr, Context, Duration, Halt, ProcessId, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where new records go.
pub const ACTIVE: Log = Log::absent("active", "active.log");
/// Where new records go when the active log refuses.
pub const QUARANTINE: Log = Log::absent("quarantine", "quarantine.log");
/// What a pass drains.
pub const STAGING: Log = Log::absent("staging", "staging.log");
/// A staging file that is being written. What is in it is always still somewhere else, too.
pub const DRAFT: &str = "staging.new";

/// What a buffer is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its node's places.
    pub places: Places,
    /// The workers of its node, for nudging.
    pub workers: Vec<Addr<wire::Nudge>>,
    /// Size of active plus quarantine from which new records are refused until a drain, in bytes.
    pub segment_bytes: u64,
    /// The longest payload of a record, in bytes.
    pub record_bytes_max: usize,
    /// Records in custody, of all places together, from which new ones are refused.
    pub records_max: usize,
    /// Records that only memory holds, at most.
    pub volatile_max: usize,
    /// Records in a page of a pass, at most.
    pub batch_records: usize,
    /// Payload in a page of a pass, in bytes; one record is always given.
    pub batch_bytes: usize,
    /// After so long a silence another worker takes the gate over.
    pub gate_timeout: Duration,
    /// Defects to prove the simulator with.
    pub planted: Planted,
}

inbox! {
    /// What a buffer accepts.
    pub enum Inbox {
        /// From clients.
        Ingest(asks::Request),
        /// From workers.
        Drain(wire::Request),
    }
}

/// A buffer acts only when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {}

/// A record that no file took.
#[derive(Clone, Debug)]
struct Volatile {
    record: Record,
    /// Who waits for the ack; `None` for a record that was accepted before and is in staging, too.
    asker: Option<Addr<asks::Reply>>,
}

/// The ingest buffer of one edge node.
#[derive(Clone, Debug)]
pub struct Buffer {
    config: Arc<Config>,
    active: Log,
    quarantine: Log,
    staging: Log,
    volatile: BTreeMap<u64, Volatile>,
    gate: Gate,
    /// A worker was nudged and has not come yet.
    nudged: bool,
}

impl Actor for Buffer {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        recovery::recover(config, ctx)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.check();
        match message {
            Inbox::Ingest(request) => {
                self.on_ingest(request, ctx);
                Ok(())
            }
            Inbox::Drain(request) => self.on_drain(from, request, ctx),
        }?;
        self.check();
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {}
    }
}

impl Buffer {
    fn on_drain(&mut self, from: ProcessId, request: wire::Request, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let answer = match request.ask {
            wire::Ask::Open => self.on_open(from, request.call, ctx)?,
            wire::Ask::Page { pass, from: index } => self.on_page(from, pass, index, ctx),
            wire::Ask::Commit { pass, delivered, failed } => self.on_commit(from, pass, &delivered, &failed, ctx),
        };
        ctx.send(request.reply_to, wire::Reply { call: request.call, answer });
        Ok(())
    }

    /// Whether a file holds the record durably.
    fn is_durable(&self, id: u64) -> bool {
        self.active.holds(id) || self.quarantine.holds(id) || self.staging.holds(id)
    }

    /// Records in custody; one that is in two places counts twice.
    fn in_custody(&self) -> usize {
        self.active.count() + self.quarantine.count() + self.staging.count() + self.volatile.len()
    }

    /// Makes the records durable in the active log, or else in quarantine; the place that took them.
    fn store(&mut self, records: &[Record], ctx: &mut Context<'_, Self>) -> Option<&'static str> {
        assert!(!records.is_empty(), "there is something to store");
        for log in [&mut self.active, &mut self.quarantine] {
            match log.append(records, &mut ctx.disk()) {
                Ok(()) => {
                    let ids = records.iter().map(|record| record.id).collect();
                    self.config.places.stored(log.place(), ids, ctx);
                    return Some(log.place());
                }
                Err(error) => {
                    ctx.mark(mark!("edge.write_failed", place = log.place(), error = error.to_string()));
                }
            }
        }
        None
    }

    /// Calls a worker now, once until one comes.
    fn nudge(&mut self, ctx: &mut Context<'_, Self>) {
        if self.nudged || self.config.workers.is_empty() {
            return;
        }
        let which = ctx.random_below(self.config.workers.len() as u64) as usize;
        ctx.send(self.config.workers[which], wire::Nudge);
        self.nudged = true;
    }

    /// What holds between any two events.
    fn check(&self) {
        assert!(self.volatile.len() <= self.config.volatile_max, "the write-error list is bounded");
        if let Some(pass) = self.gate.holder() {
            assert!(!pass.records.is_empty(), "a pass that holds the gate yields something");
        }
    }
}
