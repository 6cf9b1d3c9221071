//! The store against its sequential model, command by command, read by read, watch by watch.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use consensus::planted::Planted;
use consensus::rcs::message::{Answer, Change, Keys, Watch};
use consensus::rcs::spec::Model;
use consensus::rcs::{Limits, Store};
use contract::Blob;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use support::{log, narrow, read, watch};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_its_model(log in log(), reads in vec(read(), 1..20), watches in vec(watch(), 1..20), answer_bytes in 100usize..350) {
        let limits = Limits { answer_bytes, ..narrow() };
        let (mut store, mut model) = (Store::new(limits, Planted::default()), Model::new(limits));
        let (mut reads, mut watches) = (reads.iter().cycle(), watches.iter().cycle());
        for (at, command) in log.iter().enumerate() {
            let index = at as u64 + 1;
            prop_assert_eq!(store.apply(index, command).answer, model.apply(index, command), "entry {}: {:?}", index, command);
            let (read, watch) = (reads.next().unwrap(), watches.next().unwrap());
            prop_assert_eq!(store.read(read), model.read(read), "after entry {}: {:?}", index, read);
            prop_assert_eq!(store.changes(watch), model.changes(watch), "after entry {}: {:?}", index, watch);
        }
    }

    /// A watcher from the beginning, with pages of any size, sees exactly what the commands said that they changed.
    #[test]
    fn a_watch_from_the_beginning_has_every_change_once(log in log(), limit in 0u64..5) {
        let limits = Limits { history: 1_000, ..narrow() };
        let mut store = Store::new(limits, Planted::default());
        let mut stated: Vec<(u64, Blob)> = Vec::new();
        for (at, command) in log.iter().enumerate() {
            let applied = store.apply(at as u64 + 1, command);
            if applied.compacted.is_some() {
                return Ok(());
            }
            stated.extend(applied.changed);
        }
        let (mut told, mut from) = (Vec::new(), 0);
        while from <= store.revision() {
            let watch = Watch { keys: Keys::Prefix(Blob::from(Vec::new())), from, limit };
            let Answer::Changes { until, changes, .. } = store.changes(&watch) else { panic!("changes are told") };
            told.extend(changes.into_iter().map(|change| match change {
                Change::Put(row) => (row.modified, row.key),
                Change::Deleted { key, revision } => (revision, key),
            }));
            from = until + 1;
        }
        // Within a revision a watch tells keys in their order.
        stated.sort();
        prop_assert_eq!(told, stated);
    }
}
