//! One contestant: a program that is run as a process and prints one JSON line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use stormproof_peers::outcome::Outcome;

use crate::arguments::Arguments;
use crate::plan::{self, STORMPROOF};
use crate::report::Skipped;

/// No single run of the plan comes near to this.
const RUN_TIME_MAX: Duration = Duration::from_secs(600);
/// How often a running contestant is looked at. It reports its own time, so this costs nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct Contestant {
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
}

pub struct Contestants {
    pub present: Vec<Contestant>,
    pub missing: Vec<Skipped>,
}

/// All contestants, sorted by whether they are built. Stormproof comes first.
pub fn all(arguments: &Arguments) -> Result<Contestants> {
    let own = std::env::current_exe().context("where is this program?")?;
    let folder = own.parent().context("a program without a folder")?;
    let mut contestants = Contestants { present: Vec::new(), missing: Vec::new() };
    let stormproof = match &arguments.stormproof {
        Some(path) => path.clone(),
        None => project_release_folder(folder)?.join("bench-kernel"),
    };
    contestants.add(
        Contestant::new(STORMPROOF, stormproof, &[]),
        "cargo build --profile bench -p stormproof-tests --bin bench-kernel, in the project's folder",
    );
    for (name, command) in &arguments.extra {
        let (program, rest) = command.split_first().context("an empty command")?;
        contestants.add(Contestant::new(name, program.into(), rest), "as its --contestant says");
    }
    for peer in plan::PEERS {
        let extra: Vec<_> = peer.arguments.iter().map(|word| (*word).into()).collect();
        contestants.add(
            Contestant::new(peer.name, folder.join(peer.program), &extra),
            "cargo build --release --workspace, in tests/peers",
        );
    }
    Ok(contestants)
}

/// The peers are built into `target/peers/release`, the project into `target/release`.
fn project_release_folder(peers: &Path) -> Result<PathBuf> {
    let target = peers.ancestors().nth(2).context("no target folder above this program")?;
    Ok(target.join("release"))
}

impl Contestants {
    fn add(&mut self, contestant: Contestant, how_to_build: &str) {
        if contestant.program.is_file() {
            self.present.push(contestant);
        } else {
            self.missing.push(Skipped { contestant: contestant.name, how_to_build: how_to_build.to_owned() });
        }
    }
}

impl Contestant {
    fn new(name: &str, program: PathBuf, arguments: &[String]) -> Self {
        Self { name: name.to_owned(), program, arguments: arguments.to_vec() }
    }

    /// Runs one workload and checks that the work was done.
    pub fn run(&self, workload: &[String], units: u64) -> Result<Outcome> {
        let line = self.output(workload).with_context(|| format!("{} {}", self.name, workload.join(" ")))?;
        let outcome: Outcome =
            serde_json::from_str(line.trim()).with_context(|| format!("{} printed {line:?}", self.name))?;
        ensure!(
            units <= outcome.units && 0 < outcome.nanos,
            "{} did {} of {units} units in {} ns",
            self.name,
            outcome.units,
            outcome.nanos
        );
        Ok(outcome)
    }

    fn output(&self, workload: &[String]) -> Result<String> {
        let mut child = Command::new(&self.program)
            .args(workload)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot be started")?;
        let started = Instant::now();
        // What it prints is one line, which fits in the pipe: nobody has to read before it ends.
        while child.try_wait()?.is_none() {
            if RUN_TIME_MAX < started.elapsed() {
                child.kill()?;
                child.wait()?;
                bail!("took more than {} s", RUN_TIME_MAX.as_secs());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "failed with {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}
