//! Small actors and the helpers that run them: a ledger on disk, its client, a flooder and a timer user.
#![allow(dead_code, reason = "each test binary uses a part")]

use contract::calls::{Calls, Retry};
use contract::cell::Blueprint;
use contract::codec::{self, RecordAt, read_record, write_record};
use contract::{
    Actor, Addr, Context, DiskError, Duration, File, Halt, Observed, Open, ProcessId, inbox, mark, message,
};
use host::{Channel, Door, Limits, LocalProcess, Node, NodeConfig, ReservedPort};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const CLUSTER: u64 = 77;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    pub id: u64,
    pub body: Vec<u8>,
    pub reply_to: Addr<Answer>,
}
message!(Ask = "test.ask/1");

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
}
message!(Answer = "test.answer/1");

/// Stores each asked id once, durably, and answers.
#[derive(Clone, Debug)]
pub struct Ledger {
    rules: LedgerRules,
    file: File,
    len: u64,
    ids: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct LedgerRules {
    pub halt_at: Option<u64>,
    pub panic_at: Option<u64>,
    /// Time that each message takes.
    pub slow: Duration,
}

inbox! { pub enum LedgerInbox { Ask(Ask) } }

impl Actor for Ledger {
    type Config = LedgerRules;
    type Inbox = LedgerInbox;
    type Timer = ();

    fn boot(rules: &LedgerRules, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let mut disk = ctx.disk();
        let file = disk.open("ledger.log", Open::Create)?;
        disk.sync_dir("")?;
        let log = disk.read_all(file)?;
        let (mut at, mut ids) = (0, BTreeSet::new());
        while let RecordAt::Record(body, next) = read_record(&log, at) {
            let (id, _): (u64, Vec<u8>) = codec::decode(body).map_err(|error| Halt::new(error.to_string()))?;
            ids.insert(id);
            at = next;
        }
        ctx.disk().truncate(file, at as u64)?;
        ctx.mark(mark!("test.recovered", count = ids.len(), cut = log.len() - at));
        Ok(Ledger { rules: rules.clone(), file, len: at as u64, ids })
    }

