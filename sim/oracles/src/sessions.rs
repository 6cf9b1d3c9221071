//! Session guarantees (RYW, MR, MW, WFR): what one client sees never goes back behind what it saw or did.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `session.wrote {session, key, version}` | the client | its write was acknowledged, as this version of the key |
//! | `session.read {session, key, version}` | the client | a read returned this version of the key; 0 for none |
//!
//! - **RYW** (read your writes) A read shows at least the newest version that its session wrote.
//! - **MR** (monotonic reads) A read shows at least the newest version that its session read.
//! - **MW** (monotonic writes) A later write of a session has a higher version than its earlier ones.
//! - **WFR** (writes follow reads) A write has a higher version than what its session read before.
//!
//! Versions are those of one key in the order of the system. An operation that takes time states `since`,
//! when it was invoked in nanoseconds: it is judged against what the session had completed before that. A
//! client that lost its memory takes a new session.
//!
//! Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (PDIS 1994), section 3. A fact
//! costs the logarithm of the number of operations of its session on its key.

use crate::fact::Reader;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, Time};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// By session and key.
    seen: BTreeMap<(String, String), Past>,
    judged: u64,
}

/// What a session did with a key.
#[derive(Clone, Debug, Default)]
struct Past {
    wrote: Peaks,
    read: Peaks,
}

/// The highest versions so far, by when they were reached.
#[derive(Clone, Debug, Default)]
struct Peaks(Vec<Peak>);

#[derive(Clone, Copy, Debug)]
struct Peak {
    at: Time,
    version: u64,
    event: u64,
}

impl Sessions {
    /// As in a scenario file.
    pub const NAME: &'static str = "sessions";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["RYW", "MR", "MW", "WFR", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn operated(&mut self, wrote: bool, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let reader = Reader::new(Self::NAME, seen);
        let (session, version) = (reader.text("session")?, reader.number("version")?);
        let key = reader.value("key")?.to_string();
        let since = reader.number_if_any("since")?.map(Time);
        let operation = |verb: &str| format!("session {session} {verb} version {version} of {key} at {}", seen.at);
        let past = self.seen.entry((session.to_owned(), key.clone())).or_default();
        let (written, read) = (past.wrote.before(since), past.read.before(since));
        let new = Peak { at: seen.at, version, event: seen.event };
        let behind =
            |peak: Option<Peak>| peak.filter(|peak| version < peak.version || (wrote && version == peak.version));
        let broken = if wrote {
            past.wrote.reach(new);
            let earlier = behind(written).map(|peak| ("MW", "write not after the session's writes", peak));
            earlier.or_else(|| behind(read).map(|peak| ("WFR", "write not after the session's reads", peak)))
        } else {
            past.read.reach(new);
            let own = behind(written).map(|peak| ("RYW", "read misses the session's write", peak));
            own.or_else(|| behind(read).map(|peak| ("MR", "read goes back behind the session's read", peak)))
        };
        let Some((invariant, shape, peak)) = broken else { return Ok(()) };
        let (verb, before) =
            (if wrote { "wrote" } else { "read" }, if matches!(invariant, "RYW" | "MW") { "written" } else { "read" });
        Err(Violation::new(Self::NAME, invariant, shape)
            .because(format!("{} after it had {before} version {}", operation(verb), peak.version))
            .seen_in(&[peak.event, seen.event]))
    }
}

impl Peaks {
    /// The highest version reached before `since`; by now, if that is not known.
    fn before(&self, since: Option<Time>) -> Option<Peak> {
        let count = match since {
            Some(since) => self.0.partition_point(|peak| peak.at < since),
            None => self.0.len(),
        };
        count.checked_sub(1).map(|last| self.0[last])
    }

    fn reach(&mut self, new: Peak) {
        if self.0.last().is_none_or(|last| last.version < new.version) {
            self.0.push(new);
        }
    }
}

impl Oracle for Sessions {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        match &*seen.mark.kind {
            "session.wrote" => self.operated(true, seen),
            "session.read" => self.operated(false, seen),
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
