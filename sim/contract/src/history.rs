//! Client histories: invocations and completions, as marks, for oracles that judge from outside.
//!
//! An operation without a completion, or with [`Outcome::Unknown`], is indeterminate: it may have
//! happened, may happen later, or never. Oracles treat timeouts so, never as failures.

use crate::mark::{Mark, Value};
use std::borrow::Cow;

/// The kind of the mark of an invocation.
pub const INVOKE: &str = "history.invoke";
/// The kind of the mark of a completion.
pub const COMPLETE: &str = "history.complete";

/// A client operation begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Unique within the run.
    pub id: u64,
    /// What is done, for example `"append"` or `"cas"`.
    pub action: &'static str,
    /// Its argument.
    pub input: Value,
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect exactly as asked.
    Ok,
    /// It certainly did not and will never take effect.
    Failed,
    /// It may or may not have taken effect.
    Unknown,
}

/// A client operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The operation.
    pub id: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it returned.
    pub output: Value,
}

impl Outcome {
    /// The word in the mark.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "fail",
            Outcome::Unknown => "info",
        }
    }
}

impl Op {
    /// The mark that records it.
    pub fn into_mark(self) -> Mark {
        Mark::new(INVOKE).with("id", self.id).with("action", self.action).with("input", self.input)
    }
}

impl Done {
    /// The mark that records it.
    pub fn into_mark(self) -> Mark {
        Mark::new(COMPLETE).with("id", self.id).with("outcome", self.outcome.word()).with("output", self.output)
    }
}

/// What an oracle reads back from a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// From an invocation.
    Invoke {
        /// The operation.
        id: u64,
        /// What is done.
        action: Cow<'static, str>,
        /// Its argument.
        input: Value,
    },
    /// From a completion.
    Complete {
        /// The operation.
        id: u64,
        /// How it ended.
        outcome: Outcome,
        /// What it returned.
        output: Value,
    },
}

/// Reads a history entry from a mark; `None` if it is another kind of mark or lacks a fact.
pub fn read(mark: &Mark) -> Option<Entry> {
    let id = mark.number("id")?;
    match &*mark.kind {
        INVOKE => {
            let action = Cow::Owned(mark.text("action")?.to_owned());
            Some(Entry::Invoke { id, action, input: mark.get("input")?.clone() })
        }
        COMPLETE => {
            let outcome = match mark.text("outcome")? {
                "ok" => Outcome::Ok,
                "fail" => Outcome::Failed,
                "info" => Outcome::Unknown,
                _ => return None,
            };
            Some(Entry::Complete { id, outcome, output: mark.get("output")?.clone() })
        }
        _ => None,
    }
}
