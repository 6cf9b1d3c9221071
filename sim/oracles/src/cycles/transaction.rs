//! One transaction: what it was asked, what it saw, and whether that agrees with itself.

use contract::{ProcessId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction of the history.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) op: u64,
    pub(super) client: ProcessId,
    pub(super) status: Status,
    /// With what its reads saw, if it committed.
    pub(super) micros: Vec<Micro>,
    pub(super) invoked: u64,
    /// The event of its completion; 0 for none.
    pub(super) ended: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It may have committed, or may yet.
    Open,
    Committed,
    Aborted,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub(super) enum Micro {
    Append { key: Value, value: u64 },
    Read { key: Value, values: Vec<u64> },
}

impl Micro {
    /// The steps that a history's input or output lists.
    pub(super) fn list(value: &Value) -> Result<Vec<Self>, &'static str> {
        let Value::List(micros) = value else { return Err("a transaction is a list of micro-operations") };
        micros.iter().map(Self::one).collect()
    }

    fn one(value: &Value) -> Result<Self, &'static str> {
        let Value::List(parts) = value else { return Err("a micro-operation is a list") };
        let [Value::Text(word), key, value] = &parts[..] else {
            return Err("a micro-operation is a word, a key and a value");
        };
        match (&**word, value) {
            ("append", Value::Number(value)) => Ok(Micro::Append { key: key.clone(), value: *value }),
            ("r", Value::List(values)) => {
                let number = |value: &Value| match value {
                    Value::Number(number) => Ok(*number),
                    _ => Err("a read sees a list of numbers"),
                };
                Ok(Micro::Read { key: key.clone(), values: values.iter().map(number).collect::<Result<_, _>>()? })
            }
            _ => Err("a micro-operation is an `append` of a number or an `r` of a list"),
        }
    }
}

/// Whether `output` is a result of `input`: the same steps, whatever the reads saw.
pub(super) fn answers(input: &[Micro], output: &[Micro]) -> bool {
    let same = |(asked, done): (&Micro, &Micro)| match (asked, done) {
        (Micro::Append { key: a, value: x }, Micro::Append { key: b, value: y }) => a == b && x == y,
        (Micro::Read { key: a, .. }, Micro::Read { key: b, .. }) => a == b,
        _ => false,
    };
    input.len() == output.len() && input.iter().zip(output).all(same)
}

/// A value that is there twice.
pub(super) fn repeated(values: &[u64]) -> Option<u64> {
    let mut once = BTreeSet::new();
    values.iter().copied().find(|value| !once.insert(*value))
}

impl Transaction {
    /// A key that a read shows otherwise than the transaction's own earlier steps left it.
    pub(super) fn contradicts_itself(&self) -> Option<&Value> {
        // What is known of a key: all of it after a read, else the end that was appended here.
        let mut known: BTreeMap<&Value, (bool, Vec<u64>)> = BTreeMap::new();
        for micro in &self.micros {
            match micro {
                Micro::Append { key, value } => known.entry(key).or_default().1.push(*value),
                Micro::Read { key, values } => {
                    let (whole, expected) = known.entry(key).or_default();
                    let agrees = if *whole { values == expected } else { values.ends_with(expected) };
                    if !agrees {
                        return Some(key);
                    }
                    *whole = true;
                    expected.clone_from(values);
                }
            }
        }
        None
    }

    /// By key, the state that the transaction found: its first read, without its own appends.
    pub(super) fn found(&self) -> BTreeMap<&Value, &[u64]> {
        let mut appended: BTreeMap<&Value, usize> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for micro in &self.micros {
            match micro {
                Micro::Append { key, .. } => *appended.entry(key).or_default() += 1,
                Micro::Read { key, values } => {
                    let own = appended.get(key).copied().unwrap_or(0);
                    assert!(own <= values.len(), "a transaction that agrees with itself sees its own appends");
                    found.entry(key).or_insert(&values[..values.len() - own]);
                }
            }
        }
        found
    }

    /// Whether it appended `first` to the key before it appended `second`.
    pub(super) fn appended_before(&self, to: &Value, first: u64, second: u64) -> bool {
        let place = |wanted: u64| {
            self.micros
                .iter()
                .position(|micro| matches!(micro, Micro::Append { key, value } if key == to && *value == wanted))
        };
        place(first) < place(second)
    }

    /// The last value that it appended to the key.
    pub(super) fn last_append(&self, to: &Value) -> Option<u64> {
        self.micros.iter().rev().find_map(|micro| match micro {
            Micro::Append { key, value } if key == to => Some(*value),
            _ => None,
        })
    }
}
