//! The benchmark's workloads on moonpool: simulated TCP, driven by hand (`SimWorld` and
//! `Executor`), which is faster than its `SimulationBuilder` and takes a network configuration.

mod log;
mod pingpong;
mod quorum;
mod world;

use std::process::ExitCode;

use stormproof_peers::outcome::Peer;

fn main() -> ExitCode {
    Peer { program: "peer-moonpool", pingpong: pingpong::run, quorum_log: quorum::run }.main()
}
