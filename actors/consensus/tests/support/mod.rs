//! Random commands over few keys, revisions, leases and sessions, so that they meet.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod host;

use consensus::rcs::message::{
    Compare, Keys, Operation, OperationId, Read, Relation, Step, Target, Transaction, Watch,
};
use consensus::rcs::{Command, Limits};
use contract::Blob;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Limits that random commands reach.
pub fn narrow() -> Limits {
    Limits {
        key_bytes: 4,
        value_bytes: 8,
        steps: 8,
        request_bytes: 500,
        answer_bytes: 300,
        history: 12,
        sessions: 3,
        leases: 3,
        ttl_least_ms: 10,
        ttl_most_ms: 1_000,
    }
}

/// A key; now and then empty or too long.
pub fn key() -> impl Strategy<Value = Blob> {
    prop_oneof![
        40 => (0u8..3, 0u8..3).prop_map(|(a, b)| Blob::from(vec![b'a' + a, b'a' + b])),
        10 => (0u8..3).prop_map(|a| Blob::from(vec![b'a' + a])),
        1 => Just(Blob::from(Vec::new())),
        1 => Just(Blob::from(vec![b'a'; 5])),
    ]
}

fn value() -> impl Strategy<Value = Blob> {
    vec(any::<u8>(), 0..8).prop_map(Blob::from)
}

pub fn keys() -> impl Strategy<Value = Keys> {
    prop_oneof![
        4 => key().prop_map(Keys::One),
        3 => key().prop_map(Keys::Prefix),
        3 => (key(), key()).prop_map(|(from, to)| Keys::Between(from, to)),
        2 => Just(Keys::Prefix(Blob::from(Vec::new()))),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        2 => Just(Target::Created(0)),
        1 => (0u64..12).prop_map(Target::Created),
        2 => (0u64..30).prop_map(Target::Modified),
        2 => (0u64..4).prop_map(Target::Version),
        1 => value().prop_map(Target::Value),
        1 => (0u64..9).prop_map(Target::Lease),
    ]
}

fn relation() -> impl Strategy<Value = Relation> {
    prop_oneof![Just(Relation::Equal), Just(Relation::NotEqual), Just(Relation::Less), Just(Relation::Greater)]
}

/// Leases and sessions are named by early entries: small numbers.
fn lease() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0u64), 3 => 3u64..5, 1 => 1u64..12]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), value(), lease()).prop_map(|(key, value, lease)| Step::Put { key, value, lease }),
        1 => keys().prop_map(Step::Delete),
        3 => (keys(), 0u64..3).prop_map(|(keys, limit)| Step::Range { keys, limit }),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let compare = (key(), target(), relation()).prop_map(|(key, target, relation)| Compare { key, target, relation });
    (vec(compare, 0..3), vec(step(), 0..4), vec(step(), 0..3)).prop_map(|(compare, then, otherwise)| Transaction {
        compare,
        then,
        otherwise,
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => Just(Operation::OpenSession),
        20 => transaction().prop_map(Operation::Transact),
        3 => (0u64..1_100).prop_map(|ttl_ms| Operation::Grant { ttl_ms }),
        2 => lease().prop_map(|lease| Operation::Renew { lease }),
        1 => lease().prop_map(|lease| Operation::Revoke { lease }),
        1 => (0u64..30).prop_map(|revision| Operation::Compact { revision }),
    ]
}

/// A log: two sessions and two leases begin it, so that what follows finds some.
pub fn log() -> impl Strategy<Value = Vec<Command>> {
    let number = prop_oneof![30 => Just(None), 3 => (0u64..40).prop_map(Some)];
    let client = (prop_oneof![12 => 1u64..3, 1 => 0u64..12], number, 0u64..2, operation());
    let entry = prop_oneof![
        20 => client.prop_map(Ok),
        1 => (lease(), 0u64..3).prop_map(|(lease, renewals)| Err(Command::Expire { lease, renewals })),
    ];
    vec(entry, 0..60).prop_map(|entries| {
        let open = |session| Command::Client {
            id: OperationId { session, number: 1, traced: 0 },
            operation: Operation::OpenSession,
        };
        let grant = |number| Command::Client {
            id: OperationId { session: 1, number, traced: 0 },
            operation: Operation::Grant { ttl_ms: 100 },
        };
        let mut log = vec![open(7), open(8), grant(1), grant(2)];
        for (at, entry) in entries.into_iter().enumerate() {
            log.push(entry.map_or_else(
                |expire| expire,
                |(session, number, traced, operation)| {
                    let number = number.unwrap_or(at as u64 + 3);
                    Command::Client { id: OperationId { session, number, traced }, operation }
                },
            ));
        }
        log
    })
}

pub fn read() -> impl Strategy<Value = Read> {
    (keys(), 0u64..40, 0u64..4).prop_map(|(keys, revision, limit)| Read {
        keys,
        revision,
        limit,
        linearizable: true,
        traced: 0,
    })
}

pub fn watch() -> impl Strategy<Value = Watch> {
    (keys(), 0u64..45, 0u64..5).prop_map(|(keys, from, limit)| Watch { keys, from, limit })
}
