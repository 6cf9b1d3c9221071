//! Locks of processes (L1, L2, L3): one holder at a time, a live one is never broken, a dead one does not block.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `lock.ticket {token}` | a locker | before its first attempt; the token is its own for good |
//! | `lock.wanted {lock, token}` | a locker | it begins to wait for the lock |
//! | `lock.taken {lock, token}` | the holder | it believes from now on that it holds the lock |
//! | `lock.refused {lock, token}` | a locker | it no longer waits, and does not hold it |
//! | `lock.left {lock, token}` | the holder | it no longer acts on it; before it frees it |
//! | `lock.broken {lock, of, by}` | a locker | it has replaced the holder `of`: a token, or another word where nobody knows |
//!
//! - **L1** A lock is never taken while another locker that runs holds it.
//! - **L2** A lock is never broken while the incarnation that owns the token `of` runs.
//! - **L3** A lock whose holder is dead is eventually taken by somebody who waits for it; [`Oracle::pending`] says so.
//!
//! Unlike [`crate::mutual_exclusion`] it needs no order among tokens: a lock that only process death takes away has no
//! fencing. Each fact costs the logarithm of the number of lockers; an exit costs the number of locks.

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::{BTreeMap, BTreeSet};

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    owners: BTreeMap<String, Owner>,
    locks: BTreeMap<String, Lock>,
    /// Nobody waits for these any more: they stay broken for good.
    excused: BTreeSet<ProcessId>,
    judged: u64,
}

/// Whose token it is.
#[derive(Clone, Copy, Debug)]
struct Owner {
    process: ProcessId,
    incarnation: u32,
    runs: bool,
}

#[derive(Clone, Debug, Default)]
struct Lock {
    /// The holder's token and the event of its grant, also when the holder is dead.
    held: Option<(String, u64)>,
    /// The tokens of those who wait.
    wanted: BTreeSet<String>,
}

impl Locks {
    /// As in a scenario file.
    pub const NAME: &'static str = "locks";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["L1", "L2", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn ticket(&mut self, token: &str, seen: &Observed) -> Result<(), Violation> {
        let owner = Owner { process: seen.process, incarnation: seen.incarnation, runs: true };
        match self.owners.insert(token.to_owned(), owner) {
            None => Ok(()),
            Some(_) => Err(senseless(Self::NAME, seen, "the token was stated before")),
        }
    }

    fn runs(&self, token: &str) -> bool {
        self.owners.get(token).is_some_and(|owner| owner.runs)
    }

    /// The lock of a mark about the locker that states it.
    fn lock<'o>(&'o mut self, name: &str, token: &str, seen: &Observed) -> Result<&'o mut Lock, Violation> {
        let own = |owner: &Owner| owner.process == seen.process && owner.incarnation == seen.incarnation;
        if !self.owners.get(token).is_some_and(own) {
            return Err(senseless(Self::NAME, seen, "the token was never stated by this incarnation"));
        }
        Ok(self.locks.entry(name.to_owned()).or_default())
    }

    fn taken(&mut self, name: &str, token: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let lock = self.lock(name, token, seen)?;
        lock.wanted.remove(token);
        let before = lock.held.replace((token.to_owned(), seen.event));
        match before.filter(|(other, _)| other != token && self.runs(other)) {
            None => Ok(()),
            Some((other, event)) => Err(Violation::new(Self::NAME, "L1", "lock taken while another holder runs")
                .because(format!("{name} was taken by {token} at {} while {other} held it", seen.at))
                .seen_in(&[event, seen.event])),
        }
    }

    fn left(&mut self, name: &str, token: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let lock = self.lock(name, token, seen)?;
        match lock.held.take_if(|(holder, _)| holder == token) {
            Some(_) => Ok(()),
            None => Err(senseless(Self::NAME, seen, "this locker does not hold it")),
        }
    }

    fn broken(&mut self, name: &str, of: &str, by: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let held = self.lock(name, by, seen)?.held.clone();
        if !self.runs(of) {
            return Ok(());
        }
        let grant = held.map_or(0, |(_, event)| event);
        Err(Violation::new(Self::NAME, "L2", "lock of a live holder broken")
            .because(format!("{by} broke {name} of {of} at {}, whose process runs", seen.at))
            .seen_in(&[grant, seen.event]))
    }

    /// Incarnations up to `through` of the process ended.
    fn ended(&mut self, process: ProcessId, through: u32) {
        let of_it = |owner: &&mut Owner| owner.process == process && owner.incarnation <= through;
        self.owners.values_mut().filter(of_it).for_each(|owner| owner.runs = false);
        let owners = &self.owners;
        let runs = |token: &String| owners.get(token).is_some_and(|owner| owner.runs);
        self.locks.values_mut().for_each(|lock| lock.wanted.retain(runs));
    }

    /// Who waits for this lock of a dead holder.
    fn waits_for_the_dead<'l>(&self, lock: &'l Lock) -> Option<&'l str> {
        let (holder, _) = lock.held.as_ref()?;
        let counts = |token: &&String| self.owners.get(*token).is_some_and(|it| !self.excused.contains(&it.process));
        let waiter = lock.wanted.iter().find(counts)?;
        (!self.runs(holder)).then_some(waiter)
    }
}

impl Oracle for Locks {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "lock.ticket" => self.ticket(reader.text("token")?, seen),
            "lock.wanted" => {
                let token = reader.text("token")?;
                self.lock(reader.text("lock")?, token, seen)?.wanted.insert(token.to_owned());
                Ok(())
            }
            "lock.taken" => self.taken(reader.text("lock")?, reader.text("token")?, seen),
            "lock.refused" => {
                let token = reader.text("token")?;
                self.lock(reader.text("lock")?, token, seen)?.wanted.remove(token);
                Ok(())
            }
            "lock.left" => self.left(reader.text("lock")?, reader.text("token")?, seen),
            "lock.broken" => self.broken(reader.text("lock")?, reader.text("of")?, reader.text("by")?, seen),
            "system.exit" => {
                self.ended(seen.process, seen.incarnation);
                Ok(())
            }
            "system.boot" => {
                self.ended(seen.process, seen.incarnation.saturating_sub(1));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pending(&self) -> Option<String> {
        self.locks.iter().find_map(|(name, lock)| {
            let waiter = self.waits_for_the_dead(lock)?;
            Some(format!("waiting: {waiter} for {name}, whose holder is dead (L3)"))
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
