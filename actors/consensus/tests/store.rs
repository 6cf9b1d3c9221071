//! The store: what etcd promises, replicas that stay equal, and snapshots that are the store.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use consensus::planted::Planted;
use consensus::rcs::message::{
    Answer, Change, Compare, Done, Keys, Operation, OperationId, Range, Read, Refusal, Relation, Step, StepDone,
    Target, Transaction, Watch,
};
use consensus::rcs::store::LeaseEvent;
use consensus::rcs::{Command, Limits, Store};
use contract::Blob;
use contract::codec::{RecordAt, read_record, write_record};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use support::{log, narrow};

fn blob(text: &str) -> Blob {
    text.as_bytes().into()
}

/// A store, its next entry and one session.
struct One {
    store: Store,
    index: u64,
    session: u64,
    number: u64,
}

impl One {
    fn new(limits: Limits) -> Self {
        let mut one = One { store: Store::new(limits, Planted::default()), index: 0, session: 0, number: 0 };
        one.session = one.open();
        one
    }

    fn apply(&mut self, command: &Command) -> consensus::rcs::store::Applied {
        self.index += 1;
        self.store.apply(self.index, command)
    }

    fn open(&mut self) -> u64 {
        let id = OperationId { session: 99, number: 1, traced: 0 };
        match self.apply(&Command::Client { id, operation: Operation::OpenSession }).answer {
            Some(Answer::Done { done: Done::Session(session), .. }) => session,
            other => panic!("a session is opened: {other:?}"),
        }
    }

    fn again(&mut self, session: u64, number: u64, operation: Operation) -> Answer {
        let id = OperationId { session, number, traced: 0 };
        self.apply(&Command::Client { id, operation }).answer.unwrap()
    }

    fn ask(&mut self, operation: Operation) -> Answer {
        self.number += 1;
        self.again(self.session, self.number, operation)
    }

    fn done(&mut self, operation: Operation) -> (u64, Done) {
        match self.ask(operation) {
            Answer::Done { revision, done } => (revision, done),
            other => panic!("it is done: {other:?}"),
        }
    }

    fn put(&mut self, key: &str, value: &str) -> u64 {
        self.done(write(vec![put(key, value, 0)])).0
    }

    fn read(&self, keys: Keys, revision: u64, limit: u64) -> Answer {
        self.store.read(&Read { keys, revision, limit, linearizable: true, traced: 0 })
    }

    fn value(&self, key: &str, revision: u64) -> Option<String> {
        let Answer::Range(range) = self.read(Keys::One(blob(key)), revision, 0) else { panic!("it is readable") };
        range.rows.first().map(|row| String::from_utf8(row.value.to_vec()).unwrap())
    }

    fn watch(&self, from: u64, limit: u64) -> Answer {
        self.store.changes(&Watch { keys: Keys::Prefix(blob("")), from, limit })
    }
}

fn put(key: &str, value: &str, lease: u64) -> Step {
    Step::Put { key: blob(key), value: blob(value), lease }
}

fn write(then: Vec<Step>) -> Operation {
    Operation::Transact(Transaction { then, ..Transaction::default() })
}

fn swap(key: &str, modified: u64, value: &str) -> Operation {
    Operation::Transact(Transaction {
        compare: vec![Compare { key: blob(key), target: Target::Modified(modified), relation: Relation::Equal }],
        then: vec![put(key, value, 0)],
        otherwise: vec![Step::Range { keys: Keys::One(blob(key)), limit: 0 }],
    })
}

