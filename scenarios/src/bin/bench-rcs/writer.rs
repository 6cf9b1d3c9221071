//! The client of the measurement: so many writers at a time, each with one write after the other, on either system.
//!
//! Both systems are measured by the same clock at the same two places of the same process: before a write is given
//! away, and when the process has its acknowledgement.

use consensus::rcs::client::{self, Client};
use consensus::rcs::message::{Answer, Operation, Reply, Step, Transaction};
use contract::calls::Retry;
use contract::{Actor, Blob, Context, Duration, Halt, ProcessId, Time, inbox, mark, message};
use host::Door;
use host::gateway::etcd::{self, Etcd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of each value.
pub const VALUE_BYTES: usize = 256;
/// Before each phase counts: sessions are opened, connections dialled.
const WARM_UP: Duration = Duration::from_secs(1);
/// Pause of a writer to etcd after an error.
const PAUSE: Duration = Duration::from_millis(10);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which system.
    pub target: Target,
    /// How many writers there are, phase by phase.
    pub phases: Vec<usize>,
    /// How long each phase counts.
    pub lasts: Duration,
    /// A write without an answer is asked again after this.
    pub silence: Duration,
    /// Whether each acknowledgement is stated.
    pub story: bool,
    /// For the threads of writers to etcd.
    pub door: Door,
}

/// A system.
#[derive(Clone, Debug)]
pub enum Target {
    /// Our own members, over the host's frames; each writer has a session, so that a repeated write is done once.
    Members(Vec<contract::Addr<consensus::rcs::message::Request>>),
    /// etcd's servers, over gRPC, the leader first; a plain put, which a repetition does again.
    Etcd(Vec<String>),
}

/// An acknowledgement of etcd.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    ticket: u64,
}
message!(Written = "bench.written/1");

inbox! {
    /// What comes back.
    pub enum Inbox {
        /// From a member.
        Reply(Reply),
        /// From a thread of its own.
        Written(Written),
    }
}

/// The process.
#[derive(Clone, Debug)]
pub struct Writer {
    config: Arc<Config>,
    way: Way,
    phase: usize,
    began: Time,
    /// When each open write was given away, and by which writer.
    open: BTreeMap<u64, (Time, usize)>,
    /// Of acknowledged writes that count, in nanoseconds.
    latencies: Vec<u64>,
}

#[derive(Clone, Debug)]
enum Way {
    Members(Client),
    Etcd { jobs: SyncSender<(u64, usize)>, last: u64 },
}

impl Actor for Writer {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let way = match &config.target {
            Target::Members(members) => {
                let retry = Retry { first: config.silence, longest: 2 * config.silence, deadline: None };
                let asking = client::Config { members: members.clone(), retry, poll: Duration::from_secs(10) };
                Way::Members(Client::new(Arc::new(asking), ctx))
            }
            Target::Etcd(addresses) => {
                let etcd = Etcd::connect_with(addresses, 0, config.silence).map_err(Halt::new)?;
                let most = config.phases.iter().copied().max().unwrap_or(1);
                Way::Etcd { jobs: threads(most, &etcd, &config.door)?, last: 0 }
            }
        };
        let config = Arc::clone(config);
        let open = BTreeMap::new();
        let mut writer = Writer { config, way, phase: 0, began: ctx.now(), open, latencies: Vec::new() };
        writer.begin(ctx);
        Ok(writer)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Written(Written { ticket }) => self.acknowledged(ticket, ctx),
            Inbox::Reply(reply) => {
                let Way::Members(client) = &mut self.way else { return Ok(()) };
                if let Some(ended) = client.on_reply(from, reply, ctx) {
                    let done = matches!(ended.outcome, client::Outcome::Answered(Answer::Done { .. }));
                    if !done {
                        return Err(Halt::new(format!("a write was not done: {:?}", ended.outcome)));
                    }
                    self.acknowledged(ended.ticket, ctx);
                }
            }
        }
        self.schedule(ctx);
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if let Way::Members(client) = &mut self.way {
            let given_up = client.poll(ctx);
            assert!(given_up.is_empty(), "without a deadline nothing is given up");
        }
        self.schedule(ctx);
        Ok(())
    }
}

