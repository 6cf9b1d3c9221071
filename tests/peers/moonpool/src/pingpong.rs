//! Workload A on moonpool: TCP, a task a connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use futures::io::{AsyncReadExt, ReadHalf, WriteHalf};
use moonpool_sim::executor::Executor;
use moonpool_sim::{NetworkProvider, SimNetworkProvider};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::pingpong::{MESSAGE_BYTES, Message, Node, Tally};

use crate::world::{self, Doors, Failures, Stream, address, spawn, write_now};

/// What the tasks of one node share.
struct Local {
    network: SimNetworkProvider,
    doors: Arc<Doors>,
    tally: Arc<Tally>,
    failures: Failures,
    inner: Mutex<Inner>,
}

struct Inner {
    node: Node,
    /// Connections to the nodes that this one has asked; its requests go out on them.
    lanes: HashMap<usize, WriteHalf<Stream>>,
}

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let tally = Arc::new(Tally::new(options));
    let failures = Failures::default();
    let doors = Arc::new(Doors::new(options.nodes));
    let mut simulated = world::create(options.seed);
    let network = simulated.network_provider();
    let elapsed = Executor::new(options.seed).block_on(async {
        for id in 0..options.nodes {
            let local = Arc::new(Local {
                network: network.clone(),
                doors: Arc::clone(&doors),
                tally: Arc::clone(&tally),
                failures: Arc::clone(&failures),
                inner: Mutex::new(Inner { node: Node::new(id, options), lanes: HashMap::new() }),
            });
            drop(spawn(&failures, "node", serve(id, options.outstanding, local)));
        }
        world::drive(&mut simulated, &failures, |_| tally.finished()).await?;
        anyhow::Ok(started.elapsed())
    })?;
    tally.verify()?;
    Ok(Run { units: tally.deliveries(), elapsed, checksum: tally.checksum() })
}

/// A node: its requests, next to a task that accepts the connections of others. One task for both
/// would let nodes wait for each other's doors.
async fn serve(id: usize, outstanding: usize, local: Arc<Local>) -> Result<()> {
    let accepting = accept_all(id, Arc::clone(&local));
    drop(spawn(&local.failures, "listener", accepting));
    for _ in 0..outstanding {
        let request = {
            let mut inner = local.inner.lock().expect("one thread");
            inner.node.ask(&local.tally)
        };
        if let Some((target, request)) = request {
            ask(&local, target, request).await?;
        }
    }
    Ok(())
}

async fn accept_all(id: usize, local: Arc<Local>) -> Result<()> {
    let listener = local.network.bind(&address(id)).await?;
    loop {
        let stream = local.doors.accept(id, &listener).await?;
        let replying = reply_all(stream, Arc::clone(&local));
        drop(spawn(&local.failures, "server", replying));
    }
}

/// Answers the requests that come in on one connection.
async fn reply_all(stream: Stream, local: Arc<Local>) -> Result<()> {
    let (mut reader, mut writer) = stream.split();
    while let Some(message) = read(&mut reader).await? {
        let answer = receive(&local, message);
        if let Some((_, reply)) = answer {
            write_now(&mut writer, &reply.encode())?;
        }
    }
    Ok(())
}

/// Takes the replies that come back on one connection, each of which is followed by a request.
/// Boxed, because a task that asks may spawn another of its kind.
fn ask_on(mut reader: ReadHalf<Stream>, local: Arc<Local>) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        while let Some(message) = read(&mut reader).await? {
            let next = receive(&local, message);
            if let Some((target, request)) = next {
                ask(&local, target, request).await?;
            }
        }
        Ok(())
    })
}

fn receive(local: &Local, message: Message) -> Option<(usize, Message)> {
    let mut inner = local.inner.lock().expect("one thread");
    inner.node.receive(message, &local.tally)
}

/// Sends a request, over a new connection if the node has not asked `target` before.
async fn ask(local: &Arc<Local>, target: usize, request: Message) -> Result<()> {
    let wire = request.encode();
    if let Entry::Occupied(mut lane) = local.inner.lock().expect("one thread").lanes.entry(target) {
        return write_now(lane.get_mut(), &wire);
    }
    let stream = local.doors.connect(target, &local.network).await?;
    let (reader, mut writer) = stream.split();
    write_now(&mut writer, &wire)?;
    let mut inner = local.inner.lock().expect("one thread");
    inner.lanes.insert(target, writer);
    drop(inner);
    let asking = ask_on(reader, Arc::clone(local));
    drop(spawn(&local.failures, "asker", asking));
    Ok(())
}

/// The next message of a connection; `None` at its end.
async fn read(reader: &mut ReadHalf<Stream>) -> Result<Option<Message>> {
    let mut wire = [0; MESSAGE_BYTES];
    match reader.read_exact(&mut wire).await {
        Ok(()) => Ok(Some(Message::decode(&wire))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("a connection broke"),
    }
}
