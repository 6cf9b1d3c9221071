//! One examination, three engines: our own replicas in the simulator, the same on TCP, and a real etcd of three
//! servers whose leader is killed on the way. Then registers and locks, whose histories the oracles judge.
//!
//! Needs the feature `etcd`; without the program `etcd` the tests that need it say that they were skipped.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start and kill processes of this machine; a helper that fails fails its test"
)]

#[path = "../../sim/host/tests/common/etcd_servers.rs"]
mod etcd_servers;

use etcd_servers::Servers;
use host::gateway::etcd::{Etcd, Keys, Read};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const EXAM: &str = "scenarios/fast/rcs_engines.toml";
const REGISTERS: &str = "scenarios/fast/rcs_registers.toml";
/// Nothing here takes longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);
/// Revisions after which a run has begun and is not over: each uses more than a hundred.
const UNDER_WAY: u64 = 30;

fn stormproof(args: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormproof"));
    command.current_dir(root).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(args: &[&str]) -> Child {
    stormproof(args).spawn().unwrap()
}

/// The verdict of a run that must have passed.
fn passed(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn folder(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engines-{test}-{}", std::process::id()))
}

fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The servers, a connection to them, and the engine that names them.
fn servers(test: &str) -> Option<(Servers, std::sync::Arc<Etcd>, String)> {
    let servers = Servers::start(&folder(test), 3, &[])?;
    let etcd = Etcd::connect(&servers.addresses(), 0).unwrap();
    patiently("a leader", || etcd.leader());
    let engine = format!("--engine=rcs=etcd://{}/{test}", servers.addresses().join(","));
    Some((servers, etcd, engine))
}

/// The newest revision of the keys of a test.
fn revision(etcd: &Etcd, test: &str) -> Option<u64> {
    let keys = Keys::beginning_with(format!("{test}/"));
    let page = etcd.range(&Read { keys, revision: 0, limit: 0, linearizable: true }).ok()?;
    page.rows.iter().map(|row| row.modified).max()
}

#[test]
fn our_own_replicas_pass_in_the_simulator() {
    for seed in ["0", "1", "2"] {
        passed(&stormproof(&["run", EXAM, "--json", "--seed", seed]).output().unwrap());
    }
}

#[test]
fn our_own_replicas_pass_on_tcp() {
    passed(&stormproof(&["run", EXAM, "--json", "--real"]).output().unwrap());
}

#[test]
fn an_etcd_whose_leader_is_killed_on_the_way_passes() {
    passes_although_the_leader_dies(EXAM, "exam");
}

#[test]
fn registers_and_locks_on_an_etcd_whose_leader_is_killed_are_judged_like_ours() {
    passed(&stormproof(&["run", REGISTERS, "--json"]).output().unwrap());
    passes_although_the_leader_dies(REGISTERS, "registers");
}

/// Runs a scenario on three servers of etcd and kills the one that leads when the run is under way.
fn passes_although_the_leader_dies(scenario: &str, name: &str) {
    let Some((mut servers, etcd, engine)) = servers(name) else { return };
    let mut run = start(&["run", scenario, "--json", "--real", &engine]);
    let first = patiently("a beginning", || revision(&etcd, name));
    patiently("the middle", || revision(&etcd, name).filter(|&now| now >= first + UNDER_WAY));
    let leader = patiently("a leader", || etcd.leader());
    servers.kill(leader);
    let killed = patiently("an answer after the kill", || revision(&etcd, name));
    patiently("another leader", || etcd.leader().filter(|&now| now != leader));
    servers.restart(leader);
    assert!(run.try_wait().unwrap().is_none(), "the run was not over at revision {killed}");
    passed(&run.wait_with_output().unwrap());
    assert!(patiently("an answer", || revision(&etcd, name)) > killed, "it went on after the kill");
}

#[test]
fn without_its_servers_a_run_does_not_begin_and_says_why() {
    let output = stormproof(&["run", EXAM, "--real", "--engine", "rcs=etcd://127.0.0.1:1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(7) && said.contains("is it running?"), "{said}");
    for (engine, remedy) in
        [("rcs", "write ROLE=SCHEME"), ("edge=etcd://a:1", "no role `edge`"), ("rcs=x://a", "write rcs=etcd")]
    {
        let output = stormproof(&["run", EXAM, "--real", "--engine", engine]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(remedy), "{said}");
    }
}
