//! `make survival`: of the failures that earlier commits recorded, how many still fail the same way in this build?
//!
//! Each of the last commits is checked out into a worktree of its own and built; that build finds and shrinks a few failures of each
//! planted defect. This build then runs them again: from the token (today's scenario file), from the recording (the
//! scenario's text as it was), and from the shrunk file. A build that is too old for that is skipped, with the reason.

// Builds of other commits are processes and files, and no new one is begun once the time is up.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod now;
mod past;

use now::Fate;
use past::{Failure, Past};
use runner::Registry;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: survival [--commits N] [--failures N] [--minutes N]

  --commits N   goes back so many commits, this one included (10)
  --failures N  records so many failures of each planted defect in each commit (3)
  --minutes N   begins no further commit after so long (20)";

struct Options {
    commits: u64,
    failures: usize,
    time: Duration,
}

fn options() -> Result<Options, String> {
    let mut options = Options { commits: 10, failures: 3, time: Duration::from_secs(20 * 60) };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|text| text.parse::<u32>().ok()).filter(|value| *value > 0);
        let value = value.ok_or_else(|| format!("{flag} wants a number above 0\n{USAGE}"))?;
        match flag.as_str() {
            "--commits" => options.commits = value.into(),
            "--failures" => options.failures = value as usize,
            "--minutes" => options.time = Duration::from_secs(u64::from(value) * 60),
            _ => return Err(format!("unknown flag {flag}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(|options| measure(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("nothing was recorded: there is nothing to measure");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// How a commit's failures fare in this build; `shrunk` is out of those that the commit could shrink.
#[derive(Clone, Copy, Default)]
struct Row {
    recorded: usize,
    same_run: usize,
    by_token: usize,
    by_recording: usize,
    shrunk: usize,
    by_shrunk: usize,
}

impl Row {
    fn add(&mut self, other: Row) {
        self.recorded += other.recorded;
        self.same_run += other.same_run;
        self.by_token += other.by_token;
        self.by_recording += other.by_recording;
        self.shrunk += other.shrunk;
        self.by_shrunk += other.by_shrunk;
    }

    fn print(&self, name: &str, rest: &str) {
        let share = |part: usize, whole: usize| match whole {
            0 => "-".to_owned(),
            _ => format!("{part}/{whole} {:>3.0}%", 100.0 * part as f64 / whole as f64),
        };
        println!(
            "{name:<8} {:>8}  {:>12} {:>12} {:>12} {:>12}  {rest}",
            self.recorded,
            share(self.same_run, self.recorded),
            share(self.by_token, self.recorded),
            share(self.by_recording, self.recorded),
            share(self.by_shrunk, self.shrunk)
        );
    }
}

/// Prints the table; whether anything was recorded.
fn measure(options: &Options) -> Result<bool, String> {
    let started = Instant::now();
    let registry = scenarios::registry();
    let past = Past::new()?;
    println!(
        "{:<8} {:>8}  {:>12} {:>12} {:>12} {:>12}",
        "commit", "recorded", "same run", "by token", "by recording", "by shrunk"
    );
    let (mut total, mut measured) = (Row::default(), 0);
    for commit in past.commits(options.commits)? {
        if started.elapsed() > options.time {
            println!("{:<8} skipped: the time is up (--minutes)", commit.name);
            continue;
        }
        eprintln!("{:>6.0} s  {} {}", started.elapsed().as_secs_f64(), commit.name, commit.subject);
        match past.build(&commit).and_then(|build| build.failures(&registry, options.failures)) {
            Ok(failures) => {
                let (row, losses) = replay(&registry, &failures);
                row.print(&commit.name, &commit.subject);
                losses.iter().for_each(|loss| println!("         {loss}"));
                total.add(row);
                measured += 1;
            }
            Err(why) => println!("{:<8} skipped: {why}", commit.name),
        }
    }
    total.print("all", &format!("{measured} commits in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(total.recorded > 0)
}

/// Runs the failures of one commit again, and says of each that is lost in some way, how.
fn replay(registry: &Registry, failures: &[Failure]) -> (Row, Vec<String>) {
    let (mut row, mut losses) = (Row::default(), Vec::new());
    for failure in failures {
        let token = now::by_token(registry, failure);
        let recording = now::by_recording(registry, failure);
        let shrunk = now::by_shrunk(registry, failure);
        row.recorded += 1;
        row.same_run += usize::from(recording.same_run);
        row.by_token += usize::from(token.survives());
        row.by_recording += usize::from(recording.survives());
        row.shrunk += usize::from(shrunk.is_some());
        row.by_shrunk += usize::from(shrunk.as_ref().is_some_and(Fate::survives));
        let fates = [("token", Some(&token)), ("recording", Some(&recording)), ("shrunk", shrunk.as_ref())];
        let lost = fates.into_iter().filter_map(|(how, fate)| Some((how, fate?))).filter(|(_, fate)| !fate.survives());
        let lost: Vec<String> = lost.map(|(how, fate)| format!("by {how} {}", fate.words)).collect();
        if !lost.is_empty() || recording.departs.is_some() {
            let departs = recording.departs.map(|place| format!("departs {place}"));
            let words: Vec<String> = lost.into_iter().chain(departs).collect();
            losses.push(format!("{} seed {}: {}", failure.defect, failure.seed, words.join("; ")));
        }
    }
    (row, losses)
}
