//! The one line that a contestant prints, and the `main` that all peers share.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::cli::{Options, Workload};
use crate::quorum;
use crate::random::mix;

/// What a contestant reports on its standard output, as one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub program: String,
    pub workload: String,
    pub nodes: u64,
    pub outstanding: u64,
    /// Deliveries, appends or runs that were really done.
    pub units: u64,
    /// Time inside the process, set-up included.
    pub nanos: u64,
    /// Digest of what was done; the same seed gives the same one. A string or a number.
    pub checksum: serde_json::Value,
}

/// What one simulation did: verified work, the time it took, and its digest.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub units: u64,
    pub elapsed: Duration,
    pub checksum: u64,
}

/// What a peer must provide. A run verifies its own work and fails when some is missing.
pub struct Peer {
    pub program: &'static str,
    pub pingpong: fn(&Options) -> Result<Run>,
    pub quorum_log: fn(&Options) -> Result<Run>,
}

impl Peer {
    /// Runs the workload of this process's command line and prints its outcome.
    pub fn main(&self) -> ExitCode {
        match Options::from_env().and_then(|options| self.outcome(&options)) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{}: {error:#}", self.program);
                ExitCode::FAILURE
            }
        }
    }

    fn outcome(&self, options: &Options) -> Result<String> {
        let (run, nodes, outstanding) = match options.workload {
            Workload::Pingpong => ((self.pingpong)(options)?, options.nodes, options.outstanding),
            Workload::QuorumLog => ((self.quorum_log)(options)?, quorum::NODES, quorum::CLIENTS),
            Workload::Short => (self.short(options)?, options.nodes, options.outstanding),
        };
        let outcome = Outcome {
            program: self.program.to_owned(),
            workload: options.workload.name().to_owned(),
            nodes: nodes as u64,
            outstanding: outstanding as u64,
            units: run.units,
            nanos: u64::try_from(run.elapsed.as_nanos())?,
            checksum: format!("{:016x}", run.checksum).into(),
        };
        Ok(serde_json::to_string(&outcome)?)
    }

    /// Whole runs with different seeds. Here the clock covers the tear-down of each world as well,
    /// for a campaign pays it with every seed.
    fn short(&self, options: &Options) -> Result<Run> {
        let started = Instant::now();
        let mut checksum = 0;
        for run in 0..options.runs {
            let seeded = Options { seed: options.seed.wrapping_add(run), ..*options };
            checksum = mix(checksum ^ (self.pingpong)(&seeded)?.checksum);
        }
        Ok(Run { units: options.runs, elapsed: started.elapsed(), checksum })
    }
}
