//! The planted defects of the store: there when they are compiled in and switched on, and only then.

use super::{Applied, Store};
use crate::planted::{Defect, Planted};
use crate::rcs::message::{Answer, Keys, Operation, OperationId, Step, Transaction, Watch};
use crate::rcs::{Command, Limits};

/// A session, a lease that was renewed once, and two revisions.
fn store(defects: &[Defect]) -> Store {
    let mut store = Store::new(Limits::default(), Planted::just(defects));
    let id = |number| OperationId { session: 1, number, traced: 0 };
    let put = |key: &[u8]| Step::Put { key: key.into(), value: (*b"v").as_slice().into(), lease: 2 };
    let write = |key| Operation::Transact(Transaction { then: vec![put(key)], ..Transaction::default() });
    let operations = [
        Operation::OpenSession,
        Operation::Grant { ttl_ms: 1_000 },
        Operation::Renew { lease: 2 },
        write(b"a"),
        write(b"b"),
    ];
    for (index, operation) in (1u64..).zip(operations) {
        store.apply(index, &Command::Client { id: id(index), operation });
    }
    store
}

fn until(store: &Store) -> u64 {
    match store.changes(&Watch { keys: Keys::Prefix(Vec::new().into()), from: 1, limit: 1 }) {
        Answer::Changes { until, changes, .. } if changes.len() == 1 => until,
        other => panic!("one change is told: {other:?}"),
    }
}

#[test]
fn p33_claims_the_stores_revision_for_a_page_that_was_cut() {
    assert_eq!(until(&store(&[])), 2);
    assert_eq!(until(&store(&[Defect::P33])), if cfg!(feature = "planted") { 3 } else { 2 });
}

#[test]
fn p35_ends_a_lease_that_was_renewed_since() {
    let late = Command::Expire { lease: 2, renewals: 0 };
    assert_eq!(store(&[]).apply(9, &late), Applied::default());
    assert_eq!(store(&[Defect::P35]).apply(9, &late) != Applied::default(), cfg!(feature = "planted"));
}
