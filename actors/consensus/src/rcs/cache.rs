//! Routes that were read before, so that most questions need not be asked.
//!
//! A cached route is a hint: its holder checks the version that it is addressed with and says when that is stale. The
//! cache's own promise is that what it says about a subgraph never goes back:
//!
//! - What is learned is as of a revision; what is as of an earlier one than is known is not taken (defect P44's race).
//! - What a holder calls stale is dropped, and not taken again from an answer that was late.
//! - What is forgotten for want of room raises the least revision that is taken for anything new.
//!
//! Entries are read again after an age, with jitter so that many caches do not ask at once; while a watch says that nothing
//! has changed, they stay fresh.

use super::message::{Answer, Change, Row};
use super::schema::{Found, Invalid, Route, keys};
use contract::{Duration, Time};
use std::collections::BTreeMap;

/// Limits of a cache; each is a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Subgraphs that are remembered; the one that was looked up least recently goes first.
    pub capacity: usize,
    /// An entry is read again after half of this to all of it.
    pub age: Duration,
}

/// What the cache knows of a subgraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Its route.
    Fresh(Route),
    /// Its route as it was a while ago: good to use, and to be read again.
    Aged(Route),
    /// It has no route.
    Absent,
    /// Nothing: read it.
    Unknown,
}

/// The cache; see the module.
#[derive(Clone, Debug)]
pub struct RouteCache {
    config: Config,
    entries: BTreeMap<String, Entry>,
    /// Nothing older than this revision is taken for a subgraph without an entry.
    floor: u64,
    watch: Option<Watched>,
    lookups: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    /// What is known is as of this revision.
    as_of: u64,
    route: Known,
    /// When it is to be read again.
    due: Time,
    used: u64,
}

#[derive(Clone, Debug)]
enum Known {
    /// The route, and the revision that created its key.
    Here { route: Route, created: u64 },
    /// There is none.
    Absent,
    /// There is a newer one than this version of the key that was created in this revision.
    Stale { version: u64, created: u64 },
}

/// All changes of routes from `from` to `until` are known.
#[derive(Clone, Copy, Debug)]
struct Watched {
    from: u64,
    until: u64,
    heard: Time,
}

impl RouteCache {
    /// An empty cache.
    pub fn new(config: Config) -> Self {
        assert!(config.capacity > 0, "a cache has room for something");
        RouteCache { config, entries: BTreeMap::new(), floor: 0, watch: None, lookups: 0 }
    }

    /// What is known of a subgraph.
    pub fn get(&mut self, subgraph: &str, now: Time) -> Lookup {
        self.lookups += 1;
        let (watch, age, lookups) = (self.watch, self.config.age, self.lookups);
        let Some(entry) = self.entries.get_mut(subgraph) else { return Lookup::Unknown };
        entry.used = lookups;
        let watched = watch.is_some_and(|watch| watch.covers(entry) && now.since(watch.heard) < age);
        let fresh = watched || now < entry.due;
        match &entry.route {
            Known::Here { route, .. } if fresh => Lookup::Fresh(route.clone()),
            Known::Here { route, .. } => Lookup::Aged(route.clone()),
            Known::Absent if fresh => Lookup::Absent,
            Known::Absent | Known::Stale { .. } => Lookup::Unknown,
        }
    }

    /// A read as of revision `as_of` found this row at the route's key, or none. Whether it was taken: if not, something
    /// newer is known, and what was read is not to be used.
    ///
    /// # Errors
    /// When the row's value is no route; nothing is changed then.
    pub fn learn(
        &mut self,
        subgraph: &str,
        as_of: u64,
        row: Option<&Row>,
        now: Time,
        random: u64,
    ) -> Result<bool, Invalid> {
        let known = match row {
            Some(row) => Known::Here { route: Found::<Route>::read(row)?.record, created: row.created },
            None => Known::Absent,
        };
        let due = now + self.jittered(random);
        let floor = self.floor.max(self.watch.map_or(0, |watch| watch.until));
        self.lookups += 1;
        let used = self.lookups;
        match self.entries.get_mut(subgraph) {
            Some(entry) if as_of < entry.known_until(self.watch) || !known.may_follow(&entry.route) => {
                return Ok(false);
            }
            Some(entry) => {
                (entry.as_of, entry.route, entry.due) = (as_of, known, due);
            }
            None if as_of < floor => return Ok(false),
            None => {
                self.entries.insert(subgraph.to_owned(), Entry { as_of, route: known, due, used });
                self.make_room();
            }
        }
        Ok(true)
    }

