//! Workload B on turmoil: UDP, and its simulated file system or none.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::quorum::{
    Audit, CLIENTS, CLIENTS_NODE, DISK_LATENCY_MAX, DISK_LATENCY_MIN, DOWN_TIME, Event, Follower, LEADER, Leader,
    Message, Progress, RECORD_BYTES, REPLICAS, Record, WIRE_BYTES_MAX, quota, record,
};
use turmoil::Sim;
use turmoil::fs::shim::tokio::fs;
use turmoil::net::UdpSocket;

use crate::{LATENCY_CURVE, PORT, address, builder};

/// Messages that a socket holds: all that are under way, and what a follower missed.
const UDP_CAPACITY: usize = 4_096;
const LOG_PATH: &str = "/log";
/// Steps that the replicas get for reading their logs; they need a few.
const AUDIT_STEPS_MAX: u32 = 1_000;

/// What the hosts share with the driver.
struct World {
    appends: u64,
    disk: bool,
    progress: Progress,
    audit: Audit,
    /// Once set, a replica that starts submits its log instead of working.
    auditing: Cell<bool>,
    /// With `--no-disk`, the records of each replica; they outlive its crashes.
    memory: [RefCell<Vec<u8>>; REPLICAS],
}

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let world = Rc::new(World {
        appends: options.appends,
        disk: options.disk,
        progress: Progress::new(options.appends),
        audit: Audit::new(options.appends),
        auditing: Cell::new(false),
        memory: [const { RefCell::new(Vec::new()) }; REPLICAS],
    });
    let mut simulation = build(options, &world);
    drive(&mut simulation, &world.progress)?;
    let elapsed = started.elapsed();
    let checksum = audit(&mut simulation, &world)?;
    Ok(Run { units: options.appends, elapsed, checksum })
}

fn build<'a>(options: &Options, world: &Rc<World>) -> Sim<'a> {
    let mut builder = builder(options.seed, UDP_CAPACITY);
    builder.fs().io_latency().min_latency(DISK_LATENCY_MIN).max_latency(DISK_LATENCY_MAX);
    let mut simulation = builder.build();
    simulation.set_message_latency_curve(LATENCY_CURVE);
    for replica in 0..REPLICAS {
        let world = Rc::clone(world);
        simulation.host(address(replica), move || replicate(replica, Rc::clone(&world)));
    }
    let world = Rc::clone(world);
    simulation.host(address(CLIENTS_NODE), move || run_clients(Rc::clone(&world)));
    simulation
}

/// Steps the simulation and crashes followers when it is their turn.
fn drive(simulation: &mut Sim<'_>, progress: &Progress) -> Result<()> {
    let mut down: Option<(usize, Duration)> = None;
    loop {
        step(simulation)?;
        if let Some((follower, since)) = down {
            if DOWN_TIME <= simulation.elapsed() - since {
                simulation.bounce(address(follower));
                down = None;
            }
            continue;
        }
        match progress.event() {
            Some(Event::Finished) => return Ok(()),
            Some(Event::Crash(follower)) => {
                simulation.crash(address(follower));
                down = Some((follower, simulation.elapsed()));
            }
            None => {}
        }
    }
}

/// Crashes all replicas, so that only synced records are left, and lets each submit its log.
fn audit(simulation: &mut Sim<'_>, world: &World) -> Result<u64> {
    world.auditing.set(true);
    for replica in 0..REPLICAS {
        simulation.crash(address(replica));
        simulation.bounce(address(replica));
    }
    let mut steps = 0;
    while !world.audit.complete() {
        ensure!(steps < AUDIT_STEPS_MAX, "a replica does not read its log");
        step(simulation)?;
        steps += 1;
    }
    world.audit.verify(&world.progress)
}

fn step(simulation: &mut Sim<'_>) -> Result<()> {
    simulation.step().map_err(|error| anyhow!("{error}"))?;
    Ok(())
}

async fn run_clients(world: Rc<World>) -> turmoil::Result {
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::task::spawn_local(append_all(client, Rc::clone(&world)))).collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

async fn append_all(client: usize, world: Rc<World>) -> turmoil::Result {
    let socket = bind(client_address(client).1).await?;
    let name = client as u32;
    for serial in 0..quota(client, world.appends) {
        let request = Message::Append { client: name, serial, record: record(name, serial) };
        send(&socket, replica_address(LEADER), request).await?;
        let answer = receive(&socket).await?;
        if answer != (Message::Appended { serial }) {
            world.progress.violation();
        }
        world.progress.answered();
    }
    Ok(())
}

