//! The search for an order of one key's operations, while they come in.
//!
//! Wing and Gong's search ("Testing and verifying concurrent objects", 1993) with Lowe's memoisation of
//! configurations and just-in-time linearization ("Testing for linearizability", 2017): a configuration is the
//! register's value and which open operations have happened. All that explain the history so far are kept, and
//! an operation is placed only when a return needs it: the returning one, or one whose effect it must see.
//! So reads and unsuccessful swaps are placed at their own return only.
//!
//! Operations that will never return are optional for good, and two rules keep them cheap: of two
//! configurations that differ only by those, the one in which fewer have happened can do all that the other
//! can; and one whose effect is overwritten unseen need not have happened.

use super::register::{Action, nothing};
use contract::Value;
use std::collections::{BTreeMap, BTreeSet};

/// No sentence lists more values than this.
const NAMED_MAX: usize = 4;

/// Where one key stands.
#[derive(Clone, Debug)]
pub(super) struct Search {
    values: Values,
    open: BTreeMap<u64, Open>,
    /// Empty once the key was given up.
    configurations: BTreeSet<Configuration>,
}

/// How an operation returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer<'m> {
    /// It certainly does not happen.
    Never,
    /// A write did.
    Done,
    /// A read did, with this value.
    Value(&'m Value),
    /// A cas did, and did swap or not.
    Swapped(bool),
}

/// Whether some order explains a return and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Explained,
    Impossible,
    /// The limit was reached, now or before.
    Undecided,
}

/// An operation that has not returned.
#[derive(Clone, Copy, Debug)]
struct Open {
    step: Step,
    /// It will never return: it may never have happened.
    forgotten: bool,
}

