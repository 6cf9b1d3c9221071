//! The client: it asks on until it is answered or its time is up, follows the leader, and does nothing twice.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use consensus::planted::Planted;
use consensus::rcs::client::{Client, Config, Ended, Outcome};
use consensus::rcs::message::{
    Answer, Ask, Done, Keys, Operation, OperationId, Read, Refusal, Reply, Request, Step, Transaction, Watch,
};
use consensus::rcs::{Command, Limits, Store};
use contract::calls::Retry;
use contract::{Blob, Duration, ProcessId, Time};
use proptest::prelude::{any, prop_assert, proptest};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::host::{FakeHost, address};

const RETRY: Retry = Retry {
    first: Duration::from_millis(100),
    longest: Duration::from_millis(800),
    deadline: Some(Duration::from_secs(5)),
};
const POLL: Duration = Duration::from_secs(3);

struct Bench {
    host: FakeHost,
    client: Client,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let mut host = FakeHost { draws: seed, ..FakeHost::default() };
        let config = Config { members: (0..3).map(address).collect(), retry: RETRY, poll: POLL };
        let client = host.with(|ctx| Client::new(Arc::new(config), ctx));
        Bench { host, client }
    }

    fn write(&mut self, key: &str) -> u64 {
        let (client, operation) = (&mut self.client, write(key));
        self.host.with(|ctx| client.write(operation, 0, ctx))
    }

    fn read(&mut self) -> u64 {
        let client = &mut self.client;
        let read = Read { keys: all(), revision: 0, limit: 0, linearizable: true, traced: 0 };
        self.host.with(|ctx| client.read(read, ctx))
    }

    fn reply(&mut self, from: u32, call: u64, answer: Answer) -> Option<Ended> {
        let client = &mut self.client;
        self.host.with(|ctx| client.on_reply(ProcessId(from), Reply { call, answer }, ctx))
    }

    /// Moves the clock to the next due time and polls.
    fn poll(&mut self) -> Vec<Ended> {
        let client = &mut self.client;
        self.host.now = client.next_due().unwrap();
        self.host.with(|ctx| client.poll(ctx))
    }

    /// The one request that was sent since the last time.
    fn sent(&mut self) -> (u32, Request) {
        let mut sent = self.host.take();
        assert_eq!(sent.len(), 1);
        sent.remove(0)
    }

    /// Answers the request for a session, and gives the write that follows.
    fn open(&mut self, session: u64) -> (u32, Request) {
        let (member, request) = self.sent();
        assert!(matches!(request.ask, Ask::Do { operation: Operation::OpenSession, .. }));
        assert!(self.reply(member, request.call, done(Done::Session(session))).is_none());
        self.sent()
    }
}

fn all() -> Keys {
    Keys::Prefix(Blob::from(Vec::new()))
}

fn write(key: &str) -> Operation {
    let put = Step::Put { key: key.as_bytes().into(), value: Blob::from(Vec::new()), lease: 0 };
    Operation::Transact(Transaction { then: vec![put], ..Transaction::default() })
}

fn done(done: Done) -> Answer {
    Answer::Done { revision: 5, done }
}

fn id(request: &Request) -> (u64, u64) {
    match &request.ask {
        Ask::Do { id: OperationId { session, number, .. }, .. } => (*session, *number),
        other => panic!("a write: {other:?}"),
    }
}

#[test]
fn a_session_is_opened_for_the_first_write_and_used_for_the_next() {
    let mut bench = Bench::new(1);
    let ticket = bench.write("a");
    let (member, request) = bench.open(7);
    assert_eq!(id(&request), (7, 1));
    let answer = done(Done::Transacted { held: true, steps: vec![] });
    let ended = bench.reply(member, request.call, answer.clone()).unwrap();
    assert_eq!((ended.ticket, ended.outcome), (ticket, Outcome::Answered(answer.clone())));
    assert!(bench.reply(member, request.call, answer).is_none(), "a repeated answer ends nothing");
    bench.write("b");
    assert_eq!(id(&bench.sent().1), (7, 2));
}

#[test]
fn writes_that_are_open_together_never_share_a_session() {
    let mut bench = Bench::new(1);
    bench.write("a");
    assert_eq!(id(&bench.open(7).1), (7, 1));
    bench.write("b");
    assert_eq!(id(&bench.open(8).1), (8, 1));
}

#[test]
fn a_silent_member_is_left_for_the_next_one_with_the_same_question() {
    let mut bench = Bench::new(1);
    bench.read();
    let (first, asked) = bench.sent();
    let mut members = vec![first];
    for _ in 0..3 {
        assert!(bench.poll().is_empty());
        let (member, again) = bench.sent();
        assert_eq!((again.call, again.ask), (asked.call, asked.ask.clone()));
        members.push(member);
    }
    assert_eq!(members, (0..4).map(|step| (first + step) % 3).collect::<Vec<u32>>());
}

