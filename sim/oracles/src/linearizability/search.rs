//! The search for an order of one key's operations, return by return.
//!
//! Wing and Gong's search ("Testing and verifying concurrent objects", 1993) with Lowe's memoisation of
//! configurations and just-in-time linearization ("Testing for linearizability", 2017): a configuration is the
//! register's value and which open operations have happened. All that explain the history so far are kept, and
//! an effect is placed only when a return needs it. The result of an operation is known when it begins
//! here ([`super::timeline`] sees to that), so one that changes nothing happens as soon as the value fits:
//! that can spoil nothing.
//!
//! Operations that never return are optional for good, and two rules keep them cheap. Of two configurations
//! that differ only in those and in who has seen what, the one in which fewer have happened and more was seen
//! can do all that the other can. And one whose effect is overwritten unseen need not have happened.

use super::register::nothing;
use contract::Value;
use std::collections::{BTreeMap, BTreeSet};

/// No sentence lists more values than this.
const NAMED_MAX: usize = 4;

/// Where one key stands.
#[derive(Clone, Debug)]
pub(super) struct Search {
    values: BTreeMap<Value, u32>,
    open: BTreeMap<u64, Open>,
    /// Empty once the key was given up.
    configurations: BTreeSet<Configuration>,
}

/// What an operation with a known result does; values by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write(u32),
    /// A swap that swapped.
    Swap {
        expected: u32,
        new: u32,
    },
    /// A read of this value.
    Sees(u32),
    /// A swap that expected this value and did not swap.
    Differs(u32),
}

/// Whether some order explains a return and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Explained,
    Impossible,
    /// The limit was reached, now or before.
    Undecided,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    step: Step,
    /// It never returns: it may never happen.
    optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Configuration {
    state: u32,
    /// The open operations that have happened, ascending.
    happened: Vec<u64>,
    /// The last to happen was an optional one, and nobody saw its effect yet.
    unseen: bool,
}

/// The operations of a configuration by what having them is worth.
struct Worth {
    /// The fewer the better.
    optional: Vec<u64>,
    /// The more the better.
    sights: Vec<u64>,
}

impl Default for Search {
    fn default() -> Self {
        let first = Configuration { state: 0, happened: Vec::new(), unseen: false };
        Search {
            values: BTreeMap::from([(nothing(), 0)]),
            open: BTreeMap::new(),
            configurations: BTreeSet::from([first]),
        }
    }
}

impl Search {
    /// The number of a value, for steps.
    pub(super) fn number(&mut self, value: &Value) -> u32 {
        if let Some(&number) = self.values.get(value) {
            return number;
        }
        // A run states far fewer than four billion values, each in a mark of its own.
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.insert(value.clone(), number);
        number
    }

    /// An operation begins; `serial` is new. One that is `optional` never returns.
    pub(super) fn begin(&mut self, serial: u64, step: Step, optional: bool) {
        let known = self.open.insert(serial, Open { step, optional });
        assert!(known.is_none(), "operation {serial} began twice");
        if !step.changes() {
            self.configurations = std::mem::take(&mut self.configurations)
                .into_iter()
                .map(|configuration| configuration.seen(&[(serial, step)]).0)
                .collect();
        }
    }

    /// An operation returns. If that is impossible, what could be before remains.
    pub(super) fn end(&mut self, serial: u64, steps_max: u64) -> Verdict {
        assert!(self.open.contains_key(&serial), "operation {serial} returns and did not begin");
        let explained = if self.configurations.is_empty() { None } else { self.explain(serial, steps_max) };
        self.open.remove(&serial);
        let Some(explained) = explained else {
            self.configurations.clear();
            return Verdict::Undecided;
        };
        if explained.is_empty() {
            return Verdict::Impossible;
        }
        self.configurations = explained;
        self.prune();
        Verdict::Explained
    }

    /// The values that the key may have now, as a sentence.
    pub(super) fn states(&self) -> String {
        let states: BTreeSet<u32> = self.configurations.iter().map(|configuration| configuration.state).collect();
        let name = |number: &u32| self.values.iter().find(|(_, known)| *known == number);
        let named = states.iter().take(NAMED_MAX).filter_map(name).map(|(value, _)| value.to_string());
        let more = if states.len() > NAMED_MAX { " or another" } else { "" };
        format!("{}{more}", named.collect::<Vec<_>>().join(" or "))
    }

