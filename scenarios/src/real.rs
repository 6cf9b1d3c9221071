//! `run --real` and `cluster`: a scenario's plan on OS processes of the real host.
//!
//! The parent spawns this very program once for each process (`stormproof node`), strikes it as the seed
//! says and judges what it stated. Faults that real machines cannot be given are said to be skipped.

use crate::engine;
use crate::queue::Ranges;
use crate::strikes;
use contract::time::Duration;
use contract::{Observed, ProcessId};
use host::cluster::How;
use host::{Assignment, Cluster, ClusterConfig, ClusterError, ExitStatus, Limits, ProcessConfig, RunLog, run_process};
use kernel::{FaultCount, FaultKind};
use runner::sweep::queue::WorkQueue;
use runner::{Judge, RealJob, RealReport, RealWorld};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a disk that will be filled: enough for every record of a scenario, quickly filled.
const SMALL_DISK: u64 = 16 << 20;
/// How often the marks so far are judged, to see whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Bytes of a panicked process's error output that are shown.
const LAST_WORDS: usize = 400;

/// The host's real world.
pub struct Host;

impl RealWorld for Host {
    fn run(&self, job: &RealJob<'_>, judge: &mut Judge, say: &mut dyn FnMut(&str)) -> Result<RealReport, String> {
        let folder = Folder::new()?;
        let mut storm = strikes::plan(job.drawn);
        let mut config = ClusterConfig::new(&job.drawn.plan, cluster_id(), folder.0.clone());
        config.small_disks = storm.small_disks.iter().map(|&node| (node, SMALL_DISK)).collect();
        let mut cluster = start(job, config)?;
        for skipped in storm.skipped {
            cluster.skip(skipped);
        }
        let mut watch = Watch { fresh: judge.clone(), marks: Vec::new(), looked: Instant::now() };
        let mut known = 0;
        say(&format!("{} processes under {}", job.drawn.plan.processes.len(), folder.0.display()));
        let storm_ends = job.drawn.safety;
        let until_quiet = |judge: &Judge| judge.violation().is_some() || judge.is_quiescent();
        let started = cluster.elapsed();
        drive(&mut cluster, &mut storm.strikes, started + storm_ends, &mut known, &mut watch, until_quiet)?;
        say("healing");
        cluster.heal().map_err(words)?;
        let calm_ends = cluster.elapsed() + job.scenario.limits.liveness;
        let until_converged = |judge: &Judge| judge.violation().is_some() || judge.converged();
        drive(&mut cluster, &mut Vec::new(), calm_ends, &mut known, &mut watch, until_converged)?;
        let elapsed = cluster.elapsed();
        report(job, judge, finish(cluster, job)?, elapsed)
    }

    fn node(&self, job: &RealJob<'_>, process: ProcessId) -> Result<Infallible, String> {
        let assignment = Assignment::receive().map_err(|error| {
            format!("no assignment on the standard input ({error}): `stormproof cluster` writes it")
        })?;
        if assignment.process != process {
            return Err(format!("assigned process {}, but started as {}", assignment.process.0, process.0));
        }
        let (blueprint, door) = match engine::stand_in(job, process)? {
            Some(stand_in) => (stand_in.blueprint, Some(stand_in.door)),
            None => (job.drawn.plan.processes[process.0 as usize].blueprint.clone(), None),
        };
        let limits = Limits::default();
        let config =
            ProcessConfig { assignment, blueprint, limits, seed: None, stop_at_stdin_end: true, door, wanted: None };
        // Not by returning from `main`: a thread may still be blocked in the disk.
        std::process::exit(i32::from(run_process(config).code()))
    }

    fn cluster(&self, job: &RealJob<'_>, judge: &mut Judge, say: &mut dyn FnMut(&str)) -> Result<(), String> {
        let folder = Folder::new()?;
        let config = ClusterConfig::new(&job.drawn.plan, cluster_id(), folder.0.clone());
        let mut cluster = start(job, config)?;
        for (index, process) in job.drawn.plan.processes.iter().enumerate() {
            let address = cluster.address(ProcessId(index as u32)).map_or(String::new(), |address| address.to_string());
            say(&format!("{:<24} {address}", process.name));
        }
        let mut watch = Watch { fresh: judge.clone(), marks: Vec::new(), looked: Instant::now() };
        drive(&mut cluster, &mut Vec::new(), Duration::MAX, &mut 0, &mut watch, Judge::is_quiescent)?;
        say("every client is done");
        cluster.finish().map(drop).map_err(words)
    }