    /// A holder says that a route of this version is stale: it is not given out any more.
    pub fn stale(&mut self, subgraph: &str, version: u64) {
        let Some(entry) = self.entries.get_mut(subgraph) else { return };
        if let Known::Here { route, created } = &entry.route
            && route.version <= version
        {
            entry.route = Known::Stale { version, created: *created };
        }
    }

    /// All routes were read as of revision `from - 1`, or nothing was: from here on changes will be told.
    pub fn watch_begins(&mut self, from: u64, now: Time) {
        self.watch = Some(Watched { from, until: from.saturating_sub(1), heard: now });
    }

    /// The revision from which the watch goes on; `None` if none has begun or it broke.
    pub fn watch_from(&self) -> Option<u64> {
        self.watch.map(|watch| watch.until + 1)
    }

    /// Takes the answer to a watch of all routes from [`RouteCache::watch_from`] on. Anything but changes breaks the
    /// watch: entries age again until another one begins.
    ///
    /// # Errors
    /// When a changed value is no route; the watch is broken then, too.
    pub fn watched(&mut self, answer: &Answer, now: Time, random: u64) -> Result<(), Invalid> {
        let Some(watch) = self.watch else { return Ok(()) };
        let Answer::Changes { from, until, changes } = answer else {
            self.break_watch();
            return Ok(());
        };
        if *from != watch.until + 1 {
            // The answer to another question: a repetition.
            return Ok(());
        }
        for change in changes {
            let (key, revision, row) = match change {
                Change::Put(row) => (&row.key, row.modified, Some(row)),
                Change::Deleted { key, revision } => (key, *revision, None),
            };
            let Some(subgraph) = keys::subgraph(key).filter(|subgraph| self.entries.contains_key(*subgraph)) else {
                continue;
            };
            if let Err(why) = self.learn(subgraph, revision, row, now, random) {
                self.break_watch();
                return Err(why);
            }
        }
        self.watch = Some(Watched { from: watch.from, until: watch.until.max(*until), heard: now });
        Ok(())
    }

    /// What the watch has said stays known.
    fn break_watch(&mut self) {
        let Some(watch) = self.watch.take() else { return };
        self.floor = self.floor.max(watch.until);
        for entry in self.entries.values_mut() {
            entry.as_of = entry.known_until(Some(watch));
        }
    }

    fn make_room(&mut self) {
        while self.entries.len() > self.config.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
            let Some(gone) = oldest.and_then(|name| self.entries.remove(&name)) else { return };
            self.floor = self.floor.max(gone.known_until(self.watch));
        }
    }

    fn jittered(&self, random: u64) -> Duration {
        let half = self.config.age / 2;
        half + Duration::from_nanos(random % contract::time::nanos(half).saturating_add(1).max(1))
    }
}

impl Entry {
    /// The revision up to which it is known that this is so.
    fn known_until(&self, watch: Option<Watched>) -> u64 {
        match watch {
            Some(watch) if watch.covers(self) => self.as_of.max(watch.until),
            _ => self.as_of,
        }
    }
}

impl Watched {
    /// Whether no change of it can have been missed.
    fn covers(&self, entry: &Entry) -> bool {
        entry.as_of + 1 >= self.from
    }
}

impl Known {
    /// Whether it is newer than what a holder has called stale.
    fn may_follow(&self, before: &Known) -> bool {
        match (self, before) {
            (Known::Here { route, created }, Known::Stale { version, created: stale }) => {
                created > stale || (created == stale && route.version > *version)
            }
            _ => true,
        }
    }
}
