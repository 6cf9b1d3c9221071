//! Histories as EDN, one operation a line, as the checkers of Jepsen (Elle, Knossos) read them.
//!
//! ```text
//! {:index 0, :type :invoke, :process 0, :f :read, :value ["k" nil], :time 1000000}
//! {:index 1, :type :ok, :process 0, :f :read, :value ["k" 17], :time 2000000}
//! ```
//!
//! - A client may have several operations open; a Jepsen process has one, and after an unknown outcome none
//!   any more. So each line's `:process` is a number that serves one operation at a time.
//! - Registers are values of a key, `[key value]`, as Jepsen's `independent` reads them; a `cas` has
//!   `[key [expected new]]`, and one that did not swap is a `:fail`. No value is `nil`.
//! - A `txn` is a list of `[:append key value]` and `[:r key list]`, as Elle's list-append reads it; a read
//!   whose result is unknown has `nil`.
//! - Of other actions the invocation has the input and the completion has the output.
//! - What never completed is an `:info`, at the end of its client or of the history.

use crate::fact::{Fact, read};
use crate::operations::{Completion, Operation, Operations};
use crate::oracle::Violation;
use contract::history::Outcome;
use contract::{Observed, Time, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};

/// Why a history could not be exported.
#[derive(Debug)]
pub enum EdnError {
    /// The line could not be written: try again.
    Io(io::Error),
    /// The history makes no sense.
    Marks(Violation),
}

/// Writes the client operations among `facts`; everything else is passed over.
pub fn write_edn(out: &mut dyn Write, facts: &[Observed]) -> Result<(), EdnError> {
    let mut export = Export { out, index: 0, operations: Operations::new("edn"), free: BTreeSet::new(), processes: 0 };
    for seen in facts {
        export.take(seen)?;
    }
    let end = facts.last().map_or(Time(0), |seen| seen.at);
    export.leave_open(end, |_| true)
}

/// An open operation: what it is, and the number that it has as a Jepsen process.
#[derive(Clone, Debug)]
struct Asked {
    process: u64,
    action: String,
    input: Value,
}

struct Export<'w> {
    out: &'w mut dyn Write,
    index: u64,
    operations: Operations<Asked>,
    /// Numbers of processes that wait for their next operation.
    free: BTreeSet<u64>,
    processes: u64,
}

impl Export<'_> {
    fn take(&mut self, seen: &Observed) -> Result<(), EdnError> {
        let Some(fact) = read("edn", seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => {
                let process = self.free.pop_first().unwrap_or(self.processes);
                self.processes = self.processes.max(process + 1);
                let asked = Asked { process, action: action.to_owned(), input: input.clone() };
                self.line("invoke", &asked, &question(&asked), seen.at)?;
                self.operations.invoke(op, asked, seen)?;
            }
            Fact::Complete { .. } => {
                if let Some((operation, end)) = self.operations.complete(&fact, seen)? {
                    self.complete(&operation.note, end, seen.at)?;
                }
            }
            Fact::Exit => {
                self.leave_open(seen.at, |operation| operation.client == seen.process)?;
                self.operations.abandon(seen.process);
            }
            _ => {}
        }
        Ok(())
    }

    fn complete(&mut self, asked: &Asked, end: Completion<'_>, at: Time) -> Result<(), EdnError> {
        let unswapped = asked.action == "cas" && *end.output == Value::Flag(false);
        let kind = match end.outcome {
            Outcome::Unknown => return Ok(self.line("info", asked, &question(asked), at)?),
            Outcome::Failed => "fail",
            Outcome::Ok if unswapped => "fail",
            Outcome::Ok => "ok",
        };
        let value = if kind == "ok" { answer(asked, end.output) } else { question(asked) };
        self.free.insert(asked.process);
        Ok(self.line(kind, asked, &value, at)?)
    }

    /// Nobody will ever hear of these operations again.
    fn leave_open(&mut self, at: Time, whose: impl Fn(&Operation<Asked>) -> bool) -> Result<(), EdnError> {
        let open = self.operations.open().filter(|(_, operation)| whose(operation));
        let open: Vec<Asked> = open.map(|(_, operation)| operation.note.clone()).collect();
        open.iter().try_for_each(|asked| Ok(self.line("info", asked, &question(asked), at)?))
    }

    fn line(&mut self, kind: &str, asked: &Asked, value: &str, at: Time) -> io::Result<()> {
        let Asked { process, action, .. } = asked;
        let (index, time) = (self.index, at.0);
        self.index += 1;
        let f = keyword(action);
        writeln!(
            self.out,
            "{{:index {index}, :type :{kind}, :process {process}, :f {f}, :value {value}, :time {time}}}"
        )
    }
}

/// The value of an invocation.
fn question(asked: &Asked) -> String {
    match (&*asked.action, &asked.input) {
        ("read", key) => format!("[{} nil]", edn(key)),
        ("txn", micros) => transaction(micros, false),
        ("write" | "cas", input) => register(input),
        (_, input) => edn(input),
    }
}

/// The value of a completion that is known to have happened.
fn answer(asked: &Asked, output: &Value) -> String {
    match (&*asked.action, &asked.input) {
        ("read", key) => format!("[{} {}]", edn(key), or_nil(output)),
        ("txn", _) => transaction(output, true),
        ("write" | "cas", input) => register(input),
        _ => edn(output),
    }
}

fn register(input: &Value) -> String {
    match input {
        Value::List(parts) => match &parts[..] {
            [key, value] => format!("[{} {}]", edn(key), or_nil(value)),
            [key, expected, new] => format!("[{} [{} {}]]", edn(key), or_nil(expected), or_nil(new)),
            _ => edn(input),
        },
        _ => edn(input),
    }
}

fn transaction(micros: &Value, seen: bool) -> String {
    let Value::List(micros) = micros else { return edn(micros) };
    let micro = |micro: &Value| match micro {
        Value::List(parts) => match &parts[..] {
            [Value::Text(word), key, _] if word == "r" && !seen => format!("[:r {} nil]", edn(key)),
            [Value::Text(word), key, value] => format!("[{} {} {}]", keyword(word), edn(key), edn(value)),
            _ => edn(micro),
        },
        _ => edn(micro),
    };
    format!("[{}]", micros.iter().map(micro).collect::<Vec<_>>().join(" "))
}

/// What stands for "no value" is `nil`.
fn or_nil(value: &Value) -> String {
    match value {
        Value::List(values) if values.is_empty() => "nil".to_owned(),
        value => edn(value),
    }
}

/// A word as a keyword, without what a keyword may not have.
fn keyword(word: &str) -> String {
    let fit =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '?' | '!' | '*') { c } else { '-' };
    format!(":{}", word.chars().map(fit).collect::<String>())
}

fn edn(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        // Larger than Clojure's long, which would not read it without the `N`.
        Value::Number(number) if *number > i64::MAX as u64 => format!("{number}N"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(values) => format!("[{}]", values.iter().map(edn).collect::<Vec<_>>().join(" ")),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl From<io::Error> for EdnError {
    fn from(error: io::Error) -> Self {
        EdnError::Io(error)
    }
}

impl From<Violation> for EdnError {
    fn from(violation: Violation) -> Self {
        EdnError::Marks(violation)
    }
}

impl fmt::Display for EdnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EdnError::Io(error) => write!(f, "{error}"),
            EdnError::Marks(violation) => write!(f, "{violation}"),
        }
    }
}

impl std::error::Error for EdnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EdnError::Io(error) => Some(error),
            EdnError::Marks(violation) => Some(violation),
        }
    }
}
