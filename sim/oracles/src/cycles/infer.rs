//! From reads to dependencies: the version order of each key, and who depends on whom.

use super::graph::{Edge, Graph, Kind};
use super::report;
use super::transaction::{Micro, Status, Transaction};
use crate::oracle::Violation;
use contract::Value;
use std::collections::BTreeMap;

type Writers = BTreeMap<Value, BTreeMap<u64, usize>>;

/// A committed read.
#[derive(Clone, Copy)]
struct Read<'t> {
    by: usize,
    values: &'t [u64],
}

/// All dependencies; fails with the anomalies that show without a cycle.
pub(super) fn dependencies(transactions: &[Transaction], writers: &Writers) -> Result<Graph, Violation> {
    let mut longest: BTreeMap<&Value, Read<'_>> = BTreeMap::new();
    for (key, read) in reads(transactions) {
        let known = longest.entry(key).or_insert(read);
        if known.values.len() < read.values.len() {
            *known = read;
        }
    }
    for (key, read) in reads(transactions) {
        check_committed(key, read, transactions, writers)?;
    }
    for (key, read) in reads(transactions) {
        if !longest[key].values.starts_with(read.values) {
            return Err(report::disordered(&transactions[read.by], &transactions[longest[key].by], key));
        }
    }
    for (key, read) in reads(transactions) {
        check_final(key, read, transactions, writers)?;
    }
    let mut graph = Graph::new(transactions.len());
    for (key, read) in &longest {
        order(&mut graph, key, *read, transactions, writers)?;
    }
    for (by, transaction) in transactions.iter().enumerate().filter(|(_, t)| t.status == Status::Committed) {
        for (key, found) in transaction.found() {
            depend(&mut graph, by, key, found, longest[key].values, writers);
        }
    }
    Ok(graph)
}

fn reads(transactions: &[Transaction]) -> impl Iterator<Item = (&Value, Read<'_>)> {
    let committed = transactions.iter().enumerate().filter(|(_, transaction)| transaction.status == Status::Committed);
    committed.flat_map(|(by, transaction)| {
        transaction.micros.iter().filter_map(move |micro| match micro {
            Micro::Read { key, values } => Some((key, Read { by, values })),
            Micro::Append { .. } => None,
        })
    })
}

/// Whether a read shows committed appends only.
fn check_committed(
    key: &Value,
    read: Read<'_>,
    transactions: &[Transaction],
    writers: &Writers,
) -> Result<(), Violation> {
    for value in read.values {
        let writer = &transactions[writers[key][value]];
        if writer.status == Status::Aborted {
            let reader = &transactions[read.by];
            return Err(report::between("G1a", "read of an aborted append", writer, reader, key, *value));
        }
    }
    Ok(())
}

/// Whether a read ends with what its writer left.
fn check_final(key: &Value, read: Read<'_>, transactions: &[Transaction], writers: &Writers) -> Result<(), Violation> {
    let Some(last) = read.values.last() else { return Ok(()) };
    let by = writers[key][last];
    let writer = &transactions[by];
    if by == read.by || writer.last_append(key) == Some(*last) {
        return Ok(());
    }
    Err(report::between("G1b", "read of an intermediate append", writer, &transactions[read.by], key, *last))
}

/// Each version overwrites the one before it; those of one transaction come in its own order.
fn order(
    graph: &mut Graph,
    key: &Value,
    read: Read<'_>,
    transactions: &[Transaction],
    writers: &Writers,
) -> Result<(), Violation> {
    for pair in read.values.windows(2) {
        let (from, to) = (writers[key][&pair[0]], writers[key][&pair[1]]);
        if from == to && !transactions[from].appended_before(key, pair[0], pair[1]) {
            let (writer, reader) = (&transactions[from], &transactions[read.by]);
            let shape = "appends of a transaction out of its order";
            return Err(report::between("ORDER", shape, writer, reader, key, pair[1]));
        }
        graph.add(from, Edge { to, kind: Kind::Overwrites, key: key.clone(), value: pair[1] });
    }
    Ok(())
}

/// What a transaction found comes from the last writer, and the next writer comes after it.
fn depend(graph: &mut Graph, by: usize, key: &Value, found: &[u64], order: &[u64], writers: &Writers) {
    if let Some(last) = found.last() {
        graph.add(writers[key][last], Edge { to: by, kind: Kind::Reads, key: key.clone(), value: *last });
    }
    if let Some(next) = order.get(found.len()) {
        graph.add(by, Edge { to: writers[key][next], kind: Kind::Misses, key: key.clone(), value: *next });
    }
}
