//! One trial: a fresh cluster of one system, the writer beside it, and what it states.

use crate::Measured;
use crate::etcd_servers::Servers;
use crate::writer::{Config, Target, Writer};
use contract::cell::blueprint;
use contract::knobs::Knobs;
use contract::plan::{Core, Plan, PlanError, Population, Role, RoleKind, Site};
use contract::{Duration, Mark, Observed, ProcessId, Time};
use host::gateway::etcd::Etcd;
use host::{Assignment, Cluster, ClusterConfig, Door, Limits, ProcessConfig, run_process};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Servers of each system.
const SERVERS: usize = 3;
/// No trial takes longer than it should by more than this.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at a cluster.
const LOOK: Duration = Duration::from_millis(2);
/// Acknowledgements before the leader is killed.
const STEADY: usize = 200;
/// What comes back so soon after a kill was under way before it.
const UNDER_WAY: Duration = Duration::from_millis(5);
/// Appends with sync that say how fast the disk is.
const SYNCS: u32 = 500;

/// What is measured.
pub enum System {
    /// Ours: a member and an append process for each server.
    Own,
    /// etcd with these further options.
    Etcd(&'static [&'static str]),
}

/// How it is measured.
#[derive(Clone, Debug)]
pub struct Trial {
    pub phases: Vec<usize>,
    pub lasts: Duration,
    pub silence: Duration,
    pub story: bool,
}

impl System {
    pub fn name(&self) -> &'static str {
        match self {
            System::Own => "stormproof rcs",
            System::Etcd([]) => "etcd",
            System::Etcd(_) => "etcd, quick",
        }
    }
}

/// The numbers of each phase.
pub fn measure(system: &System, trial: &Trial) -> Result<Vec<Measured>, String> {
    let mut running = Running::start(system, trial)?;
    running.until("the end of the trial", |marks| marks.iter().any(|seen| seen.mark.kind == "bench.done"))?;
    let marks = running.marks();
    let phases = marks.iter().filter(|seen| seen.mark.kind == "bench.phase").map(|seen| {
        let number = |name| seen.mark.number(name).unwrap_or(0) as f64;
        let per_second = number("writes") / trial.lasts.as_secs_f64();
        Measured { per_second, p50_ms: number("p50") / 1e6, p99_ms: number("p99") / 1e6 }
    });
    let phases = phases.collect();
    running.stop()?;
    Ok(phases)
}

/// How long nothing is acknowledged after the leader is killed.
pub fn silence(system: &System) -> Result<Duration, String> {
    let lasts = 2 * PATIENCE;
    let trial = Trial { phases: vec![1], lasts, silence: Duration::from_millis(200), story: true };
    let mut running = Running::start(system, &trial)?;
    let acknowledged = |seen: &&Observed| seen.mark.kind == "bench.acknowledged";
    running.until("steady writes", |marks| marks.iter().filter(acknowledged).count() >= STEADY)?;
    let killed = running.kill_leader()?;
    let next = |marks: &[Observed]| {
        marks.iter().filter(acknowledged).map(|seen| seen.at).filter(|&at| at >= killed + UNDER_WAY).min()
    };
    running.until("a write after the kill", |marks| next(marks).is_some())?;
    let next = next(&running.marks()).ok_or("a write after the kill")?;
    running.stop()?;
    Ok(next.since(killed))
}

/// Appends of a value with sync to a file of this disk, a second.
pub fn syncs_a_second() -> Result<f64, String> {
    let folder = Folder::new()?;
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.0.display());
    let mut file = std::fs::File::create(folder.0.join("syncs")).map_err(wrong)?;
    let started = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; crate::writer::VALUE_BYTES]).map_err(wrong)?;
        file.sync_data().map_err(wrong)?;
    }
    Ok(f64::from(SYNCS) / started.elapsed().as_secs_f64())
}

/// A cluster with its writer.
struct Running {
    cluster: Cluster,
    etcd: Option<Servers>,
    /// The member that was killed on purpose.
    killed: Option<ProcessId>,
    _folder: Folder,
}

