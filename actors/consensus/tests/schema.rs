//! The schema's transactions on a store: each is done once, by whoever has read what is there.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use consensus::planted::Planted;
use consensus::rcs::message::{Answer, Done, Keys, Operation, OperationId, Read, Row, Transaction};
use consensus::rcs::schema::election::{Standing, resign, stand, standing};
use consensus::rcs::schema::migration::{State, Step};
use consensus::rcs::schema::snapshot::{Object, State as Phase};
use consensus::rcs::schema::{
    Found, Guard, Latest, Migration, Record, Route, Snapshot, Swap, keys, migration, route, snapshot,
};
use consensus::rcs::{Command, Limits, Store};
use contract::Blob;

const NOW: &str = "2023-10-27T10:00:00Z";

struct Rcs {
    store: Store,
    index: u64,
}

impl Rcs {
    fn new() -> Self {
        let mut store = Store::new(Limits::default(), Planted::default());
        let id = OperationId { session: 0, number: 1, traced: 0 };
        store.apply(1, &Command::Client { id, operation: Operation::OpenSession });
        Rcs { store, index: 1 }
    }

    fn ask(&mut self, operation: Operation) -> Answer {
        self.index += 1;
        let id = OperationId { session: 1, number: self.index, traced: 0 };
        self.store.apply(self.index, &Command::Client { id, operation }).answer.unwrap()
    }

    fn swap<T: Record>(&mut self, transaction: Transaction) -> Swap<T> {
        Swap::read(&self.ask(Operation::Transact(transaction))).unwrap()
    }

    /// Does it, and says what is at `key` then.
    fn made<T: Record>(&mut self, transaction: Transaction, key: &Blob) -> Found<T> {
        assert!(matches!(self.swap::<T>(transaction), Swap::Made { .. }));
        self.found(key).unwrap()
    }

    fn found<T: Record>(&self, key: &Blob) -> Option<Found<T>> {
        self.row(key).map(|row| Found::read(&row).unwrap())
    }

    fn row(&self, key: &Blob) -> Option<Row> {
        let keys = Keys::One(key.clone());
        match self.store.read(&Read { keys, revision: 0, limit: 0, linearizable: true, traced: 0 }) {
            Answer::Range(range) => range.rows.into_iter().next(),
            other => panic!("it is readable: {other:?}"),
        }
    }
}

#[test]
fn a_route_looks_as_the_specification_has_it() {
    let mut rcs = Rcs::new();
    let key = keys::route("S").unwrap();
    rcs.made::<Route>(route::register("S", "territory-042", NOW).unwrap(), &key);
    let json = br#"{"primary_territory_id":"territory-042","version":1,"last_updated_ts":"2023-10-27T10:00:00Z"}"#;
    assert_eq!(&*rcs.row(&key).unwrap().value, json);
}

#[test]
fn of_two_flips_of_one_route_the_second_is_told_what_is_there() {
    let mut rcs = Rcs::new();
    let key = keys::route("S").unwrap();
    let found: Found<Route> = rcs.made(route::register("S", "A", NOW).unwrap(), &key);
    assert!(matches!(rcs.swap::<Route>(route::register("S", "C", NOW).unwrap()), Swap::Lost(Some(_))));
    let flipped: Found<Route> = rcs.made(route::flip("S", &found, "B", NOW).unwrap(), &key);
    assert_eq!((&*flipped.record.primary_territory_id, flipped.record.version), ("B", 2));
    assert_eq!(rcs.swap(route::flip("S", &found, "C", NOW).unwrap()), Swap::Lost(Some(flipped.clone())));
    assert!(matches!(rcs.swap::<Route>(route::retire("S", &found).unwrap()), Swap::Lost(Some(_))));
    assert!(matches!(rcs.swap::<Route>(route::retire("S", &flipped).unwrap()), Swap::Made { .. }));
    assert_eq!(rcs.swap::<Route>(route::flip("S", &flipped, "C", NOW).unwrap()), Swap::Lost(None));
}

