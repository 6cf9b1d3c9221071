//! The client: hands in records until each is accepted, then reads the ledger until each is there.
//!
//! It records a history: `ingest` (input: the record's id) completes when the record is accepted; `scan`
//! (output: all ids in ledger order) completes when the last page is read. Neither is ever given up, so
//! an operation without an end means that the system has not converged. A client keeps its progress in memory
//! only: as a workload it is not to be killed.

use crate::message::ledger::{Answer, Ask};
use crate::message::{Record, ingest, ledger};
use contract::calls::{Calls, Retry};
use contract::history::{Done, Op, Outcome};
use contract::{Actor, Addr, Blob, Context, Duration, Halt, ProcessId, Value, Wall, inbox, mark};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a client is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which client it is: the upper half of its records' ids.
    pub index: u32,
    /// Where records can be handed in.
    pub buffers: Vec<Addr<ingest::Request>>,
    /// Where they must arrive.
    pub primary: Addr<ledger::Request>,
    /// How many records it hands in.
    pub records: u32,
    /// Time between two records, on average.
    pub interval: Duration,
    /// Records that are not accepted yet, at most.
    pub window: usize,
    /// The longest payload, in bytes.
    pub record_bytes: usize,
    /// Whether buffers are drawn; else they take turns.
    pub random_edge: bool,
    /// How it asks; without a deadline.
    pub retry: Retry,
    /// Time between two readings of the ledger.
    pub scan_every: Duration,
    /// Rows it asks for at a time.
    pub scan_page: u64,
}

inbox! {
    /// What a client accepts.
    pub enum Inbox {
        /// From buffers.
        Ingest(ingest::Reply),
        /// From the primary.
        Ledger(ledger::Reply),
    }
}

/// The client's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for the next record.
    Issue,
    /// Some record has not been accepted.
    Retry,
    /// Time to read the ledger.
    Scan,
    /// Some page has not come.
    Page,
}

/// Ids of scans: this bit of the lower half tells them from records.
const SCAN_BIT: u64 = 1 << 31;

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<Config>,
    issued: u32,
    accepted: BTreeSet<u64>,
    asking: Calls<u64, ingest::Request>,
    scanning: Calls<u64, ledger::Request>,
    /// Scans begun.
    scans: u64,
    /// Pages asked for; names the calls.
    pages: u64,
    /// What the scan in progress has read.
    read: Vec<u64>,
    done: bool,
}

impl Actor for Client {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(!config.buffers.is_empty() && config.window > 0, "a client can hand its records in");
        assert!(config.retry.deadline.is_none(), "a client never gives up");
        let mut client = Client {
            config: Arc::clone(config),
            issued: 0,
            accepted: BTreeSet::new(),
            asking: Calls::new(config.retry),
            scanning: Calls::new(config.retry),
            scans: 0,
            pages: ctx.random(),
            read: Vec::new(),
            done: false,
        };
        client.pause(ctx);
        Ok(client)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Ingest(reply) => self.on_answer(&reply, ctx),
            Inbox::Ledger(reply) => self.on_page(reply, ctx),
        }
        assert!(self.asking.len() <= self.config.window, "open records stay inside the window");
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Issue => self.issue(ctx),
            Timer::Retry => {
                let given_up = self.asking.poll(ctx);
                assert!(given_up.is_empty(), "a call without a deadline is not given up");
                self.asking.schedule(Timer::Retry, ctx);
            }
            Timer::Scan => self.scan(ctx),
            Timer::Page => {
                let given_up = self.scanning.poll(ctx);
                assert!(given_up.is_empty(), "a call without a deadline is not given up");
                self.scanning.schedule(Timer::Page, ctx);
            }
        }
        Ok(())
    }
}

impl Client {
    /// Sets the timer for the next record, or begins to read when there is none.
    fn pause(&mut self, ctx: &mut Context<'_, Self>) {
        if self.issued < self.config.records {
            let interval = self.config.interval;
            let wait = ctx.random_between(interval / 2, interval + interval / 2);
            ctx.set_timer(Timer::Issue, wait);
        } else if self.asking.is_empty() && !ctx.timer_is_set(Timer::Scan) {
            self.scan(ctx);
        }
    }

    fn issue(&mut self, ctx: &mut Context<'_, Self>) {
        if self.asking.len() < self.config.window {
            let id = (u64::from(self.config.index) << 32) | u64::from(self.issued);
            assert!(id & SCAN_BIT == 0, "a client has less than 2^31 records");
            self.issued += 1;
            self.hand_in(id, ctx);
        }
        self.pause(ctx);
    }

