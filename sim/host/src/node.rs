//! A node: some processes, one listener, links to everyone else.
//!
//! [`run_process`](crate::run_process) runs a node of one process as an OS process; this is for those who
//! are inside an actix system already.

use crate::door::Door;
use crate::identity;
use crate::inbound::Acceptor;
use crate::limits::Limits;
use crate::marks::MarkSink;
use crate::net::{Context, Locals, Mailbox, Router};
use crate::process::{Boot, Entrance, Exit, ProcessActor, ProcessHost, Quit};
use crate::random;
use crate::run::ExitStatus;
use crate::stats::Stats;
use crate::storage::DirStorage;
use actix::{Actor, Addr, Arbiter};
use contract::cell::Blueprint;
use contract::host::Identity;
use contract::{Duration, ProcessId};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;

/// Connections that may wait for being accepted.
const BACKLOG: u32 = 1024;
/// How long a process may take to end the event it is in when it is asked to stop.
const QUIT_PATIENCE: Duration = Duration::from_secs(5);

/// One process of a [`NodeConfig`].
pub struct LocalProcess {
    /// Which process of the plan.
    pub id: ProcessId,
    /// Which start of it, from 1.
    pub incarnation: u32,
    /// What it does.
    pub blueprint: Arc<dyn Blueprint>,
    /// Its disk; made if missing.
    pub data_dir: PathBuf,
    /// A fixed seed for tests; `None` asks the operating system.
    pub seed: Option<u64>,
    /// Where its marks go.
    pub marks: Box<dyn MarkSink>,
    /// For a process that has threads of its own; it is opened before the process starts.
    pub door: Option<Door>,
}

/// What a node is made of.
pub struct NodeConfig {
    /// Which cluster; processes of others are refused.
    pub cluster: u64,
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where other processes listen. Those of this node may be among them.
    pub peers: BTreeMap<ProcessId, SocketAddr>,
    /// Bounds and intervals.
    pub limits: Limits,
    /// The processes that run here; they reach each other without sockets. They share one identity
    /// ([`contract::Context::identity`]), so processes that lock each other out need OS processes of their own.
    pub processes: Vec<LocalProcess>,
}

/// Why a node did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError(pub String);

impl std::fmt::Display for NodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeError {}

/// A running node. Dropping it cuts its connections and stops its arbiters at the next event.
pub struct Node {
    address: SocketAddr,
    stats: Arc<Stats>,
    tasks: Vec<JoinHandle<()>>,
    processes: Vec<(Addr<ProcessActor>, Arbiter)>,
    exits: UnboundedReceiver<(ProcessId, Exit)>,
}

impl Node {
    /// Binds, boots every process on an arbiter of its own, then accepts. Must be called in an actix system.
    pub fn start(config: NodeConfig) -> Result<Node, NodeError> {
        let listener =
            bind(config.listen).map_err(|error| NodeError(format!("listen on {}: {error}", config.listen)))?;
        let address = listener.local_addr().map_err(|error| NodeError(error.to_string()))?;
        let identity = identity::identity().map_err(|error| NodeError(format!("identity: {error}")))?;
        let context =
            Arc::new(Context { cluster: config.cluster, limits: config.limits, stats: Arc::new(Stats::default()) });
        let ids: Vec<(ProcessId, u32)> = config.processes.iter().map(|local| (local.id, local.incarnation)).collect();
        let (router, links) = Router::new(&ids, &config.peers, &context);
        let (exited, exits) = mpsc::unbounded_channel();
        let mut processes = Vec::new();
        let mut locals = Locals::new();
        for local in config.processes {
            let (id, blueprint, door) = (local.id, Arc::clone(&local.blueprint), local.door.clone());
            let host = process_host(local, identity, &router, &context)?;
            let (exited, mailbox) = (exited.clone(), context.limits.mailbox);
            let arbiter = Arbiter::new();
            let address = ProcessActor::start_in_arbiter(&arbiter.handle(), move |_| {
                ProcessActor::new(host, blueprint, mailbox, exited)
            });
            let entrance: Arc<dyn Mailbox> = Arc::new(Entrance(address.clone()));
            if let Some(door) = door {
                door.open(id, Arc::clone(&entrance));
            }
            locals.insert(id, entrance);
            processes.push((address, arbiter));
        }
        router.open(locals);
        for (process, _) in &processes {
            process.do_send(Boot);
        }
        let peers = config.peers.into_keys().collect();
        let locals = ids.into_iter().collect();
        let acceptor = Acceptor { listener, router, peers, locals, context: Arc::clone(&context) };
        let mut tasks = vec![tokio::spawn(acceptor.run())];
        tasks.extend(links.into_iter().map(|link| tokio::spawn(link.run())));
        Ok(Node { address, stats: Arc::clone(&context.stats), tasks, processes, exits })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its network counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Waits until one of its processes has ended by itself.
    pub async fn ended(&mut self) -> (ProcessId, ExitStatus) {
        match self.exits.recv().await {
            Some((process, exit)) => (process, exit.into()),
            // A process cannot drop its sender without stating its end first, except for a node without processes.
            None => std::future::pending().await,
        }
    }

    /// Asks every process to stop between two events and waits until all have, or some seconds; then cuts
    /// the connections and frees the address. The status is that of the first process that ended otherwise.
    pub async fn stop(&mut self) -> ExitStatus {
        for (process, _) in &self.processes {
            process.do_send(Quit);
        }
        let mut status = ExitStatus::Stopped;
        for _ in 0..self.processes.len() {
            match tokio::time::timeout(QUIT_PATIENCE, self.exits.recv()).await {
                Ok(Some((_, Exit::Stopped))) => {}
                Ok(Some((_, exit))) if status == ExitStatus::Stopped => status = exit.into(),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        for task in self.tasks.drain(..) {
            task.abort();
            // Its only end is the abort; after it the address is free.
            let _ = task.await;
        }
        status
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.processes.iter().for_each(|(_, arbiter)| {
            arbiter.stop();
        });
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted process listens again at once, although old connections linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The system calls of one process.
fn process_host(
    local: LocalProcess,
    identity: Identity,
    router: &Arc<Router>,
    context: &Arc<Context>,
) -> Result<ProcessHost, NodeError> {
    let opened = DirStorage::open_dir(&local.data_dir, context.limits.open_files);
    let storage = opened.map_err(|error| NodeError(format!("data directory {}: {error}", local.data_dir.display())))?;
    let rng = match local.seed {
        // Each process and each of its starts has its own stream, or identities drawn from it would repeat.
        Some(fixed) => {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&fixed.to_le_bytes());
            seed[8..12].copy_from_slice(&local.id.0.to_le_bytes());
            seed[12..16].copy_from_slice(&local.incarnation.to_le_bytes());
            ChaCha8Rng::from_seed(seed)
        }
        None => random::generator().map_err(|error| NodeError(format!("randomness: {error}")))?,
    };
    Ok(ProcessHost {
        me: local.id,
        incarnation: local.incarnation,
        identity,
        router: Arc::clone(router),
        storage,
        rng,
        marks: local.marks,
        stats: Arc::clone(&context.stats),
        alarms: Default::default(),
    })
}
