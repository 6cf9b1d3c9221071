//! Messages between processes: directly within a node, by links to all others.
//!
//! A [`Router`] is what a process sends with: it never blocks and never fails. What cannot be delivered
//! is dropped and counted, as the contract allows.

use crate::link::Link;
use crate::queue::OutQueue;
use crate::stats::{Count, Stats};
use contract::codec::Frame;
use contract::{Payload, ProcessId, Protocol};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

/// One message on its way to a process.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) from: ProcessId,
    pub(crate) content: Content,
}

/// A message as a value within a node, as bytes from elsewhere.
#[derive(Debug)]
pub(crate) enum Content {
    Value(Box<dyn Payload>),
    Bytes { protocol: Protocol, body: Vec<u8> },
}

/// The entrance of a process that runs here.
pub(crate) trait Mailbox: Send + Sync {
    /// Puts a message in; `false` if there is no room or the process is gone.
    fn offer(&self, delivery: Delivery) -> bool;
    /// Puts a message in when there is room; `false` if the process is gone.
    fn deliver(&self, delivery: Delivery) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// The processes of this node, complete before the first of them boots.
pub(crate) type Locals = BTreeMap<ProcessId, Arc<dyn Mailbox>>;

/// Where messages go from this node.
pub(crate) struct Router {
    locals: OnceLock<Locals>,
    queues: BTreeMap<(ProcessId, ProcessId), Arc<OutQueue>>,
    stats: Arc<Stats>,
}

/// Why a message did not leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsendable(pub(crate) String);

impl Router {
    /// A router for `locals` to `peers`, and the links whose tasks empty its queues.
    pub(crate) fn new(
        locals: &[(ProcessId, u32)],
        peers: &BTreeMap<ProcessId, SocketAddr>,
        context: &Arc<Context>,
    ) -> (Arc<Router>, Vec<Link>) {
        let mut queues = BTreeMap::new();
        let mut links = Vec::new();
        for &(from, incarnation) in locals {
            for (&to, &address) in peers.iter().filter(|(to, _)| locals.iter().all(|(local, _)| local != *to)) {
                let queue = Arc::new(OutQueue::new(context.limits.queue_frames, context.limits.queue_bytes));
                queues.insert((from, to), Arc::clone(&queue));
                links.push(Link { from, incarnation, to, address, queue, context: Arc::clone(context) });
            }
        }
        let router = Router { locals: OnceLock::new(), queues, stats: Arc::clone(&context.stats) };
        (Arc::new(router), links)
    }

    /// Makes the processes of this node known, once.
    pub(crate) fn open(&self, locals: Locals) {
        assert!(self.locals.set(locals).is_ok(), "a router is opened once");
    }

    /// The entrance of a process of this node.
    pub(crate) fn local(&self, process: ProcessId) -> Option<&Arc<dyn Mailbox>> {
        self.locals.get().and_then(|locals| locals.get(&process))
    }

    /// Sends without blocking. Only a message that no frame can carry is the caller's own mistake.
    pub(crate) fn send(&self, from: ProcessId, to: ProcessId, payload: Box<dyn Payload>) -> Result<(), Unsendable> {
        if let Some(mailbox) = self.local(to) {
            let taken = mailbox.offer(Delivery { from, content: Content::Value(payload) });
            self.stats.add(if taken { Count::DirectSent } else { Count::DroppedMailbox }, 1);
            return Ok(());
        }
        let Some(queue) = self.queues.get(&(from, to)) else {
            self.stats.add(Count::DroppedUnknown, 1);
            return Ok(());
        };
        let bytes = frame(from, to, &*payload).inspect_err(|_| self.stats.add(Count::Unsendable, 1))?;
        let dropped = queue.push(bytes);
        self.stats.add(Count::DroppedQueue, dropped);
        Ok(())
    }
}

fn frame(from: ProcessId, to: ProcessId, payload: &dyn Payload) -> Result<Vec<u8>, Unsendable> {
    let mut body = Vec::new();
    let mut bytes = Vec::new();
    let written = payload.encode(&mut body);
    let written = written.and_then(|()| Frame { from, to, protocol: payload.protocol(), body }.write(&mut bytes));
    written.map_err(|error| Unsendable(format!("{}: {error}", payload.name())))?;
    Ok(bytes)
}

/// What all connections of a node share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) cluster: u64,
    pub(crate) limits: crate::limits::Limits,
    pub(crate) stats: Arc<Stats>,
}
