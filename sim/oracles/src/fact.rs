//! What the marks mean: the kinds, fact names and types that several oracles share, and the [`Reader`] by
//! which an oracle with marks of its own (its module lists them) reads those.
//!
//! Reading borrows from the mark and copies nothing. A mark that lacks a fact, or has one of another
//! type, is malformed: it is reported, never passed over.

use crate::oracle::Violation;
use contract::history::{COMPLETE, INVOKE, Outcome};
use contract::{Mark, Observed, Value};

/// One fact that some oracle judges. A *place* is a name unique in the cluster, such as `edge-0/staging`.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'m> {
    /// `custody.stored`: the records are durable in that place now, beside what it held.
    Stored {
        /// Where.
        place: &'m str,
        /// Which records.
        ids: Ids<'m>,
    },
    /// `custody.moved`: a rename; `to` holds what `from` held, what `to` held before is gone.
    Moved {
        /// Empty from now on.
        from: &'m str,
        /// Replaced.
        to: &'m str,
    },
    /// `custody.removed`: the place is about to be unlinked; its content counts for nothing any more.
    Removed {
        /// Where.
        place: &'m str,
    },
    /// `custody.found`: at boot, exactly these were read back and made durable again.
    Found {
        /// Where.
        place: &'m str,
        /// Which records, as often as they are there.
        ids: Ids<'m>,
    },
    /// `custody.recovered`: every place that begins with `node` has been stated by `custody.found`.
    Recovered {
        /// A prefix of places: `edge-0/`.
        node: &'m str,
    },
    /// `custody.accepted`: the promise to keep the record is about to be sent.
    Accepted {
        /// The record.
        id: u64,
        /// Who promises.
        by: &'m str,
    },
    /// `ledger.applied`: the stating process made the record durable in its ledger.
    Applied {
        /// The record.
        id: u64,
        /// Its place in the order of the ledger.
        lsn: u64,
    },
    /// `ledger.duplicate`: a record came again, while or after it was applied, and was recognised.
    Duplicate {
        /// The record.
        id: u64,
    },
    /// `history.invoke`.
    Invoke {
        /// The operation.
        op: u64,
        /// What is done.
        action: &'m str,
        /// Its argument.
        input: &'m Value,
    },
    /// `history.complete`.
    Complete {
        /// The operation.
        op: u64,
        /// How it ended.
        outcome: Outcome,
        /// What it returned.
        output: &'m Value,
    },
    /// `workload.done`: the stating client has seen all that it wanted.
    Done,
    /// `system.exit`: the process ended: crash, power or halt.
    Exit,
}

/// A list of record ids inside a mark; every element is known to be a number.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'m>(&'m [Value]);

impl<'m> Ids<'m> {
    /// The ids of a list; `None` if `value` is anything else.
    pub fn of(value: &'m Value) -> Option<Self> {
        match value {
            Value::List(values) if values.iter().all(|value| matches!(value, Value::Number(_))) => Some(Ids(values)),
            _ => None,
        }
    }

    /// The ids in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = u64> + 'm {
        self.0.iter().map(|value| match value {
            Value::Number(number) => *number,
            _ => unreachable!("`Ids::of` admits numbers only"),
        })
    }

    /// How many, repeated ones included.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Reads the fact that `seen` states, for `oracle`; `None` for marks that no oracle here judges.
