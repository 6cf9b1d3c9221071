//! Keys, what they are and what they were: the versions of each key since the compaction, newest last.

use super::FIRST_REVISION;
use crate::rcs::message::{Change, Keys, Row};
use contract::Blob;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What a key became in one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The revision.
    pub modified: u64,
    /// What it is since then; `None` if it was deleted.
    pub state: Option<State>,
}

/// A key that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The value.
    pub value: Blob,
    /// The revision that created it.
    pub created: u64,
    /// How often it was written since, from 1.
    pub version: u64,
    /// Its lease; 0 for none.
    pub lease: u64,
}

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    keys: BTreeMap<Blob, Vec<Version>>,
    /// The same versions in the order of their revisions, those that the compaction left as they are excepted.
    changed: BTreeSet<(u64, Blob)>,
}

impl Table {
    /// The key as of `revision`.
    pub fn row(&self, key: &Blob, revision: u64) -> Option<Row> {
        row(key, self.keys.get(key)?, revision)
    }

    /// The keys that were there at `revision`, in order.
    pub fn rows(&self, keys: &Keys, revision: u64) -> impl Iterator<Item = Row> + '_ {
        self.keys.range(keys.span()).filter_map(move |(key, versions)| row(key, versions, revision))
    }

    /// The revision that changed the key last, by a deletion too; 0 if none is known.
    pub fn stamp(&self, key: &Blob) -> u64 {
        self.keys.get(key).and_then(|versions| versions.last()).map_or(0, |version| version.modified)
    }

    /// Writes a key and says what lease it had.
    pub fn put(&mut self, key: Blob, value: Blob, lease: u64, revision: u64) -> u64 {
        let versions = self.keys.entry(key.clone()).or_default();
        let before = versions.last().and_then(|version| version.state.as_ref());
        let (created, version, had) = before.map_or((revision, 1, 0), |it| (it.created, it.version + 1, it.lease));
        versions.push(Version { modified: revision, state: Some(State { value, created, version, lease }) });
        let new = self.changed.insert((revision, key));
        assert!(new, "a key changes once in a revision");
        had
    }

    /// Deletes a key that is there and says what lease it had.
    pub fn delete(&mut self, key: &Blob, revision: u64) -> u64 {
        let versions = self.keys.get_mut(key);
        let Some((versions, had)) = versions.and_then(|versions| {
            let lease = versions.last()?.state.as_ref()?.lease;
            Some((versions, lease))
        }) else {
            unreachable!("only what is there is deleted")
        };
        versions.push(Version { modified: revision, state: None });
        let new = self.changed.insert((revision, key.clone()));
        assert!(new, "a key changes once in a revision");
        had
    }

    /// Every change from revision `from` on, in the order of revisions, then of keys.
    pub fn changes(&self, from: u64) -> impl Iterator<Item = (u64, Change)> + '_ {
        let start = Bound::Included((from, Blob::from(Vec::new())));
        self.changed.range((start, Bound::Unbounded)).map(|(revision, key)| {
            let change = match self.row(key, *revision) {
                Some(row) => Change::Put(row),
                None => Change::Deleted { key: key.clone(), revision: *revision },
            };
            (*revision, change)
        })
    }

    /// Forgets what keys were before `revision`. What was changed in `revision` itself can still be told.
    ///
    /// Only keys that changed since the compaction before can have something to forget.
    pub fn compact(&mut self, revision: u64) {
        let kept = self.changed.split_off(&(revision, Blob::from(Vec::new())));
        let forgotten = std::mem::replace(&mut self.changed, kept);
        let now = self.changed.range(..(revision.saturating_add(1), Blob::from(Vec::new())));
        let touched: BTreeSet<Blob> = forgotten.iter().chain(now).map(|(_, key)| key.clone()).collect();
        for key in touched {
            let Some(versions) = self.keys.get_mut(&key) else { continue };
            forget(versions, revision);
            if versions.is_empty() {
                self.keys.remove(&key);
            }
        }
    }

    /// Every version, in the order of keys, then of revisions.
    pub fn versions(&self) -> impl Iterator<Item = (&Blob, &Version)> {
        self.keys.iter().flat_map(|(key, versions)| versions.iter().map(move |version| (key, version)))
    }

    /// The keys that are there and have a lease.
    pub fn leased(&self) -> impl Iterator<Item = (&Blob, u64)> {
        let newest =
            |versions: &[Version]| versions.last().and_then(|version| version.state.as_ref()).map(|it| it.lease);
        self.keys
            .iter()
            .filter_map(move |(key, versions)| newest(versions).filter(|lease| *lease > 0).map(|lease| (key, lease)))
    }

    /// Takes the next version of [`Table::versions`] of a table that was compacted at `compacted`.
    ///
    /// # Errors
    /// When it cannot come here in any table.
    pub fn restore(&mut self, key: Blob, version: Version, compacted: u64) -> Result<(), &'static str> {
        if key.is_empty() {
            return Err("an empty key");
        }
        if self.keys.last_key_value().is_some_and(|(last, _)| *last > key) {
            return Err("keys out of order");
        }
        let versions = self.keys.entry(key.clone()).or_default();
        if !may_follow(versions.last(), &version, compacted) {
            return Err("a version that cannot follow the one before it");
        }
        if version.modified >= compacted {
            self.changed.insert((version.modified, key));
        }
        versions.push(version);
        Ok(())
    }
}

/// The newest version at or before `revision`, if the key was there.
fn row(key: &Blob, versions: &[Version], revision: u64) -> Option<Row> {
    let newer = versions.partition_point(|version| version.modified <= revision);
    let Version { modified, state } = versions.get(newer.checked_sub(1)?)?;
    let State { value, created, version, lease } = state.clone()?;
    Some(Row { key: key.clone(), value, created, modified: *modified, version, lease })
}

/// Keeps what was at `revision` and everything since.
fn forget(versions: &mut Vec<Version>, revision: u64) {
    let older = versions.partition_point(|version| version.modified < revision);
    // The last of them was still so at `revision`, unless it was changed just then or was not there at all.
    let last_stays = older > 0
        && versions[older - 1].state.is_some()
        && versions.get(older).is_none_or(|next| next.modified > revision);
    versions.drain(..older - usize::from(last_stays));
}

/// Whether `next` can be the version after `last` in a table that was compacted at `compacted`.
fn may_follow(last: Option<&Version>, next: &Version, compacted: u64) -> bool {
    let in_order = last.is_none_or(|last| last.modified < next.modified && next.modified > compacted);
    let was = last.and_then(|last| last.state.as_ref());
    let continues = match (&next.state, last, was) {
        (None, None, _) => next.modified == compacted,
        (None, Some(_), was) => was.is_some(),
        (Some(new), _, Some(was)) => new.created == was.created && was.version.checked_add(1) == Some(new.version),
        (Some(new), Some(_), None) => begins(new, next.modified),
        (Some(new), None, _) if next.modified > compacted => begins(new, next.modified),
        (Some(new), None, _) => begins(new, next.modified) || (new.created < next.modified && new.version > 1),
    };
    in_order && continues && next.state.as_ref().is_none_or(|new| possible(new, next.modified))
}

/// A key is created by the first change at the earliest, and written at most once in a revision.
fn possible(state: &State, modified: u64) -> bool {
    state.created > FIRST_REVISION && state.version - 1 <= modified - state.created
}

/// Whether this is a key that was created in `revision`.
fn begins(state: &State, revision: u64) -> bool {
    state.created == revision && state.version == 1
}
