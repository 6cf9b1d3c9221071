//! Workload A on madsim: raw typed messages over its endpoints, its fastest form.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use madsim::net::Endpoint;
use madsim::runtime::Runtime;
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::pingpong::{Message, Node, Tally};
use tokio::sync::{Barrier, Notify};

use crate::{TAG, address, config};

/// What the nodes share with the driver.
struct World {
    tally: Tally,
    /// Nobody sends before everybody has bound an address: madsim drops what nobody listens for.
    everybody_bound: Barrier,
    finished: Notify,
}

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let world = Arc::new(World {
        tally: Tally::new(options),
        everybody_bound: Barrier::new(options.nodes),
        finished: Notify::new(),
    });
    let runtime = Runtime::with_seed_and_config(options.seed, config());
    for id in 0..options.nodes {
        let node = Node::new(id, options);
        runtime.create_node().ip(address(id).ip()).build().spawn(serve(
            id,
            node,
            options.outstanding,
            Arc::clone(&world),
        ));
    }
    runtime.block_on(world.finished.notified());
    let elapsed = started.elapsed();
    world.tally.verify()?;
    Ok(Run { units: world.tally.deliveries(), elapsed, checksum: world.tally.checksum() })
}

/// A node. Sending and receiving each sleep a simulated millisecond, so it gets one worker for
/// each request that it keeps under way; a single one would turn the latency into a queue.
async fn serve(id: usize, node: Node, outstanding: usize, world: Arc<World>) {
    let endpoint = Endpoint::bind(address(id)).await.expect("every node has an address of its own");
    world.everybody_bound.wait().await;
    let node = Arc::new(Mutex::new(node));
    for _ in 1..outstanding {
        let worker = work(endpoint.clone(), Arc::clone(&node), Arc::clone(&world));
        madsim::task::spawn(worker);
    }
    work(endpoint, node, world).await.expect("nobody closes the endpoint");
}

/// Sends one request and from then on one message for each that arrives.
async fn work(endpoint: Endpoint, node: Arc<Mutex<Node>>, world: Arc<World>) -> io::Result<()> {
    let first = node.lock().expect("one thread").ask(&world.tally);
    if let Some((target, request)) = first {
        send(&endpoint, target, request).await?;
    }
    loop {
        let (payload, _) = endpoint.recv_from_raw(TAG).await?;
        let message = *payload.downcast::<Message>().expect("nodes send nothing else");
        let answer = node.lock().expect("one thread").receive(message, &world.tally);
        if world.tally.finished() {
            world.finished.notify_one();
            return Ok(());
        }
        if let Some((target, message)) = answer {
            send(&endpoint, target, message).await?;
        }
    }
}

async fn send(endpoint: &Endpoint, target: usize, message: Message) -> io::Result<()> {
    endpoint.send_to_raw(address(target), TAG, Box::new(message)).await
}
