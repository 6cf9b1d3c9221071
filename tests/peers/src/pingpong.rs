//! Workload A: every node asks a random other node, waits for the reply, asks the next.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cli::Options;
use crate::random::{Stream, mix};

/// One-way latency of every message, drawn uniformly where the peer can.
pub const LATENCY_MIN: Duration = Duration::from_millis(1);
pub const LATENCY_MAX: Duration = Duration::from_millis(10);

/// Size of a message on the wire.
pub const MESSAGE_BYTES: usize = 16;

const REPLY_BIT: u64 = 1 << 63;

/// A request, or the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The node that asked; a reply goes back to it.
    pub origin: u32,
    pub is_reply: bool,
    /// Counts the requests of `origin`.
    pub serial: u64,
}

impl Message {
    pub fn encode(&self) -> [u8; MESSAGE_BYTES] {
        let head = u64::from(self.origin) | if self.is_reply { REPLY_BIT } else { 0 };
        let mut bytes = [0; MESSAGE_BYTES];
        bytes[..8].copy_from_slice(&head.to_le_bytes());
        bytes[8..].copy_from_slice(&self.serial.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; MESSAGE_BYTES]) -> Self {
        let (head, serial) = bytes.split_at(8);
        let head = u64_from(head);
        Self { origin: head as u32, is_reply: head & REPLY_BIT != 0, serial: u64_from(serial) }
    }
}

/// The little-endian number in the first eight bytes.
fn u64_from(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(word)
}

/// The decisions of one node.
#[derive(Debug)]
pub struct Node {
    id: u32,
    nodes: usize,
    targets: Stream,
    asked: u64,
    answered: u64,
}

impl Node {
    pub fn new(id: usize, options: &Options) -> Self {
        Self {
            id: u32::try_from(id).expect("node numbers are small"),
            nodes: options.nodes,
            targets: Stream::new(options.seed, id as u64),
            asked: 0,
            answered: 0,
        }
    }

    /// The next request and the node it goes to; `None` when enough was asked.
    pub fn ask(&mut self, tally: &Tally) -> Option<(usize, Message)> {
        if tally.wanted <= 2 * tally.asked.load(Relaxed) {
            return None;
        }
        increment(&tally.asked);
        let other = self.targets.below(self.nodes - 1);
        let target = if other < self.id as usize { other } else { other + 1 };
        let request = Message { origin: self.id, is_reply: false, serial: self.asked };
        self.asked += 1;
        Some((target, request))
    }

    /// What the node sends when `message` arrives, and to whom: the reply to a request, or the
    /// next request after a reply. `None` when enough was asked, and when the message cannot be
    /// right, which the tally notes.
    pub fn receive(&mut self, message: Message, tally: &Tally) -> Option<(usize, Message)> {
        tally.delivered(self.id, &message);
        if !message.is_reply {
            let reply = Message { is_reply: true, ..message };
            return Some((message.origin as usize, reply));
        }
        let expected = message.origin == self.id && message.serial < self.asked && self.answered < self.asked;
        if !expected {
            increment(&tally.violations);
            return None;
        }
        self.answered += 1;
        self.ask(tally)
    }
}

/// Counts the messages of a run. Nobody asks any more when the deliveries that are wanted will come from
/// what was asked already, and the run is over when the last reply has arrived: a message that got lost on
/// the way would leave it waiting, so that no simulator gets fast by losing work. Shared by all nodes of a
/// simulation; each simulation runs on one thread, the atomics only satisfy peers that ask for `Send`.
#[derive(Debug)]
pub struct Tally {
    wanted: u64,
    asked: AtomicU64,
    requests: AtomicU64,
    replies: AtomicU64,
    violations: AtomicU64,
    checksum: AtomicU64,
}

impl Tally {
    pub fn new(options: &Options) -> Self {
        Self {
            wanted: options.deliveries,
            asked: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            checksum: AtomicU64::new(0),
        }
    }

    fn delivered(&self, receiver: u32, message: &Message) {
        let counter = if message.is_reply { &self.replies } else { &self.requests };
        increment(counter);
        let body = (u64::from(message.origin) << 32) ^ u64::from(receiver) ^ (message.serial << 20);
        self.checksum.store(mix(self.checksum.load(Relaxed) ^ body), Relaxed);
    }

    pub fn deliveries(&self) -> u64 {
        self.requests.load(Relaxed) + self.replies.load(Relaxed)
    }

    /// Whether the run may stop.
    pub fn finished(&self) -> bool {
        self.wanted <= self.deliveries() && self.replies.load(Relaxed) == self.asked.load(Relaxed)
    }

    pub fn checksum(&self) -> u64 {
        self.checksum.load(Relaxed)
    }

    /// Fails unless the run is over and nothing in it was wrong.
    pub fn verify(&self) -> Result<()> {
        let (asked, requests, replies) =
            (self.asked.load(Relaxed), self.requests.load(Relaxed), self.replies.load(Relaxed));
        ensure!(self.violations.load(Relaxed) == 0, "a reply came to a node that did not wait for it");
        ensure!(
            self.wanted <= requests + replies,
            "only {} of {} messages were delivered",
            requests + replies,
            self.wanted
        );
        ensure!(
            asked == requests && asked == replies,
            "{asked} requests were sent, {requests} delivered and {replies} answered"
        );
        Ok(())
    }
}

/// A load and a store, not one atomic step: there is no second thread to race with.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::{Message, Node, Tally};
    use crate::cli::Options;

    fn options(deliveries: &str) -> Options {
        let line = ["pingpong", "--nodes", "3", "--deliveries", deliveries];
        Options::parse(line.map(str::to_owned)).expect("a valid line")
    }

    #[test]
    fn messages_survive_the_wire() {
        for is_reply in [false, true] {
            let message = Message { origin: 4_095, is_reply, serial: 1 << 40 };
            assert_eq!(Message::decode(&message.encode()), message);
        }
    }

    #[test]
    fn a_run_over_a_perfect_network_verifies() {
        let options = options("1000");
        let tally = Tally::new(&options);
        let mut nodes: Vec<_> = (0..3).map(|id| Node::new(id, &options)).collect();
        let mut wire: Vec<_> = nodes.iter_mut().filter_map(|node| node.ask(&tally)).collect();
        while !tally.finished() {
            let (target, message) = wire.remove(0);
            wire.extend(nodes[target].receive(message, &tally));
        }
        tally.verify().expect("a correct run");
        assert_eq!(tally.deliveries(), 1_000);
    }

    #[test]
    fn a_lost_message_keeps_the_run_from_ending() {
        let options = options("6");
        let tally = Tally::new(&options);
        let mut nodes: Vec<_> = (0..3).map(|id| Node::new(id, &options)).collect();
        let mut wire: Vec<_> = nodes.iter_mut().filter_map(|node| node.ask(&tally)).collect();
        wire.pop();
        while let Some((target, message)) = wire.pop() {
            wire.extend(nodes[target].receive(message, &tally));
        }
        assert!(!tally.finished());
        assert!(tally.verify().is_err());
    }

    #[test]
    fn a_reply_to_the_wrong_node_is_a_violation() {
        let options = options("1");
        let tally = Tally::new(&options);
        let stray = Message { origin: 2, is_reply: true, serial: 0 };
        assert_eq!(Node::new(1, &options).receive(stray, &tally), None);
        assert!(tally.verify().is_err());
    }
}
