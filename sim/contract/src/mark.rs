//! Marks: facts that a process states about itself, for oracles, coverage and reports.
//!
//! A mark is stamped with the virtual time at which it is stated and obeys crashes like any effect: what
//! a process would have said after it was cut is never heard. On a real host a mark is a JSON line.

use crate::address::ProcessId;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A fact's name or a mark's kind: static in code, owned when read from a log.
pub type Name = Cow<'static, str>;

/// A fact's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A count, an identity, an LSN, nanoseconds.
    Number(u64),
    /// A word or a sentence.
    Text(String),
    /// Several values.
    List(Vec<Value>),
}

/// One stated fact: a kind such as `"edge.acked"` and its named values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// What happened, as `component.event`.
    pub kind: Name,
    /// The values that matter to someone who judges it.
    pub facts: Vec<(Name, Value)>,
}

impl Mark {
    /// A mark without facts, for coverage.
    pub fn new(kind: &'static str) -> Self {
        Mark { kind: Cow::Borrowed(kind), facts: Vec::new() }
    }

    /// Adds a fact.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.facts.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// The fact of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The number of that name.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The text of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The flag of that name.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The numbers of the list of that name; values of other types are left out.
    pub fn numbers(&self, name: &str) -> Vec<u64> {
        match self.get(name) {
            Some(Value::List(values)) => values
                .iter()
                .filter_map(|value| match value {
                    Value::Number(number) => Some(*number),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// A mark with where and when it was stated: what a host hands to oracles, in the order of `at`.
///
/// Hosts state facts of their own under `system.`: `system.boot`, `system.exit` (with `reason`: crash,
/// halt or power), so that oracles know of restarts without asking a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The time by the observer's clock: true virtual time, or the machine's monotonic clock.
    pub at: Time,
    /// Who stated it.
    pub process: ProcessId,
    /// Which start of that process it was, from 1.
    pub incarnation: u32,
    /// The event whose handler stated it, for finding it in the trace; 0 where unknown.
    pub event: u64,
    /// The fact.
    pub mark: Mark,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for (name, value) in &self.facts {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Says what becomes of a plain value.
macro_rules! from {
    ($($type:ty: $value:ident => $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

from! {
    u64: number => Value::Number(number);
    u32: number => Value::Number(u64::from(number));
    usize: number => Value::Number(number as u64);
    bool: flag => Value::Flag(flag);
    &str: text => Value::Text(text.to_owned());
    String: text => Value::Text(text);
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

/// A mark with its facts: `mark!("edge.acked", id = record.id, place = "active")`.
#[macro_export]
macro_rules! mark {
    ($kind:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::Mark::new($kind)$(.with(stringify!($name), $value))*
    };
}
