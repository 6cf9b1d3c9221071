//! What is said of an anomaly: which transactions, which key, which value.

use super::Cycles;
use super::graph::{Cycle, Edge, Kind};
use super::transaction::Transaction;
use crate::oracle::Violation;
use contract::Value;

/// An anomaly of one transaction.
pub(super) fn alone(
    invariant: &'static str,
    shape: &str,
    transaction: &Transaction,
    key: &Value,
    value: Option<u64>,
) -> Violation {
    let value = value.map(|value| format!(", with {value}")).unwrap_or_default();
    Violation::new(Cycles::NAME, invariant, shape)
        .because(format!("{} read {key}{value}: {shape}", name(transaction)))
        .seen_in(&[transaction.invoked, transaction.ended])
}

/// An anomaly of a writer and a reader.
pub(super) fn between(
    invariant: &'static str,
    shape: &str,
    writer: &Transaction,
    reader: &Transaction,
    key: &Value,
    value: u64,
) -> Violation {
    Violation::new(Cycles::NAME, invariant, shape)
        .because(format!("{} read {value} of {key}, which {} appended: {shape}", name(reader), name(writer)))
        .seen_in(&[writer.invoked, writer.ended, reader.invoked, reader.ended])
}

/// Two reads that no one order of the key explains.
pub(super) fn disordered(one: &Transaction, other: &Transaction, key: &Value) -> Violation {
    Violation::new(Cycles::NAME, "ORDER", "reads of incompatible orders")
        .because(format!("{} and {} read {key}, and neither read is a prefix of the other", name(one), name(other)))
        .seen_in(&[one.invoked, one.ended, other.invoked, other.ended])
}

/// A cycle, edge by edge.
pub(super) fn cycle(cycle: &Cycle, transactions: &[Transaction]) -> Violation {
    let shape = match cycle.invariant {
        "G0" => "cycle of overwrites",
        "G1c" => "cycle of overwrites and reads",
        "G-single" => "cycle with one anti-dependency",
        _ => "cycle with several anti-dependencies",
    };
    let mut from = cycle.first;
    let mut steps = Vec::new();
    let mut violation = Violation::new(Cycles::NAME, cycle.invariant, shape);
    for edge in &cycle.edges {
        steps.push(step(&transactions[from], &transactions[edge.to], edge));
        violation = violation.seen_in(&[transactions[from].invoked, transactions[from].ended]);
        from = edge.to;
    }
    assert!(from == cycle.first, "a cycle ends where it begins");
    violation.because(steps.join("; "))
}

fn step(from: &Transaction, to: &Transaction, Edge { kind, key, value, .. }: &Edge) -> String {
    let (from, to) = (name(from), name(to));
    match kind {
        Kind::Overwrites => format!("{to} appended {value} to {key} right after {from} had appended"),
        Kind::Reads => format!("{to} read {value} of {key}, which {from} appended"),
        Kind::Misses => format!("{from} did not see {value} of {key}, which {to} appended"),
    }
}

fn name(transaction: &Transaction) -> String {
    format!("transaction {} of client {}", transaction.op, transaction.client.0)
}