    fn queue(&self, url: &str) -> Result<Arc<dyn WorkQueue>, String> {
        Ranges::connect(url)
    }
}

/// What a cluster leaves, and which of its processes panicked.
type RunLogAndPanics = (RunLog, Vec<(String, String)>);

/// The marks so far, and when they were judged last.
struct Watch {
    fresh: Judge,
    marks: Vec<Observed>,
    looked: Instant,
}

impl Watch {
    /// Judges all marks so far anew, in the order of time: between processes they do not arrive in it.
    fn judge(&mut self) -> Judge {
        let mut judge = self.fresh.clone();
        self.marks.sort_by_key(|seen| (seen.at, seen.process, seen.incarnation));
        self.marks.iter().all(|seen| judge.observe(seen));
        judge
    }
}

fn start(job: &RealJob<'_>, config: ClusterConfig) -> Result<Cluster, String> {
    engine::check(job.engines)?;
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let names: Vec<String> = job.drawn.plan.processes.iter().map(|process| process.name.clone()).collect();
    let (file, seed) = (job.path.to_owned(), job.drawn.seed.to_string());
    let engines: Vec<String> = job.engines.iter().map(|engine| format!("--engine={engine}")).collect();
    let spawn = move |process: ProcessId| {
        let mut command = Command::new(&program);
        command.arg("node").arg(&file).args(["--seed", &seed, "--process", &names[process.0 as usize]]);
        command.args(&engines);
        command
    };
    Cluster::start(config, spawn).map_err(words)
}

/// Lets the cluster run until `until` or until the marks so far are as `done` wants them.
fn drive(
    cluster: &mut Cluster,
    strikes: &mut Vec<host::Planned>,
    until: Duration,
    known: &mut usize,
    watch: &mut Watch,
    done: impl Fn(&Judge) -> bool,
) -> Result<bool, String> {
    let ended = cluster.drive(strikes, until, known, |seen| {
        watch.marks.extend_from_slice(seen);
        if watch.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        let over = done(&watch.judge());
        watch.looked = Instant::now();
        over
    });
    ended.map_err(words)
}

/// Stops everything and reads what panicked processes said.
fn finish(cluster: Cluster, job: &RealJob<'_>) -> Result<RunLogAndPanics, String> {
    let names = &job.drawn.plan.processes;
    let logs: Vec<PathBuf> = (0..names.len()).map(|index| cluster.error_log(ProcessId(index as u32))).collect();
    let log = cluster.finish().map_err(words)?;
    let code = How::Code(i32::from(ExitStatus::Panicked(String::new()).code()));
    let panicked = log.exits.iter().filter(|exit| exit.how == code);
    let panics = panicked.map(|exit| {
        let index = exit.process.0 as usize;
        (names[index].name.clone(), last_words(&logs[index]))
    });
    let panics = panics.collect();
    Ok((log, panics))
}

/// Judges the whole run in the order of time.
fn report(
    job: &RealJob<'_>,
    judge: &mut Judge,
    (log, panics): RunLogAndPanics,
    elapsed: Duration,
) -> Result<RealReport, String> {
    if log.marks_lost > 0 {
        return Err(format!("{} marks did not fit: the run proves nothing; lower limits.requests", log.marks_lost));
    }
    let unable = ExitStatus::CouldNotStart(String::new()).code();
    if let Some(exit) = log.exits.iter().find(|exit| exit.how == How::Code(i32::from(unable))) {
        let name = &job.drawn.plan.processes[exit.process.0 as usize].name;
        return Err(format!("{name} could not start: the machine did not play along"));
    }
    log.marks.iter().all(|seen| judge.observe(seen));
    let count = |tally: &host::cluster::Tally| {
        let count = FaultCount { asked: tally.asked, fired: tally.fired };
        FaultKind::from_name(tally.kind).map(|kind| (kind, count))
    };
    Ok(RealReport {
        elapsed,
        faults: log.faults.iter().filter_map(count).collect(),
        skipped: log.skipped.iter().map(|skipped| skipped.0.clone()).collect(),
        panics,
        converged: judge.converged(),
    })
}

/// Processes of another run on this machine must not be mistaken for ours.
fn cluster_id() -> u64 {
    u64::from(std::process::id())
}

fn words(error: ClusterError) -> String {
    error.0
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let text = text.trim();
    let start = (text.len().saturating_sub(LAST_WORDS)..=text.len()).find(|&at| text.is_char_boundary(at));
    text[start.unwrap_or(0)..].to_owned()
}

/// The data and error logs of one run; removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        let path = std::env::temp_dir().join(format!("stormproof-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system that cleans its temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
