//! Workload B: a log on three replicas, appended to by eight clients; every replica appends and syncs.
//!
//! Process 0 leads, 1 and 2 follow, process 3 is all eight clients. Six messages, three writes and
//! three syncs an append. A follower that comes back says how much it has and gets the rest.

use contract::cell::blueprint;
use contract::plan::{Directory, NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Addr, Blob, Context, File, Halt, NodeId, Open, ProcessId, inbox, mark, message};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Bytes of one record.
pub const RECORD_BYTES: usize = 128;
/// Clients, each with one append under way.
pub const CLIENTS: u32 = 8;
/// Replicas.
pub const REPLICAS: usize = 3;
/// The name of every replica's log.
pub const LOG: &str = "log";
const QUORUM: usize = 2;

/// A record; the leader's log, its messages and the client share the bytes.
pub type Record = Blob;

/// What replicas and clients say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    /// A client asks the leader to append its record.
    Append {
        /// Which client.
        client: u32,
        /// Its how-manieth record.
        serial: u64,
        /// The bytes.
        record: Record,
    },
    /// The leader gives a follower the record at `index`.
    Replicate {
        /// Its place.
        index: u64,
        /// The bytes.
        record: Record,
    },
    /// A replica has synced its first `records` records.
    Durable {
        /// Which replica.
        replica: u32,
        /// How many.
        records: u64,
    },
    /// A follower has started with `records` records on its disk.
    Hello {
        /// Which replica.
        replica: u32,
        /// How many.
        records: u64,
    },
    /// A client's record is committed.
    Appended {
        /// Which client.
        client: u32,
        /// Its how-manieth record.
        serial: u64,
    },
}
message!(Message = "bench.quorum/1");
inbox! {
    /// What everybody accepts.
    pub enum Inbox {
        /// A message of the log.
        Message(Message),
    }
}

fn process(id: u32) -> Addr<Message> {
    Directory::known(ProcessId(id))
}

/// A replica; number 0 leads.
#[derive(Clone, Debug)]
pub struct Replica {
    number: u32,
    file: File,
    records: u64,
    /// Followers: what has arrived out of order.
    early: BTreeMap<u64, Record>,
    /// Leader: every record, for followers that come back.
    log: Vec<Record>,
    durable: [u64; REPLICAS],
    committed: u64,
    waiting: VecDeque<(u32, u64)>,
}

impl Replica {
    fn write(&mut self, record: &Record, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let mut disk = ctx.disk();
        disk.append_all(self.file, record)?;
        disk.sync(self.file)?;
        self.records += 1;
        Ok(())
    }

    fn lead(&mut self, client: u32, serial: u64, record: &Record, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let index = self.records;
        self.log.push(record.clone());
        self.waiting.push_back((client, serial));
        for follower in 1..REPLICAS as u32 {
            ctx.send(process(follower), Message::Replicate { index, record: record.clone() });
        }
        self.write(record, ctx)?;
        self.learn(0, index + 1, ctx);
        Ok(())
    }

    fn learn(&mut self, replica: u32, records: u64, ctx: &mut Context<'_, Self>) {
        let known = &mut self.durable[replica as usize];
        *known = (*known).max(records);
        let mut descending = self.durable;
        descending.sort_unstable_by(|a, b| b.cmp(a));
        while self.committed < descending[QUORUM - 1] {
            self.committed += 1;
            if let Some((client, serial)) = self.waiting.pop_front() {
                ctx.send(process(REPLICAS as u32), Message::Appended { client, serial });
            }
        }
    }

    fn follow(&mut self, index: u64, record: Record, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if index > self.records {
            self.early.insert(index, record);
            return Ok(());
        }
        if index == self.records {
            self.write(&record, ctx)?;
            while let Some(record) = self.early.remove(&self.records) {
                self.write(&record, ctx)?;
            }
        }
        ctx.send(process(0), Message::Durable { replica: self.number, records: self.records });
        Ok(())
    }
}

impl Actor for Replica {
    type Config = u32;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(number: &u32, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let mut disk = ctx.disk();
        let file = disk.open(LOG, Open::Create)?;
        let records = disk.len(file)? / RECORD_BYTES as u64;
        if records == 0 {
            disk.sync_dir("")?;
        } else {
            ctx.send(process(0), Message::Hello { replica: *number, records });
        }
        Ok(Replica {
            number: *number,
            file,
            records,
            early: BTreeMap::new(),
            log: Vec::new(),
            durable: [0; REPLICAS],
            committed: 0,
            waiting: VecDeque::new(),
        })
    }

    fn on_message(&mut self, _from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Message(message) = message;
        match message {
            Message::Append { client, serial, record } => self.lead(client, serial, &record, ctx)?,
            Message::Replicate { index, record } => self.follow(index, record, ctx)?,
            Message::Durable { replica, records } => self.learn(replica, records, ctx),
            Message::Hello { replica, records } => {
                for (index, record) in self.log.iter().enumerate().skip(records as usize) {
                    ctx.send(process(replica), Message::Replicate { index: index as u64, record: record.clone() });
                }
            }
            Message::Appended { .. } => {}
        }
        Ok(())
    }

    fn on_timer(&mut self, (): (), _ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

/// All eight clients.
#[derive(Clone, Debug)]
pub struct Clients {
    appends: u64,
    answered: u64,
    next: [u64; CLIENTS as usize],
}

/// How often the clients mark their progress, in answers.
pub const MARK_EVERY: u64 = 1_000;

/// The record that a client appends as its `serial`-th.
pub fn record(client: u32, serial: u64) -> Record {
    let mut bytes = [0; RECORD_BYTES];
    for (number, word) in bytes.chunks_exact_mut(8).enumerate() {
        let filler = (serial << 8 | u64::from(client)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(number as u32);
        word.copy_from_slice(&filler.to_le_bytes());
    }
    bytes.as_slice().into()
}

impl Clients {
    fn ask(&mut self, client: u32, ctx: &mut Context<'_, Self>) {
        let serial = self.next[client as usize];
        if serial * u64::from(CLIENTS) + u64::from(client) < self.appends {
            self.next[client as usize] += 1;
            ctx.send(process(0), Message::Append { client, serial, record: record(client, serial) });
        }
    }
}

impl Actor for Clients {
    type Config = u64;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(appends: &u64, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        // Once every replica has certainly started.
        ctx.set_timer((), contract::Duration::from_millis(100));
        Ok(Clients { appends: *appends, answered: 0, next: [0; CLIENTS as usize] })
    }

    fn on_message(&mut self, _from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if let Inbox::Message(Message::Appended { client, serial }) = message {
            assert!(serial + 1 == self.next[client as usize], "one append under way a client");
            self.answered += 1;
            if self.answered.is_multiple_of(MARK_EVERY) {
                ctx.mark(mark!("bench.answered", count = self.answered));
            }
            self.ask(client, ctx);
        }
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        for client in 0..CLIENTS {
            self.ask(client, ctx);
        }
        Ok(())
    }
}

/// Three replicas and the clients, a node each.
pub fn plan(appends: u64) -> Plan {
    let mut plan = Plan::default();
    for number in 0..=REPLICAS as u32 {
        let clients = number == REPLICAS as u32;
        let (role, kind) = if clients { ("clients", RoleKind::Workload) } else { ("replica", RoleKind::System) };
        let name = format!("{role}-{number}");
        plan.nodes.push(NodePlan { name: name.clone(), role, kind });
        let blueprint = if clients { blueprint::<Clients>(appends) } else { blueprint::<Replica>(number) };
        plan.processes.push(ProcessPlan { name, node: NodeId(number), blueprint });
    }
    plan
}
