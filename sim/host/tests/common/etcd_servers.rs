//! etcd servers on loopback, for tests and measurements: start, kill, start again.
//!
//! Included by path: the tests of several crates and the comparison of `make bench-rcs` use it.
#![allow(dead_code, reason = "each user needs a part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A cluster of servers with data below one folder; all of it ends with this value.
pub struct Servers {
    program: PathBuf,
    folder: PathBuf,
    options: Vec<String>,
    seats: Vec<Seat>,
}

struct Seat {
    client: u16,
    peer: u16,
    running: Option<Child>,
}

impl Servers {
    /// Starts so many servers with these further options; `None`, said on the standard output, if there is no etcd.
    pub fn start(folder: &Path, count: usize, options: &[&str]) -> Option<Servers> {
        let Some(program) = program() else {
            println!("skipped: there is no etcd on this machine; `make engines` installs it");
            return None;
        };
        std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("make {}: {error}", folder.display()));
        let ports = free_ports(2 * count);
        let seats = ports.chunks(2).map(|pair| Seat { client: pair[0], peer: pair[1], running: None }).collect();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut servers = Servers { program, folder: folder.to_owned(), options, seats };
        (0..count).for_each(|number| servers.restart(number));
        Some(servers)
    }

    /// Where clients dial, each `HOST:PORT`.
    pub fn addresses(&self) -> Vec<String> {
        self.seats.iter().map(|seat| format!("127.0.0.1:{}", seat.client)).collect()
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut running) = self.seats[number].running.take() {
            running.kill().unwrap_or_else(|error| panic!("kill an etcd: {error}"));
            running.wait().unwrap_or_else(|error| panic!("wait for an etcd: {error}"));
        }
    }

    /// Starts a server that does not run, over what its disk holds.
    pub fn restart(&mut self, number: usize) {
        assert!(self.seats[number].running.is_none(), "it runs");
        let peers: Vec<String> =
            self.seats.iter().enumerate().map(|(n, seat)| format!("n{n}=http://127.0.0.1:{}", seat.peer)).collect();
        let Seat { client, peer, .. } = self.seats[number];
        let mut command = Command::new(&self.program);
        command.args(["--name", &format!("n{number}"), "--log-level", "error"]);
        command.arg("--data-dir").arg(self.folder.join(format!("etcd-{number}")));
        for (what, port) in [("client", client), ("peer", peer)] {
            let url = format!("http://127.0.0.1:{port}");
            let advertise = if what == "peer" { "--initial-advertise-peer-urls" } else { "--advertise-client-urls" };
            command.args([&format!("--listen-{what}-urls"), &url, advertise, &url]);
        }
        command.args(["--initial-cluster", &peers.join(","), "--initial-cluster-token", "test"]).args(&self.options);
        // It says much about servers that are killed; what goes wrong shows in what its clients see.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.seats[number].running = Some(command.spawn().unwrap_or_else(|error| panic!("start etcd: {error}")));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for running in self.seats.iter_mut().filter_map(|seat| seat.running.as_mut()) {
            let _ = running.kill();
            let _ = running.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("etcd")).find(|program| program.is_file())
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let bound: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("a port of loopback: {error}")))
        .collect();
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    bound.iter().filter_map(|listener| port(listener).ok()).collect()
}
