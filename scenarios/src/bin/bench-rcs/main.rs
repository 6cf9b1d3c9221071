//! Our Routing Coordination Service beside etcd, both with three servers on this machine's loopback and both syncing each
//! write to its disk: acknowledged writes a second, their latencies, and the silence after the leader is killed.
//!
//! `make bench-rcs`, or `bench-rcs [--rounds N] [--seconds N] [--kills N]`. Both systems take turns in one run, the one
//! that begins changing from round to round. Called as `bench-rcs node ...` it is one process of such a cluster.

// A measurement of the real world.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[path = "../../../../sim/host/tests/common/etcd_servers.rs"]
mod etcd_servers;
mod trial;
mod writer;

use contract::Duration;
use std::process::ExitCode;
use trial::{System, Trial};

/// Writers at a time.
const PHASES: [usize; 2] = [1, 64];

/// One system's numbers of one phase in one round.
#[derive(Clone, Copy, Debug)]
struct Measured {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "node") {
        return trial::node(&args[1..]);
    }
    let outcome = number(&args, "--rounds", 5).and_then(|rounds| {
        let seconds = number(&args, "--seconds", 5)?;
        let kills = number(&args, "--kills", 10)?;
        throughput(rounds, seconds)?;
        silences(kills)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench-rcs: {why}");
            ExitCode::from(7)
        }
    }
}

fn number(args: &[String], name: &str, usual: usize) -> Result<usize, String> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(usual) };
    let value = args.get(at + 1).and_then(|value| value.parse().ok());
    value.ok_or_else(|| format!("write {name} NUMBER, for example {name} {usual}"))
}

fn throughput(rounds: usize, seconds: usize) -> Result<(), String> {
    let systems = [System::Own, System::Etcd(&[])];
    let mut all: Vec<Vec<Measured>> = vec![Vec::new(); systems.len() * PHASES.len()];
    let mut syncs = Vec::new();
    for round in 0..rounds {
        syncs.push(trial::syncs_a_second()?);
        for turn in 0..systems.len() {
            let which = (round + turn) % systems.len();
            let lasts = Duration::from_secs(seconds as u64);
            let trial = Trial { phases: PHASES.to_vec(), lasts, silence: Duration::from_millis(500), story: false };
            let phases = trial::measure(&systems[which], &trial)?;
            for (phase, measured) in phases.into_iter().enumerate() {
                all[which * PHASES.len() + phase].push(measured);
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    let (_, syncs, _) = spread(syncs.into_iter());
    println!(
        "medians of {rounds} rounds (lowest to highest), {seconds} s each; values of {} bytes",
        writer::VALUE_BYTES
    );
    println!("the disk alone: {syncs:.0} appends with sync a second");
    println!("{:<14} {:>7} {:>30} {:>10} {:>10}", "system", "writers", "writes a second", "p50 ms", "p99 ms");
    for (which, system) in systems.iter().enumerate() {
        for (phase, writers) in PHASES.iter().enumerate() {
            let measured = &all[which * PHASES.len() + phase];
            let (low, rate, high) = spread(measured.iter().map(|one| one.per_second));
            let (_, p50, _) = spread(measured.iter().map(|one| one.p50_ms));
            let (_, p99, _) = spread(measured.iter().map(|one| one.p99_ms));
            let rate = format!("{rate:.0} ({low:.0} to {high:.0})");
            println!("{:<14} {writers:>7} {rate:>30} {p50:>10.2} {p99:>10.2}", system.name());
        }
    }
    Ok(())
}

fn silences(kills: usize) -> Result<(), String> {
    /// As quick as ours: followers wait 300 to 600 ms. etcd wants five heartbeats in that time, ours sends four.
    const QUICK: [&str; 4] = ["--heartbeat-interval", "60", "--election-timeout", "300"];
    let systems =
        [(System::Own, "300 to 600 ms"), (System::Etcd(&QUICK), "300 to 600 ms"), (System::Etcd(&[]), "1 to 2 s")];
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); systems.len()];
    for kill in 0..kills {
        for (which, (system, _)) in systems.iter().enumerate() {
            all[which].push(trial::silence(system)?.as_secs_f64() * 1e3);
        }
        eprintln!("kill {} of {kills}", kill + 1);
    }
    println!("from SIGKILL of the leader to the next acknowledged write, one writer, {kills} kills each");
    println!("{:<14} {:>16} {:>10} {:>10} {:>10}", "system", "election wait", "median ms", "least ms", "most ms");
    for (silences, (system, wait)) in all.iter().zip(&systems) {
        let (least, median, most) = spread(silences.iter().copied());
        println!("{:<14} {wait:>16} {median:>10.0} {least:>10.0} {most:>10.0}", system.name());
    }
    Ok(())
}

/// The least, the median, the most; zeros of nothing.
fn spread(numbers: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}
