//! The open operations of all clients, from the history marks: who waits for what since when.
//!
//! Several oracles keep one each, so that every oracle can be used alone.

use crate::fact::{Fact, senseless};
use crate::oracle::Violation;
use contract::history::Outcome;
use contract::{Observed, ProcessId, Time, Value};
use std::collections::BTreeMap;

/// An operation that was invoked and has not completed, with what the oracle noted about it.
#[derive(Clone, Debug)]
pub struct Operation<N> {
    /// The client.
    pub client: ProcessId,
    /// When it was invoked.
    pub since: Time,
    /// The event of the invocation.
    pub event: u64,
    /// The oracle's own note.
    pub note: N,
}

/// Open operations by id.
#[derive(Clone, Debug)]
pub struct Operations<N> {
    oracle: &'static str,
    open: BTreeMap<u64, Operation<N>>,
}

/// A completion, as far as it is not the operation's own.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'m> {
    /// How it ended.
    pub outcome: Outcome,
    /// What it returned.
    pub output: &'m Value,
}

impl<N> Operations<N> {
    /// No operations yet; violations are reported in the name of `oracle`.
    pub fn new(oracle: &'static str) -> Self {
        Operations { oracle, open: BTreeMap::new() }
    }

    /// An operation begins. Fails with [`Violation::MARKS`] if its id is in use.
    pub fn invoke(&mut self, op: u64, note: N, seen: &Observed) -> Result<(), Violation> {
        let operation = Operation { client: seen.process, since: seen.at, event: seen.event, note };
        match self.open.insert(op, operation) {
            None => Ok(()),
            Some(_) => Err(senseless(self.oracle, seen, "an operation with this id is still open")),
        }
    }

    /// An operation ends: it and its end. Fails with [`Violation::MARKS`] if it was never invoked, has
    /// ended before, or belongs to another client.
    pub fn complete<'m>(
        &mut self,
        fact: &Fact<'m>,
        seen: &Observed,
    ) -> Result<Option<(Operation<N>, Completion<'m>)>, Violation> {
        let Fact::Complete { op, outcome, output } = *fact else { return Ok(None) };
        match self.open.remove(&op) {
            Some(operation) if operation.client == seen.process => {
                Ok(Some((operation, Completion { outcome, output })))
            }
            Some(_) => Err(senseless(self.oracle, seen, "another client invoked this operation")),
            None => Err(senseless(self.oracle, seen, "no operation with this id is open")),
        }
    }

    /// The client ended: its open operations are indeterminate for good, and nobody waits for them.
    pub fn abandon(&mut self, client: ProcessId) {
        self.open.retain(|_, operation| operation.client != client);
    }

    /// The open operations, by id.
    pub fn open(&self) -> impl Iterator<Item = (u64, &Operation<N>)> {
        self.open.iter().map(|(&op, operation)| (op, operation))
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