    fn hand_in(&mut self, id: u64, ctx: &mut Context<'_, Self>) {
        let len = 1 + ctx.random_below(self.config.record_bytes as u64) as usize;
        let request = ingest::Request {
            record: Record { id, taken_at: Wall::default(), payload: payload(id, len) },
            reply_to: ctx.addr(),
        };
        let edge = self.edge(ctx);
        ctx.invoke(Op { id, action: "ingest", input: Value::from(id) });
        if ctx.choose("client.asks_two_edges") {
            let other = self.config.buffers[ctx.random_below(self.config.buffers.len() as u64) as usize];
            ctx.send(other, request.clone());
        }
        self.asking.begin(id, self.config.buffers[edge], request, ctx);
        self.asking.schedule(Timer::Retry, ctx);
    }

    fn edge(&self, ctx: &mut Context<'_, Self>) -> usize {
        let count = self.config.buffers.len();
        if self.config.random_edge {
            ctx.random_below(count as u64) as usize
        } else {
            (self.config.index as usize + self.issued as usize) % count
        }
    }

    fn on_answer(&mut self, reply: &ingest::Reply, ctx: &mut Context<'_, Self>) {
        let outcome = match reply.answer {
            ingest::Answer::Accepted => Outcome::Ok,
            ingest::Answer::TooLong => Outcome::Failed,
            // The call goes on asking.
            ingest::Answer::Pending | ingest::Answer::Full => return,
        };
        if self.asking.finish(reply.id).is_none() {
            return;
        }
        if outcome == Outcome::Ok {
            let new = self.accepted.insert(reply.id);
            assert!(new, "a record is accepted once");
        }
        ctx.complete(Done { id: reply.id, outcome, output: Value::from(reply.id) });
        self.asking.schedule(Timer::Retry, ctx);
        if self.issued == self.config.records {
            self.pause(ctx);
        }
    }

    fn scan(&mut self, ctx: &mut Context<'_, Self>) {
        if self.done || !self.scanning.is_empty() {
            return;
        }
        self.scans += 1;
        self.read.clear();
        ctx.invoke(Op { id: self.scan_id(), action: "scan", input: Value::from(1_u64) });
        self.ask_page(1, ctx);
    }

    fn scan_id(&self) -> u64 {
        (u64::from(self.config.index) << 32) | SCAN_BIT | self.scans
    }

    fn ask_page(&mut self, from_lsn: u64, ctx: &mut Context<'_, Self>) {
        assert!(self.scanning.is_empty(), "one page is read at a time");
        self.pages = self.pages.wrapping_add(1);
        let ask = Ask::Scan { from_lsn, limit: self.config.scan_page };
        let request = ledger::Request { call: self.pages, reply_to: ctx.addr(), ask };
        self.scanning.begin(self.pages, self.config.primary, request, ctx);
        self.scanning.schedule(Timer::Page, ctx);
    }

    fn on_page(&mut self, reply: ledger::Reply, ctx: &mut Context<'_, Self>) {
        let Answer::Rows { rows, next } = reply.answer else { return };
        if self.scanning.finish(reply.call).is_none() {
            return;
        }
        self.scanning.schedule(Timer::Page, ctx);
        self.read.extend(rows.iter().map(|row| row.record.id));
        match next {
            Some(from_lsn) => self.ask_page(from_lsn, ctx),
            None => self.end_scan(ctx),
        }
    }

    fn end_scan(&mut self, ctx: &mut Context<'_, Self>) {
        let read = std::mem::take(&mut self.read);
        let there: BTreeSet<u64> = read.iter().copied().collect();
        ctx.complete(Done { id: self.scan_id(), outcome: Outcome::Ok, output: read.into() });
        if self.accepted.is_subset(&there) {
            self.done = true;
            ctx.mark(mark!("workload.done", client = self.config.index));
        } else {
            ctx.set_timer(Timer::Scan, self.config.scan_every);
        }
    }
}

/// Bytes that depend on the record only, so that a repetition carries the same ones (splitmix64).
fn payload(id: u64, len: usize) -> Blob {
    let words = (0..len as u64).map(|index| {
        let mut word = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word >> 56) as u8
    });
    words.collect::<Vec<u8>>().into()
}