fn object() -> Object {
    Object { location: "s3://bucket/1".to_owned(), checksum: "00".to_owned(), bytes: 7 }
}

/// A snapshot that was begun and verified.
fn verified(rcs: &mut Rcs, uuid: &str) -> Found<Snapshot> {
    let key = keys::snapshot("T", uuid).unwrap();
    let begun = rcs.made(snapshot::begin("T", uuid, 40, NOW).unwrap(), &key);
    rcs.made(snapshot::verify(&begun, object(), NOW).unwrap(), &key)
}

#[test]
fn a_territory_has_exactly_one_committed_snapshot_from_the_first_commit_on() {
    let mut rcs = Rcs::new();
    let pointer = keys::latest("T").unwrap();
    let [first, second, third] = ["1", "2", "3"].map(|uuid| verified(&mut rcs, uuid));
    let first: Found<Snapshot> =
        rcs.made(snapshot::commit(&first, None, None, NOW).unwrap(), &keys::snapshot("T", "1").unwrap());
    assert!(
        matches!(rcs.swap::<Snapshot>(snapshot::commit(&second, None, None, NOW).unwrap()), Swap::Lost(Some(_))),
        "another one was the first"
    );
    let latest: Found<Latest> = rcs.found(&pointer).unwrap();
    let [second, third] = [&second, &third].map(|it| snapshot::commit(it, Some(&latest), Some(&first), NOW).unwrap());
    assert!(matches!(rcs.swap::<Snapshot>(second), Swap::Made { .. }));
    assert!(matches!(rcs.swap::<Snapshot>(third), Swap::Lost(Some(_))), "both superseded the same one");
    let state = |uuid| rcs.found::<Snapshot>(&keys::snapshot("T", uuid).unwrap()).unwrap().record.state;
    assert_eq!(["1", "2", "3"].map(state), [Phase::Superseded, Phase::Committed, Phase::Verifying]);
    assert_eq!(rcs.found::<Latest>(&pointer).unwrap().record.snapshot_uuid, "2");
}

#[test]
fn a_snapshot_takes_no_step_that_its_state_does_not_allow() {
    let mut rcs = Rcs::new();
    let key = keys::snapshot("T", "1").unwrap();
    let begun: Found<Snapshot> = rcs.made(snapshot::begin("T", "1", 40, NOW).unwrap(), &key);
    assert!(snapshot::commit(&begun, None, None, NOW).is_err(), "it was not verified");
    let verified: Found<Snapshot> = rcs.made(snapshot::verify(&begun, object(), NOW).unwrap(), &key);
    assert!(snapshot::commit(&verified, None, Some(&begun), NOW).is_err(), "that one is not the committed one");
    let committed: Found<Snapshot> = rcs.made(snapshot::commit(&verified, None, None, NOW).unwrap(), &key);
    assert!(snapshot::collect(&committed).is_err(), "it is in use");
    assert!(matches!(rcs.swap::<Snapshot>(snapshot::collect(&begun).unwrap()), Swap::Lost(Some(_))));
}

/// A migration of `S` from `A` to `B` whose snapshot is being sent, and the route.
fn streaming(rcs: &mut Rcs) -> (Found<Migration>, Found<Route>) {
    let key = keys::migration("S").unwrap();
    let route = rcs.made(route::register("S", "A", NOW).unwrap(), &keys::route("S").unwrap());
    let pending = rcs.made(migration::begin("S", "A", "B", NOW).unwrap(), &key);
    let step = Step::Stream { snapshot_lsn: 70 };
    (rcs.made(migration::advance(&pending, step, NOW).unwrap(), &key), route)
}