///
/// Fails with [`Violation::MARKS`] if the mark is malformed.
pub fn read<'m>(oracle: &'static str, seen: &'m Observed) -> Result<Option<Fact<'m>>, Violation> {
    let reader = Reader::new(oracle, seen);
    let fact = match &*seen.mark.kind {
        "custody.stored" => Fact::Stored { place: reader.text("place")?, ids: reader.ids("ids")? },
        "custody.moved" => Fact::Moved { from: reader.text("from")?, to: reader.text("to")? },
        "custody.removed" => Fact::Removed { place: reader.text("place")? },
        "custody.found" => Fact::Found { place: reader.text("place")?, ids: reader.ids("ids")? },
        "custody.recovered" => Fact::Recovered { node: reader.text("node")? },
        "custody.accepted" => Fact::Accepted { id: reader.number("id")?, by: seen.mark.text("by").unwrap_or("") },
        "ledger.applied" => Fact::Applied { id: reader.number("id")?, lsn: reader.number("lsn")? },
        "ledger.duplicate" => Fact::Duplicate { id: reader.number("id")? },
        INVOKE => {
            Fact::Invoke { op: reader.number("id")?, action: reader.text("action")?, input: reader.value("input")? }
        }
        COMPLETE => {
            Fact::Complete { op: reader.number("id")?, outcome: reader.outcome()?, output: reader.value("output")? }
        }
        "workload.done" => Fact::Done,
        "system.exit" => Fact::Exit,
        _ => return Ok(None),
    };
    Ok(Some(fact))
}

/// A mark that is well formed but makes no sense where it stands.
pub fn senseless(oracle: &'static str, seen: &Observed, why: &str) -> Violation {
    Violation::new(oracle, Violation::MARKS, format!("{}: {why}", seen.mark.kind))
        .because(format!("process {} stated `{}` at {}: {why}", seen.process.0, seen.mark, seen.at))
        .seen_in(&[seen.event])
}

/// Reads the facts of one mark; whatever is missing or of another type is a [`Violation::MARKS`].
#[derive(Clone, Copy, Debug)]
pub struct Reader<'m> {
    oracle: &'static str,
    seen: &'m Observed,
    mark: &'m Mark,
}

impl<'m> Reader<'m> {
    /// A reader of `seen` that complains in the name of `oracle`.
    pub fn new(oracle: &'static str, seen: &'m Observed) -> Self {
        Reader { oracle, seen, mark: &seen.mark }
    }

    /// A value of any type.
    pub fn value(&self, name: &str) -> Result<&'m Value, Violation> {
        self.mark.get(name).ok_or_else(|| self.lacks(name, "value"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<u64, Violation> {
        self.mark.number(name).ok_or_else(|| self.lacks(name, "number"))
    }

    /// A number, if the mark has a fact of that name at all.
    pub fn number_if_any(&self, name: &str) -> Result<Option<u64>, Violation> {
        self.mark.get(name).map(|_| self.number(name)).transpose()
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Result<&'m str, Violation> {
        match self.mark.text(name) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.lacks(name, "text")),
        }
    }

    /// A text that may be empty, and is if there is no fact of that name.
    pub fn text_or_empty(&self, name: &str) -> Result<&'m str, Violation> {
        match self.mark.get(name) {
            None => Ok(""),
            Some(Value::Text(text)) => Ok(text),
            Some(_) => Err(self.lacks(name, "text")),
        }
    }

    /// A flag; false if there is no fact of that name.
    pub fn flag(&self, name: &str) -> Result<bool, Violation> {
        match self.mark.get(name) {
            None => Ok(false),
            Some(Value::Flag(flag)) => Ok(*flag),
            Some(_) => Err(self.lacks(name, "flag")),
        }
    }

    /// A list of values of any type.
    pub fn list(&self, name: &str) -> Result<&'m [Value], Violation> {
        match self.mark.get(name) {
            Some(Value::List(values)) => Ok(values),
            _ => Err(self.lacks(name, "list")),
        }
    }

    /// A list of numbers.
    pub fn ids(&self, name: &str) -> Result<Ids<'m>, Violation> {
        self.mark.get(name).and_then(Ids::of).ok_or_else(|| self.lacks(name, "list of numbers"))
    }

    fn outcome(&self) -> Result<Outcome, Violation> {
        let word = self.text("outcome")?;
        let all = [Outcome::Ok, Outcome::Failed, Outcome::Unknown];
        all.into_iter().find(|outcome| outcome.word() == word).ok_or_else(|| self.lacks("outcome", "outcome"))
    }

    fn lacks(&self, name: &str, form: &str) -> Violation {
        senseless(self.oracle, self.seen, &format!("`{name}` is missing or no {form}"))
    }
}
