//! Clusters of OS processes: killed, stopped, filled up, restarted, and never left behind.
//!
//! This test binary is also the program that is spawned: with [`CHILD`] set, the test `child` reads its
//! assignment and becomes one process of the plan. What libtest itself prints then are foreign lines.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::{Client, ClientPlan, Ledger, LedgerRules, Scratch, eventually, in_system, of_kind};
use contract::cell::{Blueprint, blueprint};
use contract::host::Liveness;
use contract::{Duration, NodeId, Observed, Pid, ProcessId};
use host::cluster::{How, RunLog};
use host::{
    Assignment, Cluster, ClusterConfig, Limits, Planned, ProcessConfig, Seat, Strike, drive, identity, run_process,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// Names the role of a spawned copy of this binary.
const CHILD: &str = "STORMPROOF_HOST_TEST_CHILD";
const LEDGER: ProcessId = ProcessId(0);
const CLIENT: ProcessId = ProcessId(1);
const LEDGER_NODE: NodeId = NodeId(0);
const LIMIT: Duration = Duration::from_secs(60);

/// What the spawned program runs: the plan that a scenario would give.
fn plan(role: &str, process: ProcessId) -> Arc<dyn Blueprint> {
    let halt_at = if role == "halting" { Some(20) } else { None };
    let panic_at = if role == "panicking" { Some(20) } else { None };
    let (count, body) = if role == "filling" { (400, 2_000) } else { (400, 100) };
    match process {
        LEDGER => blueprint::<Ledger>(LedgerRules { halt_at, panic_at, slow: Duration::from_millis(1) }),
        _ => blueprint::<Client>(ClientPlan { server: LEDGER, first: 1, count, body, window: 4 }),
    }
}

#[test]
fn child() {
    let Some(role) = std::env::var_os(CHILD) else { return };
    let role = role.to_str().unwrap().to_owned();
    if role == "parent" {
        return doomed_parent();
    }
    // Ends the line that libtest has begun, so that the first mark stands on its own.
    println!();
    let assignment = Assignment::receive().unwrap();
    let blueprint = plan(&role, assignment.process);
    let status = run_process(ProcessConfig {
        assignment,
        blueprint,
        limits: Limits::default(),
        seed: None,
        stop_at_stdin_end: true,
        door: None,
        wanted: None,
    });
    std::process::exit(i32::from(status.code()));
}

fn command(role: &'static str) -> impl FnMut(ProcessId) -> Command + 'static {
    move |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, role);
        command
    }
}

fn config(dir: &Scratch) -> ClusterConfig {
    let seat = |name: &str, node| Seat { name: name.to_owned(), node: NodeId(node) };
    ClusterConfig {
        cluster: 5,
        seats: vec![seat("ledger-0/ledger", 0), seat("client-0/client", 1)],
        run_dir: dir.0.clone(),
        small_disks: BTreeMap::new(),
        restart_after: Duration::from_millis(20),
        marks_max: 1_000_000,
    }
}

fn start(config: ClusterConfig, role: &'static str) -> Cluster {
    Cluster::start(config, command(role)).unwrap()
}

/// Drives until the client has `count` answers.
fn drive_to(cluster: &mut Cluster, mut planned: Vec<Planned>, count: usize) {
    let (mut known, mut answered) = (0, 0);
    let reached = cluster.drive(&mut planned, LIMIT, &mut known, |seen| {
        answered += of_kind(seen, "test.answered").len();
        answered >= count
    });
    assert_eq!(reached, Ok(true), "only {answered} answers");
}

fn crash_at(millis: u64, process: ProcessId) -> Planned {
    let down = Duration::from_millis(30);
    Planned { at: Duration::from_millis(millis), strike: Strike::Crash { process, down } }
}

