//! Leases: keys that go when nobody renews them any more. When that is, is decided outside, by clocks.

use contract::Blob;
use std::collections::{BTreeMap, BTreeSet};

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its time to live without being renewed, in milliseconds.
    pub ttl_ms: u64,
    /// How often it was renewed: whoever decides that its time has passed says of which renewal that was.
    pub renewals: u64,
    /// The keys that go with it.
    pub keys: BTreeSet<Blob>,
}

/// The leases that run, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases(BTreeMap<u64, Lease>);

impl Leases {
    /// Begins a lease.
    pub fn begin(&mut self, number: u64, ttl_ms: u64, renewals: u64) {
        let before = self.0.insert(number, Lease { ttl_ms, renewals, keys: BTreeSet::new() });
        assert!(before.is_none(), "a lease's number never comes again");
    }

    /// Begins its time anew.
    pub fn renew(&mut self, number: u64) -> Option<&Lease> {
        let lease = self.0.get_mut(&number)?;
        lease.renewals += 1;
        Some(lease)
    }

    /// Ends it and gives up its keys.
    pub fn end(&mut self, number: u64) -> Option<BTreeSet<Blob>> {
        self.0.remove(&number).map(|lease| lease.keys)
    }

    /// The lease.
    pub fn get(&self, number: u64) -> Option<&Lease> {
        self.0.get(&number)
    }

    /// A key had the lease `before` and has the lease `after` now; 0 is none, and an ended one has no keys.
    pub fn moved(&mut self, key: &Blob, before: u64, after: u64) {
        if let Some(lease) = self.0.get_mut(&before) {
            lease.keys.remove(key);
        }
        if let Some(lease) = self.0.get_mut(&after) {
            lease.keys.insert(key.clone());
        }
    }

    /// All that run, in the order of their numbers.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Lease)> {
        self.0.iter().map(|(number, lease)| (*number, lease))
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
