//! What the network may do to a node: raw clients and raw servers that break every rule, one at a time.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::{
    Ask, CLUSTER, Client, ClientPlan, Flooder, Ledger, LedgerRules, Marks, Scratch, Setup, addr, eventually, in_system,
    of_kind, port,
};
use contract::cell::blueprint;
use contract::codec::{self, BODY_MAX, FRAME_HEADER, Frame};
use contract::{Duration, Message, ProcessId, Protocol};
use host::stats::{Count, End, Stats};
use host::{ExitStatus, Limits, Node};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GREETING: Protocol = Protocol::of("host.greeting/1");
const HEARTBEAT: Protocol = Protocol::of("host.heartbeat/1");
/// The raw peer's place in the plan.
const RAW: u32 = 9;

fn frame(from: u32, to: u32, protocol: Protocol, body: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame { from: ProcessId(from), to: ProcessId(to), protocol, body }.write(&mut bytes).unwrap();
    bytes
}

fn greeting(from: u32, to: u32, cluster: u64) -> Vec<u8> {
    frame(from, to, GREETING, codec::encode(&(cluster, 1_u32)).unwrap())
}

fn ask(id: u64) -> Vec<u8> {
    let ask = Ask { id, body: vec![1; 40], reply_to: addr(ProcessId(RAW)) };
    frame(RAW, 0, Ask::PROTOCOL, codec::encode(&ask).unwrap())
}

/// A valid greeting, and then `bytes`.
fn after_greeting(bytes: &[u8]) -> Vec<u8> {
    [&greeting(RAW, 0, CLUSTER), bytes].concat()
}

fn total_ends(stats: &Stats) -> u64 {
    stats.snapshot().iter().filter(|(name, _)| name.starts_with("end_")).map(|(_, count)| count).sum()
}

/// Sends `bytes`, ends the sending side if `and_close`, and waits until the node has closed the connection.
async fn abuse(address: SocketAddr, bytes: &[u8], and_close: bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The node may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    if and_close {
        let _ = stream.shutdown().await;
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// A ledger that knows a raw peer, beside a client in a node of its own that keeps asking it.
struct Busy {
    ledger: Node,
    marks: Marks,
    client: Node,
    client_marks: Marks,
    _ports: [host::ReservedPort; 2],
    _dir: Scratch,
}

fn busy(limits: Limits) -> Busy {
    let dir = Scratch::new();
    let ports = [port(), port()];
    let peers = [(0, ports[0].address()), (1, ports[1].address()), (RAW, "127.0.0.1:1".parse().unwrap())];
    let ledger = Setup { listen: ports[0].address(), limits, ..Setup::new(&peers) };
    let client = Setup { listen: ports[1].address(), ..Setup::new(&peers) };
    let plan = ClientPlan { server: ProcessId(0), first: 1_000, count: u64::from(u32::MAX), body: 10, window: 2 };
    let (ledger, marks) = ledger.start(&dir.0, vec![(0, blueprint::<Ledger>(LedgerRules::default()))]);
    let (client, client_marks) = client.start(&dir.0, vec![(1, blueprint::<Client>(plan))]);
    Busy { ledger, marks, client, client_marks, _ports: ports, _dir: dir }
}

impl Busy {
    /// The client gets further answers: nothing was harmed.
    async fn goes_on(&mut self) {
        self.client_marks.until("news", |_| true).await;
        let answered = of_kind(&self.client_marks.seen, "test.answered").len();
        self.client_marks.until_count("test.answered", answered + 3).await;
        assert!(of_kind(&self.client_marks.seen, "system.exit").is_empty());
        assert_eq!(self.client.stats().count(Count::Dialled), 1, "its connection was never touched");
    }
}

/// Ends of accepted connections; the ledger's own dials to the raw peer are refused by the system.
fn total_inbound_ends(stats: &Stats) -> u64 {
    total_ends(stats) - stats.count(Count::DialFailed)
}

fn oversized() -> Vec<u8> {
    let mut bytes = ask(1);
    bytes[4..8].copy_from_slice(&(BODY_MAX as u32 + 1).to_le_bytes());
    bytes
}

fn changed(mut bytes: Vec<u8>, at: usize, mask: u8) -> Vec<u8> {
    bytes[at] ^= mask;
    bytes
}

#[test]
fn every_misdeed_closes_its_connection_is_counted_and_harms_nothing() {
    in_system(async {
        let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
        let mut busy = busy(limits);
        busy.goes_on().await;
        let torn = &ask(1)[..50];
        let flipped_body = changed(ask(1), FRAME_HEADER + 8, 0x10);
        let flipped_header = changed(ask(1), 9, 0x01);
        let heartbeat = frame(RAW, 0, HEARTBEAT, Vec::new());
        let cases: Vec<(&str, Vec<u8>, bool, End)> = vec![
            ("nothing but a close", vec![], true, End::Closed),
            ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), false, End::Garbage),
            ("NUL bytes", vec![0; 4096], false, End::Garbage),
            ("a greeting of another version", changed(greeting(RAW, 0, CLUSTER), 2, 0x80), false, End::Version),
            ("half a greeting", greeting(RAW, 0, CLUSTER)[..20].to_vec(), true, End::Torn),
            ("half a greeting, kept open", greeting(RAW, 0, CLUSTER)[..20].to_vec(), false, End::HandshakeTimeout),
            ("silence", vec![], false, End::HandshakeTimeout),
            ("a damaged greeting", changed(greeting(RAW, 0, CLUSTER), FRAME_HEADER + 1, 0x40), false, End::Damaged),
            ("a message before the greeting", ask(1), false, End::Greeting),
            ("a greeting that cannot be read", frame(RAW, 0, GREETING, vec![0xff; 3]), false, End::Greeting),
            ("a greeting of another cluster", greeting(RAW, 0, CLUSTER + 1), false, End::Cluster),
            ("a greeting from nobody we know", greeting(55, 0, CLUSTER), false, End::Stranger),
            ("a greeting for somebody else", greeting(RAW, 1, CLUSTER), false, End::Receiver),
            ("garbage later", after_greeting(b"garbage"), false, End::Garbage),
            ("another version later", after_greeting(&changed(ask(1), 2, 1)), false, End::Version),
            ("an oversized length", after_greeting(&oversized()), false, End::Oversized),
            ("a flipped bit in a body", after_greeting(&flipped_body), false, End::Damaged),
            ("a flipped bit in a header", after_greeting(&flipped_header), false, End::Damaged),
            ("a torn frame", after_greeting(torn), true, End::Torn),
            ("a torn frame after a good one", after_greeting(&[&heartbeat, torn].concat()), true, End::Torn),
            ("a message in another's name", after_greeting(&frame(1, 0, Ask::PROTOCOL, vec![1])), false, End::Sender),
            ("a message for another", after_greeting(&frame(RAW, 1, Ask::PROTOCOL, vec![1])), false, End::Receiver),
        ];
        for (what, bytes, and_close, end) in cases {
            let before = (busy.ledger.stats().ended(end), total_inbound_ends(busy.ledger.stats()));
            abuse(busy.ledger.address(), &bytes, and_close).await;
            let stats = busy.ledger.stats();
            eventually(what, || total_inbound_ends(stats) > before.1).await;
            assert_eq!(total_inbound_ends(stats), before.1 + 1, "{what}: one end: {:?}", stats.mark().to_string());
            assert_eq!(stats.ended(end), before.0 + 1, "{what}: {:?}", stats.mark().to_string());
            busy.goes_on().await;
        }
        let from_raw =
            of_kind(&busy.marks.seen, "test.stored").iter().filter(|seen| seen.mark.number("id") == Some(1)).count();
        assert_eq!(from_raw, 0, "no damaged message was delivered");
    });
}