#[test]
fn a_migration_flips_the_route_and_itself_together() {
    let mut rcs = Rcs::new();
    let (key, path) = (keys::migration("S").unwrap(), keys::route("S").unwrap());
    let (found, route) = streaming(&mut rcs);
    let moved: Found<Route> = rcs.made(route::flip("S", &route, "A", NOW).unwrap(), &path);
    assert!(matches!(rcs.swap::<Migration>(migration::flip(&found, &route, NOW).unwrap()), Swap::Lost(Some(_))));
    let mut found: Found<Migration> = rcs.made(migration::flip(&found, &moved, NOW).unwrap(), &key);
    let flipped: Found<Route> = rcs.found(&path).unwrap();
    assert_eq!((found.record.state, flipped.modified), (State::RouteFlipped, found.modified), "in one revision");
    assert_eq!((&*flipped.record.primary_territory_id, flipped.record.version), ("B", 3));
    found = rcs.made(migration::acknowledge(&found, 75, NOW).unwrap(), &key);
    assert!(migration::acknowledge(&found, 74, NOW).is_err(), "acknowledgements do not go back");
    for step in [Step::CatchUp, Step::Synced, Step::Commit] {
        assert!(migration::advance(&found, Step::Fail, NOW).is_err(), "after the flip it goes forward only");
        found = rcs.made(migration::advance(&found, step, NOW).unwrap(), &key);
    }
    assert_eq!(found.record.state, State::Committed);
}

#[test]
fn a_migration_that_failed_before_the_flip_begins_again_in_the_next_epoch() {
    let mut rcs = Rcs::new();
    let key = keys::migration("S").unwrap();
    let (found, route) = streaming(&mut rcs);
    let failed: Found<Migration> = rcs.made(migration::advance(&found, Step::Fail, NOW).unwrap(), &key);
    assert!(migration::flip(&failed, &route, NOW).is_err());
    assert!(matches!(rcs.swap::<Migration>(migration::flip(&found, &route, NOW).unwrap()), Swap::Lost(Some(_))));
    let again: Found<Migration> = rcs.made(migration::advance(&failed, Step::Retry, NOW).unwrap(), &key);
    assert_eq!((again.record.migration_epoch, again.record.snapshot_lsn), (2, None));
    assert!(migration::begin("S", "A", "A", NOW).is_err());
}

fn lease(rcs: &mut Rcs) -> u64 {
    match rcs.ask(Operation::Grant { ttl_ms: 1_000 }) {
        Answer::Done { done: Done::Granted { lease, .. }, .. } => lease,
        other => panic!("a lease is granted: {other:?}"),
    }
}

#[test]
fn an_overtaken_winner_changes_nothing_and_tokens_rise() {
    let mut rcs = Rcs::new();
    let (first, second) = (lease(&mut rcs), lease(&mut rcs));
    let answer = rcs.ask(Operation::Transact(stand("manager", "one", first).unwrap()));
    let Standing::Won { token } = standing(&answer).unwrap() else { panic!("nobody else stood") };
    let answer = rcs.ask(Operation::Transact(stand("manager", "two", second).unwrap()));
    let Standing::Lost(row) = standing(&answer).unwrap() else { panic!("one has won") };
    assert_eq!((&*row.value, row.created), (&b"one"[..], token));
    rcs.ask(Operation::Revoke { lease: first });
    let answer = rcs.ask(Operation::Transact(stand("manager", "two", second).unwrap()));
    let Standing::Won { token: next } = standing(&answer).unwrap() else { panic!("the lock is free") };
    assert!(next > token);
    let register = |token| Guard::new("manager", token).unwrap().over(route::register("S", "A", NOW).unwrap());
    assert_eq!(rcs.swap::<Route>(register(token)), Swap::Lost(None));
    assert!(matches!(rcs.swap::<Route>(register(next)), Swap::Made { .. }));
    rcs.ask(Operation::Transact(resign("manager", token).unwrap()));
    assert!(rcs.row(&keys::election("manager").unwrap()).is_some(), "what is another's is not given back");
    rcs.ask(Operation::Transact(resign("manager", next).unwrap()));
    assert!(rcs.row(&keys::election("manager").unwrap()).is_none());
}