#[test]
fn revisions_count_changes_and_a_key_knows_its_own() {
    let mut one = One::new(Limits::default());
    assert_eq!(one.put("a", "1"), 2, "a new store is at revision 1");
    assert_eq!(one.done(write(vec![put("a", "2", 0), put("b", "1", 0)])).0, 3, "one transaction, one revision");
    assert_eq!(one.done(write(vec![Step::Delete(Keys::One(blob("c")))])).0, 3, "what changes nothing makes none");
    let Answer::Range(range) = one.read(Keys::Prefix(blob("")), 0, 0) else { panic!("it is readable") };
    let rows: Vec<_> = range.rows.iter().map(|row| (row.created, row.modified, row.version)).collect();
    assert_eq!(rows, [(2, 3, 2), (3, 3, 1)]);
    one.done(write(vec![Step::Delete(Keys::One(blob("a")))]));
    one.put("a", "3");
    let Answer::Range(range) = one.read(Keys::One(blob("a")), 0, 0) else { panic!("it is readable") };
    assert_eq!((range.rows[0].created, range.rows[0].version), (5, 1), "a key that comes again is a new one");
}

#[test]
fn a_repeated_swap_reports_its_own_success() {
    let mut one = One::new(Limits::default());
    let seen = one.put("a", "1");
    let swapped = one.ask(swap("a", seen, "2"));
    let Answer::Done { done: Done::Transacted { held: true, .. }, .. } = &swapped else { panic!("it swaps") };
    assert_eq!(one.again(one.session, one.number, swap("a", seen, "2")), swapped);
    assert_eq!(one.store.revision(), 3, "it was done once");
    assert_eq!(one.again(one.session, one.number - 1, swap("a", 3, "3")), Answer::Refused(Refusal::Overtaken));
    assert_eq!(one.again(77, 1, swap("a", 3, "3")), Answer::Refused(Refusal::NoSession));
    assert_eq!(one.value("a", 0).as_deref(), Some("2"));
}

#[test]
fn the_session_that_was_used_least_recently_is_forgotten_first() {
    let mut one = One::new(narrow());
    let (second, third) = (one.open(), one.open());
    one.put("a", "1");
    let fourth = one.open();
    assert_eq!(one.again(second, 1, write(vec![])), Answer::Refused(Refusal::NoSession));
    for session in [one.session, third, fourth] {
        assert!(matches!(one.again(session, 9, write(vec![])), Answer::Done { .. }), "session {session}");
    }
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let mut one = One::new(Limits::default());
    one.put("a", "1");
    let refused = one.ask(write(vec![put("b", "1", 0), put("c", "1", 42)]));
    assert_eq!(refused, Answer::Refused(Refusal::NoLease));
    assert_eq!((one.value("b", 0), one.store.revision()), (None, 2));
    let (revision, done) = one.done(swap("a", 7, "2"));
    let Done::Transacted { held: false, steps } = done else { panic!("it does not hold") };
    let [StepDone::Range(Range { revision: shown, rows, more: false })] = &steps[..] else { panic!("one range") };
    assert_eq!((revision, *shown, &*rows[0].value), (2, 2, &b"1"[..]));
}