    fn on_message(&mut self, from: ProcessId, message: LedgerInbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let LedgerInbox::Ask(ask) = message;
        assert!(self.rules.panic_at != Some(ask.id), "asked to panic");
        if self.rules.halt_at == Some(ask.id) {
            return Err(Halt::new("asked to halt"));
        }
        std::thread::sleep(self.rules.slow);
        if !self.ids.contains(&ask.id) {
            match self.store(&ask, ctx) {
                Ok(()) => ctx.mark(mark!("test.stored", id = ask.id, from = from.0)),
                Err(DiskError::NoSpace) => {
                    ctx.disk().truncate(self.file, self.len)?;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        ctx.send(ask.reply_to, Answer { id: ask.id });
        Ok(())
    }

    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        unreachable!("a ledger sets no timer")
    }
}

impl Ledger {
    fn store(&mut self, ask: &Ask, ctx: &mut Context<'_, Self>) -> Result<(), DiskError> {
        let mut record = Vec::new();
        write_record(&codec::encode(&(ask.id, &ask.body)).unwrap(), &mut record).unwrap();
        ctx.disk().append_all(self.file, &record)?;
        ctx.disk().sync(self.file)?;
        self.len += record.len() as u64;
        self.ids.insert(ask.id);
        Ok(())
    }
}

/// Asks `count` times, some at once, until each was answered.
#[derive(Clone, Debug)]
pub struct Client {
    plan: ClientPlan,
    calls: Calls<u64, Ask>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct ClientPlan {
    pub server: ProcessId,
    pub first: u64,
    pub count: u64,
    pub body: usize,
    pub window: usize,
}

inbox! { pub enum ClientInbox { Answer(Answer) } }

impl Actor for Client {
    type Config = ClientPlan;
    type Inbox = ClientInbox;
    type Timer = ();

    fn boot(plan: &ClientPlan, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let millis = Duration::from_millis;
        let retry = Retry { first: millis(50), longest: millis(400), deadline: None };
        let mut client = Client { plan: *plan, calls: Calls::new(retry), next: plan.first };
        client.ask_on(ctx);
        Ok(client)
    }

    fn on_message(&mut self, _: ProcessId, message: ClientInbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let ClientInbox::Answer(Answer { id }) = message;
        if self.calls.finish(id).is_some() {
            ctx.mark(mark!("test.answered", id = id));
        }
        self.ask_on(ctx);
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let expired = self.calls.poll(ctx);
        assert!(expired.is_empty(), "there is no deadline");
        self.calls.schedule((), ctx);
        Ok(())
    }
}

impl Client {
    fn ask_on(&mut self, ctx: &mut Context<'_, Self>) {
        while self.calls.len() < self.plan.window && self.next < self.plan.first + self.plan.count {
            let ask = Ask { id: self.next, body: vec![7; self.plan.body], reply_to: ctx.addr() };
            self.calls.begin(self.next, addr(self.plan.server), ask, ctx);
            self.next += 1;
        }
        self.calls.schedule((), ctx);
    }
}

/// Sends `count` asks at once when it boots, and never again.
#[derive(Clone, Debug)]
pub struct Flooder;

impl Actor for Flooder {
    type Config = ClientPlan;
    type Inbox = ClientInbox;
    type Timer = ();

    fn boot(plan: &ClientPlan, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        for id in plan.first..plan.first + plan.count {
            ctx.send(addr(plan.server), Ask { id, body: vec![7; plan.body], reply_to: ctx.addr() });
        }
        ctx.mark(mark!("test.flooded"));
        Ok(Flooder)
    }
    fn on_message(&mut self, _: ProcessId, _: ClientInbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        unreachable!("a flooder sets no timer")
    }
}

/// The address that the plan would hand out.
pub fn addr<M: contract::Message>(process: ProcessId) -> Addr<M> {
    contract::plan::Directory::known(process)
}

/// A directory of its own below the system's, removed at the end.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("stormproof-host-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test inside an actix system, and fails it if it hangs.
pub fn in_system(test: impl Future<Output = ()>) {
    actix::System::new().block_on(async {
        tokio::time::timeout(PATIENCE * 2, test).await.expect("the test hangs");
    });
}

/// Marks as they come.
pub struct Marks {
    receiver: Receiver<Observed>,
    pub seen: Vec<Observed>,
}

impl Marks {
    /// Waits until `enough` says so of all marks up to now.
    pub async fn until(&mut self, what: &str, mut enough: impl FnMut(&[Observed]) -> bool) {
        let limit = Instant::now() + PATIENCE;
        loop {
            self.seen.extend(self.receiver.try_iter());
            if enough(&self.seen) {
                return;
            }
            if Instant::now() >= limit {
                let last: Vec<String> = self.seen.iter().rev().take(5).map(|seen| seen.mark.to_string()).collect();
                panic!("waited in vain for {what}; {} marks, the last {last:?}", self.seen.len());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for `count` marks of `kind`.
    pub async fn until_count(&mut self, kind: &str, count: usize) {
        self.until(kind, |seen| of_kind(seen, kind).len() >= count).await;
    }

    /// The `id` facts of the marks of `kind`, in order.
    pub fn ids(&self, kind: &str) -> Vec<u64> {
        of_kind(&self.seen, kind).iter().filter_map(|seen| seen.mark.number("id")).collect()
    }
}

pub fn of_kind<'a>(seen: &'a [Observed], kind: &str) -> Vec<&'a Observed> {
    seen.iter().filter(|seen| seen.mark.kind == kind).collect()
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A node to start, with everything at its usual value.
pub struct Setup {
    pub listen: SocketAddr,
    pub peers: BTreeMap<ProcessId, SocketAddr>,
    pub limits: Limits,
    pub incarnation: u32,
    pub door: Option<Door>,
}

pub fn port() -> ReservedPort {
    ReservedPort::on_loopback().unwrap()
}

pub fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Setup {
    pub fn new(peers: &[(u32, SocketAddr)]) -> Setup {
        let peers = peers.iter().map(|&(process, address)| (ProcessId(process), address)).collect();
        Setup { listen: anywhere(), peers, limits: Limits::default(), incarnation: 1, door: None }
    }

    pub fn start(self, dir: &Path, processes: Vec<(u32, Arc<dyn Blueprint>)>) -> (Node, Marks) {
        let (sender, receiver) = channel();
        let processes = processes.into_iter().map(|(id, blueprint)| LocalProcess {
            id: ProcessId(id),
            incarnation: self.incarnation,
            blueprint,
            data_dir: dir.to_owned(),
            seed: Some(1),
            marks: Box::new(Channel(sender.clone())),
            door: self.door.clone(),
        });
        let processes = processes.collect();
        let Setup { listen, peers, limits, .. } = self;
        let node = Node::start(NodeConfig { cluster: CLUSTER, listen, peers, limits, processes }).unwrap();
        (node, Marks { receiver, seen: Vec::new() })
    }
}
