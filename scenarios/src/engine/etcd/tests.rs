//! The gateway's promises against real servers: each operation once, whoever is asked and however often.
//!
//! Without the program `etcd` each test says that it was skipped.

#[path = "../../../../sim/host/tests/common/etcd_servers.rs"]
mod etcd_servers;

use super::feed::Feed;
use super::operations::Service;
use super::space::Space;
use consensus::rcs::message::{
    Answer, Change, Compare, Done, Keys, Operation, OperationId, Read, Refusal, Relation, Row, Step, StepDone, Target,
    Transaction, Watch,
};
use contract::plan::Directory;
use contract::{Blob, ProcessId};
use etcd_servers::Servers;
use host::Door;
use host::gateway::etcd::Etcd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Servers and two gateways.
struct Rig {
    servers: Servers,
    etcd: Arc<Etcd>,
    gateways: [Service; 2],
    feed: Feed,
    drawn: AtomicU64,
}

/// A session of a client.
struct Session {
    id: OperationId,
}

impl Rig {
    fn start(test: &str, count: usize) -> Option<Rig> {
        let folder = std::env::temp_dir().join(format!("stormproof-etcd-{test}-{}", std::process::id()));
        let servers = Servers::start(&folder, count, &[])?;
        let space = Space::of("test");
        let connect = |first| Etcd::connect(&servers.addresses(), first).unwrap();
        let etcd = connect(0);
        patiently(|| etcd.leader());
        let gateways = [0, 1].map(|first| Service::new(connect(first), space.clone()));
        let feed = Feed::start(Arc::clone(&etcd), space, Door::default()).unwrap();
        Some(Rig { servers, etcd, gateways, feed, drawn: AtomicU64::new(1) })
    }

    /// Asks one gateway until it answers.
    fn ask(&self, gateway: usize, id: OperationId, operation: &Operation) -> Answer {
        patiently(|| {
            let random = self.drawn.fetch_add(2, Ordering::Relaxed) << 32;
            let answer = self.gateways[gateway].operate(id, operation, random);
            (!matches!(answer, Answer::Retry { .. })).then_some(answer)
        })
    }

    fn open(&self) -> Session {
        let answer = self.ask(0, OperationId::default(), &Operation::OpenSession);
        let Answer::Done { done: Done::Session(session), .. } = answer else { panic!("{answer:?}") };
        Session { id: OperationId { session, number: 0, traced: 0 } }
    }

    /// The next operation of a session, asked twice at different gateways: the answers are the same.
    fn twice(&self, session: &mut Session, operation: &Operation) -> Answer {
        session.id.number += 1;
        let first = self.ask(0, session.id, operation);
        assert_eq!(self.ask(1, session.id, operation), first, "the same question has the same answer");
        first
    }

    fn done(&self, session: &mut Session, operation: &Operation) -> (u64, Done) {
        match self.twice(session, operation) {
            Answer::Done { revision, done } => (revision, done),
            other => panic!("{operation:?}: {other:?}"),
        }
    }

    fn rows(&self, keys: Keys) -> Vec<Row> {
        let read = Read { keys, revision: 0, limit: 0, linearizable: true, traced: 0 };
        match patiently(|| {
            Some(self.gateways[1].read(&read)).filter(|answer| *answer != Answer::Retry { leader: None })
        }) {
            Answer::Range(range) => range.rows,
            other => panic!("{other:?}"),
        }
    }

    /// What a poll is told as soon as it is told something.
    fn poll(&self, watch: &Watch) -> Answer {
        let nobody = Directory::known(ProcessId(0));
        patiently(|| {
            let told = self.feed.ask(watch.clone(), 1, nobody)?;
            let nothing = matches!(&told, Answer::Changes { changes, .. } if changes.is_empty());
            (!nothing && told != Answer::Retry { leader: None }).then_some(told)
        })
    }
}

/// What `look` finds, as soon as it finds something.
fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn blob(text: &str) -> Blob {
    text.as_bytes().into()
}

fn put(key: &str, value: &str, lease: u64) -> Step {
    Step::Put { key: blob(key), value: blob(value), lease }
}

