//! Workload B on madsim: its endpoints, and its disk, which takes no time and loses nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result};
use madsim::fs::File;
use madsim::net::Endpoint;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::quorum::{
    Audit, CLIENTS, CLIENTS_NODE, DOWN_TIME, Event, Follower, LEADER, Leader, Message, Progress, RECORD_BYTES,
    REPLICAS, Record, quota, record,
};
use tokio::sync::{Barrier, Notify};

use crate::{TAG, address, config};

/// What the nodes share with the driver.
struct World {
    appends: u64,
    disk: bool,
    progress: Progress,
    /// The driver waits here for the next crash and for the end.
    driver: Notify,
    /// Clients wait for the replicas: madsim drops what nobody listens for.
    everybody_bound: Barrier,
    /// With `--no-disk`, the records of each replica; they outlive its crashes.
    memory: [Mutex<Vec<u8>>; REPLICAS],
}

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let world = Arc::new(World {
        appends: options.appends,
        disk: options.disk,
        progress: Progress::new(options.appends),
        driver: Notify::new(),
        everybody_bound: Barrier::new(REPLICAS + CLIENTS),
        memory: [const { Mutex::new(Vec::new()) }; REPLICAS],
    });
    let runtime = Runtime::with_seed_and_config(options.seed, config());
    let replicas: Vec<_> = (0..REPLICAS).map(|replica| create_replica(&runtime, replica, &world)).collect();
    let clients = runtime.create_node().ip(address(CLIENTS_NODE).ip()).build();
    for client in 0..CLIENTS {
        clients.spawn(append_all(client, Arc::clone(&world)));
    }
    runtime.block_on(drive(&world, &replicas));
    let elapsed = started.elapsed();
    let checksum = runtime.block_on(audit(&world, &replicas))?;
    Ok(Run { units: options.appends, elapsed, checksum })
}

fn create_replica(runtime: &Runtime, replica: usize, world: &Arc<World>) -> NodeHandle {
    let world = Arc::clone(world);
    let first_start = Mutex::new(true);
    runtime
        .create_node()
        .ip(address(replica).ip())
        .init(move || {
            let first_start = std::mem::replace(&mut *first_start.lock().expect("one thread"), false);
            replicate(replica, first_start, Arc::clone(&world))
        })
        .build()
}

/// Crashes followers when it is their turn, until everything is appended.
async fn drive(world: &World, replicas: &[NodeHandle]) {
    loop {
        match world.progress.event() {
            Some(Event::Finished) => return,
            Some(Event::Crash(follower)) => {
                Handle::current().kill(replicas[follower].id());
                madsim::time::sleep(DOWN_TIME).await;
                Handle::current().restart(replicas[follower].id());
            }
            None => world.driver.notified().await,
        }
    }
}

/// Reads every replica's disk, from the replica's own node.
async fn audit(world: &Arc<World>, replicas: &[NodeHandle]) -> Result<u64> {
    let audit = Audit::new(world.appends);
    for (replica, node) in replicas.iter().enumerate() {
        // The handle from the start of the run belongs to an incarnation that may have crashed.
        let alive = Handle::current().get_node(node.id()).context("a replica is gone")?;
        let contents = alive.spawn(Log::contents(replica, Arc::clone(world)));
        audit.submit(replica, contents.await?);
    }
    audit.verify(&world.progress)
}

async fn append_all(client: usize, world: Arc<World>) {
    let endpoint = bind(client_address(client)).await;
    world.everybody_bound.wait().await;
    let name = client as u32;
    for serial in 0..quota(client, world.appends) {
        let request = Message::Append { client: name, serial, record: record(name, serial) };
        send(&endpoint, address(LEADER), request).await;
        let answer = receive(&endpoint).await;
        if answer != (Message::Appended { serial }) {
            world.progress.violation();
        }
        world.progress.answered();
        wake_driver(&world);
    }
}

async fn replicate(replica: usize, first_start: bool, world: Arc<World>) {
    let endpoint = bind(address(replica)).await;
    if first_start {
        world.everybody_bound.wait().await;
    }
    let log = Log::open(replica, Arc::clone(&world)).await;
    if replica == LEADER {
        lead(endpoint, log, &world).await;
    } else {
        follow(replica, endpoint, log, &world).await;
    }
}

