//! Snapshots: the store as a run of records, cut into pages that each fit a message.
//!
//! The records are checksummed and come in one order only, so equal stores have equal pages. Pages come from disks and
//! peers: what is read is checked record by record, and nothing in it makes the reader panic.

use super::sessions::Session;
use super::table::Version;
use super::{FIRST_REVISION, Store};
use crate::planted::Planted;
use crate::rcs::limits::Limits;
use contract::Blob;
use contract::codec::{self, RecordAt, read_record, write_record};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Revisions and indices count from 1; no log comes near this.
const COUNT_MAX: u64 = 1 << 62;

/// One record of a snapshot, in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    /// The first.
    Head {
        limits: Limits,
        applied: u64,
        revision: u64,
        compacted: u64,
    },
    Lease {
        number: u64,
        ttl_ms: u64,
        renewals: u64,
    },
    Session {
        number: u64,
        session: Session,
    },
    Version {
        key: Blob,
        version: Version,
    },
    /// The last: without it something is missing.
    End,
}

/// Why pages are not a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPages(String);

impl fmt::Display for BadPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a snapshot of this store: {}", self.0)
    }
}

impl std::error::Error for BadPages {}

fn bad<T>(why: impl Into<String>) -> Result<T, BadPages> {
    Err(BadPages(why.into()))
}

impl Store {
    /// The whole store in pages of `page_bytes` bytes, the last one shorter; at least one. Costs the store's size.
    pub fn pages(&self, page_bytes: usize) -> Vec<Blob> {
        assert!(page_bytes > 0, "a page holds something");
        self.bytes().chunks(page_bytes).map(Blob::from).collect()
    }

    /// The store that [`Store::pages`] gave. The switches are not part of a snapshot.
    ///
    /// # Errors
    /// When the pages are not those of a store with these limits.
    pub fn from_pages(limits: Limits, planted: Planted, pages: &[Blob]) -> Result<Store, BadPages> {
        let bytes = pages.iter().map(|page| &**page).collect::<Vec<&[u8]>>().concat();
        let mut records = Records { bytes: &bytes, at: 0 };
        let Record::Head { limits: founded, applied, revision, compacted } = records.next()? else {
            return bad("it does not begin with its head");
        };
        if founded != limits {
            return bad(format!("it was made under {founded:?}; start all replicas with these limits, not {limits:?}"));
        }
        let in_range = (FIRST_REVISION..COUNT_MAX).contains(&revision) && applied < COUNT_MAX;
        if !in_range || compacted > revision || revision - compacted > limits.history {
            return bad("its revisions are out of order");
        }
        let mut store = Store { applied, revision, compacted, ..Store::new(limits, planted) };
        loop {
            match records.next()? {
                Record::Head { .. } => return bad("it has two heads"),
                Record::Lease { number, ttl_ms, renewals } => store.restore_lease(number, ttl_ms, renewals)?,
                Record::Session { number, session } => store.restore_session(number, session)?,
                Record::Version { key, version } => store.restore_version(key, version)?,
                Record::End => break,
            }
        }
        records.end()?;
        store.attach_leases()?;
        Ok(store)
    }

    /// Equal at equal stores, and different at different ones but for chance. Costs the store's size.
    pub fn digest(&self) -> u64 {
        digest(&self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let Store { limits, applied, revision, compacted, .. } = *self;
        let mut out = Vec::new();
        write(&Record::Head { limits, applied, revision, compacted }, &mut out);
        for (number, lease) in self.leases.iter() {
            write(&Record::Lease { number, ttl_ms: lease.ttl_ms, renewals: lease.renewals }, &mut out);
        }
        for (number, session) in self.sessions.iter() {
            write(&Record::Session { number, session: session.clone() }, &mut out);
        }
        for (key, version) in self.table.versions() {
            write(&Record::Version { key: key.clone(), version: version.clone() }, &mut out);
        }
        write(&Record::End, &mut out);
        out
    }

    fn restore_lease(&mut self, number: u64, ttl_ms: u64, renewals: u64) -> Result<(), BadPages> {
        let room = self.leases.len() < self.limits.leases;
        if number == 0
            || number > self.applied
            || !room
            || self.leases.iter().next_back().is_some_and(|(last, _)| last >= number)
        {
            return bad("its leases are out of order or too many");
        }
        if !(self.limits.ttl_least_ms..=self.limits.ttl_most_ms).contains(&ttl_ms) || renewals > self.applied - number {
            return bad("a lease with a time that is never granted, or renewed more often than there are entries");
        }
        self.leases.begin(number, ttl_ms, renewals);
        Ok(())
    }

    fn restore_session(&mut self, number: u64, session: Session) -> Result<(), BadPages> {
        let room = self.sessions.len() < self.limits.sessions;
        let in_time = number > 0 && number <= session.used && session.used <= self.applied;
        let begun = (session.number > 0) == session.answer.is_some();
        if !room || !in_time || !begun || self.sessions.has(number, session.used) {
            return bad("a session that cannot be");
        }
        self.sessions.restore(number, session);
        Ok(())
    }

    fn restore_version(&mut self, key: Blob, version: Version) -> Result<(), BadPages> {
        if version.modified <= FIRST_REVISION || version.modified > self.revision {
            return bad("a version of a revision that never was");
        }
        self.table.restore(key, version, self.compacted).map_err(|why| BadPages(why.to_owned()))
    }

    /// Gives each lease its keys, which the versions name.
    fn attach_leases(&mut self) -> Result<(), BadPages> {
        for (key, lease) in self.table.leased() {
            if self.leases.get(lease).is_none() {
                return bad("a key with a lease that does not run");
            }
            self.leases.moved(key, 0, lease);
        }
        Ok(())
    }
}

/// Reads the records one after another.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Records<'_> {
    fn next(&mut self) -> Result<Record, BadPages> {
        match read_record(self.bytes, self.at) {
            RecordAt::Record(body, next) => {
                self.at = next;
                codec::decode(body).map_err(|error| BadPages(error.to_string()))
            }
            RecordAt::End => bad("it ends early"),
            RecordAt::Damaged { .. } => bad(format!("damaged at byte {}", self.at)),
        }
    }

    fn end(&self) -> Result<(), BadPages> {
        if self.at < self.bytes.len() { bad("it goes on behind its end") } else { Ok(()) }
    }
}

fn write(record: &Record, out: &mut Vec<u8>) {
    let written = codec::encode(record).and_then(|body| write_record(&body, out));
    assert!(written.is_ok(), "limits keep each record shorter than a message: {written:?}");
}

/// FNV-1a: nobody chooses the bytes so that two stores look alike, and it costs no dependency.
fn digest(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
