//! The route cache: what it says never goes back, whatever is late, repeated, forgotten or stale.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use consensus::planted::Planted;
use consensus::rcs::cache::{Config, Lookup, RouteCache};
use consensus::rcs::message::{Answer, Keys, Operation, OperationId, Range, Read, Row, Step, Transaction, Watch};
use consensus::rcs::schema::{Route, keys};
use consensus::rcs::{Command, Limits, Store};
use contract::{Blob, Duration, Time};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, proptest};
use std::collections::BTreeMap;

const AGE: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// The row of a route at this version, written in this revision.
fn row(subgraph: &str, version: u64, created: u64, modified: u64) -> Row {
    let route = Route { primary_territory_id: format!("t{modified}"), version, last_updated_ts: String::new() };
    let (key, value) = (keys::route(subgraph).unwrap(), serde_json::to_vec(&route).unwrap().into());
    Row { key, value, created, modified, version, lease: 0 }
}

fn cache() -> RouteCache {
    RouteCache::new(Config { capacity: 2, age: AGE })
}

/// The version that is given out, fresh or aged.
fn version(cache: &mut RouteCache, subgraph: &str, now: Time) -> Option<u64> {
    match cache.get(subgraph, now) {
        Lookup::Fresh(route) | Lookup::Aged(route) => Some(route.version),
        Lookup::Absent | Lookup::Unknown => None,
    }
}