async fn lead(endpoint: Endpoint, mut log: Log, world: &World) {
    let mut leader = Leader::new();
    let mut answers = Vec::new();
    loop {
        match receive(&endpoint).await {
            Message::Append { client, serial, record } => {
                let index = leader.append(client, serial, record, &world.progress);
                for follower in LEADER + 1..REPLICAS {
                    let copy = Message::Replicate { index, record };
                    send(&endpoint, address(follower), copy).await;
                }
                log.append(&record).await;
                world.progress.durable(LEADER, index + 1);
                leader.durable(LEADER, index + 1, |client, serial| answers.push((client, serial)));
            }
            Message::Durable { replica, records } => {
                leader.durable(replica as usize, records, |client, serial| {
                    answers.push((client, serial));
                });
            }
            Message::Hello { replica, records } => {
                for (index, record) in leader.records_from(records) {
                    let missing = Message::Replicate { index, record };
                    send(&endpoint, address(replica as usize), missing).await;
                }
            }
            _ => world.progress.violation(),
        }
        for (client, serial) in answers.drain(..) {
            let target = client_address(client as usize);
            send(&endpoint, target, Message::Appended { serial }).await;
        }
        wake_driver(world);
    }
}

async fn follow(replica: usize, endpoint: Endpoint, mut log: Log, world: &World) {
    let name = replica as u32;
    let mut follower = Follower::recover(replica, log.records);
    let hello = Message::Hello { replica: name, records: log.records };
    send(&endpoint, address(LEADER), hello).await;
    loop {
        let Message::Replicate { index, record } = receive(&endpoint).await else {
            world.progress.violation();
            continue;
        };
        follower.offer(index, record);
        while let Some(record) = follower.next_record() {
            log.append(&record).await;
            let durable = Message::Durable { replica: name, records: follower.written(&world.progress) };
            wake_driver(world);
            send(&endpoint, address(LEADER), durable).await;
        }
    }
}

/// A replica's log. madsim opens a file for writing only by truncating it, so each incarnation of
/// a replica writes a segment of its own.
struct Log {
    replica: usize,
    world: Arc<World>,
    segment: Option<File>,
    segment_bytes: u64,
    records: u64,
}

impl Log {
    async fn open(replica: usize, world: Arc<World>) -> Self {
        let mut log = Self { replica, segment: None, segment_bytes: 0, records: 0, world };
        if !log.world.disk {
            let bytes = log.world.memory[replica].lock().expect("one thread").len();
            log.records = (bytes / RECORD_BYTES) as u64;
            return log;
        }
        let mut bytes = 0;
        let mut segments = 0;
        while let Ok(segment) = madsim::fs::metadata(segment_path(segments)).await {
            bytes += segment.len();
            segments += 1;
        }
        log.records = bytes / RECORD_BYTES as u64;
        let created = File::create(segment_path(segments)).await;
        log.segment = Some(created.expect("the disk injects no errors"));
        log
    }

    async fn append(&mut self, record: &Record) {
        if let Some(segment) = &self.segment {
            let written = segment.write_all_at(record, self.segment_bytes).await;
            written.expect("the disk injects no errors");
            segment.sync_all().await.expect("the disk injects no errors");
            self.segment_bytes += RECORD_BYTES as u64;
        } else {
            let mut memory = self.world.memory[self.replica].lock().expect("one thread");
            memory.extend_from_slice(record);
        }
        self.records += 1;
    }

    /// All that the replica's disk holds.
    async fn contents(replica: usize, world: Arc<World>) -> Vec<u8> {
        if !world.disk {
            return world.memory[replica].lock().expect("one thread").clone();
        }
        let mut contents = Vec::new();
        let mut segments = 0;
        while let Ok(segment) = madsim::fs::read(segment_path(segments)).await {
            contents.extend_from_slice(&segment);
            segments += 1;
        }
        contents
    }
}

fn segment_path(segment: usize) -> String {
    format!("log-{segment}")
}

fn wake_driver(world: &World) {
    if world.progress.event_due() {
        world.driver.notify_one();
    }
}

/// Each client has a port of its own on the node that they share.
fn client_address(client: usize) -> SocketAddr {
    let mut address = address(CLIENTS_NODE);
    address.set_port(address.port() + client as u16);
    address
}

async fn bind(address: SocketAddr) -> Endpoint {
    Endpoint::bind(address).await.expect("every endpoint has an address of its own")
}

async fn send(endpoint: &Endpoint, target: SocketAddr, message: Message) {
    endpoint.send_to_raw(target, TAG, Box::new(message)).await.expect("the endpoint outlives its node's tasks");
}

async fn receive(endpoint: &Endpoint) -> Message {
    let (payload, _) = endpoint.recv_from_raw(TAG).await.expect("the endpoint outlives its node's tasks");
    *payload.downcast::<Message>().expect("nodes send nothing else")
}
