//! The watch contract (C3): a watcher gets every change once, in the order of revisions, and never goes back.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `store.changed {revision, key}` | a replica of the store | it applies the change; several keys may change in one revision |
//! | `store.compacted {revision}` | a replica of the store | changes below `revision` may be forgotten |
//! | `watch.started {watcher, from}` | the watcher | it asks for all changes from revision `from` on, under `prefix` if it states one |
//! | `watch.event {watcher, revision, key}` | the watcher | it handles the change |
//! | `watch.progress {watcher, revision}` | the watcher | it was told that it has every change up to `revision` |
//! | `watch.compacted {watcher, revision}` | the watcher | it was told that changes below `revision`, which it lacks, are gone |
//! | `watch.stopped {watcher}` | the watcher | it wants no more |
//!
//! A watcher that starts again resumes: it may go back, but not past a change that it has not handled, unless
//! it was told that this was compacted. It is told so only if that is true and it does lack something. Until
//! an open watcher has everything up to the newest revision, the run waits, unless its process is excused. The store's revisions only rise;
//! replicas may repeat what others stated. A watcher states an event before it makes its place durable.
//!
//! After etcd's guarantees for watch ("ordered, unique, reliable, atomic, resumable, bookmarkable") and the
//! bugs that broke them (#15271 time travel, #17529, #18089 and #19179 lost events). Each change costs each
//! watcher a logarithm once.

mod store;

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::{BTreeMap, BTreeSet};
use store::Store;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    store: Store,
    watchers: BTreeMap<String, Watcher>,
    /// Nobody waits for the watchers of these any more.
    excused: BTreeSet<ProcessId>,
    judged: u64,
}

#[derive(Clone, Debug)]
struct Watcher {
    process: ProcessId,
    prefix: String,
    phase: Phase,
    /// It has all changes below this revision.
    at: u64,
    /// The keys of revision `at` that it has.
    keys: BTreeSet<String>,
    /// The event that set `at`.
    event: u64,
}

/// Whether a watcher gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// It will resume where it is.
    Stopped,
    /// It was told that it has to begin anew.
    Compacted,
}