/// What an operation does to a value, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    Write(u32),
    Cas { expected: u32, new: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Configuration {
    state: u32,
    /// The open operations that have happened, ascending.
    happened: Vec<u64>,
    /// The last to happen was a forgotten one, and its effect was not seen yet.
    unseen: bool,
}

/// Values by number.
#[derive(Clone, Debug, Default)]
struct Values(BTreeMap<Value, u32>);

impl Default for Search {
    fn default() -> Self {
        let mut values = Values::default();
        let state = values.number(&nothing());
        let first = Configuration { state, happened: Vec::new(), unseen: false };
        Search { values, open: BTreeMap::new(), configurations: BTreeSet::from([first]) }
    }
}

impl Search {
    /// An operation begins; `serial` is new.
    pub(super) fn invoke(&mut self, serial: u64, action: &Action) {
        let step = match action {
            Action::Read => Step::Read,
            Action::Write(value) => Step::Write(self.values.number(value)),
            Action::Cas { expected, new } => {
                Step::Cas { expected: self.values.number(expected), new: self.values.number(new) }
            }
        };
        let known = self.open.insert(serial, Open { step, forgotten: false });
        assert!(known.is_none(), "operation {serial} began twice");
    }

    /// The operation will never return.
    pub(super) fn forget(&mut self, serial: u64) {
        match self.open.get_mut(&serial) {
            // Nobody will ever know what it read.
            Some(Open { step: Step::Read, .. }) => drop(self.open.remove(&serial)),
            Some(open) => open.forgotten = true,
            None => {}
        }
        self.prune();
    }

    /// An operation returns. If that is impossible, what could be before remains.
    pub(super) fn complete(&mut self, serial: u64, answer: Answer<'_>, steps_max: u64) -> Verdict {
        let Some(Open { step, .. }) = self.open.remove(&serial) else { unreachable!("it was invoked on this key") };
        if self.configurations.is_empty() {
            return Verdict::Undecided;
        }
        let explained = match answer {
            Answer::Never => {
                let without = |configuration: &&Configuration| configuration.happened.binary_search(&serial).is_err();
                Some(self.configurations.iter().filter(without).cloned().collect())
            }
            _ => self.explain(serial, step, answer, steps_max),
        };
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
        let name = |number: &u32| self.values.0.iter().find(|(_, known)| *known == number);
        let named = states.iter().take(NAMED_MAX).filter_map(name).map(|(value, _)| value.to_string());
        let more = if states.len() > NAMED_MAX { " or another" } else { "" };
        format!("{}{more}", named.collect::<Vec<_>>().join(" or "))
    }

    /// All configurations in which the operation has just returned with this answer; `None` at the limit.
    fn explain(
        &mut self,
        serial: u64,
        step: Step,
        answer: Answer<'_>,
        steps_max: u64,
    ) -> Option<BTreeSet<Configuration>> {
        let value = match answer {
            Answer::Value(value) => Some(self.values.number(value)),
            _ => None,
        };
        let mut explained = BTreeSet::new();
        let mut known = self.configurations.clone();
        let mut queue: Vec<Configuration> = known.iter().cloned().collect();
        let mut steps = 0;
        while let Some(configuration) = queue.pop() {
            steps += 1;
            if steps > steps_max {
                return None;
            }
            if let Ok(at) = configuration.happened.binary_search(&serial) {
                // An operation that happened before its return had an effect: a swap that did not is wrong.
                if answer != Answer::Swapped(false) {
                    let mut returned = configuration;
                    returned.happened.remove(at);
                    explained.insert(Configuration { unseen: false, ..returned });
                }
                continue;
            }
            if let Some(state) = after(step, configuration.state, answer, value)
                && !(configuration.unseen && matches!(step, Step::Write(_)))
            {
                explained.insert(Configuration { state, unseen: false, ..configuration.clone() });
            }
            for next in self.open.iter().filter_map(|(&other, open)| configuration.with(other, *open)) {
                if known.insert(next.clone()) {
                    queue.push(next);
                }
            }
        }
        Some(explained)
    }

    /// Leaves out what others can do as well.
    fn prune(&mut self) {
        if !self.open.values().any(|open| open.forgotten) || self.configurations.len() < 2 {
            return;
        }
        let mut groups: BTreeMap<(u32, Vec<u64>), Vec<Vec<u64>>> = BTreeMap::new();
        for Configuration { state, happened, .. } in std::mem::take(&mut self.configurations) {
            let forgotten = |serial: &u64| self.open.get(serial).is_some_and(|open| open.forgotten);
            let (optional, owed): (Vec<u64>, Vec<u64>) = happened.into_iter().partition(forgotten);
            groups.entry((state, owed)).or_default().push(optional);
        }
        for ((state, owed), mut group) in groups {
            group.sort_by_key(Vec::len);
            let mut least: Vec<Vec<u64>> = Vec::new();
            for optional in group {
                if !least.iter().any(|fewer| fewer.iter().all(|serial| optional.binary_search(serial).is_ok())) {
                    least.push(optional);
                }
            }
            for mut happened in least {
                happened.extend(&owed);
                happened.sort_unstable();
                self.configurations.insert(Configuration { state, happened, unseen: false });
            }
        }
        assert!(!self.configurations.is_empty(), "of a group at least its least remains");
    }
}

/// The state after an operation that returns now with this answer, if it may.
fn after(step: Step, state: u32, answer: Answer<'_>, value: Option<u32>) -> Option<u32> {
    match (step, answer) {
        (Step::Read, _) => (value == Some(state)).then_some(state),
        (Step::Write(new), _) => Some(new),
        (Step::Cas { expected, new }, Answer::Swapped(true)) => (state == expected).then_some(new),
        (Step::Cas { expected, .. }, _) => (state != expected).then_some(state),
    }
}

impl Configuration {
    /// This one after the effect of an open operation, if that has one here that is worth a try.
    fn with(&self, serial: u64, open: Open) -> Option<Self> {
        let state = match open.step {
            Step::Write(new) if !self.unseen => new,
            Step::Cas { expected, new } if self.state == expected => new,
            _ => return None,
        };
        let at = self.happened.binary_search(&serial).err()?;
        let mut next = self.clone();
        next.happened.insert(at, serial);
        Some(Configuration { state, unseen: open.forgotten, ..next })
    }
}

impl Values {
    fn number(&mut self, value: &Value) -> u32 {
        // A run has far fewer than four billion values, each of which it stated in a mark.
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        match self.0.get(value) {
            Some(&number) => number,
            None => {
                self.0.insert(value.clone(), next);
                next
            }
        }
    }
}