fn range(prefix: &str) -> Step {
    Step::Range { keys: Keys::Prefix(blob(prefix)), limit: 0 }
}

fn change(then: Vec<Step>) -> Operation {
    Operation::Transact(Transaction { then, ..Transaction::default() })
}

fn create(key: &str, then: Vec<Step>, otherwise: Vec<Step>) -> Operation {
    let absent = Compare { key: blob(key), target: Target::Created(0), relation: Relation::Equal };
    Operation::Transact(Transaction { compare: vec![absent], then, otherwise })
}

#[test]
fn a_repeated_transaction_reports_what_became_of_it_the_first_time() {
    let Some(rig) = Rig::start("repeated", 1) else { return };
    let (mut a, mut b) = (rig.open(), rig.open());
    let steps = vec![range("k"), put("k1", "a", 0), put("k2", "a", 0), range("k")];
    let (revision, done) = rig.done(&mut a, &create("k1", steps, vec![]));
    let Done::Transacted { held: true, steps } = done else { panic!("{done:?}") };
    let [StepDone::Range(before), StepDone::Put, StepDone::Put, StepDone::Range(after)] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!((before.rows.len(), before.revision, after.rows.len(), after.revision), (0, revision - 1, 2, revision));
    let (_, done) = rig.done(&mut b, &create("k1", vec![put("k1", "b", 0)], vec![range("k1")]));
    assert!(matches!(done, Done::Transacted { held: false, .. }));
    let last = a.id;
    let deletes = vec![put("k3", "a", 0), Step::Delete(Keys::Between(blob("k1"), blob("k3"))), range("k")];
    let (_, done) = rig.done(&mut a, &change(deletes));
    let Done::Transacted { steps, .. } = done else { panic!("{done:?}") };
    assert!(matches!(&steps[..], [StepDone::Put, StepDone::Deleted(2), StepDone::Range(left)] if left.rows.len() == 1));
    // What failed has failed for good, although its key is free by now.
    let again = rig.ask(1, b.id, &create("k1", vec![put("k1", "b", 0)], vec![]));
    assert!(matches!(again, Answer::Done { done: Done::Transacted { held: false, .. }, .. }), "{again:?}");
    assert_eq!(rig.ask(0, last, &change(vec![put("k1", "late", 0)])), Answer::Refused(Refusal::Overtaken));
    let unknown = OperationId { session: 99, number: 1, traced: 0 };
    assert_eq!(rig.ask(0, unknown, &change(vec![])), Answer::Refused(Refusal::NoSession));
    assert_eq!(rig.rows(Keys::Prefix(blob(""))).iter().map(|row| &*row.key).collect::<Vec<_>>(), [b"k3"]);
}

#[test]
fn a_lease_is_granted_once_ends_and_takes_its_keys_with_it() {
    let Some(rig) = Rig::start("granted", 1) else { return };
    let mut session = rig.open();
    let (_, done) = rig.done(&mut session, &Operation::Grant { ttl_ms: 1_500 });
    let Done::Granted { lease, ttl_ms } = done else { panic!("{done:?}") };
    assert!(ttl_ms >= 1_500);
    let grant = session.id;
    rig.done(&mut session, &change(vec![put("lock", "me", lease)]));
    assert_eq!(rig.done(&mut session, &Operation::Renew { lease }).1, Done::Renewed { ttl_ms });
    patiently(|| rig.rows(Keys::One(blob("lock"))).is_empty().then_some(()));
    assert_eq!(rig.ask(0, grant, &Operation::Grant { ttl_ms: 1_500 }), Answer::Refused(Refusal::Overtaken));
    assert_eq!(rig.twice(&mut session, &change(vec![put("lock", "me", lease)])), Answer::Refused(Refusal::NoLease));
    session.id.number += 1;
    assert_eq!(rig.ask(0, session.id, &Operation::Renew { lease }), Answer::Refused(Refusal::NoLease));
    let (_, done) = rig.done(&mut session, &Operation::Grant { ttl_ms: 60_000 });
    let Done::Granted { lease: second, .. } = done else { panic!("{done:?}") };
    assert_ne!(second, lease);
    rig.done(&mut session, &change(vec![put("lock", "me", second)]));
    session.id.number += 1;
    let Answer::Done { done: Done::Revoked, .. } = rig.ask(0, session.id, &Operation::Revoke { lease: second }) else {
        panic!("it is there")
    };
    let again = rig.ask(1, session.id, &Operation::Revoke { lease: second });
    assert!(matches!(again, Answer::Done { done: Done::Revoked, .. }), "{again:?}");
    let late = rig.twice(&mut session, &Operation::Revoke { lease: second });
    assert_eq!(late, Answer::Refused(Refusal::NoLease), "it was gone before this began");
    assert_eq!(rig.rows(Keys::Prefix(blob(""))), []);
}

