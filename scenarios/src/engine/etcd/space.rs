//! The service's keys and transactions in etcd's words, and back.

use consensus::rcs::message as rcs;
use contract::Blob;
use host::gateway::etcd;

/// What each row or change counts beside its key and value, in bytes.
const ITEM_BYTES: usize = 64;
/// What the rows or changes of one answer count, in bytes: it must fit a message.
const ANSWER_BYTES: usize = 256 << 10;
/// Rows that etcd is asked for at a time, at most.
pub const ROWS_MAX: u64 = 1_000;

/// The part of etcd's keys that is ours.
#[derive(Clone, Debug)]
pub struct Space {
    all: Vec<u8>,
    users: Vec<u8>,
}

impl Space {
    /// The keys below `name`.
    pub fn of(name: &str) -> Space {
        Space { all: format!("{name}/").into_bytes(), users: format!("{name}/k/").into_bytes() }
    }

    /// All keys, those of sessions too.
    pub fn all(&self) -> etcd::Keys {
        etcd::Keys::beginning_with(self.all.clone())
    }

    /// A session's key.
    pub fn session(&self, session: u64) -> Vec<u8> {
        [&*self.all, format!("s/{session:016x}").as_bytes()].concat()
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&*self.users, key].concat()
    }

    pub fn keys(&self, keys: &rcs::Keys) -> etcd::Keys {
        match keys {
            rcs::Keys::One(key) => etcd::Keys::one(self.key(key)),
            rcs::Keys::Prefix(prefix) => etcd::Keys::beginning_with(self.key(prefix)),
            rcs::Keys::Between(first, end) => etcd::Keys { first: self.key(first), end: Some(self.key(end)) },
        }
    }

    pub fn compare(&self, compare: &rcs::Compare) -> etcd::Compare {
        let target = match &compare.target {
            rcs::Target::Created(revision) => etcd::Target::Created(*revision),
            rcs::Target::Modified(revision) => etcd::Target::Modified(*revision),
            rcs::Target::Version(version) => etcd::Target::Version(*version),
            rcs::Target::Value(value) => etcd::Target::Value(value.to_vec()),
            rcs::Target::Lease(lease) => etcd::Target::Lease(*lease),
        };
        let relation = match compare.relation {
            rcs::Relation::Equal => etcd::Relation::Equal,
            rcs::Relation::NotEqual => etcd::Relation::NotEqual,
            rcs::Relation::Less => etcd::Relation::Less,
            rcs::Relation::Greater => etcd::Relation::Greater,
        };
        etcd::Compare { key: self.key(&compare.key), target, relation }
    }

    pub fn step(&self, step: &rcs::Step) -> etcd::Step {
        match step {
            rcs::Step::Put { key, value, lease } => {
                etcd::Step::Put { key: self.key(key), value: value.to_vec(), lease: *lease }
            }
            rcs::Step::Delete(keys) => etcd::Step::Delete(self.keys(keys)),
            rcs::Step::Range { keys, limit } => etcd::Step::Range { keys: self.keys(keys), limit: rows_asked(*limit) },
        }
    }

    /// A row of ours; `None` for a key of a session.
    pub fn row(&self, row: etcd::Row) -> Option<rcs::Row> {
        let etcd::Row { key, value, created, modified, version, lease } = row;
        let key = Blob::from(key.strip_prefix(&*self.users)?);
        Some(rcs::Row { key, value: value.into(), created, modified, version, lease })
    }

    /// A change of ours; `None` for a session's.
    pub fn change(&self, event: etcd::Event) -> Option<rcs::Change> {
        match event {
            etcd::Event::Put(row) => self.row(row).map(rcs::Change::Put),
            etcd::Event::Deleted { key, revision } => {
                let key = key.strip_prefix(&*self.users)?.into();
                Some(rcs::Change::Deleted { key, revision })
            }
        }
    }

    /// The rows of a page, as many as fit.
    pub fn range(&self, page: etcd::Range, revision: u64, room: &mut Room) -> rcs::Range {
        let mut range = rcs::Range { revision, rows: Vec::new(), more: page.more };
        for row in page.rows.into_iter().filter_map(|row| self.row(row)) {
            if !room.take(row.key.len() + row.value.len()) {
                range.more = true;
                break;
            }
            range.rows.push(row);
        }
        range
    }
}

/// How many rows to ask etcd for when the asker wants at most `limit`, or as many as fit an answer if that is 0.
pub fn rows_asked(limit: u64) -> u64 {
    if limit == 0 { ROWS_MAX } else { limit.min(ROWS_MAX) }
}

/// What is left of an answer.
pub struct Room(usize);

impl Room {
    /// A whole answer.
    pub fn new() -> Room {
        Room(ANSWER_BYTES)
    }

    /// Takes an item of so many bytes if it fits; else nothing more fits.
    pub fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(ITEM_BYTES + bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_there_and_back_and_sessions_are_not_ours() {
        let space = Space::of("n");
        let row =
            |key: &[u8]| etcd::Row { key: key.to_vec(), value: vec![], created: 1, modified: 1, version: 1, lease: 0 };
        assert_eq!(space.row(row(b"n/k/x")).unwrap().key, Blob::from(&b"x"[..]));
        assert_eq!(space.row(row(&space.session(7))), None);
        let keys = space.keys(&rcs::Keys::Prefix(Blob::from(&b""[..])));
        assert_eq!((&*keys.first, keys.end.as_deref()), (&b"n/k/"[..], Some(&b"n/k0"[..])));
    }

    #[test]
    fn an_answer_takes_what_fits_and_says_that_there_is_more() {
        let space = Space::of("n");
        let row = |n: u8| etcd::Row {
            key: vec![b'n', b'/', b'k', b'/', n],
            value: vec![0; 100 << 10],
            created: 1,
            modified: 1,
            version: 1,
            lease: 0,
        };
        let page = etcd::Range { revision: 9, rows: (0..4).map(row).collect(), more: false };
        let range = space.range(page, 9, &mut Room::new());
        assert_eq!((range.rows.len(), range.more), (2, true));
    }
}
