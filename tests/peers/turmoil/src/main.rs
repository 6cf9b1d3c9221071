//! The benchmark's workloads on turmoil: UDP, and its simulated file system.

mod pingpong;
mod quorum;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use stormproof_peers::outcome::Peer;
use stormproof_peers::pingpong::{LATENCY_MAX, LATENCY_MIN};

const PORT: u16 = 700;

/// turmoil draws a latency from an exponential distribution over the range between the two bounds
/// and cuts it off at the upper one. With this parameter the mean is the middle of the range, as
/// that of the uniform distribution which it does not have.
const LATENCY_CURVE: f64 = 1.594;

fn main() -> ExitCode {
    Peer { program: "peer-turmoil", pingpong: pingpong::run, quorum_log: quorum::run }.main()
}

/// A simulation with the benchmark's network whose sockets hold `udp_capacity` messages.
fn builder(seed: u64, udp_capacity: usize) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .min_message_latency(LATENCY_MIN)
        .max_message_latency(LATENCY_MAX)
        .udp_capacity(udp_capacity)
        .simulation_duration(Duration::MAX);
    builder
}

fn address(node: usize) -> IpAddr {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 1));
    let node = u32::try_from(node).expect("node numbers are small");
    Ipv4Addr::from(first + node).into()
}