#[test]
fn a_read_within_a_transaction_sees_the_steps_before_it() {
    let mut one = One::new(Limits::default());
    one.put("a", "1");
    let all = || Step::Range { keys: Keys::Prefix(blob("")), limit: 0 };
    let steps = vec![all(), put("b", "1", 0), all(), Step::Delete(Keys::One(blob("a"))), all()];
    let Done::Transacted { steps, .. } = one.done(write(steps)).1 else { panic!("it is done") };
    let shown: Vec<(u64, Vec<&[u8]>)> = steps
        .iter()
        .filter_map(|step| match step {
            StepDone::Range(range) => Some((range.revision, range.rows.iter().map(|row| &*row.key).collect())),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [(2, vec![&b"a"[..]]), (3, vec![&b"a"[..], &b"b"[..]]), (3, vec![&b"b"[..]])]);
}

#[test]
fn a_range_in_pages_shows_one_revision() {
    let mut one = One::new(Limits::default());
    for key in ["a", "b", "c"] {
        one.put(key, "old");
    }
    let Answer::Range(first) = one.read(Keys::Prefix(blob("")), 0, 2) else { panic!("it is readable") };
    assert_eq!((first.rows.len(), first.more), (2, true));
    one.put("c", "new");
    one.put("d", "new");
    let Answer::Range(rest) = one.read(Keys::Between(blob("b\0"), blob("z")), first.revision, 2) else {
        panic!("it is readable")
    };
    assert_eq!((rest.rows.len(), rest.more, &*rest.rows[0].value), (1, false, &b"old"[..]));
    assert_eq!(one.read(Keys::One(blob("a")), 7, 0), Answer::Refused(Refusal::Future));
}

#[test]
fn an_answer_is_bounded_and_says_that_there_is_more() {
    let mut one = One::new(narrow());
    for key in ["a", "b", "c", "d", "e"] {
        one.put(key, "12345678");
    }
    let Answer::Range(range) = one.read(Keys::Prefix(blob("")), 0, 0) else { panic!("it is readable") };
    assert_eq!((range.rows.len(), range.more), (4, true), "300 bytes hold four rows of 73");
    let Answer::Changes { until, changes, .. } = one.watch(2, 0) else { panic!("changes are told") };
    assert_eq!((until, changes.len()), (5, 4));
}

#[test]
fn what_was_compacted_is_refused_and_the_rest_stays_readable() {
    let mut one = One::new(Limits::default());
    for value in ["1", "2", "3"] {
        one.put("a", value);
    }
    one.done(write(vec![Step::Delete(Keys::One(blob("a"))), put("b", "1", 0)]));
    one.put("b", "2");
    assert_eq!(one.done(Operation::Compact { revision: 4 }).1, Done::Compacted);
    assert_eq!(one.read(Keys::One(blob("a")), 3, 0), Answer::Refused(Refusal::Compacted(4)));
    assert_eq!(
        (one.value("a", 4).as_deref(), one.value("a", 5), one.value("b", 5).as_deref()),
        (Some("3"), None, Some("1"))
    );
    assert_eq!(one.watch(3, 0), Answer::Refused(Refusal::Compacted(4)));
    let Answer::Changes { changes, .. } = one.watch(4, 0) else { panic!("changes are told") };
    assert_eq!(changes.len(), 4, "those of the compaction's own revision, too");
    assert_eq!(one.ask(Operation::Compact { revision: 4 }), Answer::Refused(Refusal::Compacted(4)));
    assert_eq!(one.ask(Operation::Compact { revision: 7 }), Answer::Refused(Refusal::Future));
    one.done(Operation::Compact { revision: 6 });
    assert_eq!((one.value("a", 6), one.value("b", 6).as_deref()), (None, Some("2")));
}

#[test]
fn history_is_bounded_without_anybody_asking() {
    let mut one = One::new(narrow());
    let compacted: Vec<u64> = (0..40)
        .filter_map(|_| {
            one.number += 1;
            let id = OperationId { session: one.session, number: one.number, traced: 0 };
            one.apply(&Command::Client { id, operation: write(vec![put("a", "1", 0)]) }).compacted
        })
        .collect();
    assert_eq!(compacted, (1..=29).collect::<Vec<u64>>());
    assert_eq!(one.store.compacted(), one.store.revision() - narrow().history);
}

#[test]
fn a_watcher_that_goes_on_where_the_answer_ended_gets_every_change_once() {
    let mut one = One::new(Limits::default());
    one.put("a", "1");
    one.done(write(vec![put("a", "2", 0), put("b", "1", 0), put("c", "1", 0)]));
    one.put("b", "2");
    let mut got = Vec::new();
    let mut from = 1;
    for _ in 0..5 {
        let Answer::Changes { from: repeated, until, changes } = one.watch(from, 2) else { panic!("changes are told") };
        assert_eq!(repeated, from);
        assert!(changes.len() <= 3, "only a revision that is longer goes beyond the limit");
        got.extend(changes.iter().map(|change| match change {
            Change::Put(row) => row.modified,
            Change::Deleted { revision, .. } => *revision,
        }));
        from = until + 1;
    }
    assert_eq!((got, from), (vec![2, 3, 3, 3, 4], 5));
    let ahead = one.watch(9, 0);
    assert_eq!(ahead, Answer::Changes { from: 9, until: 8, changes: vec![] }, "a store that is behind claims nothing");
}

fn grant(one: &mut One) -> u64 {
    match one.done(Operation::Grant { ttl_ms: 1_000 }).1 {
        Done::Granted { lease, ttl_ms: 1_000 } => lease,
        other => panic!("a lease is granted: {other:?}"),
    }
}

#[test]
fn the_end_of_a_lease_deletes_its_keys_in_one_revision() {
    let mut one = One::new(Limits::default());
    let (lease, other) = (grant(&mut one), grant(&mut one));
    one.done(write(vec![put("a", "1", lease), put("b", "1", lease), put("c", "1", lease), put("d", "1", other)]));
    one.put("b", "2");
    one.done(write(vec![put("c", "2", other)]));
    let applied = one.apply(&Command::Expire { lease, renewals: 0 });
    assert_eq!((applied.changed, applied.lease), (vec![(5, blob("a"))], Some(LeaseEvent::Ended { lease })));
    assert_eq!((one.value("b", 0).as_deref(), one.value("c", 0).as_deref()), (Some("2"), Some("2")));
    assert_eq!(one.ask(Operation::Renew { lease }), Answer::Refused(Refusal::NoLease));
    assert_eq!(one.done(Operation::Revoke { lease: other }), (6, Done::Revoked));
    assert_eq!((one.value("c", 0), one.value("d", 0)), (None, None));
}

#[test]
fn a_lease_that_was_renewed_since_its_end_was_decided_goes_on() {
    let mut one = One::new(Limits::default());
    let lease = grant(&mut one);
    one.done(write(vec![put("a", "1", lease)]));
    assert_eq!(one.done(Operation::Renew { lease }).1, Done::Renewed { ttl_ms: 1_000 });
    assert_eq!(one.apply(&Command::Expire { lease, renewals: 0 }), Default::default());
    assert!(one.value("a", 0).is_some());
    assert_eq!(one.apply(&Command::Expire { lease, renewals: 1 }).lease, Some(LeaseEvent::Ended { lease }));
    assert!(one.value("a", 0).is_none());
}

#[test]
fn more_keys_of_a_lease_than_fit_an_answer_go_in_several_revisions() {
    let mut one = One::new(narrow());
    let lease = grant(&mut one);
    for key in ["a", "b", "c", "d", "e", "f"] {
        one.done(write(vec![put(key, "1", lease)]));
    }
    let revisions: Vec<u64> =
        one.apply(&Command::Expire { lease, renewals: 0 }).changed.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(revisions, [8, 8, 8, 8, 9, 9]);
    let refused =
        one.ask(write(vec![put("a", "1", 0), put("b", "1", 0), put("c", "1", 0), put("d", "1", 0), put("e", "1", 0)]));
    assert!(matches!(refused, Answer::Refused(Refusal::Invalid(_))), "a watch must be able to tell a revision");
}

#[test]
fn a_traced_transaction_says_what_it_made_or_saw() {
    let mut one = One::new(Limits::default());
    let seen = one.put("a", "1");
    let mut traced = |operation| {
        one.number += 1;
        let id = OperationId { session: one.session, number: one.number, traced: 5 };
        one.apply(&Command::Client { id, operation }).points
    };
    assert_eq!(traced(swap("a", seen, "2")), [(blob("a"), 3)]);
    assert_eq!(traced(swap("a", seen, "3")), [(blob("a"), 3)], "a swap that does not swap sees");
    assert_eq!(traced(write(vec![Step::Delete(Keys::One(blob("a")))])), [(blob("a"), 4)]);
    assert_eq!(traced(swap("b", 0, "1")), [(blob("b"), 5)]);
}

fn wrong() -> impl Strategy<Value = (u8, Index, Index)> {
    (prop_oneof![0u8..3, 3u8..], any::<Index>(), any::<Index>())
}

/// The bodies of a snapshot's records.
fn records(page: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut bodies) = (0, Vec::new());
    while let RecordAt::Record(body, next) = read_record(page, at) {
        bodies.push(body.to_vec());
        at = next;
    }
    bodies
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_is_the_store_and_replicas_stay_equal(log in log(), cut in any::<Index>(), page in 1usize..200) {
        let mut original = Store::new(narrow(), Planted::default());
        let mut replica = original.clone();
        let cut = cut.index(log.len());
        for (at, command) in log.iter().enumerate() {
            let index = at as u64 + 1;
            if at == cut {
                let pages = original.pages(page);
                prop_assert!(pages.iter().all(|it| it.len() <= page));
                replica = Store::from_pages(narrow(), Planted::default(), &pages).unwrap();
                prop_assert_eq!(&replica, &original);
            }
            prop_assert_eq!(original.apply(index, command), replica.apply(index, command));
        }
        prop_assert_eq!(original.digest(), replica.digest());
        prop_assert_eq!(replica, original);
    }

    #[test]
    fn a_damaged_snapshot_is_refused(log in log(), at in any::<Index>(), flip in 1u8..) {
        let mut store = Store::new(narrow(), Planted::default());
        for (at, command) in log.iter().enumerate() {
            store.apply(at as u64 + 1, command);
        }
        let mut bytes = store.pages(1 << 20)[0].to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(Store::from_pages(narrow(), Planted::default(), &[bytes.into()]).is_err());
    }

    /// Wrong records behind sound checksums: a byte changed, a record left out, twice, or moved.
    #[test]
    fn what_is_taken_from_a_wrong_snapshot_is_still_a_store(log in log(), wrongs in vec(wrong(), 1..3)) {
        let mut store = Store::new(narrow(), Planted::default());
        for (at, command) in log.iter().enumerate() {
            store.apply(at as u64 + 1, command);
        }
        let mut records = records(&store.pages(1 << 20)[0]);
        for (what, at, to) in wrongs {
            let (count, at) = (records.len(), at.index(records.len()));
            match what {
                0 => drop(records.remove(at)),
                1 => records.push(records[at].clone()),
                2 => records.swap(at, to.index(count)),
                flip => {
                    let byte = to.index(records[at].len());
                    records[at][byte] ^= flip;
                }
            }
            if records.is_empty() {
                return Ok(());
            }
        }
        let mut page = Vec::new();
        records.iter().for_each(|record| write_record(record, &mut page).unwrap());
        let Ok(mut taken) = Store::from_pages(narrow(), Planted::default(), &[page.into()]) else { return Ok(()) };
        let again = Store::from_pages(narrow(), Planted::default(), &taken.pages(50)).unwrap();
        prop_assert_eq!(&again, &taken);
        for command in &log {
            taken.apply(taken.applied() + 1, command);
        }
    }

    #[test]
    fn commands_survive_the_log_and_wrong_bytes_are_refused(log in log(), noise in any::<Vec<u8>>()) {
        for command in &log {
            let bytes = command.encode().unwrap();
            prop_assert_eq!(&Command::decode(&bytes).unwrap(), command);
            prop_assert!(Command::decode(&bytes[..bytes.len() - 1]).is_err());
        }
        let _ = Command::decode(&noise);
    }
}

#[test]
fn a_snapshot_of_other_limits_is_refused() {
    let store = Store::new(narrow(), Planted::default());
    let refused = Store::from_pages(Limits::default(), Planted::default(), &store.pages(64));
    assert!(refused.unwrap_err().to_string().contains("start all replicas with these limits"));
}
