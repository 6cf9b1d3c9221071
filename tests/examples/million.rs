//! `make million`: sweeps of ten thousand, a hundred thousand and a million quick seeds in one process, and the peak of its
//! memory after each. The peak never goes back, so that it stays the same only if memory does not grow with the runs.

// How long a sweep takes and how much memory it needs is what this is about.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

const SCENARIO: &str = "tests/million.toml";

fn main() -> ExitCode {
    let registry = scenarios::registry();
    for seeds in [10_000, 100_000, 1_000_000] {
        let range = format!("0..{seeds}");
        let arguments = ["stormproof", "sweep", SCENARIO, "--seeds", &range].map(OsString::from);
        let started = Instant::now();
        let code = runner::main(&registry, None, arguments);
        let seconds = started.elapsed().as_secs_f64();
        println!("{seeds} seeds in {seconds:.1} s, peak memory {}\n", peak().as_deref().unwrap_or("unknown"));
        if code != ExitCode::SUCCESS {
            return code;
        }
    }
    ExitCode::SUCCESS
}

/// The most memory that this process ever had, as Linux says it.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(format!("{:.1} MiB", kib as f64 / 1024.0))
}