/// A small generator for mutations: the cases are the same on every run.
fn mutations(count: u64) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let stream = after_greeting(&[ask(1), ask(2), ask(3)].concat());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(move |case| {
        let mut bytes = stream.clone();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = (state >> 8) as usize % bytes.len();
        match state % 3 {
            0 => bytes[at] ^= 1 << (state >> 61),
            1 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, [state as u8; 3])),
        }
        (case, bytes)
    })
}

#[test]
fn three_hundred_mutated_streams_harm_nothing() {
    in_system(async {
        let mut busy = busy(Limits::default());
        busy.goes_on().await;
        for (case, bytes) in mutations(300) {
            let before = total_inbound_ends(busy.ledger.stats());
            abuse(busy.ledger.address(), &bytes, true).await;
            let stats = busy.ledger.stats();
            eventually("an end", || total_inbound_ends(stats) > before).await;
            assert_eq!(total_inbound_ends(stats), before + 1, "case {case}");
        }
        busy.goes_on().await;
        busy.marks.until("news", |_| true).await;
        let raw_ids = busy.marks.ids("test.stored").into_iter().filter(|id| *id < 1_000);
        assert!(raw_ids.collect::<Vec<u64>>().iter().all(|id| (1..=3).contains(id)), "only what was sent can arrive");
    });
}