impl Writer {
    fn begin(&mut self, ctx: &mut Context<'_, Self>) {
        self.began = ctx.now();
        self.latencies.clear();
        for writer in 0..self.config.phases[self.phase] {
            self.write(writer, ctx);
        }
        self.schedule(ctx);
    }

    fn schedule(&self, ctx: &mut Context<'_, Self>) {
        if let Way::Members(client) = &self.way {
            client.schedule((), ctx);
        }
    }

    fn write(&mut self, writer: usize, ctx: &mut Context<'_, Self>) {
        let sent = ctx.now();
        let ticket = match &mut self.way {
            Way::Members(client) => {
                let put = Step::Put { key: Blob::from(&*key(writer)), value: value().into(), lease: 0 };
                let then = vec![put];
                client.write(Operation::Transact(Transaction { then, ..Transaction::default() }), 0, ctx)
            }
            Way::Etcd { jobs, last } => {
                *last += 1;
                let given = jobs.try_send((*last, writer));
                assert!(given.is_ok(), "there is a thread for each writer");
                *last
            }
        };
        self.open.insert(ticket, (sent, writer));
    }

    fn acknowledged(&mut self, ticket: u64, ctx: &mut Context<'_, Self>) {
        let Some((sent, writer)) = self.open.remove(&ticket) else { return };
        let now = ctx.now();
        if self.config.story {
            ctx.mark(mark!("bench.acknowledged"));
        }
        let counts_from = self.began + WARM_UP;
        let over = counts_from + self.config.lasts;
        if sent >= counts_from && now <= over {
            self.latencies.push(contract::time::nanos(now.since(sent)));
        }
        if now < over {
            return self.write(writer, ctx);
        }
        if self.open.is_empty() {
            self.end(ctx);
        }
    }

    fn end(&mut self, ctx: &mut Context<'_, Self>) {
        self.latencies.sort_unstable();
        let at = |part: usize| {
            let last = self.latencies.len().saturating_sub(1);
            self.latencies.get(last * part / 1_000).copied().unwrap_or(0)
        };
        let (writers, writes) = (self.config.phases[self.phase], self.latencies.len());
        ctx.mark(mark!("bench.phase", writers = writers, writes = writes, p50 = at(500), p99 = at(990)));
        self.phase += 1;
        if self.phase < self.config.phases.len() {
            self.begin(ctx);
        } else {
            ctx.mark(mark!("bench.done"));
        }
    }
}

fn key(writer: usize) -> Vec<u8> {
    format!("bench/{writer}").into_bytes()
}

fn value() -> Vec<u8> {
    vec![7; VALUE_BYTES]
}

/// A thread for each writer to etcd.
fn threads(count: usize, etcd: &Arc<Etcd>, door: &Door) -> Result<SyncSender<(u64, usize)>, Halt> {
    let (jobs, waiting) = sync_channel(count);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..count {
        let (etcd, door, waiting) = (Arc::clone(etcd), door.clone(), Arc::clone(&waiting));
        let thread = std::thread::Builder::new().spawn(move || write_for_ever(&waiting, &etcd, &door));
        thread.map_err(|error| Halt::new(format!("no thread for a writer: {error}")))?;
    }
    Ok(jobs)
}

fn write_for_ever(waiting: &Mutex<Receiver<(u64, usize)>>, etcd: &Etcd, door: &Door) {
    loop {
        // Nothing panics while it holds the lock.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((ticket, writer)) = job else { return };
        let put = etcd::Step::Put { key: key(writer), value: value(), lease: 0 };
        let wanted = etcd::Transaction { then: vec![put], ..etcd::Transaction::default() };
        while etcd.transact(&wanted).is_err() {
            std::thread::sleep(PAUSE);
        }
        while !door.put(Written { ticket }) {
            std::thread::sleep(PAUSE);
        }
    }
}
