//! Stormproof: actors that run on real networking, or inside a seeded deterministic simulator that crashes
//! them, fills their disks, tears their writes and cuts their links, and checks what they promised.
//!
//! This crate gathers the framework under one name:
//!
//! | module | for |
//! |---|---|
//! | [`contract`] | writing actors: `Actor`, `Context`, `Disk`, messages, timers, marks |
//! | [`kernel`] | simulating them: `World`, `Settings`, faults |
//! | [`oracles`] | judging what they stated |
//! | [`runner`] | scenario files, sweeps, replay: the command line as a library |
//! | [`host`] | running them for real: TCP, files, clocks, clusters of processes |
//!
//! A program of one's own needs a registry of roles, workloads and oracles, and one call:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let registry = stormproof::runner::Registry { oracles: stormproof::oracles::all(), ..Default::default() };
//!     stormproof::runner::main(&registry, None, std::env::args_os())
//! }
//! ```

pub use contract;
pub use host;
pub use kernel;
pub use oracles;
pub use runner;
