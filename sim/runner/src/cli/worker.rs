//! `stormproof worker`: runs what sweeps post to a queue.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "progress is shown by the machine's time")]

use super::{Session, cores};
use crate::exit::Exit;
use crate::sweep::interrupt::Interrupt;
use crate::sweep::journal;
use crate::sweep::queue::serve::{News, Trouble, Worker};
use crate::units;
use clap::Args;
use contract::time::Duration;
use std::time::Instant;

/// A line about progress so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct WorkerArgs {
    /// The NATS server with JetStream: nats://HOST:PORT, or nats://HOST:PORT/NAME for streams of another name than
    /// `stormproof`.
    #[arg(long, value_name = "URL")]
    queue: String,
    /// Threads; one a core if left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Ends after so long without work; never if left out.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    idle: Option<Duration>,
    /// What this machine is called in complaints.
    #[arg(long, env = "HOSTNAME", default_value = "an unnamed machine", hide = true)]
    host: String,
}

/// Works until Ctrl-C, or until there is nothing to do.
pub fn worker(session: &mut Session<'_, '_>, args: &WorkerArgs) -> Exit {
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return session.broken(format!("cannot listen for Ctrl-C: {error}")),
    };
    let queue = match session.queue(&args.queue) {
        Ok(queue) => queue,
        Err(exit) => return exit,
    };
    let interrupted = interrupt.flag();
    let worker = Worker {
        registry: session.registry,
        queue: &*queue,
        name: format!("worker {} on {}", std::process::id(), args.host),
        build: journal::build(),
        jobs: cores(args.jobs),
        idle: args.idle,
        interrupted: &interrupted,
    };
    session.console.note(format!("waiting for ranges of seeds at {}, {} threads", args.queue, worker.jobs));
    let mut shown = Shown { ranges: 0, runs: 0, failed: 0, said: 0, last: Instant::now(), note: String::new() };
    let console = &mut *session.console;
    let ended = worker.work(&mut |news| {
        if let Some(line) = shown.line(news) {
            console.note(line);
        }
    });
    session.console.note(shown.sums());
    match ended {
        Ok(()) => Exit::Passed,
        Err(Trouble::Refused(why)) => session.refused(why),
        Err(Trouble::Lost(why)) => session.broken(why),
    }
}

/// What was shown so far.
struct Shown {
    ranges: u64,
    runs: u64,
    failed: u64,
    /// Ranges at the last line.
    said: u64,
    last: Instant,
    note: String,
}

impl Shown {
    /// The line that news are worth: a note that was not just shown, and the sums now and then.
    fn line(&mut self, news: Option<News>) -> Option<String> {
        match news {
            Some(News::Note(note)) if note != self.note => {
                self.note.clone_from(&note);
                return Some(note);
            }
            Some(News::Done { runs, failed }) => {
                self.ranges += 1;
                self.runs += runs;
                self.failed += failed;
            }
            Some(News::Note(_)) | None => {}
        }
        if self.ranges == self.said || self.last.elapsed() < LINE_EVERY {
            return None;
        }
        (self.said, self.last) = (self.ranges, Instant::now());
        Some(self.sums())
    }

    fn sums(&self) -> String {
        let failed = if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
        format!("{} ranges, {} runs{failed}", self.ranges, self.runs)
    }
}
