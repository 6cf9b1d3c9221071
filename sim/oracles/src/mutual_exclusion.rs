//! Mutual exclusion (L1) and fencing (C2): one holder at a time, and no write of an overtaken one.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `lock.acquired {lock, holder, token}` | the holder | it believes from now on that it holds the lock; again on renewal |
//! | `lock.released {lock, holder, token}` | the holder | it no longer acts on it |
//! | `resource.write {resource, token}` | the resource | it takes a write that carries this token |
//!
//! - **L1** A *hard* lock (`lock.acquired` has `hard=true`) is never held by two at once. A process that ended
//!   holds nothing. Grants of a hard lock take effect in the order of their tokens.
//! - **C2** Leases expire by clocks, so two may believe that they hold one, and that alone is no violation.
//!   But a token stands for one grant, for good, and at the resource tokens never decrease: what an overtaken
//!   holder still sends is refused. If `resource.write` names its `lock`, the token must have been granted.
//!
//! A holder states `lock.acquired` before its first write. After Kleppmann, "How to do distributed locking"
//! (2016), and the locks of `jepsen.io/analyses/etcd-3.4.3`. Each fact costs the logarithm of the number of
//! grants.

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct MutualExclusion {
    locks: BTreeMap<String, Lock>,
    /// The highest token that each resource took, and the event.
    resources: BTreeMap<String, (u64, u64)>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Lock {
    /// All grants by token.
    grants: BTreeMap<u64, Grant>,
    /// The tokens of those who believe that they hold it.
    held: BTreeMap<u64, Holding>,
}

#[derive(Clone, Debug)]
struct Grant {
    holder: String,
    event: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    process: ProcessId,
    incarnation: u32,
    hard: bool,
    event: u64,
}

impl MutualExclusion {
    /// As in a scenario file.
    pub const NAME: &'static str = "mutual_exclusion";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["L1", "C2", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn acquired(&mut self, name: &str, holder: &str, token: u64, hard: bool, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        if !self.locks.contains_key(name) {
            self.locks.insert(name.to_owned(), Lock::default());
        }
        let Some(lock) = self.locks.get_mut(name) else { unreachable!("the lock was just entered") };
        if lock.renewed(token, holder, seen) {
            return Ok(());
        }
        if let Some(known) = lock.grants.get(&token) {
            return Err(broken("C2", "fencing token granted twice")
                .because(format!("token {token} of {name} was granted to {} and again to {holder}", known.holder))
                .seen_in(&[known.event, seen.event]));
        }
        let new = Holding { process: seen.process, incarnation: seen.incarnation, hard, event: seen.event };
        if let Some((other, held)) = lock.held.iter().find(|(_, held)| held.hard || hard) {
            let other = lock.grants.get(other).map_or("another", |grant| &grant.holder);
            return Err(broken("L1", "two holders of a hard lock")
                .because(format!("{name} was acquired by {holder} at {} while {other} held it", seen.at))
                .seen_in(&[held.event, seen.event]));
        }
        if let Some((newer, grant)) = lock.grants.range(token..).next_back().filter(|_| hard) {
            return Err(broken("L1", "older grant of a hard lock acted on")
                .because(format!("{holder} holds {name} by token {token} since {}, after token {newer}", seen.at))
                .seen_in(&[grant.event, seen.event]));
        }
        lock.grants.insert(token, Grant { holder: holder.to_owned(), event: seen.event });
        lock.held.insert(token, new);
        Ok(())
    }

    fn released(&mut self, name: &str, holder: &str, token: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let lock = self.locks.get_mut(name);
        let granted = lock.filter(|lock| lock.grants.get(&token).is_some_and(|grant| grant.holder == holder));
        match granted {
            Some(lock) => drop(lock.held.remove(&token)),
            None => return Err(senseless(Self::NAME, seen, "this holder never acquired it by this token")),
        }
        Ok(())
    }

    fn written(&mut self, name: &str, lock: &str, token: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let granted = lock.is_empty() || self.locks.get(lock).is_some_and(|lock| lock.grants.contains_key(&token));
        if !granted {
            return Err(broken("C2", "write with a token that nobody was granted")
                .because(format!("{name} took a write with token {token} of {lock}, which nobody acquired"))
                .seen_in(&[seen.event]));
        }
        match self.resources.get_mut(name) {
            Some((highest, event)) if *highest > token => {
                return Err(broken("C2", "write with an overtaken fencing token")
                    .because(format!(
                        "{name} took a write with token {token} at {} after one with token {highest}",
                        seen.at
                    ))
                    .seen_in(&[*event, seen.event]));
            }
            Some(highest) => *highest = (token, seen.event),
            None => drop(self.resources.insert(name.to_owned(), (token, seen.event))),
        }
        Ok(())
    }

    /// Incarnations up to `through` of the process ended, and hold nothing.
    fn ended(&mut self, process: ProcessId, through: u32) {
        for lock in self.locks.values_mut() {
            lock.held.retain(|_, held| held.process != process || held.incarnation > through);
        }
    }
}

impl Lock {
    /// Whether this is a renewal by who holds it already.
    fn renewed(&self, token: u64, holder: &str, seen: &Observed) -> bool {
        let same = |held: &Holding| held.process == seen.process && held.incarnation == seen.incarnation;
        self.held.get(&token).is_some_and(same) && self.grants.get(&token).is_some_and(|grant| grant.holder == holder)
    }
}

fn broken(invariant: &'static str, shape: &str) -> Violation {
    Violation::new(MutualExclusion::NAME, invariant, shape)
}

impl Oracle for MutualExclusion {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "lock.acquired" => {
                let (lock, holder) = (reader.text("lock")?, reader.text("holder")?);
                self.acquired(lock, holder, reader.number("token")?, reader.flag("hard")?, seen)
            }
            "lock.released" => {
                self.released(reader.text("lock")?, reader.text("holder")?, reader.number("token")?, seen)
            }
            "resource.write" => {
                let resource = reader.text("resource")?;
                self.written(resource, reader.text_or_empty("lock")?, reader.number("token")?, seen)
            }
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

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
