//! Sweeps over a NATS work queue end like local sweeps, whatever is killed; wrong workers are refused.
//!
//! Needs `nats-server` (`make queue-test` installs it); without it each test says that it was skipped.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start and kill processes of this machine; a helper that fails fails its test"
)]

use host::gateway::nats::Queue;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CUSTODY: &str = "scenarios/fast/edge_custody.toml";
/// Nothing here takes longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// SIGKILL; fails if it had ended by itself.
    fn kill(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it ended before it was killed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(&mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
    }

    /// The exit code, in time.
    fn code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with a folder of its own.
struct Server {
    process: Running,
    port: u16,
    folder: PathBuf,
}

impl Server {
    /// Starts one, or says that the test is skipped.
    fn start(test: &str) -> Option<Server> {
        let Some(program) = program() else {
            println!("skipped: there is no nats-server on this machine; `make queue-test` installs it");
            return None;
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("queue-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = serve(&program, port, &folder);
        Some(Server { process, port, folder })
    }

    /// SIGKILL, and a new one over the same store.
    fn kill_and_restart(&mut self) {
        self.process.kill();
        std::thread::sleep(Duration::from_secs(1));
        self.process = serve(&program().unwrap(), self.port, &self.folder);
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn worker(&self, program: &str, folder: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).args(["worker", "--queue", &self.url(), "--jobs", "1"]).args(options);
        command.stderr(Stdio::null());
        command
    }

    /// A worker as it should be.
    fn good_worker(&self) -> Running {
        Running::start(&mut self.worker(STORMPROOF, &root(), &[]))
    }

    /// A sweep in the background; results go to the folder `out`.
    fn sweep(&self, sweep: &[&str], out: &str) -> Running {
        let printed = std::fs::File::create(self.path(&format!("{out}.json"))).unwrap();
        let mut command = Command::new(STORMPROOF);
        command.current_dir(root()).args(sweep).args(["--queue", &self.url(), "--range", "8"]);
        Running::start(command.args(["--out", &self.path(out), "--shrink-time", "0"]).stdout(printed))
    }

    fn results(&self, out: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{out}/results.jsonl"))).unwrap_or_default()
    }

    fn wait_for_runs(&self, out: &str, runs: usize) {
        let start = Instant::now();
        while self.results(out).lines().count() < runs {
            assert!(start.elapsed() < DEADLINE, "no results come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the sweep found: its runs, and its summary but for the machine's time.
    fn found(&self, out: &str) -> (String, Value) {
        (self.results(out), summary(&std::fs::read_to_string(self.path(&format!("{out}.json"))).unwrap()))
    }

    /// What the same sweep finds without a queue.
    fn expected(&self, sweep: &[&str]) -> (String, Value) {
        let out = self.path("local");
        let printed = stormproof(&[sweep, &["--out", &out, "--shrink-time", "0"]].concat());
        (self.results("local"), summary(&String::from_utf8(printed.stdout).unwrap()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const STORMPROOF: &str = env!("CARGO_BIN_EXE_stormproof");

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

fn serve(program: &Path, port: u16, folder: &Path) -> Running {
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder.join("nats"));
    let running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < DEADLINE, "nats-server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

fn stormproof(args: &[&str]) -> Output {
    Command::new(STORMPROOF).current_dir(root()).args(args).output().unwrap()
}

fn summary(printed: &str) -> Value {
    let last = printed.lines().last().unwrap_or_else(|| panic!("nothing was printed"));
    let mut summary: Value = serde_json::from_str(last).unwrap();
    summary.as_object_mut().unwrap().remove("wall_time");
    summary
}

/// Two positive scenarios, and a planted defect whose search ends early.
fn usual(seeds: &'static str) -> Vec<&'static str> {
    let files = ["sweep", CUSTODY, "scenarios/negative/p01_teardown_unlink.toml", "scenarios/fast/edge_damage.toml"];
    [&files[..], &["--seeds", seeds, "--json", "--recheck", "100"]].concat()
}

#[test]
fn two_workers_finish_a_range_although_one_is_killed_half_way() {
    let Some(server) = Server::start("killed") else { return };
    let sweep = usual("0..120");
    let expected = server.expected(&sweep);
    let mut collector = server.sweep(&sweep, "queued");
    let (mut first, mut second) = (server.good_worker(), server.good_worker());
    server.wait_for_runs("queued", 60);
    first.kill();
    assert_eq!(collector.code(), stormproof(&sweep).status.code());
    assert!(server.found("queued") == expected, "the sweep over the queue differs from the local one");
    second.terminate();
    assert_eq!(second.code(), Some(0), "SIGTERM is the usual end of a worker");
}

#[test]
fn a_collector_and_a_server_that_are_killed_lose_nothing() {
    let Some(mut server) = Server::start("restarted") else { return };
    let sweep = usual("0..80");
    let expected = server.expected(&sweep);
    let mut collector = server.sweep(&sweep, "first");
    let _worker = server.good_worker();
    server.wait_for_runs("first", 20);
    collector.kill();
    let mut collector = server.sweep(&sweep, "second");
    server.wait_for_runs("second", 40);
    server.kill_and_restart();
    collector.code();
    assert!(server.found("second") == expected, "the sweep over the queue differs from the local one");
}

#[test]
fn a_worker_of_another_build_or_with_another_scenario_is_refused() {
    let Some(server) = Server::start("refused") else { return };
    let mut collector = server.sweep(&["sweep", CUSTODY, "--seeds", "0..16"], "queued");
    let refused = |program: &str, folder: &Path, why: &str| {
        let mut worker = server.worker(program, folder, &["--idle", "60s"]);
        let output = worker.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{why}: {said}");
    };
    let other = server.path("other-build");
    let mut bytes = std::fs::read(STORMPROOF).unwrap();
    bytes.push(0);
    std::fs::copy(STORMPROOF, &other).unwrap();
    std::fs::write(&other, bytes).unwrap();
    refused(&other, &root(), "start the workers from the very program that the sweep was started from");
    let elsewhere = server.folder.join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("scenarios/fast")).unwrap();
    refused(STORMPROOF, &elsewhere, "start the worker in a folder with the sweep's own files");
    let text = std::fs::read_to_string(root().join(CUSTODY)).unwrap();
    std::fs::write(elsewhere.join(CUSTODY), format!("{text}# changed\n")).unwrap();
    refused(STORMPROOF, &elsewhere, "has the hash ");
    let _worker = server.good_worker();
    collector.code();
    assert_eq!(server.results("queued").lines().count(), 16, "refusals cost nothing");
}

#[test]
fn a_range_that_ends_its_workers_is_given_up_and_named() {
    let Some(server) = Server::start("poison") else { return };
    let sweep = ["sweep", CUSTODY, "--seeds", "0..8", "--queue", &server.url()];
    let collector = Command::new(STORMPROOF).current_dir(root()).args(sweep).stderr(Stdio::piped()).spawn().unwrap();
    let queue = Arc::new(Queue::connect(&server.url()).unwrap());
    let mut taken = 0;
    let start = Instant::now();
    while taken < 5 {
        assert!(start.elapsed() < DEADLINE, "the range does not come back");
        for batch in queue.batches().unwrap() {
            if let Some(task) = queue.take(&batch, Duration::from_millis(200)).unwrap() {
                task.give_back();
                taken += 1;
            }
        }
    }
    let _worker = server.good_worker();
    let output = collector.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let why = format!("seeds 0..8 of {CUSTODY}: worker ");
    assert!(output.status.code() == Some(7) && said.contains(&why), "{said}");
    assert!(said.contains("given up: workers took it 5 times and never finished"), "{said}");
    // What was given up does not stand in the way of another attempt.
    let again = stormproof(&sweep);
    assert!(String::from_utf8_lossy(&again.stdout).contains(" 8 runs in "), "{again:?}");
}

#[test]
fn a_queue_out_of_reach_is_said_with_its_remedy() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("nats://127.0.0.1:{port}");
    for args in [["worker", "--queue", &url, "--jobs", "1"], ["sweep", CUSTODY, "--queue", &url, "--json"]] {
        let output = stormproof(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(7) && said.contains("is it running?"), "{said}");
    }
    let output = stormproof(&["worker", "--queue", "127.0.0.1:4222"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("write nats://HOST:PORT"), "{output:?}");
}
