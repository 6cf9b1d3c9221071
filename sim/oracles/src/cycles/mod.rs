//! Serializability of list-append transactions, by cycles in what they depend on.
//!
//! A transaction is an operation `txn` of a history. Its input is a list of micro-operations
//! `[append key value]` and `[r key []]`; its output, when it committed, is the same list with what each read
//! saw, for example `[r key [1 2 3]]`. Values appended to one key are unique numbers, so a read shows the whole
//! order of its key's versions and who wrote each: the dependencies follow from the reads alone.
//!
//! | invariant | anomaly |
//! |---|---|
//! | `PHANTOM` | a read of a value that nobody appended |
//! | `DUPLICATE` | a read of one value twice |
//! | `INTERNAL` | a transaction that does not see its own earlier reads and appends |
//! | `ORDER` | two reads of a key of which neither is a prefix of the other, or appends out of their transaction's order |
//! | `G1a` | a read of what an aborted transaction appended |
//! | `G1b` | a read of what a transaction appended before its last append to that key |
//! | `G0` | a cycle of overwrites (ww) |
//! | `G1c` | a cycle of overwrites and reads (ww, wr) |
//! | `G-single` | a cycle with one anti-dependency (rw): lost update, read skew |
//! | `G2-item` | a cycle with several anti-dependencies: write skew |
//!
//! A transaction whose outcome is unknown belongs to the graph from its appends on that were read. Real time
//! is not judged: this is serializability, not its strict form.
//!
//! Adya, "Weak Consistency" (1999), for the anomalies; Kingsbury and Alvaro, "Elle" (VLDB 2020, arXiv
//! 2003.10554), for the inference. The first three are judged at once and the others at the end, in time
//! about linear in the length of all reads. Of all cycles a shortest one is reported, as far as
//! a thousand tries (`graph::STARTS_MAX`) find it.

mod graph;
mod infer;
mod report;
mod transaction;

use crate::fact::{Fact, read, senseless};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::history::Outcome;
use contract::{Observed, Value};
use std::collections::BTreeMap;
use transaction::{Micro, Status, Transaction};

/// The oracle; see the module.
#[derive(Clone, Debug)]
pub struct Cycles {
    transactions: Vec<Transaction>,
    /// Who appended which value to which key.
    writers: BTreeMap<Value, BTreeMap<u64, usize>>,
    /// Each open operation's transaction, if it is one.
    operations: Operations<Option<usize>>,
    judged: u64,
}

impl Cycles {
    /// As in a scenario file.
    pub const NAME: &'static str = "cycles";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &[
        "PHANTOM",
        "DUPLICATE",
        "INTERNAL",
        "ORDER",
        "G1a",
        "G1b",
        "G0",
        "G1c",
        "G-single",
        "G2-item",
        Violation::MARKS,
    ];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Cycles {
            transactions: Vec::new(),
            writers: BTreeMap::new(),
            operations: Operations::new(Self::NAME),
            judged: 0,
        }
    }

    fn invoked(&mut self, op: u64, action: &str, input: &Value, seen: &Observed) -> Result<(), Violation> {
        if action != "txn" {
            return self.operations.invoke(op, None, seen);
        }
        let micros = Micro::list(input).map_err(|why| senseless(Self::NAME, seen, why))?;
        let index = self.transactions.len();
        self.operations.invoke(op, Some(index), seen)?;
        for micro in &micros {
            let Micro::Append { key, value } = micro else { continue };
            if self.writers.entry(key.clone()).or_default().insert(*value, index).is_some() {
                return Err(senseless(Self::NAME, seen, "a value is appended to a key once only"));
            }
        }
        self.transactions.push(Transaction {
            op,
            client: seen.process,
            status: Status::Open,
            micros,
            invoked: seen.event,
            ended: 0,
        });
        Ok(())
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Some((operation, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        let Some(index) = operation.note else { return Ok(()) };
        let transaction = &mut self.transactions[index];
        transaction.ended = seen.event;
        match end.outcome {
            Outcome::Failed => transaction.status = Status::Aborted,
            Outcome::Unknown => {}
            Outcome::Ok => {
                let micros = Micro::list(end.output).map_err(|why| senseless(Self::NAME, seen, why))?;
                if !transaction::answers(&transaction.micros, &micros) {
                    return Err(senseless(Self::NAME, seen, "the output is not that of the transaction's input"));
                }
                transaction.micros = micros;
                transaction.status = Status::Committed;
                self.judged += 1;
                return self.judge_alone(index);
            }
        }
        Ok(())
    }

    /// What is wrong with a committed transaction whatever else happened.
    fn judge_alone(&self, index: usize) -> Result<(), Violation> {
        let transaction = &self.transactions[index];
        for micro in &transaction.micros {
            let Micro::Read { key, values } = micro else { continue };
            let writers = self.writers.get(key);
            let unknown = values.iter().find(|value| !writers.is_some_and(|writers| writers.contains_key(value)));
            if let Some(value) = unknown {
                return Err(report::alone(
                    "PHANTOM",
                    "read of a value that nobody appended",
                    transaction,
                    key,
                    Some(*value),
                ));
            }
            if let Some(value) = transaction::repeated(values) {
                return Err(report::alone("DUPLICATE", "read of one value twice", transaction, key, Some(value)));
            }
        }
        match transaction.contradicts_itself() {
            Some(key) => {
                Err(report::alone("INTERNAL", "transaction does not see what it did before", transaction, key, None))
            }
            None => Ok(()),
        }
    }
}

impl Default for Cycles {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for Cycles {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => self.invoked(op, action, input, seen),
            Fact::Complete { .. } => self.completed(&fact, seen),
            Fact::Exit => {
                self.operations.abandon(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let graph = infer::dependencies(&self.transactions, &self.writers)?;
        match graph.worst_cycle() {
            Some(cycle) => Err(report::cycle(&cycle, &self.transactions)),
            None => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