#[test]
fn a_silent_leader_is_not_gone_back_to_because_others_name_it() {
    let mut bench = Bench::new(1);
    bench.read();
    let (first, request) = bench.sent();
    let (leader, other) = ((first + 1) % 3, (first + 2) % 3);
    let named = || Answer::Retry { leader: Some(leader) };
    assert!(bench.reply(first, request.call, named()).is_none());
    assert_eq!(bench.sent().0, leader);
    bench.poll();
    assert_eq!(bench.sent().0, other, "the leader was silent");
    assert!(bench.reply(other, request.call, named()).is_none());
    assert!(bench.host.take().is_empty(), "it is named, and was silent just now");
    bench.poll();
    assert_eq!(bench.sent().0, first);
}

#[test]
fn the_named_leader_is_asked_at_once_and_the_next_question_goes_there() {
    let mut bench = Bench::new(1);
    bench.read();
    let (member, request) = bench.sent();
    let leader = (member + 2) % 3;
    assert!(bench.reply(member, request.call, Answer::Retry { leader: Some(leader) }).is_none());
    assert_eq!(bench.sent().0, leader);
    assert!(bench.reply(member, request.call, Answer::Retry { leader: None }).is_none());
    assert!(bench.host.take().is_empty(), "a member that was left has no say any more");
    bench.reply(leader, request.call, done(Done::Revoked)).unwrap();
    bench.read();
    assert_eq!(bench.sent().0, leader);
}

#[test]
fn members_that_name_one_another_are_not_asked_for_ever() {
    let mut bench = Bench::new(1);
    bench.read();
    let mut asked = 0;
    while let Some((member, request)) = bench.host.take().pop() {
        asked += 1;
        bench.reply(member, request.call, Answer::Retry { leader: Some((member + 1) % 3) });
    }
    assert_eq!(asked, 4, "once, and once for each member");
    assert!(bench.client.next_due().unwrap() > bench.host.now, "and then a wait");
    bench.poll();
    assert_eq!(bench.host.take().len(), 1);
}

#[test]
fn a_member_that_names_nobody_or_a_stranger_costs_a_wait() {
    for leader in [None, Some(9)] {
        let mut bench = Bench::new(1);
        bench.read();
        let (member, request) = bench.sent();
        bench.reply(member, request.call, Answer::Retry { leader });
        assert!(bench.host.take().is_empty());
        bench.poll();
        assert_eq!(bench.sent().0, (member + 1) % 3);
    }
}

#[test]
fn a_write_whose_time_is_up_is_unknown_and_the_next_one_overtakes_it() {
    let mut bench = Bench::new(1);
    bench.write("a");
    let (member, late) = bench.open(7);
    let sent = bench.host.now;
    let ended = (0..100).find_map(|_| bench.poll().pop()).unwrap();
    assert_eq!((ended.outcome, ended.sent), (Outcome::Unknown, sent));
    assert!(bench.host.now >= sent + RETRY.deadline.unwrap());
    bench.host.take();
    bench.write("b");
    assert_eq!(id(&bench.sent().1), (7, 2));
    assert!(bench.reply(member, late.call, done(Done::Revoked)).is_none());
}

#[test]
fn a_write_that_was_never_sent_is_known_not_to_be_done() {
    let mut bench = Bench::new(1);
    bench.write("a");
    let ended = (0..100).find_map(|_| bench.poll().pop()).unwrap();
    assert_eq!(ended.outcome, Outcome::Unsent);
    let opened =
        |(_, request): &(u32, Request)| matches!(request.ask, Ask::Do { operation: Operation::OpenSession, .. });
    assert!(bench.host.take().iter().all(opened));
    assert!(bench.client.is_idle());
}

#[test]
fn a_forgotten_session_leaves_the_outcome_unknown_and_is_replaced() {
    let mut bench = Bench::new(1);
    bench.write("a");
    let (member, request) = bench.open(7);
    let ended = bench.reply(member, request.call, Answer::Refused(Refusal::NoSession)).unwrap();
    assert_eq!(ended.outcome, Outcome::Unknown);
    bench.write("b");
    assert_eq!(id(&bench.open(9).1), (9, 1));
}

#[test]
fn a_watch_waits_as_long_as_members_may_let_it_wait() {
    let mut bench = Bench::new(1);
    let client = &mut bench.client;
    let ticket = bench.host.with(|ctx| client.watch(Watch { keys: all(), from: 1, limit: 0 }, ctx));
    let (member, _) = bench.sent();
    assert!(bench.client.next_due().unwrap() >= Time::ZERO + POLL);
    bench.poll();
    let (next, request) = bench.sent();
    assert_ne!(member, next);
    let answer = Answer::Changes { from: 1, until: 4, changes: vec![] };
    let ended = bench.reply(next, request.call, answer.clone()).unwrap();
    assert_eq!((ended.ticket, ended.outcome), (ticket, Outcome::Answered(answer)));
}

