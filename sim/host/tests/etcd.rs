//! The gateway to etcd against real servers: what its answers mean, and what it does when servers die.
//!
//! Needs the feature `etcd` and the program `etcd` (`make engines` installs it); without the program each test says
//! that it was skipped.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start and kill processes of this machine; a helper that fails fails its test"
)]

#[path = "common/etcd_servers.rs"]
mod etcd_servers;

use etcd_servers::Servers;
use host::gateway::etcd::{
    Compare, Etcd, EtcdError, Event, Keys, Read, Relation, Step, StepDone, Target, Transacted, Transaction,
};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn start(test: &str, count: usize) -> Option<(Servers, Arc<Etcd>)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("etcd-{test}-{}", std::process::id()));
    let servers = Servers::start(&folder, count, &[])?;
    let etcd = Etcd::connect(&servers.addresses(), 0).unwrap();
    patiently(|| put(&etcd, "ready", "").ok());
    Some((servers, etcd))
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

fn step(key: &str, value: &str) -> Step {
    Step::Put { key: key.into(), value: value.into(), lease: 0 }
}

fn put(etcd: &Etcd, key: &str, value: &str) -> Result<Transacted, EtcdError> {
    etcd.transact(&Transaction { then: vec![step(key, value)], ..Transaction::default() })
}

fn read(keys: Keys, revision: u64, limit: u64) -> Read {
    Read { keys, revision, limit, linearizable: true }
}

fn if_equal(key: &str, target: Target, then: Vec<Step>, otherwise: Vec<Step>) -> Transaction {
    Transaction { compare: vec![Compare { key: key.into(), target, relation: Relation::Equal }], then, otherwise }
}

#[test]
fn a_transaction_is_done_whole_or_not_at_all_and_says_which() {
    let Some((_servers, etcd)) = start("transactions", 1) else { return };
    let created = put(&etcd, "a", "1").unwrap();
    let change = |modified| {
        let steps = vec![step("a", "2"), step("b", "2"), Step::Range { keys: Keys::beginning_with("a"), limit: 0 }];
        etcd.transact(&if_equal("a", Target::Modified(modified), steps, vec![Step::Delete(Keys::one("c"))]))
    };
    let done = change(created.revision).unwrap();
    assert!(done.held && done.revision == created.revision + 1);
    let [StepDone::Put, StepDone::Put, StepDone::Range(seen)] = &done.steps[..] else { panic!("{done:?}") };
    assert_eq!((&*seen.rows[0].value, seen.rows[0].version), (&b"2"[..], 2), "a step sees the steps before it");
    let stale = change(created.revision).unwrap();
    assert_eq!((stale.held, &stale.steps[..]), (false, &[StepDone::Deleted(0)][..]));
    let inner = if_equal("b", Target::Value(b"2".to_vec()), vec![Step::Delete(Keys::beginning_with("a"))], vec![]);
    let nested = if_equal("none", Target::Version(0), vec![Step::Nested(inner)], vec![]);
    let done = etcd.transact(&nested).unwrap();
    let [StepDone::Nested(inner)] = &done.steps[..] else { panic!("{done:?}") };
    assert_eq!((inner.held, &inner.steps[..]), (true, &[StepDone::Deleted(1)][..]));
    let twice = Transaction { then: vec![step("a", "3"), step("a", "4")], ..Transaction::default() };
    assert!(matches!(etcd.transact(&twice), Err(EtcdError::Invalid(_))));
}

#[test]
fn reads_page_at_one_revision_and_say_what_is_forgotten() {
    let Some((_servers, etcd)) = start("reads", 1) else { return };
    let revisions: Vec<u64> = (0..5).map(|n| put(&etcd, &format!("k/{n}"), "old").unwrap().revision).collect();
    let last = revisions[4];
    put(&etcd, "k/0", "new").unwrap();
    let page = etcd.range(&read(Keys::beginning_with("k/"), last, 3)).unwrap();
    assert!(page.more && page.rows.len() == 3 && page.rows[0].value == b"old" && page.revision == last + 1);
    assert_eq!(etcd.range(&read(Keys::one("k/0"), 0, 0)).unwrap().rows[0].value, b"new");
    assert_eq!(etcd.range(&read(Keys::one("k/0"), last + 2, 0)), Err(EtcdError::Future));
    assert_eq!(etcd.floor(), Ok(0));
    etcd.compact(last).unwrap();
    assert_eq!(etcd.range(&read(Keys::one("k/0"), last - 1, 0)), Err(EtcdError::Compacted(0)));
    assert_eq!(etcd.floor(), Ok(last));
    assert_eq!(etcd.compact(last), Err(EtcdError::Compacted(0)));
    assert_eq!(etcd.compact(last + 2), Err(EtcdError::Future));
}

