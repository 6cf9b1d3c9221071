//! The logs of a real cluster: one [`Observed`] a line, as JSON, judged by the same oracles.
//!
//! A process that is killed may leave an unfinished last line: like a mark that a crash cut, it was
//! never heard. Everything else that cannot be read is an error that names its line.

use contract::{Observed, Time};
use std::fmt;
use std::io::{self, BufRead, Read, Write};

/// No line is longer, in bytes. A `custody.found` of a million records fits.
pub const LINE_MAX: u64 = 32 << 20;

/// Why a log cannot be used.
#[derive(Debug)]
pub struct LogError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: LogReason,
}

/// What is wrong with a line of a log, by what to do about it.
#[derive(Debug)]
pub enum LogReason {
    /// The line could not be read or written: try again.
    Io(io::Error),
    /// The line is no mark: something else writes to this log.
    NotAMark(serde_json::Error),
    /// The line has more than [`LINE_MAX`] bytes: this is no log of marks.
    TooLong,
    /// The line is earlier than the one before it: the log was put together wrongly.
    Backwards {
        /// The time of the line before.
        after: Time,
        /// Its own time.
        at: Time,
    },
}

/// Writes `seen` as one line, in one call of `write_all`, so that lines of several writers stay whole
/// where the system keeps single writes whole.
pub fn write_log(out: &mut dyn Write, seen: &Observed) -> io::Result<()> {
    let mut line = serde_json::to_vec(seen)?;
    assert!(!line.contains(&b'\n'), "JSON escapes line ends, so one mark is one line");
    line.push(b'\n');
    out.write_all(&line)
}

/// Reads a log in the order of its lines. Empty lines are passed over.
pub fn read_log(mut from: impl BufRead) -> Result<Vec<Observed>, LogError> {
    let mut all: Vec<Observed> = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        let error = |reason| LogError { line: number, reason };
        line.clear();
        let read = from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        let len = read.map_err(|failure| error(LogReason::Io(failure)))?;
        let ended = line.last() == Some(&b'\n');
        if len == 0 {
            break;
        }
        if !ended && len as u64 == LINE_MAX {
            return Err(error(LogReason::TooLong));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Observed>(&line) {
            Ok(seen) => {
                check_order(all.last(), &seen).map_err(error)?;
                all.push(seen);
            }
            Err(_) if !ended => break,
            Err(failure) => return Err(error(LogReason::NotAMark(failure))),
        }
    }
    Ok(all)
}

/// One log out of several, in the order of time. Of facts at one time those of the earlier log come
/// first, and facts of one log keep their order. All logs must have been stamped by one clock.
pub fn merge_logs(logs: Vec<Vec<Observed>>) -> Vec<Observed> {
    let mut all: Vec<Observed> = logs.into_iter().flatten().collect();
    // A stable sort keeps the order of each log, and is quick with stretches that are sorted already.
    all.sort_by_key(|seen| seen.at);
    all
}

fn check_order(before: Option<&Observed>, seen: &Observed) -> Result<(), LogReason> {
    match before {
        Some(before) if before.at > seen.at => Err(LogReason::Backwards { after: before.at, at: seen.at }),
        _ => Ok(()),
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.reason {
            LogReason::Io(error) => write!(f, "{error}"),
            LogReason::NotAMark(error) => write!(f, "not a mark: {error}"),
            LogReason::TooLong => write!(f, "longer than {LINE_MAX} bytes"),
            LogReason::Backwards { after, at } => write!(f, "its time {at} is before that of the line above, {after}"),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            LogReason::Io(error) => Some(error),
            LogReason::NotAMark(error) => Some(error),
            LogReason::TooLong | LogReason::Backwards { .. } => None,
        }
    }
}