#[test]
fn polls_are_told_every_change_once_and_what_is_forgotten_is_said() {
    let Some(rig) = Rig::start("polls", 1) else { return };
    let mut session = rig.open();
    let (first, _) = rig.done(&mut session, &change(vec![put("w1", "", 0), put("w2", "", 0)]));
    let (_, _) = rig.done(&mut session, &change(vec![put("other", "", 0)]));
    let (last, _) = rig.done(&mut session, &change(vec![Step::Delete(Keys::One(blob("w1")))]));
    let watch = |from, limit| Watch { keys: Keys::Prefix(blob("w")), from, limit };
    let mut from = 1;
    let mut seen = Vec::new();
    while from <= last {
        let answer = rig.poll(&watch(from, 1));
        let Answer::Changes { until, changes, .. } = answer else { panic!("{answer:?}") };
        assert!(until >= from);
        seen.extend(changes);
        from = until + 1;
    }
    let [Change::Put(one), Change::Put(two), Change::Deleted { revision, .. }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((one.modified, two.modified, *revision), (first, first, last));
    let (_, done) = rig.done(&mut session, &Operation::Compact { revision: last });
    assert_eq!(done, Done::Compacted, "also when it is asked again");
    assert_eq!(rig.poll(&watch(first, 0)), Answer::Refused(Refusal::Compacted(last)));
    let compacted = Answer::Refused(Refusal::Compacted(last));
    assert_eq!(rig.twice(&mut session, &Operation::Compact { revision: first }), compacted);
    let past = Read { keys: Keys::One(blob("w1")), revision: first, limit: 0, linearizable: true, traced: 0 };
    assert_eq!(rig.gateways[0].read(&past), compacted);
    let future = Read { revision: 1 << 40, ..past };
    assert_eq!(rig.gateways[0].read(&future), Answer::Refused(Refusal::Future));
    let beyond = rig.twice(&mut session, &Operation::Compact { revision: 1 << 40 });
    assert_eq!(beyond, Answer::Refused(Refusal::Future));
}

#[test]
fn when_etcds_leader_dies_nothing_is_done_twice_and_no_change_is_missed() {
    let Some(mut rig) = Rig::start("killed", 3) else { return };
    let leader = patiently(|| rig.etcd.leader());
    let mut session = rig.open();
    for n in 0..60 {
        if n == 20 {
            rig.servers.kill(leader);
        }
        if n == 40 {
            rig.servers.restart(leader);
        }
        // Each one appends: done twice it would show in the version.
        rig.done(&mut session, &change(vec![put("n", &n.to_string(), 0)]));
    }
    assert_eq!(rig.rows(Keys::One(blob("n")))[0].version, 60);
    let (mut from, mut versions) = (1, Vec::new());
    while versions.len() < 60 {
        let watch = Watch { keys: Keys::One(blob("n")), from, limit: 0 };
        let Answer::Changes { until, changes, .. } = rig.poll(&watch) else { panic!("nothing was forgotten") };
        versions.extend(changes.iter().map(|change| match change {
            Change::Put(row) => row.version,
            Change::Deleted { .. } => 0,
        }));
        from = until + 1;
    }
    assert_eq!(versions, (1..=60).collect::<Vec<u64>>());
}