#[test]
fn a_watch_has_no_gaps_and_says_from_where_on_it_can_go_on() {
    let Some((_servers, etcd)) = start("watch", 1) else { return };
    let from = put(&etcd, "w/0", "0").unwrap().revision;
    let steps = vec![step("w/1", "1"), Step::Delete(Keys::one("w/0")), step("x", "not watched")];
    etcd.transact(&Transaction { then: steps, ..Transaction::default() }).unwrap();
    let mut watcher = etcd.watch(&Keys::beginning_with("w/"), from).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(watcher.next(PATIENCE).unwrap());
    }
    let story: Vec<(&[u8], u64)> = seen.iter().map(|event| (event.key(), event.revision() - from)).collect();
    assert_eq!(story, [(&b"w/0"[..], 0), (b"w/1", 1), (b"w/0", 1)]);
    assert!(matches!(&seen[..], [Event::Put(_), Event::Put(_), Event::Deleted { .. }]));
    assert_eq!(watcher.next(Duration::from_millis(50)), Ok(vec![]));
    etcd.compact(from + 1).unwrap();
    let late = etcd.watch(&Keys::beginning_with("w/"), from).unwrap().next(PATIENCE);
    assert_eq!(late, Err(EtcdError::Compacted(from + 1)));
}

#[test]
fn a_lease_takes_its_keys_with_it() {
    let Some((_servers, etcd)) = start("leases", 1) else { return };
    let lease_of = |lease| Step::Put { key: b"l".to_vec(), value: vec![], lease };
    let attach = |lease| etcd.transact(&Transaction { then: vec![lease_of(lease)], ..Transaction::default() });
    let keys = || etcd.range(&read(Keys::one("l"), 0, 0)).unwrap().rows;
    assert_eq!(attach(7), Err(EtcdError::NoLease));
    let seconds = etcd.grant(7, 1).unwrap();
    assert!(seconds >= 1);
    assert_eq!(etcd.grant(7, 1), Err(EtcdError::LeaseExists));
    attach(7).unwrap();
    assert_eq!((etcd.renew(7), keys()[0].lease), (Ok(seconds), 7));
    patiently(|| keys().is_empty().then_some(()));
    assert_eq!(etcd.renew(7), Err(EtcdError::NoLease));
    etcd.grant(8, 60).unwrap();
    attach(8).unwrap();
    etcd.revoke(8).unwrap();
    assert_eq!((keys().len(), etcd.revoke(8)), (0, Err(EtcdError::NoLease)));
}

#[test]
fn when_the_leader_dies_the_calls_go_on_and_the_watch_can_be_resumed_without_a_gap() {
    let Some((mut servers, etcd)) = start("leader", 3) else { return };
    let leader = patiently(|| etcd.leader());
    let first = put(&etcd, "f/0", "").unwrap().revision;
    let mut watcher = etcd.watch(&Keys::beginning_with("f/"), first).unwrap();
    let mut seen = watcher.next(PATIENCE).unwrap();
    servers.kill(leader);
    for n in 1..4 {
        // The same write may be done twice: it says the same.
        patiently(|| put(&etcd, &format!("f/{n}"), "").ok());
    }
    servers.restart(leader);
    patiently(|| etcd.leader().filter(|&now| now != leader));
    while !seen.iter().any(|event| event.key() == b"f/3") {
        let next = seen.last().map_or(first, |event| event.revision() + 1);
        match watcher.next(Duration::from_secs(1)) {
            Ok(events) => seen.extend(events),
            Err(EtcdError::Unavailable(_)) => {
                watcher = patiently(|| etcd.watch(&Keys::beginning_with("f/"), next).ok());
            }
            Err(other) => panic!("{other}"),
        }
    }
    let mut keys: Vec<&[u8]> = seen.iter().map(Event::key).collect();
    keys.dedup();
    assert_eq!(keys, [b"f/0", b"f/1", b"f/2", b"f/3"]);
    assert!(seen.is_sorted_by_key(Event::revision));
}

#[test]
fn without_a_server_calls_end_in_time_and_a_wrong_address_is_said() {
    let etcd = Etcd::connect(&["127.0.0.1:1".to_owned()], 0).unwrap();
    let start = Instant::now();
    assert!(matches!(put(&etcd, "a", ""), Err(EtcdError::Unavailable(_))));
    assert!(start.elapsed() < PATIENCE && etcd.leader().is_none());
    for bad in [&["https://a:1".to_owned()][..], &["http://a b".to_owned()], &[]] {
        assert!(Etcd::connect(bad, 0).unwrap_err().contains("write HOST:PORT"), "{bad:?}");
    }
}
