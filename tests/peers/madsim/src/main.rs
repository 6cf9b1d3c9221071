//! The benchmark's workloads on madsim: `Endpoint` with typed messages, its fastest form.

mod pingpong;
mod quorum;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::{Peer, Run};
use stormproof_peers::pingpong::{LATENCY_MAX, LATENCY_MIN};

#[cfg(not(madsim))]
compile_error!(
    "without `--cfg madsim` this would measure the real network; start cargo in tests/peers, \
     and let no RUSTFLAGS of the environment displace the flags of .cargo/config.toml"
);

const PORT: u16 = 700;

/// The only tag in use: an endpoint finds its next message without a search.
const TAG: u64 = 0;

fn main() -> ExitCode {
    Peer {
        program: "peer-madsim",
        pingpong: |options| on_fresh_thread(options, pingpong::run),
        quorum_log: |options| on_fresh_thread(options, quorum::run),
    }
    .main()
}

/// madsim makes the keys of std's hash maps deterministic only on a thread that has made no map
/// before, so that a run on a used thread would not repeat.
fn on_fresh_thread(options: &Options, run: fn(&Options) -> Result<Run>) -> Result<Run> {
    let options = *options;
    std::thread::spawn(move || run(&options)).join().map_err(|_| anyhow!("the simulation panicked"))?
}

fn config() -> madsim::Config {
    let mut config = madsim::Config::default();
    config.net.packet_loss_rate = 0.0;
    config.net.send_latency = LATENCY_MIN..LATENCY_MAX;
    config
}

fn address(node: usize) -> SocketAddr {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 1));
    let node = u32::try_from(node).expect("node numbers are small");
    (Ipv4Addr::from(first + node), PORT).into()
}