#[test]
fn an_answer_that_is_late_does_not_overwrite_a_newer_one() {
    let mut cache = cache();
    assert!(cache.learn("a", 9, Some(&row("a", 3, 2, 9)), at(0), 0).unwrap());
    assert!(!cache.learn("a", 8, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap());
    assert!(!cache.learn("a", 1, None, at(0), 0).unwrap());
    assert_eq!(version(&mut cache, "a", at(0)), Some(3));
}

#[test]
fn what_a_holder_calls_stale_is_dropped_and_not_taken_again() {
    let mut cache = cache();
    cache.learn("a", 5, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap();
    cache.stale("a", 1);
    assert_eq!(version(&mut cache, "a", at(0)), Some(2), "an older version is stale, this one is not");
    cache.stale("a", 2);
    assert_eq!(cache.get("a", at(0)), Lookup::Unknown);
    assert!(!cache.learn("a", 6, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap(), "read before the flip");
    assert!(cache.learn("a", 7, Some(&row("a", 3, 2, 7)), at(0), 0).unwrap());
    cache.stale("a", 3);
    assert!(cache.learn("a", 9, Some(&row("a", 1, 9, 9)), at(0), 0).unwrap(), "a route that was registered anew");
}

#[test]
fn an_entry_ages_with_jitter_and_can_still_be_used() {
    for (random, fresh_for) in [(0, 5), (u64::MAX / 2, 5)] {
        let mut cache = cache();
        cache.learn("a", 5, Some(&row("a", 2, 2, 5)), at(0), random).unwrap();
        assert!(matches!(cache.get("a", at(fresh_for - 1)), Lookup::Fresh(_)));
        assert!(matches!(cache.get("a", at(10)), Lookup::Aged(_)));
    }
    let mut cache = cache();
    cache.learn("a", 5, None, at(0), 0).unwrap();
    assert_eq!((cache.get("a", at(1)), cache.get("a", at(10))), (Lookup::Absent, Lookup::Unknown));
}

#[test]
fn a_watch_keeps_entries_fresh_as_long_as_it_is_heard() {
    let mut cache = cache();
    cache.learn("a", 5, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap();
    cache.watch_begins(6, at(0));
    let quiet = |from, until| Answer::Changes { from, until, changes: vec![] };
    cache.watched(&quiet(6, 8), at(9), 0).unwrap();
    assert_eq!(cache.watch_from(), Some(9));
    assert!(matches!(cache.get("a", at(18)), Lookup::Fresh(_)));
    assert!(matches!(cache.get("a", at(19)), Lookup::Aged(_)));
    cache.watched(&quiet(6, 30), at(19), 0).unwrap();
    assert_eq!(cache.watch_from(), Some(9), "a repeated answer says nothing");
    assert!(!cache.learn("b", 7, Some(&row("b", 1, 3, 3)), at(19), 0).unwrap(), "older than what the watch has passed");
    cache.watched(&Answer::Refused(consensus::rcs::message::Refusal::Compacted(20)), at(20), 0).unwrap();
    assert_eq!(cache.watch_from(), None);
    assert!(!cache.learn("a", 7, Some(&row("a", 1, 2, 3)), at(20), 0).unwrap(), "what it said stays known");
}

#[test]
fn what_was_forgotten_is_not_learned_from_an_older_answer() {
    let mut cache = cache();
    cache.learn("a", 9, Some(&row("a", 3, 2, 9)), at(0), 0).unwrap();
    for other in ["b", "c"] {
        cache.learn(other, 10, Some(&row(other, 1, 4, 4)), at(0), 0).unwrap();
    }
    assert_eq!(cache.get("a", at(0)), Lookup::Unknown, "there was room for two");
    assert!(!cache.learn("a", 8, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap());
    assert!(cache.learn("a", 9, Some(&row("a", 3, 2, 9)), at(0), 0).unwrap());
}

#[test]
fn a_value_that_is_no_route_is_refused_and_changes_nothing() {
    let mut cache = cache();
    cache.learn("a", 5, Some(&row("a", 2, 2, 5)), at(0), 0).unwrap();
    let bad = Row { value: Blob::from(b"{}".as_slice()), ..row("a", 3, 2, 6) };
    let why = cache.learn("a", 6, Some(&bad), at(0), 0).unwrap_err().to_string();
    assert!(why.contains("routes/subgraphs/a is not a route"), "{why}");
    assert_eq!(version(&mut cache, "a", at(0)), Some(2));
}

/// The truth, and the questions to it that are under way.
struct World {
    store: Store,
    index: u64,
    reads: Vec<(String, Range)>,
    watches: Vec<Answer>,
}

impl World {
    fn write(&mut self, subgraph: &str) {
        let key = keys::route(subgraph).unwrap();
        let now = self.read(Keys::One(key.clone()));
        let step = match now.rows.first() {
            Some(old) if old.version >= 3 => Step::Delete(Keys::One(key)),
            old => {
                let version = old.map_or(1, |old| old.version + 1);
                let Row { key, value, .. } = row(subgraph, version, 0, self.store.revision() + 1);
                Step::Put { key, value, lease: 0 }
            }
        };
        self.index += 1;
        let id = OperationId { session: 1, number: self.index, traced: 0 };
        let operation = Operation::Transact(Transaction { then: vec![step], ..Transaction::default() });
        self.store.apply(self.index, &Command::Client { id, operation });
    }

    fn read(&self, keys: Keys) -> Range {
        let read = Read { keys, revision: 0, limit: 0, linearizable: true, traced: 0 };
        let Answer::Range(range) = self.store.read(&read) else { panic!("it is readable") };
        range
    }
}

proptest! {
    #[test]
    fn what_the_cache_says_of_a_subgraph_never_goes_back(steps in vec(any::<(u8, u8, u8)>(), 0..150), capacity in 1usize..4) {
        let mut store = Store::new(Limits::default(), Planted::default());
        let id = OperationId { session: 0, number: 1, traced: 0 };
        store.apply(1, &Command::Client { id, operation: Operation::OpenSession });
        let mut world = World { store, index: 1, reads: Vec::new(), watches: Vec::new() };
        let mut cache = RouteCache::new(Config { capacity, age: AGE });
        // Of each subgraph, the revision of the last route that was given out, and whether it was absent since.
        let mut said: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        let mut now = 0;
        for (what, which, pick) in steps {
            now += 1;
            let subgraph = ["a", "b", "c"][usize::from(which) % 3];
            match what % 8 {
                0 | 1 => world.write(subgraph),
                2 => world.reads.push((subgraph.to_owned(), world.read(Keys::One(keys::route(subgraph).unwrap())))),
                3 | 4 if !world.reads.is_empty() => {
                    let (subgraph, range) = &world.reads[usize::from(pick) % world.reads.len()];
                    cache.learn(subgraph, range.revision, range.rows.first(), at(now), 0).unwrap();
                }
                5 => match cache.watch_from() {
                    None => cache.watch_begins(world.store.revision() + 1, at(now)),
                    Some(from) => {
                        let watch = Watch { keys: keys::routes(), from, limit: u64::from(pick % 3) };
                        world.watches.push(world.store.changes(&watch));
                    }
                },
                6 if !world.watches.is_empty() => {
                    let at_random = usize::from(pick) % world.watches.len();
                    cache.watched(&world.watches[at_random], at(now), 0).unwrap();
                }
                7 if pick % 4 == 0 => cache.watched(&Answer::Retry { leader: None }, at(now), 0).unwrap(),
                7 => cache.stale(subgraph, u64::from(pick % 4)),
                _ => {}
            }
            for subgraph in ["a", "b", "c"] {
                let (last, absent) = said.entry(subgraph).or_default();
                match cache.get(subgraph, at(now)) {
                    Lookup::Fresh(route) | Lookup::Aged(route) => {
                        let modified: u64 = route.primary_territory_id[1..].parse().unwrap();
                        let newer = if *absent { modified > *last } else { modified >= *last };
                        prop_assert!(newer, "{subgraph}: {modified} after {last}, absent {absent}");
                        (*last, *absent) = (modified, false);
                    }
                    Lookup::Absent => *absent = true,
                    Lookup::Unknown => {}
                }
            }
        }
    }
}