impl Watch {
    /// As in a scenario file.
    pub const NAME: &'static str = "watch";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["C3", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn started(&mut self, name: &str, from: u64, prefix: &str, seen: &Observed) -> Result<(), Violation> {
        let new = Watcher {
            process: seen.process,
            prefix: prefix.to_owned(),
            phase: Phase::Open,
            at: from,
            keys: BTreeSet::new(),
            event: seen.event,
        };
        let Some(known) = self.watchers.insert(name.to_owned(), new) else { return Ok(()) };
        if known.phase == Phase::Compacted || known.prefix != prefix {
            return Ok(());
        }
        match self.store.first_missing(&known.prefix, known.at, &known.keys, from) {
            Some(missing) => Err(broken("resumed past a change that it lacks")
                .because(format!(
                    "watcher {name} resumed from revision {from} and never got revision {} of {}",
                    missing.revision, missing.key
                ))
                .seen_in(&[known.event, missing.event, seen.event])),
            None => Ok(()),
        }
    }

    /// The watcher, if it is open.
    fn open<'w>(
        watchers: &'w mut BTreeMap<String, Watcher>,
        name: &str,
        seen: &Observed,
    ) -> Result<&'w mut Watcher, Violation> {
        let Some(watcher) = watchers.get_mut(name) else {
            return Err(senseless(Self::NAME, seen, "no watcher of this name has started"));
        };
        if watcher.phase == Phase::Open {
            return Ok(watcher);
        }
        Err(broken("event after the end of the watch")
            .because(format!("watcher {name} got `{}` at {} after its watch had ended", seen.mark, seen.at))
            .seen_in(&[watcher.event, seen.event]))
    }

    fn event(&mut self, name: &str, revision: u64, key: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let watcher = Self::open(&mut self.watchers, name, seen)?;
        let told = format!("watcher {name} got revision {revision} of {key}");
        let Some(made) = self.store.event_of(revision, key) else {
            return Err(broken("event of a change that was not made")
                .because(format!("{told} at {}, and the store made no such change", seen.at))
                .seen_in(&[seen.event]));
        };
        if !key.starts_with(&watcher.prefix) {
            return Err(broken("event that was not asked for")
                .because(format!("{told}, and it watches {}", watcher.prefix))
                .seen_in(&[made, seen.event]));
        }
        if revision < watcher.at || (revision == watcher.at && watcher.keys.contains(key)) {
            let shape = if revision < watcher.at { "watch went back" } else { "event delivered again" };
            return Err(broken(shape)
                .because(format!("{told} at {} after it had come to revision {}", seen.at, watcher.at))
                .seen_in(&[made, watcher.event, seen.event]));
        }
        if let Some(missing) = self.store.first_missing(&watcher.prefix, watcher.at, &watcher.keys, revision) {
            return Err(broken("change left out")
                .because(format!("{told} and not revision {} of {} before it", missing.revision, missing.key))
                .seen_in(&[watcher.event, missing.event, seen.event]));
        }
        watcher.reach(revision, seen.event);
        watcher.keys.insert(key.to_owned());
        Ok(())
    }

    fn progress(&mut self, name: &str, revision: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let watcher = Self::open(&mut self.watchers, name, seen)?;
        let told = format!("watcher {name} was told at {} that it has all up to revision {revision}", seen.at);
        if revision > self.store.head() {
            return Err(broken("progress beyond the store")
                .because(format!("{told}, and the store is at revision {}", self.store.head()))
                .seen_in(&[watcher.event, seen.event]));
        }
        let next = revision.saturating_add(1);
        if let Some(missing) = self.store.first_missing(&watcher.prefix, watcher.at, &watcher.keys, next) {
            return Err(broken("progress notification lies")
                .because(format!("{told}, and it lacks revision {} of {}", missing.revision, missing.key))
                .seen_in(&[watcher.event, missing.event, seen.event]));
        }
        if next < watcher.at {
            return Err(broken("watch went back")
                .because(format!("{told}, after it had come to revision {}", watcher.at))
                .seen_in(&[watcher.event, seen.event]));
        }
        watcher.reach(next, seen.event);
        Ok(())
    }

    fn compacted(&mut self, name: &str, revision: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let watcher = Self::open(&mut self.watchers, name, seen)?;
        let (compacted, event) = self.store.compacted();
        let told = format!("watcher {name}, at revision {}, was told that those below {revision} are gone", watcher.at);
        if revision > compacted {
            return Err(broken("compaction that did not happen")
                .because(format!("{told}, and the store compacted up to {compacted}"))
                .seen_in(&[watcher.event, event, seen.event]));
        }
        if watcher.at >= revision {
            return Err(broken("watch cut off although it lacks nothing that is gone").because(told).seen_in(&[
                watcher.event,
                event,
                seen.event,
            ]));
        }
        watcher.phase = Phase::Compacted;
        watcher.event = seen.event;
        Ok(())
    }

    fn ended(&mut self, process: ProcessId) {
        for watcher in self.watchers.values_mut().filter(|watcher| watcher.process == process) {
            if watcher.phase == Phase::Open {
                watcher.phase = Phase::Stopped;
            }
        }
    }
}

impl Watcher {
    fn reach(&mut self, revision: u64, event: u64) {
        assert!(revision >= self.at, "a watcher does not go back");
        if revision > self.at {
            self.at = revision;
            self.keys.clear();
        }
        self.event = event;
    }
}

fn broken(shape: &str) -> Violation {
    Violation::new(Watch::NAME, "C3", shape)
}

impl Oracle for Watch {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        let watcher = || reader.text("watcher");
        let revision = || reader.number("revision");
        match &*seen.mark.kind {
            "store.changed" => self.store.change(revision()?, reader.text("key")?, seen),
            "store.compacted" => {
                self.store.compact(revision()?, seen.event);
                Ok(())
            }
            "watch.started" => self.started(watcher()?, reader.number("from")?, reader.text_or_empty("prefix")?, seen),
            "watch.event" => self.event(watcher()?, revision()?, reader.text("key")?, seen),
            "watch.progress" => self.progress(watcher()?, revision()?, seen),
            "watch.compacted" => self.compacted(watcher()?, revision()?, seen),
            "watch.stopped" => {
                Self::open(&mut self.watchers, watcher()?, seen)?.phase = Phase::Stopped;
                Ok(())
            }
            "system.exit" => {
                self.ended(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pending(&self) -> Option<String> {
        let waits = |watcher: &Watcher| watcher.phase == Phase::Open && !self.excused.contains(&watcher.process);
        self.watchers.iter().filter(|(_, watcher)| waits(watcher)).find_map(|(name, watcher)| {
            let missing = self.store.first_missing(&watcher.prefix, watcher.at, &watcher.keys, u64::MAX)?;
            Some(format!("watcher {name} waits for revision {} of {}", missing.revision, missing.key))
        })
    }

    fn excuse(&mut self, process: ProcessId) {
        self.excused.insert(process);
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