impl Running {
    fn start(system: &System, trial: &Trial) -> Result<Running, String> {
        let folder = Folder::new()?;
        let etcd = match system {
            System::Own => None,
            System::Etcd(options) => Some(
                Servers::start(&folder.0.join("servers"), SERVERS, options)
                    .ok_or("there is no etcd on this machine; `make engines` installs it")?,
            ),
        };
        let mut words = vec!["node".to_owned()];
        words.push(match &etcd {
            Some(servers) => leader_first(servers)?.join(","),
            None => "own".to_owned(),
        });
        let phases: Vec<String> = trial.phases.iter().map(usize::to_string).collect();
        words.push(phases.join(","));
        words.extend(
            [trial.lasts.as_millis(), trial.silence.as_millis(), u128::from(trial.story)].map(|n| n.to_string()),
        );
        let plan = plan(&words[1..])?;
        let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let spawn = move |_: ProcessId| {
            let mut command = Command::new(&program);
            command.args(&words);
            command
        };
        let config = ClusterConfig::new(&plan, u64::from(std::process::id()), folder.0.clone());
        let cluster = Cluster::start(config, spawn).map_err(|error| error.0)?;
        Ok(Running { cluster, etcd, killed: None, _folder: folder })
    }

    fn marks(&self) -> Vec<Observed> {
        self.cluster.marks_after(0)
    }

    /// Looks after the cluster until its marks are as wanted.
    fn until(&mut self, what: &str, enough: impl Fn(&[Observed]) -> bool) -> Result<(), String> {
        let started = Instant::now();
        let (mut marks, mut known) = (Vec::new(), 0);
        while started.elapsed() < PATIENCE {
            self.cluster.poll().map_err(|error| error.0)?;
            let fresh = self.cluster.marks_after(known);
            known += fresh.len();
            if !fresh.is_empty() {
                marks.extend(fresh);
                let ended = |seen: &&Observed| seen.mark.kind == "system.exit" && self.killed != Some(seen.process);
                if let Some(exit) = marks.iter().find(ended) {
                    return Err(format!("process {} ended: {}", exit.process.0, exit.mark));
                }
                if enough(&marks) {
                    return Ok(());
                }
            }
            std::thread::sleep(LOOK);
        }
        Err(format!("{what} did not come within {PATIENCE:?}"))
    }

    /// Kills the process that leads, with SIGKILL, and says when.
    fn kill_leader(&mut self) -> Result<Time, String> {
        let now = |cluster: &Cluster| cluster.started() + cluster.elapsed();
        if let Some(servers) = &mut self.etcd {
            let etcd = Etcd::connect(&servers.addresses(), 0)?;
            let leader = etcd.leader().ok_or("no server of etcd leads")?;
            let killed = now(&self.cluster);
            servers.kill(leader);
            return Ok(killed);
        }
        let marks = self.marks();
        let elected = marks.iter().filter(|seen| seen.mark.kind == "raft.elected");
        let leader = elected.max_by_key(|seen| seen.mark.number("term")).ok_or("no member leads")?.process;
        let killed = now(&self.cluster);
        self.killed = Some(leader);
        self.cluster.crash(leader, PATIENCE).map_err(|error| error.0)?;
        Ok(killed)
    }

    fn stop(self) -> Result<(), String> {
        self.cluster.finish().map(drop).map_err(|error| error.0)
    }
}

/// The servers' addresses, that of the leader first, as soon as there is one.
fn leader_first(servers: &Servers) -> Result<Vec<String>, String> {
    let mut addresses = servers.addresses();
    let etcd = Etcd::connect(&addresses, 0)?;
    let started = Instant::now();
    loop {
        if let Some(leader) = etcd.leader() {
            addresses.rotate_left(leader);
            return Ok(addresses);
        }
        if started.elapsed() > PATIENCE {
            return Err("etcd elects no leader".to_owned());
        }
        std::thread::sleep(LOOK);
    }
}

