//! The store's history of changes, as its replicas stated it.

use super::broken;
use crate::oracle::Violation;
use contract::Observed;
use std::collections::{BTreeMap, BTreeSet};

/// All changes, those that were compacted too.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    /// By revision and key; the event is that of the first statement.
    changes: BTreeMap<u64, BTreeMap<String, u64>>,
    /// Changes below this may be gone, and the event that said so.
    compacted: (u64, u64),
}

/// A change that a watcher lacks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing<'s> {
    pub(super) revision: u64,
    pub(super) key: &'s str,
    pub(super) event: u64,
}

impl Store {
    /// The newest revision; 0 for none.
    pub(super) fn head(&self) -> u64 {
        self.changes.last_key_value().map_or(0, |(revision, _)| *revision)
    }

    pub(super) fn compacted(&self) -> (u64, u64) {
        self.compacted
    }

    pub(super) fn change(&mut self, revision: u64, key: &str, seen: &Observed) -> Result<(), Violation> {
        let head = self.head();
        let keys = self.changes.entry(revision).or_default();
        if keys.contains_key(key) {
            return Ok(());
        }
        keys.insert(key.to_owned(), seen.event);
        if revision >= head {
            return Ok(());
        }
        let newest = self.changes.get(&head).and_then(|keys| keys.values().next()).copied().unwrap_or_default();
        Err(broken("change of the past")
            .because(format!(
                "process {} changed {key} at revision {revision} after the store had come to {head}",
                seen.process.0
            ))
            .seen_in(&[newest, seen.event]))
    }

    pub(super) fn compact(&mut self, revision: u64, event: u64) {
        if revision > self.compacted.0 {
            self.compacted = (revision, event);
        }
    }

    /// The event that stated this change.
    pub(super) fn event_of(&self, revision: u64, key: &str) -> Option<u64> {
        self.changes.get(&revision)?.get(key).copied()
    }

    /// The first change under `prefix` from revision `at` up to before `until`, without those `keys` of `at`.
    pub(super) fn first_missing(
        &self,
        prefix: &str,
        at: u64,
        keys: &BTreeSet<String>,
        until: u64,
    ) -> Option<Missing<'_>> {
        if until <= at {
            return None;
        }
        let all = self
            .changes
            .range(at..until)
            .flat_map(|(&revision, changed)| changed.iter().map(move |(key, &event)| Missing { revision, key, event }));
        let lacks = |change: &Missing<'_>| {
            change.key.starts_with(prefix) && (change.revision > at || !keys.contains(change.key))
        };
        all.into_iter().find(lacks)
    }
}
