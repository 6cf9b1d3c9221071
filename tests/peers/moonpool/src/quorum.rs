//! Workload B on moonpool: TCP and its simulated disk.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::io::{AsyncReadExt, ReadHalf, WriteHalf};
use moonpool_sim::executor::{Executor, JoinHandle};
use moonpool_sim::{NetworkProvider, SimNetworkProvider, SimWorld};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::quorum::{
    Audit, CLIENTS, DOWN_TIME, Event, Follower, HEAD_BYTES, LEADER, Leader, Message, NODES, Progress, REPLICAS,
    WIRE_BYTES_MAX, quota, record,
};

use crate::log::{self, Disks, Log};
use crate::world::{self, Doors, Failures, Stream, address, ip, spawn, write_now};

/// What the tasks share with the driver.
struct World {
    appends: u64,
    progress: Progress,
    audit: Audit,
    network: SimNetworkProvider,
    doors: Doors,
    disks: Disks,
    failures: Failures,
}

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let mut simulated = world::create(options.seed);
    simulated.set_storage_config(log::configuration());
    let providers = std::array::from_fn(|replica| simulated.storage_provider(ip(replica)));
    let world = Arc::new(World {
        appends: options.appends,
        progress: Progress::new(options.appends),
        audit: Audit::new(options.appends),
        network: simulated.network_provider(),
        doors: Doors::new(NODES),
        disks: Disks::new(options.disk.then_some(providers)),
        failures: Failures::default(),
    });
    let (elapsed, checksum) = Executor::new(options.seed).block_on(async {
        append_everything(&mut simulated, &world).await?;
        let elapsed = started.elapsed();
        anyhow::Ok((elapsed, audit(&mut simulated, &world).await?))
    })?;
    Ok(Run { units: options.appends, elapsed, checksum })
}

/// Starts all nodes and crashes followers when it is their turn, until everything is appended.
async fn append_everything(simulated: &mut SimWorld, world: &Arc<World>) -> Result<()> {
    drop(spawn(&world.failures, "leader", lead(Arc::clone(world))));
    let mut followers: BTreeMap<usize, JoinHandle<()>> =
        (LEADER + 1..REPLICAS).map(|replica| (replica, start_follower(replica, world))).collect();
    for client in 0..CLIENTS {
        let appending = append_all(client, Arc::clone(world));
        drop(spawn(&world.failures, "client", appending));
    }
    let mut down: Option<(usize, Duration)> = None;
    world::drive(simulated, &world.failures, |simulated| {
        if let Some((replica, until)) = down {
            if until <= simulated.current_time() {
                followers.insert(replica, start_follower(replica, world));
                down = None;
            }
            return false;
        }
        match world.progress.event() {
            Some(Event::Finished) => return true,
            Some(Event::Crash(replica)) => {
                // The end of its task drops its connection, which the leader notices.
                followers[&replica].abort();
                simulated.simulate_crash_for_process(ip(replica), true);
                // The event itself does nothing; it keeps the clock going until then.
                simulated.schedule_process_restart(ip(replica), DOWN_TIME);
                down = Some((replica, simulated.current_time() + DOWN_TIME));
            }
            None => {}
        }
        false
    })
    .await
}

fn start_follower(replica: usize, world: &Arc<World>) -> JoinHandle<()> {
    spawn(&world.failures, "follower", follow(replica, Arc::clone(world)))
}

/// Reads every replica's disk.
async fn audit(simulated: &mut SimWorld, world: &Arc<World>) -> Result<u64> {
    for replica in 0..REPLICAS {
        let reader = Arc::clone(world);
        drop(spawn(&world.failures, "auditor", async move {
            let contents = reader.disks.contents(replica).await?;
            reader.audit.submit(replica, contents);
            Ok(())
        }));
    }
    world::drive(simulated, &world.failures, |_| world.audit.complete()).await?;
    world.audit.verify(&world.progress)
}

async fn append_all(client: usize, world: Arc<World>) -> Result<()> {
    let stream = world.doors.connect(LEADER, &world.network).await?;
    let (mut reader, mut writer) = stream.split();
    let name = client as u32;
    for serial in 0..quota(client, world.appends) {
        let request = Message::Append { client: name, serial, record: record(name, serial) };
        send(&mut writer, request)?;
        let answer = read(&mut reader).await?;
        if answer != Some(Message::Appended { serial }) {
            world.progress.violation();
        }
        world.progress.answered();
    }
    Ok(())
}

/// What the connections of the leader bring it.
enum Input {
    /// Somebody has connected; what goes to that connection is written here.
    Opened(usize, WriteHalf<Stream>),
    Received(usize, Message),
    Closed(usize),
}

async fn lead(world: Arc<World>) -> Result<()> {
    let (sender, inputs) = unbounded();
    let accepting = accept_all(Arc::clone(&world), sender);
    drop(spawn(&world.failures, "listener", accepting));
    let log = Log::open(LEADER, &world.disks).await?;
    let mut office = Office {
        leader: Leader::new(),
        writers: BTreeMap::new(),
        followers: [None; REPLICAS],
        clients: [None; CLIENTS],
        log,
        world: &world,
    };
    office.serve(inputs).await
}