/// The plan that the parent and each process build from the same words: engine, phases, milliseconds of a phase, milliseconds of
/// silence, whether to tell each acknowledgement.
fn plan(words: &[String]) -> Result<Plan, String> {
    plan_with(words, &Door::default())
}

fn plan_with(words: &[String], door: &Door) -> Result<Plan, String> {
    let [engine, phases, lasts, silence, story] = words else { return Err("a process needs five words".to_owned()) };
    let millis = |word: &String| word.parse().map(Duration::from_millis).map_err(|_| format!("`{word}` is no number"));
    let phases: Result<Vec<usize>, _> = phases.split(',').map(str::parse).collect();
    let own = engine == "own";
    let members = consensus::roles().into_iter().find(|role| role.name == "rcs").ok_or("the role rcs")?;
    let population = Population { role: &members, count: SERVERS, knobs: Knobs::defaults(members.knobs) };
    let writers = Population { role: &WRITER, count: 1, knobs: Knobs::default() };
    let populations = if own { vec![population, writers] } else { vec![writers] };
    let mut plan = Plan::build(&populations, &BTreeSet::new(), 0).map_err(|error| error.0)?;
    let target = if own {
        Target::Members((0..SERVERS).map(|slot| member(&plan, slot)).collect::<Result<_, String>>()?)
    } else {
        Target::Etcd(engine.split(',').map(str::to_owned).collect())
    };
    let config = Config {
        target,
        phases: phases.map_err(|_| "the phases are numbers".to_owned())?,
        lasts: millis(lasts)?,
        silence: millis(silence)?,
        story: story != "0",
        door: door.clone(),
    };
    let writer = plan.processes.last_mut().ok_or("the writer")?;
    writer.blueprint = blueprint::<Writer>(config.into());
    Ok(plan)
}

fn member<M: contract::Message>(plan: &Plan, slot: usize) -> Result<contract::Addr<M>, String> {
    let process = plan.process(&format!("rcs-{slot}/member")).ok_or("a member of each server")?;
    Ok(contract::plan::Directory::known(process))
}

const WRITER: Role = Role {
    name: "writer",
    about: "writes one value after the other",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &[],
    processes: |_| vec!["writer".to_owned()],
    build: placeholder,
    other_build: None,
};

/// Its configuration needs the finished plan: [`plan_with`] puts the real one in its place.
fn placeholder(_: &Site<'_>) -> Result<std::sync::Arc<dyn contract::cell::Blueprint>, PlanError> {
    let target = Target::Etcd(Vec::new());
    let (lasts, silence) = (Duration::ZERO, Duration::ZERO);
    let config = Config { target, phases: vec![1], lasts, silence, story: false, door: Door::default() };
    Ok(blueprint::<Writer>(config.into()))
}

/// Marks that this measurement reads: what only judges read is not written.
fn wanted(mark: &Mark) -> bool {
    mark.kind.starts_with("bench.") || mark.kind == "raft.elected" || mark.kind == "system.exit"
}

/// Runs one process of a trial.
pub fn node(words: &[String]) -> ExitCode {
    let prepared = Assignment::receive().map_err(|error| format!("no assignment: {error}")).and_then(|assignment| {
        let door = Door::default();
        let plan = plan_with(words, &door)?;
        let index = assignment.process.0 as usize;
        let process = plan.processes.get(index).ok_or("an assignment of this plan")?;
        let door = (index + 1 == plan.processes.len()).then_some(door);
        Ok((assignment, process.blueprint.clone(), door))
    });
    match prepared {
        Ok((assignment, blueprint, door)) => run_process(ProcessConfig {
            assignment,
            blueprint,
            limits: Limits::default(),
            seed: None,
            stop_at_stdin_end: true,
            door,
            wanted: Some(wanted),
        })
        .into(),
        Err(why) => {
            eprintln!("bench-rcs node: {why}");
            ExitCode::from(2)
        }
    }
}

/// A folder of its own on the disk of temporary files; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("bench-rcs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(&std::env::temp_dir()).join(unique);
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