#[test]
fn a_message_that_the_inbox_refuses_is_counted_and_the_connection_goes_on() {
    in_system(async {
        let mut busy = busy(Limits::default());
        let mut stream = TcpStream::connect(busy.ledger.address()).await.unwrap();
        let unknown = frame(RAW, 0, Protocol(0xdead), vec![1, 2, 3]);
        let malformed = frame(RAW, 0, Ask::PROTOCOL, vec![0xff; 9]);
        stream.write_all(&after_greeting(&[unknown, malformed, ask(5)].concat())).await.unwrap();
        busy.marks.until("the good message", |seen| seen.iter().any(|seen| seen.mark.number("id") == Some(5))).await;
        assert_eq!(busy.ledger.stats().count(Count::Refused), 2);
        let refused: Vec<String> =
            of_kind(&busy.marks.seen, "system.refused").iter().map(|seen| seen.mark.to_string()).collect();
        assert!(refused[0].contains("UnknownProtocol") && refused[1].contains("Malformed"), "{refused:?}");
        busy.goes_on().await;
    });
}

#[test]
fn a_silent_peer_is_half_open_and_is_closed() {
    in_system(async {
        // A hundred heartbeats long: on a busy machine a well peer, too, may be silent for a while.
        let limits = Limits { idle_timeout: Duration::from_secs(2), ..Limits::default() };
        let mut busy = busy(Limits { heartbeat: Duration::from_millis(20), ..limits });
        let mut stream = TcpStream::connect(busy.ledger.address()).await.unwrap();
        stream.write_all(&after_greeting(&ask(5))).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert!(heard.len() > 100, "it was greeted and heard heartbeats before");
        assert_eq!(busy.ledger.stats().ended(End::IdleTimeout), 1);
        busy.marks.until("the message", |seen| seen.iter().any(|seen| seen.mark.number("id") == Some(5))).await;
        busy.client_marks.until_count("test.answered", 3).await;
    });
}

#[test]
fn more_connections_than_allowed_are_closed_at_once() {
    in_system(async {
        let mut busy = busy(Limits { connections: 3, ..Limits::default() });
        busy.goes_on().await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(busy.ledger.address()).await.unwrap();
            stream.write_all(&after_greeting(&[])).await.unwrap();
            stream.read_u8().await.unwrap();
            held.push(stream);
        }
        abuse(busy.ledger.address(), &[], false).await;
        assert_eq!(busy.ledger.stats().ended(End::Crowded), 1);
        drop(held.pop());
        let stats = busy.ledger.stats();
        eventually("room", || {
            stats.ended(End::Closed) + stats.ended(End::System) - stats.count(Count::DialFailed) == 1
        })
        .await;
        let mut stream = TcpStream::connect(busy.ledger.address()).await.unwrap();
        stream.write_all(&after_greeting(&[])).await.unwrap();
        stream.read_u8().await.expect("there is room again");
        busy.client_marks.until_count("test.answered", 10).await;
    });
}

fn ledger_node(
    dir: &Scratch,
    listen: SocketAddr,
    client: SocketAddr,
    rules: LedgerRules,
    limits: Limits,
) -> (Node, Marks) {
    let setup = Setup { listen, limits, ..Setup::new(&[(1, client)]) };
    setup.start(&dir.0, vec![(0, blueprint::<Ledger>(rules))])
}

#[test]
fn a_restarted_peer_is_found_again_in_both_directions() {
    in_system(async {
        let dir = Scratch::new();
        let (ledger_port, client_port) = (port(), port());
        let (there, here) = (ledger_port.address(), client_port.address());
        let plan = ClientPlan { server: ProcessId(0), first: 1, count: 1_000_000, body: 10, window: 4 };
        let setup = Setup { listen: here, ..Setup::new(&[(0, there)]) };
        let (client, mut marks) = setup.start(&dir.0, vec![(1, blueprint::<Client>(plan))]);
        for round in 1..=3 {
            let (mut ledger, _) = ledger_node(&dir, there, here, LedgerRules::default(), Limits::default());
            let known = marks.ids("test.answered").len();
            marks.until_count("test.answered", known + 50).await;
            assert_eq!(ledger.stop().await, ExitStatus::Stopped);
            assert_eq!(client.stats().count(Count::Dialled), round);
            let failed = client.stats().count(Count::DialFailed);
            eventually("a dial while the peer is away", || client.stats().count(Count::DialFailed) > failed).await;
        }
        let mut answered = marks.ids("test.answered");
        answered.sort_unstable();
        answered.dedup();
        assert_eq!(answered.len(), marks.ids("test.answered").len(), "each was answered once");
    });
}

#[test]
fn an_absent_peer_costs_a_bounded_queue_and_gets_the_newest() {
    in_system(async {
        let dir = Scratch::new();
        let (ledger_port, client_port) = (port(), port());
        let limits = Limits { queue_frames: 100, ..Limits::default() };
        let setup = Setup { listen: client_port.address(), limits, ..Setup::new(&[(0, ledger_port.address())]) };
        let plan = ClientPlan { server: ProcessId(0), first: 0, count: 5_000, body: 10, window: 0 };
        let (client, mut flooded) = setup.start(&dir.0, vec![(1, blueprint::<Flooder>(plan))]);
        flooded.until_count("test.flooded", 1).await;
        assert_eq!(client.stats().count(Count::DroppedQueue), 4_900);
        let (_ledger, mut marks) =
            ledger_node(&dir, ledger_port.address(), client_port.address(), LedgerRules::default(), Limits::default());
        marks.until_count("test.stored", 100).await;
        assert_eq!(marks.ids("test.stored"), (4_900..5_000).collect::<Vec<u64>>());
    });
}