    /// All configurations in which the operation has just returned; `None` at the limit.
    fn explain(&self, serial: u64, steps_max: u64) -> Option<BTreeSet<Configuration>> {
        let sights: Vec<(u64, Step)> = self
            .open
            .iter()
            .filter(|(_, open)| !open.step.changes())
            .map(|(&serial, open)| (serial, open.step))
            .collect();
        let mut explained = BTreeSet::new();
        let mut known = self.configurations.clone();
        let mut queue: Vec<Configuration> = known.iter().cloned().collect();
        let mut steps = 0;
        while let Some(mut configuration) = queue.pop() {
            steps += 1;
            if steps > steps_max {
                return None;
            }
            if let Ok(at) = configuration.happened.binary_search(&serial) {
                configuration.happened.remove(at);
                explained.insert(Configuration { unseen: false, ..configuration });
                continue;
            }
            for next in self.open.iter().filter_map(|(&other, open)| configuration.with(other, *open, &sights)) {
                if known.insert(next.clone()) {
                    queue.push(next);
                }
            }
        }
        Some(explained)
    }

    /// Leaves out what others can do as well.
    fn prune(&mut self) {
        if self.configurations.len() < 2 || !self.open.values().any(|open| open.optional || !open.step.changes()) {
            return;
        }
        let mut groups: BTreeMap<(u32, Vec<u64>), Vec<Worth>> = BTreeMap::new();
        for Configuration { state, happened, .. } in std::mem::take(&mut self.configurations) {
            let sight = |serial: &u64| self.open.get(serial).is_some_and(|open| !open.step.changes());
            let optional = |serial: &u64| self.open.get(serial).is_some_and(|open| open.optional);
            let (sights, effects): (Vec<u64>, Vec<u64>) = happened.into_iter().partition(sight);
            let (optional, owed): (Vec<u64>, Vec<u64>) = effects.into_iter().partition(optional);
            groups.entry((state, owed)).or_default().push(Worth { optional, sights });
        }
        for ((state, owed), mut group) in groups {
            // Nothing is as good as what stands before it and better, except what is equal, and that is one.
            group.sort_by_key(|worth| (worth.optional.len(), usize::MAX - worth.sights.len()));
            let mut best: Vec<Worth> = Vec::new();
            for worth in group {
                if !best.iter().any(|better| better.serves(&worth)) {
                    best.push(worth);
                }
            }
            for Worth { optional, sights } in best {
                let mut happened: Vec<u64> = [&owed[..], &optional, &sights].concat();
                happened.sort_unstable();
                self.configurations.insert(Configuration { state, happened, unseen: false });
            }
        }
        assert!(!self.configurations.is_empty(), "of a group at least its best remains");
    }
}

impl Step {
    fn changes(self) -> bool {
        matches!(self, Step::Write(_) | Step::Swap { .. })
    }

    fn fits(self, state: u32) -> bool {
        match self {
            Step::Write(_) => true,
            Step::Swap { expected, .. } | Step::Sees(expected) => state == expected,
            Step::Differs(expected) => state != expected,
        }
    }
}

impl Configuration {
    /// This one after an open operation's effect, if that has one here that is worth a try.
    fn with(&self, serial: u64, open: Open, sights: &[(u64, Step)]) -> Option<Self> {
        let state = match open.step {
            Step::Write(new) if !self.unseen => new,
            Step::Swap { expected, new } if self.state == expected => new,
            _ => return None,
        };
        let at = self.happened.binary_search(&serial).err()?;
        let mut next = Configuration { state, ..self.clone() };
        next.happened.insert(at, serial);
        let (next, seen) = next.seen(sights);
        Some(Configuration { unseen: open.optional && !seen, ..next })
    }

    /// Whoever has not seen a fitting value sees this one, and whether anybody did.
    fn seen(mut self, sights: &[(u64, Step)]) -> (Self, bool) {
        let before = self.happened.len();
        for (serial, _) in sights.iter().filter(|(_, step)| step.fits(self.state)) {
            if let Err(at) = self.happened.binary_search(serial) {
                self.happened.insert(at, *serial);
            }
        }
        let seen = self.happened.len() > before;
        (self, seen)
    }
}

impl Worth {
    /// Whether this can do all that `other` can.
    fn serves(&self, other: &Self) -> bool {
        self.optional.iter().all(|serial| other.optional.binary_search(serial).is_ok())
            && other.sights.iter().all(|serial| self.sights.binary_search(serial).is_ok())
    }
}
