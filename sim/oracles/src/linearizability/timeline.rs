//! One key's operations in the order of their invocations and returns, held back until results are known.
//!
//! The search is far cheaper when it knows what an operation will return, so an invocation waits here until
//! its operation has returned or never will. So a violation may be found a little after the return that is
//! to blame: when the last operation that overlaps it has ended.

use super::register::{Action, Request};
use super::search::{Search, Step, Verdict};
use contract::{Observed, Time, Value};
use std::collections::{BTreeMap, VecDeque};

/// What happened on one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    search: Search,
    waiting: VecDeque<Entry>,
    /// Operations of which not both ends went to the search.
    operations: BTreeMap<u64, Operation>,
}

/// An operation, for the search and for the report.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) request: Request,
    pub(super) since: Time,
    pub(super) invoked: u64,
    /// When, in which event and with what it returned.
    pub(super) returned: Option<(Time, u64, Value)>,
    result: Option<Result>,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// It took effect, and returned what stands in `returned`.
    Happened,
    /// It certainly did not and will not.
    Failed,
    /// It may or may not have happened, or may later.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Begin(u64),
    End(u64),
}

/// How far the search came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) explained: u64,
    pub(super) undecided: u64,
    /// The operation whose return nothing explains, and the values that the key may have had before it.
    pub(super) impossible: Option<(Operation, String)>,
}

impl Timeline {
    pub(super) fn invoke(&mut self, serial: u64, request: Request, seen: &Observed) {
        let operation = Operation { request, since: seen.at, invoked: seen.event, returned: None, result: None };
        self.operations.insert(serial, operation);
        self.waiting.push_back(Entry::Begin(serial));
    }

    /// The operation returned.
    pub(super) fn complete(&mut self, serial: u64, output: &Value, seen: &Observed) {
        let Some(operation) = self.operations.get_mut(&serial) else { unreachable!("it was invoked on this key") };
        operation.returned = Some((seen.at, seen.event, output.clone()));
        operation.result = Some(Result::Happened);
        self.waiting.push_back(Entry::End(serial));
    }

    /// The operation will never return, and what is known of it.
    pub(super) fn give_up(&mut self, serial: u64, result: Result) {
        assert!(result != Result::Happened, "what happened has returned");
        let Some(operation) = self.operations.get_mut(&serial) else { unreachable!("it was invoked on this key") };
        operation.result = Some(result);
    }

    /// Nobody will learn any more about what is open.
    pub(super) fn close(&mut self) {
        for operation in self.operations.values_mut() {
            operation.result.get_or_insert(Result::Unknown);
        }
    }

    /// Gives the search what can go to it, up to the first return that nothing explains.
    pub(super) fn advance(&mut self, steps_max: u64) -> Progress {
        let mut progress = Progress::default();
        while let Some(&entry) = self.waiting.front() {
            match entry {
                Entry::Begin(serial) => {
                    let known = self.operations.get(&serial).and_then(|operation| operation.result);
                    let Some(result) = known else { break };
                    self.begin(serial, result);
                }
                Entry::End(serial) => {
                    let Some(operation) = self.operations.remove(&serial) else { unreachable!("it began") };
                    match self.search.end(serial, steps_max) {
                        Verdict::Explained => progress.explained += 1,
                        Verdict::Undecided => progress.undecided += 1,
                        Verdict::Impossible => {
                            progress.impossible = Some((operation, self.search.states()));
                            break;
                        }
                    }
                }
            }
            self.waiting.pop_front();
        }
        progress
    }

    fn begin(&mut self, serial: u64, result: Result) {
        let step = self.step(serial, result);
        if let Some(step) = step {
            self.search.begin(serial, step, result == Result::Unknown);
        }
        if result != Result::Happened {
            self.operations.remove(&serial);
        }
    }

    /// What the operation does, if it can make a difference.
    fn step(&mut self, serial: u64, result: Result) -> Option<Step> {
        let operation = &self.operations[&serial];
        let swapped = Value::Flag(true);
        let output = operation.returned.as_ref().map(|(_, _, output)| output);
        match (&operation.request.action, output, result) {
            (_, _, Result::Failed) | (Action::Read, None, _) => None,
            (Action::Read, Some(value), _) => Some(Step::Sees(self.search.number(value))),
            (Action::Write(value), ..) => Some(Step::Write(self.search.number(value))),
            (Action::Cas { expected, new }, output, _) => {
                let expected = self.search.number(expected);
                let unswapped = output.is_some_and(|output| *output != swapped);
                let new = self.search.number(new);
                Some(if unswapped { Step::Differs(expected) } else { Step::Swap { expected, new } })
            }
        }
    }
}