#[test]
fn a_slow_process_slows_its_sender_and_loses_nothing() {
    in_system(async {
        let dir = Scratch::new();
        let (ledger_port, client_port) = (port(), port());
        let rules = LedgerRules { slow: Duration::from_millis(3), ..LedgerRules::default() };
        // The mailbox is tiny, the kernel's buffers hold a part of the 8 MB only, and emptying them takes
        // longer than an idle connection would be kept.
        let limits = Limits {
            mailbox: 4,
            idle_timeout: Duration::from_millis(1_000),
            heartbeat: Duration::from_millis(50),
            ..Limits::default()
        };
        let (ledger, mut marks) = ledger_node(&dir, ledger_port.address(), client_port.address(), rules, limits);
        let setup = Setup { listen: client_port.address(), limits, ..Setup::new(&[(0, ledger_port.address())]) };
        let plan = ClientPlan { server: ProcessId(0), first: 0, count: 1_000, body: 8_000, window: 0 };
        let (client, _) = setup.start(&dir.0, vec![(1, blueprint::<Flooder>(plan))]);
        marks.until_count("test.stored", 1_000).await;
        assert_eq!(marks.ids("test.stored"), (0..1_000).collect::<Vec<u64>>());
        assert_eq!(client.stats().count(Count::DroppedQueue), 0);
        assert_eq!(client.stats().count(Count::Dialled), 1, "slow is not dead");
        assert_eq!(ledger.stats().count(Count::DroppedMailbox), 0);
    });
}

/// What a raw server does after it has greeted.
async fn raw_server(listener: &TcpListener, answer: Vec<u8>) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; FRAME_HEADER];
    stream.read_exact(&mut hello).await.unwrap();
    stream.write_all(&answer).await.unwrap();
    stream
}

async fn flooder_to_raw(limits: Limits, count: u64, body: usize) -> (TcpListener, Node, Marks, Scratch) {
    let dir = Scratch::new();
    let listener = TcpListener::bind(common::anywhere()).await.unwrap();
    let setup = Setup { limits, ..Setup::new(&[(RAW, listener.local_addr().unwrap())]) };
    let plan = ClientPlan { server: ProcessId(RAW), first: 0, count, body, window: 0 };
    let (node, marks) = setup.start(&dir.0, vec![(1, blueprint::<Flooder>(plan))]);
    (listener, node, marks, dir)
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    in_system(async {
        let limits = Limits { write_timeout: Duration::from_millis(300), ..Limits::default() };
        let (listener, node, _, _dir) = flooder_to_raw(limits, 200, 500_000).await;
        let _held = raw_server(&listener, greeting(RAW, 1, CLUSTER)).await;
        eventually("the write timeout", || node.stats().ended(End::WriteTimeout) == 1).await;
        assert!(node.stats().count(Count::DroppedQueue) >= 150, "100 MB do not wait in 16 MiB");
    });
}

#[test]
fn a_peer_that_never_speaks_is_given_up_and_one_that_answers_wrongly_is_left() {
    in_system(async {
        let limits = Limits {
            handshake_timeout: Duration::from_millis(200),
            idle_timeout: Duration::from_millis(200),
            heartbeat: Duration::from_millis(20),
            ..Limits::default()
        };
        let (listener, node, _, _dir) = flooder_to_raw(limits, 2, 10).await;
        let stats = node.stats();
        let wrong: Vec<(Vec<u8>, End)> = vec![
            (vec![], End::HandshakeTimeout),
            (greeting(RAW, 1, CLUSTER + 1), End::Cluster),
            (greeting(RAW + 1, 1, CLUSTER), End::Receiver),
            (frame(RAW, 1, HEARTBEAT, vec![]), End::Greeting),
            (b"garbage".to_vec(), End::Garbage),
        ];
        for (answer, end) in wrong {
            let _held = raw_server(&listener, answer).await;
            eventually(&format!("{end:?}"), || stats.ended(end) == 1).await;
        }
        assert_eq!(
            (stats.count(Count::Dialled), stats.count(Count::FramesSent)),
            (0, 0),
            "nothing left in wrong hands"
        );
        let _held = raw_server(&listener, greeting(RAW, 1, CLUSTER)).await;
        eventually("the idle timeout", || stats.ended(End::IdleTimeout) == 1).await;
        assert_eq!((stats.count(Count::Dialled), stats.count(Count::FramesSent)), (1, 2));
    });
}