async fn replicate(replica: usize, world: Rc<World>) -> turmoil::Result {
    if world.auditing.get() {
        let contents = Log::contents(replica, &world).await?;
        world.audit.submit(replica, contents);
        return Ok(());
    }
    let socket = bind(PORT).await?;
    let log = Log::open(replica, &world).await?;
    if replica == LEADER { lead(&socket, log, &world).await } else { follow(replica, &socket, log, &world).await }
}

async fn lead(socket: &UdpSocket, mut log: Log<'_>, world: &World) -> turmoil::Result {
    let mut leader = Leader::new();
    let mut answers = Vec::new();
    loop {
        match receive(socket).await? {
            Message::Append { client, serial, record } => {
                let index = leader.append(client, serial, record, &world.progress);
                for follower in LEADER + 1..REPLICAS {
                    let copy = Message::Replicate { index, record };
                    send(socket, replica_address(follower), copy).await?;
                }
                log.append(&record).await?;
                world.progress.durable(LEADER, index + 1);
                leader.durable(LEADER, index + 1, |client, serial| {
                    answers.push((client, serial));
                });
            }
            Message::Durable { replica, records } => {
                leader.durable(replica as usize, records, |client, serial| {
                    answers.push((client, serial));
                });
            }
            Message::Hello { replica, records } => {
                for (index, record) in leader.records_from(records) {
                    let missing = Message::Replicate { index, record };
                    send(socket, replica_address(replica as usize), missing).await?;
                }
            }
            _ => world.progress.violation(),
        }
        for (client, serial) in answers.drain(..) {
            let target = client_address(client as usize);
            send(socket, target, Message::Appended { serial }).await?;
        }
    }
}

async fn follow(replica: usize, socket: &UdpSocket, mut log: Log<'_>, world: &World) -> turmoil::Result {
    let name = replica as u32;
    let mut follower = Follower::recover(replica, log.records);
    let hello = Message::Hello { replica: name, records: log.records };
    send(socket, replica_address(LEADER), hello).await?;
    loop {
        let Message::Replicate { index, record } = receive(socket).await? else {
            world.progress.violation();
            continue;
        };
        follower.offer(index, record);
        while let Some(record) = follower.next_record() {
            log.append(&record).await?;
            let durable = Message::Durable { replica: name, records: follower.written(&world.progress) };
            send(socket, replica_address(LEADER), durable).await?;
        }
    }
}

/// A replica's log: a file, or memory with `--no-disk`.
struct Log<'world> {
    memory: &'world RefCell<Vec<u8>>,
    file: Option<fs::File>,
    records: u64,
}

impl<'world> Log<'world> {
    async fn open(replica: usize, world: &'world World) -> turmoil::Result<Self> {
        let memory = &world.memory[replica];
        let (file, bytes) = if world.disk {
            let file = fs::OpenOptions::new().read(true).write(true).create(true).open(LOG_PATH).await?;
            // turmoil forgets a file whose folder was never synced.
            fs::sync_dir("/").await?;
            let bytes = file.metadata().await?.len();
            (Some(file), bytes)
        } else {
            (None, memory.borrow().len() as u64)
        };
        Ok(Self { memory, file, records: bytes / RECORD_BYTES as u64 })
    }

    async fn append(&mut self, record: &Record) -> turmoil::Result {
        if let Some(file) = &self.file {
            let offset = self.records * RECORD_BYTES as u64;
            if file.write_at(record, offset).await? != RECORD_BYTES {
                return Err("a short write".into());
            }
            file.sync_all().await?;
        } else {
            self.memory.borrow_mut().extend_from_slice(record);
        }
        self.records += 1;
        Ok(())
    }

    /// All that the replica's disk holds.
    async fn contents(replica: usize, world: &World) -> turmoil::Result<Vec<u8>> {
        if world.disk { Ok(fs::read(LOG_PATH).await?) } else { Ok(world.memory[replica].borrow().clone()) }
    }
}

fn replica_address(replica: usize) -> (IpAddr, u16) {
    (address(replica), PORT)
}

fn client_address(client: usize) -> (IpAddr, u16) {
    (address(CLIENTS_NODE), PORT + client as u16)
}

async fn bind(port: u16) -> turmoil::Result<UdpSocket> {
    Ok(UdpSocket::bind(("0.0.0.0", port)).await?)
}

async fn send(socket: &UdpSocket, target: (IpAddr, u16), message: Message) -> turmoil::Result {
    let mut wire = [0; WIRE_BYTES_MAX];
    socket.send_to(message.encode(&mut wire), target).await?;
    Ok(())
}

async fn receive(socket: &UdpSocket) -> turmoil::Result<Message> {
    let mut wire = [0; WIRE_BYTES_MAX];
    let (length, _) = socket.recv_from(&mut wire).await?;
    Ok(Message::decode(&wire[..length])?)
}
