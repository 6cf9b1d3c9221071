//! How far a sweep is: a bar on a terminal, a line now and then elsewhere. And its results, a JSON line a run.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "progress is shown by the machine's time")]

use crate::scenario::Scenario;
use crate::sweep::{Watcher, record};
use crate::verdict::Verdict;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Without a terminal, a line so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A sweep that is killed runs so much again.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Shows progress and writes results.
pub struct Progress<'a> {
    err: &'a mut dyn Write,
    bar: Option<ProgressBar>,
    started: Instant,
    last: Instant,
    flushed: Instant,
    results: Option<Box<dyn Write + 'a>>,
    failures: Option<&'a mut dyn Write>,
}

impl<'a> Progress<'a> {
    /// A bar if `live`, else lines to `err`.
    pub fn new(err: &'a mut dyn Write, live: bool) -> Self {
        let now = Instant::now();
        Progress { err, bar: live.then(bar), started: now, last: now, flushed: now, results: None, failures: None }
    }

    /// Also writes each run as a JSON line.
    pub fn results(&mut self, results: Box<dyn Write + 'a>) {
        self.results = Some(results);
    }

    /// Also writes each failed run as a JSON line.
    pub fn failures(&mut self, failures: &'a mut dyn Write) {
        self.failures = Some(failures);
    }

    /// Clears the bar and flushes the results; returns how long the sweep took.
    pub fn end(mut self) -> io::Result<Duration> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(results) = &mut self.results {
            results.flush()?;
        }
        Ok(self.started.elapsed())
    }
}

impl Watcher for Progress<'_> {
    fn finished(&mut self, _: &Scenario, verdict: &Verdict) -> io::Result<()> {
        if let Some(results) = &mut self.results {
            record::write(results, verdict)?;
        }
        match &mut self.failures {
            Some(failures) if verdict.failed() => write_line(failures, verdict),
            _ => Ok(()),
        }
    }

    fn tick(&mut self, runs: u64, planned: Option<u64>, failed: u64) {
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flushed = Instant::now();
            // What could not be written is seen by the next write, or at the end.
            let _ = self.results.as_mut().map(|results| results.flush());
        }
        let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        if let Some(bar) = &self.bar {
            if let Some(planned) = planned {
                bar.set_length(planned);
            }
            bar.set_position(runs);
            bar.set_message(failures);
        } else if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            let of = planned.map_or(String::new(), |planned| format!(" of {planned}"));
            let _ = writeln!(self.err, "{seconds:>6} s  {runs}{of} runs{failures}");
        }
    }
}

fn write_line(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    serde_json::to_writer(&mut *out, verdict).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs {per_sec} eta {eta}{msg}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
