//! The world of a run, its network and how it is driven.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::io::{AsyncWriteExt, WriteHalf};
use futures::lock::OwnedMutexGuard;
use moonpool_sim::executor::{self, JoinHandle, until_stalled};
use moonpool_sim::{
    ChaosConfiguration, LatencyDistribution, NetworkConfiguration, NetworkProvider, SimNetworkProvider, SimWorld,
    TcpListenerTrait, buggify_reset,
};
use stormproof_peers::pingpong::{LATENCY_MAX, LATENCY_MIN};

pub type Listener = <SimNetworkProvider as NetworkProvider>::TcpListener;
pub type Stream = <SimNetworkProvider as NetworkProvider>::TcpStream;

const PORT: u16 = 700;

/// A world with the benchmark's latency and without faults of its own.
pub fn create(seed: u64) -> SimWorld {
    let world = SimWorld::new_with_network_config_and_seed(network(), seed);
    buggify_reset();
    world
}

/// moonpool delays what is written and nothing else, so the whole latency is that of writes.
fn network() -> NetworkConfiguration {
    let none = uniform(Duration::ZERO, Duration::ZERO);
    NetworkConfiguration {
        bind_latency: none.clone(),
        accept_latency: none.clone(),
        connect_latency: none.clone(),
        read_latency: none,
        write_latency: uniform(LATENCY_MIN, LATENCY_MAX),
        chaos: ChaosConfiguration::disabled(),
    }
}

pub fn uniform(start: Duration, end: Duration) -> LatencyDistribution {
    LatencyDistribution::Uniform { start, end }
}

pub fn ip(node: usize) -> IpAddr {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 1));
    let node = u32::try_from(node).expect("node numbers are small");
    Ipv4Addr::from(first + node).into()
}

pub fn address(node: usize) -> String {
    format!("{}:{PORT}", ip(node))
}

/// Lets one connection at a time wait to be accepted at each node. moonpool keeps only the last one
/// that nobody has accepted yet; an earlier one is lost without a trace, with all it carries.
pub struct Doors {
    doors: Vec<Door>,
}

#[derive(Default)]
struct Door {
    free: Arc<futures::lock::Mutex<()>>,
    /// Held for the connection that waits.
    taken: Mutex<Option<OwnedMutexGuard<()>>>,
}

impl Doors {
    pub fn new(nodes: usize) -> Self {
        let doors = (0..nodes).map(|_| Door::default()).collect();
        Self { doors }
    }

    pub async fn connect(&self, target: usize, network: &SimNetworkProvider) -> Result<Stream> {
        let door = &self.doors[target];
        let guard = Arc::clone(&door.free).lock_owned().await;
        *door.taken.lock().expect("one thread") = Some(guard);
        Ok(network.connect(&address(target)).await?)
    }

    pub async fn accept(&self, node: usize, listener: &Listener) -> Result<Stream> {
        let (stream, _) = listener.accept().await?;
        drop(self.doors[node].taken.lock().expect("one thread").take());
        Ok(stream)
    }
}

/// Errors of tasks. moonpool keeps a task's end to itself, so the driver looks here.
pub type Failures = Arc<Mutex<Vec<anyhow::Error>>>;

pub fn spawn(
    failures: &Failures,
    name: &str,
    task: impl Future<Output = Result<()>> + Send + 'static,
) -> JoinHandle<()> {
    let failures = Arc::clone(failures);
    executor::spawn(name, async move {
        if let Err(error) = task.await {
            failures.lock().expect("one thread").push(error);
        }
    })
}

/// Lets all tasks run until they wait, then processes one event, until `finished` says so.
pub async fn drive(
    world: &mut SimWorld,
    failures: &Failures,
    mut finished: impl FnMut(&SimWorld) -> bool,
) -> Result<()> {
    until_stalled().await;
    while !finished(world) {
        if let Some(error) = failures.lock().expect("one thread").pop() {
            return Err(error);
        }
        ensure!(world.has_pending_events(), "the simulation stands still before its end");
        world.step();
        until_stalled().await;
    }
    Ok(())
}

/// Writes without waiting: moonpool takes what fits in a connection's 64 KiB of send buffer at
/// once, and the workloads have far less under way on any connection.
pub fn write_now(stream: &mut WriteHalf<Stream>, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).now_or_never().context("a send buffer is full")?.context("a connection is closed")
}