#[test]
fn a_forgotten_question_frees_its_session() {
    let mut bench = Bench::new(1);
    let ticket = bench.write("a");
    bench.open(7);
    bench.client.forget(ticket);
    assert!(bench.client.is_idle());
    bench.write("b");
    assert_eq!(id(&bench.sent().1), (7, 2));
}

/// A message under way: to a member, or back.
enum Flight {
    Asked(u32, Request),
    Answered(u32, Reply),
}

/// Three members before one store; messages are lost, come twice and in any order, and the leader changes.
struct Cluster {
    store: Store,
    index: u64,
    leader: u32,
    flights: Vec<Flight>,
}

impl Cluster {
    fn serve(&mut self, member: u32, request: Request) {
        let answer = match request.ask {
            _ if member != self.leader => Answer::Retry { leader: Some(self.leader) },
            Ask::Do { id, operation } => {
                self.index += 1;
                self.store.apply(self.index, &Command::Client { id, operation }).answer.unwrap()
            }
            Ask::Read(read) => self.store.read(&read),
            Ask::Watch(watch) => self.store.changes(&watch),
        };
        self.flights.push(Flight::Answered(member, Reply { call: request.call, answer }));
    }
}

/// Writes each key once over a bad network; how each write ended.
fn over_a_bad_network(seed: u64, writes: usize) -> (Cluster, BTreeMap<String, Outcome>) {
    let mut bench = Bench::new(seed);
    let mut dice = FakeHost { draws: !seed, ..FakeHost::default() };
    let mut roll = move |sides: u64| dice.with(|ctx| ctx.random_below(sides));
    let limits = Limits { sessions: 4, ..Limits::default() };
    let store = Store::new(limits, Planted::default());
    let mut cluster = Cluster { store, index: 0, leader: 0, flights: Vec::new() };
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    let mut ended: BTreeMap<String, Outcome> = BTreeMap::new();
    while ended.len() < writes {
        let begun = open.len() + ended.len();
        if begun < writes && roll(4) == 0 {
            let key = format!("k{begun}");
            open.insert(bench.write(&key), key);
        }
        if roll(30) == 0 {
            cluster.leader = roll(3) as u32;
        }
        for (member, request) in bench.host.take() {
            for _ in 0..[0, 1, 1, 1, 2][roll(5) as usize] {
                cluster.flights.push(Flight::Asked(member, request.clone()));
            }
        }
        let mut news = Vec::new();
        if !cluster.flights.is_empty() && roll(3) > 0 {
            let at = roll(cluster.flights.len() as u64) as usize;
            match cluster.flights.swap_remove(at) {
                Flight::Asked(member, request) => cluster.serve(member, request),
                Flight::Answered(_, _) if roll(4) == 0 => {}
                Flight::Answered(member, reply) => news.extend(bench.reply(member, reply.call, reply.answer)),
            }
        } else if bench.client.next_due().is_some() {
            news = bench.poll();
        }
        for it in news {
            ended.insert(open.remove(&it.ticket).unwrap(), it.outcome);
        }
    }
    (cluster, ended)
}

proptest! {
    #[test]
    fn over_a_bad_network_each_write_is_done_once_if_it_was_answered_and_at_most_once_if_not(seed in any::<u64>()) {
        let (mut cluster, ended) = over_a_bad_network(seed, 12);
        // What is still under way arrives, too.
        while let Some(flight) = cluster.flights.pop() {
            if let Flight::Asked(_, request) = flight {
                cluster.serve(cluster.leader, request);
            }
        }
        let Answer::Range(range) = cluster.store.read(&Read {
            keys: all(), revision: 0, limit: 0, linearizable: true, traced: 0,
        }) else { panic!("it is readable") };
        let versions: BTreeMap<&[u8], u64> = range.rows.iter().map(|row| (&*row.key, row.version)).collect();
        for (key, outcome) in &ended {
            let version = versions.get(key.as_bytes()).copied().unwrap_or(0);
            match outcome {
                Outcome::Answered(Answer::Done { .. }) => prop_assert!(version == 1, "{key} was written {version} times"),
                Outcome::Unknown => prop_assert!(version <= 1, "{key} was written {version} times"),
                Outcome::Unsent => prop_assert!(version == 0, "{key} was written"),
                other @ Outcome::Answered(_) => prop_assert!(false, "{key}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_bad_network_reaches_every_outcome() {
    let mut seen = [0; 3];
    for seed in 0..60 {
        for outcome in over_a_bad_network(seed, 12).1.values() {
            seen[match outcome {
                Outcome::Answered(_) => 0,
                Outcome::Unknown => 1,
                Outcome::Unsent => 2,
            }] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}