/// Every answered id was stored before, once; each recovery finds exactly what was stored before it.
fn judge(log: &RunLog) {
    assert_eq!(log.marks_lost, 0);
    let (mut stored, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let mut maybe = 0;
    for seen in &log.marks {
        let id = seen.mark.number("id").unwrap_or(0);
        match &*seen.mark.kind {
            "test.stored" => assert!(stored.insert(id), "{id} was stored twice"),
            "test.answered" => {
                assert!(answered.insert(id), "{id} was answered twice");
            }
            "test.recovered" => {
                // One record may have been stored without having been marked when the process was killed.
                let count = seen.mark.number("count").unwrap() as usize;
                assert!(
                    count >= stored.len() + maybe && count <= stored.len() + maybe + 1,
                    "{count} of {}",
                    stored.len()
                );
                maybe = count - stored.len();
            }
            _ => {}
        }
    }
    assert!(answered.len() <= stored.len() + maybe);
    assert!(answered.difference(&stored).count() <= maybe, "an answer to something that was never stored");
}

fn boots(log: &RunLog, process: ProcessId) -> Vec<u32> {
    let boots = of_kind(&log.marks, "system.boot").into_iter().filter(|seen| seen.process == process);
    boots.map(|seen| seen.incarnation).collect()
}

fn exits(log: &RunLog, process: ProcessId) -> Vec<&Observed> {
    of_kind(&log.marks, "system.exit").into_iter().filter(|seen| seen.process == process).collect()
}

fn tally(log: &RunLog, kind: &str) -> (u64, u64) {
    log.faults.iter().find(|tally| tally.kind == kind).map(|tally| (tally.asked, tally.fired)).unwrap()
}

#[test]
fn a_quiet_cluster_does_its_work_and_stops_when_asked() {
    let dir = Scratch::new();
    let mut cluster = start(config(&dir), "plain");
    drive_to(&mut cluster, Vec::new(), 400);
    let log = cluster.finish().unwrap();
    judge(&log);
    assert_eq!(of_kind(&log.marks, "test.stored").len(), 400);
    assert!(log.exits.iter().all(|exit| exit.how == How::Code(0) && exit.asked), "{:?}", log.exits);
    assert_eq!((boots(&log, LEDGER), boots(&log, CLIENT)), (vec![1], vec![1]));
    let stats = of_kind(&log.marks, "system.stats");
    assert_eq!(stats.len(), 2);
    assert!(stats.iter().all(|stats| stats.mark.number("frames_sent") >= Some(400)), "{stats:?}");
    assert!(log.foreign_lines > 0, "libtest's own lines were told apart");
    assert!(log.marks.is_sorted_by_key(|seen| seen.at));
    assert_eq!((log.faults.len(), log.skipped.len()), (0, 0));
}

#[test]
fn killed_processes_come_back_and_lose_nothing() {
    let dir = Scratch::new();
    let mut cluster = start(config(&dir), "plain");
    let planned = [150, 300, 450, 600].map(|at| crash_at(at, LEDGER));
    drive_to(&mut cluster, planned.to_vec(), 400);
    assert!(cluster.incarnation(LEDGER) > 1);
    let log = cluster.finish().unwrap();
    judge(&log);
    let (asked, fired) = tally(&log, "process_crash");
    assert!(asked >= 1 && asked == fired, "{asked} asked, {fired} fired");
    let killed = log.exits.iter().filter(|exit| exit.how == How::Signal(9));
    assert_eq!(killed.count() as u64, fired);
    assert_eq!(exits(&log, LEDGER).len() as u64, fired);
    assert_eq!(boots(&log, LEDGER), (1..=fired as u32 + 1).collect::<Vec<u32>>());
    for exit in exits(&log, LEDGER) {
        assert_eq!(exit.mark.text("reason"), Some("crash"));
        let mut own = log.marks.iter().filter(|seen| (seen.process, seen.incarnation) == (LEDGER, exit.incarnation));
        assert_eq!(own.next_back(), Some(exit), "nothing is heard of an incarnation after its exit");
    }
}

#[test]
fn a_paused_node_states_nothing_meanwhile_and_goes_on_afterwards() {
    let dir = Scratch::new();
    let mut cluster = start(config(&dir), "plain");
    drive_to(&mut cluster, Vec::new(), 20);
    let lasts = Duration::from_millis(700);
    assert_eq!(cluster.pause(LEDGER_NODE, lasts).unwrap(), 1);
    let from = cluster.started() + cluster.elapsed();
    // A kill during the pause must not bring the machine back early.
    cluster.strike(Strike::Crash { process: LEDGER, down: Duration::ZERO }).unwrap();
    drive_to(&mut cluster, Vec::new(), 400);
    let log = cluster.finish().unwrap();
    judge(&log);
    assert_eq!(tally(&log, "pause"), (1, 1));
    // A stop needs a moment to reach every thread; the pause is much longer than that.
    let margin = Duration::from_millis(200);
    let quiet = |seen: &&Observed| seen.at > from + margin && seen.at < from + (lasts - margin);
    let broken: Vec<String> = log
        .marks
        .iter()
        .filter(|seen| seen.process == LEDGER)
        .filter(quiet)
        .map(|seen| seen.mark.to_string())
        .collect();
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(boots(&log, LEDGER), [1, 2]);
}

#[test]
fn a_disk_is_filled_for_real_and_relieved() {
    let dir = Scratch::new();
    let config = ClusterConfig { small_disks: BTreeMap::from([(LEDGER_NODE, 4 << 20)]), ..config(&dir) };
    let mut cluster = start(config, "filling");
    let full = |at| {
        let strike = Strike::DiskFull { node: LEDGER_NODE, lasts: Duration::from_millis(300) };
        Planned { at: Duration::from_millis(at), strike }
    };
    drive_to(&mut cluster, vec![full(50), full(700), crash_at(150, LEDGER), crash_at(800, LEDGER)], 400);
    let log = cluster.finish().unwrap();
    judge(&log);
    assert_eq!(of_kind(&log.marks, "test.answered").len(), 400, "all of it went on after the relief");
    if let Some(skipped) = log.skipped.first() {
        assert!(skipped.0.contains("no privilege") || skipped.0.contains("mounts no tmpfs"), "{skipped}");
        return println!("skipped: {skipped}");
    }
    let (asked, fired) = tally(&log, "disk_full");
    assert!(asked >= 1 && fired >= 1, "{asked} asked, {fired} fired");
    assert!(boots(&log, LEDGER).len() > 1, "the small disk survived the kill");
}

#[test]
fn a_halt_and_a_panic_are_told_apart_and_restarted() {
    for (role, code, reason) in [("halting", 20, "halt"), ("panicking", 21, "crash")] {
        let dir = Scratch::new();
        let mut cluster = start(config(&dir), role);
        let mut known = 0;
        let mut exits_seen = 0;
        let again = cluster.drive(&mut Vec::new(), LIMIT, &mut known, |seen| {
            exits_seen += of_kind(seen, "system.exit").len();
            exits_seen >= 3
        });
        assert_eq!(again, Ok(true));
        let error_log = std::fs::read_to_string(cluster.error_log(LEDGER)).unwrap();
        let log = cluster.finish().unwrap();
        let ledger: Vec<_> = log.exits.iter().filter(|exit| exit.process == LEDGER && !exit.asked).collect();
        assert!(ledger.len() >= 2 && ledger.iter().all(|exit| exit.how == How::Code(code)), "{ledger:?}");
        assert!(exits(&log, LEDGER).iter().all(|exit| exit.mark.text("reason") == Some(reason)), "{role}");
        assert!(!exits(&log, LEDGER)[0].mark.text("why").unwrap().is_empty());
        assert_eq!(error_log.contains("asked to panic"), role == "panicking", "a panic is in the error log");
    }
}

#[test]
fn a_process_that_cannot_start_is_an_error_that_names_the_log() {
    let dir = Scratch::new();
    std::fs::write(dir.0.join("node-0"), b"a file where the data directory should be").unwrap();
    let mut cluster = start(config(&dir), "plain");
    let error = cluster.drive(&mut Vec::new(), LIMIT, &mut 0, |_| false).unwrap_err();
    assert!(error.0.contains("process 0 could not start") && error.0.contains("ledger-0-ledger.stderr"), "{error}");
    let why = std::fs::read_to_string(cluster.error_log(LEDGER)).unwrap();
    assert!(why.contains("data directory"), "{why}");
}

#[test]
fn what_this_host_cannot_do_is_said() {
    assert_eq!(drive::supports("pause"), Ok(()));
    let no = drive::supports("power_loss").unwrap_err();
    assert_eq!(
        no.to_string(),
        "power_loss: the real host cannot make this fault; it makes process_crash, pause, disk_full"
    );
    let dir = Scratch::new();
    let mut cluster = start(config(&dir), "plain");
    assert_eq!(cluster.fill_disk(LEDGER_NODE, Duration::ZERO), Ok(false));
    let log = cluster.finish().unwrap();
    assert_eq!(log.skipped[0].0, "disk_full on node 0: it has no small disk");
}

fn pids(marks: &[Observed]) -> Vec<Pid> {
    let pids = of_kind(marks, "system.boot").into_iter().filter_map(|seen| seen.mark.number("pid"));
    pids.map(|pid| Pid(pid as u32)).collect()
}

#[test]
fn a_dropped_cluster_leaves_no_process() {
    let dir = Scratch::new();
    let mut cluster = start(config(&dir), "plain");
    drive_to(&mut cluster, Vec::new(), 5);
    cluster.pause(LEDGER_NODE, LIMIT).unwrap();
    let pids = pids(&cluster.marks_after(0));
    assert_eq!(pids.len(), 2);
    drop(cluster);
    assert!(pids.iter().all(|&pid| identity::liveness(pid) == Liveness::Dead));
}

/// Starts a cluster, pauses a part of it, tells who runs, and waits to be killed.
fn doomed_parent() {
    let run_dir = PathBuf::from(std::env::var_os("STORMPROOF_HOST_TEST_DIR").unwrap());
    let dir = Scratch(run_dir.join("run"));
    let mut cluster = start(config(&dir), "plain");
    drive_to(&mut cluster, Vec::new(), 5);
    cluster.pause(LEDGER_NODE, LIMIT).unwrap();
    let pids: Vec<String> = pids(&cluster.marks_after(0)).iter().map(|pid| pid.0.to_string()).collect();
    std::fs::write(run_dir.join("pids.part"), pids.join(" ")).unwrap();
    std::fs::rename(run_dir.join("pids.part"), run_dir.join("pids")).unwrap();
    std::thread::sleep(LIMIT);
}

#[test]
fn a_killed_parent_leaves_no_process_not_even_a_stopped_one() {
    in_system(async {
        let dir = Scratch::new();
        let mut parent = command("parent")(LEDGER);
        let mut parent =
            parent.env("STORMPROOF_HOST_TEST_DIR", &dir.0).stdout(std::process::Stdio::null()).spawn().unwrap();
        let list = dir.0.join("pids");
        eventually("the cluster of the doomed parent", || list.exists()).await;
        parent.kill().unwrap();
        parent.wait().unwrap();
        let pids = std::fs::read_to_string(list).unwrap();
        let pids: Vec<Pid> = pids.split(' ').map(|pid| Pid(pid.parse().unwrap())).collect();
        assert_eq!(pids.len(), 2);
        eventually("the end of the orphans", || pids.iter().all(|&pid| identity::liveness(pid) == Liveness::Dead))
            .await;
    });
}