async fn accept_all(world: Arc<World>, inputs: UnboundedSender<Input>) -> Result<()> {
    let listener = world.network.bind(&address(LEADER)).await?;
    for connection in 0.. {
        let stream = world.doors.accept(LEADER, &listener).await?;
        let (mut reader, writer) = stream.split();
        let inputs = inputs.clone();
        drop(spawn(&world.failures, "reader", async move {
            inputs.unbounded_send(Input::Opened(connection, writer))?;
            while let Some(message) = read(&mut reader).await? {
                inputs.unbounded_send(Input::Received(connection, message))?;
            }
            inputs.unbounded_send(Input::Closed(connection))?;
            Ok(())
        }));
    }
    Ok(())
}

/// The leader and the connections on which it reaches the others.
struct Office<'world> {
    leader: Leader,
    writers: BTreeMap<usize, WriteHalf<Stream>>,
    /// The connection of each follower that is up.
    followers: [Option<usize>; REPLICAS],
    clients: [Option<usize>; CLIENTS],
    log: Log<'world>,
    world: &'world World,
}

impl Office<'_> {
    async fn serve(&mut self, mut inputs: UnboundedReceiver<Input>) -> Result<()> {
        while let Some(input) = inputs.next().await {
            match input {
                Input::Opened(connection, writer) => {
                    self.writers.insert(connection, writer);
                }
                Input::Received(connection, message) => self.on_message(connection, message).await?,
                Input::Closed(connection) => {
                    self.writers.remove(&connection);
                    let closed = |follower: &&mut Option<usize>| **follower == Some(connection);
                    if let Some(follower) = self.followers.iter_mut().find(closed) {
                        *follower = None;
                    }
                }
            }
        }
        Ok(())
    }

    async fn on_message(&mut self, connection: usize, message: Message) -> Result<()> {
        match message {
            Message::Append { client, serial, record } => {
                self.clients[client as usize] = Some(connection);
                let progress = &self.world.progress;
                let index = self.leader.append(client, serial, record, progress);
                for follower in self.followers.into_iter().flatten() {
                    self.send(follower, Message::Replicate { index, record })?;
                }
                self.log.append(&record).await?;
                self.world.progress.durable(LEADER, index + 1);
                self.on_durable(LEADER, index + 1)
            }
            Message::Durable { replica, records } => self.on_durable(replica as usize, records),
            Message::Hello { replica, records } => {
                self.followers[replica as usize] = Some(connection);
                let missing: Vec<_> = self.leader.records_from(records).collect();
                for (index, record) in missing {
                    self.send(connection, Message::Replicate { index, record })?;
                }
                Ok(())
            }
            _ => bail!("the leader got a message that is not for it"),
        }
    }

    fn on_durable(&mut self, replica: usize, records: u64) -> Result<()> {
        let mut answers = Vec::new();
        self.leader.durable(replica, records, |client, serial| {
            answers.push((client, serial));
        });
        for (client, serial) in answers {
            let connection = self.clients[client as usize].context("a client is unknown")?;
            self.send(connection, Message::Appended { serial })?;
        }
        Ok(())
    }

    fn send(&mut self, connection: usize, message: Message) -> Result<()> {
        match self.writers.get_mut(&connection) {
            Some(writer) => send(writer, message),
            // Closed a moment ago: its follower will ask for what it misses.
            None => Ok(()),
        }
    }
}

async fn follow(replica: usize, world: Arc<World>) -> Result<()> {
    let mut log = Log::open(replica, &world.disks).await?;
    let stream = world.doors.connect(LEADER, &world.network).await?;
    let (mut reader, mut writer) = stream.split();
    let name = replica as u32;
    let mut follower = Follower::recover(replica, log.records);
    let hello = Message::Hello { replica: name, records: log.records };
    send(&mut writer, hello)?;
    while let Some(message) = read(&mut reader).await? {
        let Message::Replicate { index, record } = message else {
            bail!("a follower got a message that is not for it");
        };
        follower.offer(index, record);
        while let Some(record) = follower.next_record() {
            log.append(&record).await?;
            let durable = Message::Durable { replica: name, records: follower.written(&world.progress) };
            send(&mut writer, durable)?;
        }
    }
    Ok(())
}

fn send(writer: &mut WriteHalf<Stream>, message: Message) -> Result<()> {
    let mut wire = [0; WIRE_BYTES_MAX];
    write_now(writer, message.encode(&mut wire))
}

/// The next message of a connection; `None` at its end.
async fn read(reader: &mut ReadHalf<Stream>) -> Result<Option<Message>> {
    let mut wire = [0; WIRE_BYTES_MAX];
    let mut head = [0; HEAD_BYTES];
    match reader.read_exact(&mut head).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error).context("a connection broke"),
    }
    if !Message::has_record(&head) {
        return Message::decode(&head).map(Some);
    }
    wire[..HEAD_BYTES].copy_from_slice(&head);
    reader.read_exact(&mut wire[HEAD_BYTES..]).await?;
    Message::decode(&wire).map(Some)
}
