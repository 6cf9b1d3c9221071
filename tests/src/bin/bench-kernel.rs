//! Stormproof's contestant in `make bench`: the workloads of `tests/peers`, trace and fingerprint on.
//!
//! One JSON line on standard output, like every contestant's.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // a benchmark reads the clock

use contract::{Duration, NodeId, ProcessId, Time};
use kernel::draw::{Draw, Identity, Purpose, StreamFor, stream};
use kernel::{DiskSettings, NetworkSettings, Progress, Settings, Span, World};
use rand_core::Rng;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use support::bench::{cost, pingpong, quorum};

const USAGE: &str = "usage: bench-kernel pingpong|quorum-log|short|draws|faults [--nodes N] [--outstanding K] \
                     [--deliveries N] [--appends N] [--runs N] [--events N] [--rounds N] [--seed S] [--no-disk]";

struct Options {
    workload: String,
    nodes: u32,
    outstanding: u32,
    deliveries: u64,
    appends: u64,
    runs: u64,
    events: u64,
    rounds: u64,
    seed: u64,
}

/// What one contestant reports.
struct Report {
    units: u64,
    nanos: u128,
    checksum: u64,
}

fn options() -> Result<Options, String> {
    let mut args = std::env::args().skip(1);
    let workload = args.next().ok_or(USAGE)?;
    let mut options = Options {
        workload,
        nodes: 64,
        outstanding: 1,
        deliveries: 1_000_000,
        appends: 100_000,
        runs: 200,
        events: 300_000,
        rounds: 7,
        seed: 1,
    };
    while let Some(flag) = args.next() {
        if flag == "--no-disk" {
            return Err("bench-kernel always runs with its disk".into());
        }
        let value =
            args.next().and_then(|text| text.parse::<u64>().ok()).ok_or(format!("{flag} wants a number\n{USAGE}"))?;
        match flag.as_str() {
            "--nodes" => options.nodes = value as u32,
            "--outstanding" => options.outstanding = value as u32,
            "--deliveries" => options.deliveries = value,
            "--appends" => options.appends = value,
            "--runs" => options.runs = value,
            "--events" => options.events = value,
            "--rounds" => options.rounds = value.max(1),
            "--seed" => options.seed = value,
            _ => return Err(format!("unknown flag {flag}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn settings(latency: Span) -> Settings {
    Settings {
        network: NetworkSettings { latency, ..Settings::default().network },
        disk: DiskSettings {
            read: Span::micros(50, 500),
            write: Span::micros(50, 500),
            sync: Span::micros(50, 500),
            ..Settings::default().disk
        },
        ..Settings::default()
    }
}

fn run_pingpong(options: &Options, deliveries: u64, seed: u64) -> World {
    let plan = Arc::new(pingpong::plan(options.nodes, options.outstanding));
    let mut world = World::new(plan, &settings(Span::millis(1, 10)), seed);
    world.run_deliveries(deliveries);
    world
}

fn bench_pingpong(options: &Options) -> Result<Report, String> {
    let start = Instant::now();
    let world = run_pingpong(options, options.deliveries, options.seed);
    let nanos = start.elapsed().as_nanos();
    if world.deliveries() != options.deliveries {
        return Err(format!("{} deliveries instead of {}", world.deliveries(), options.deliveries));
    }
    Ok(Report { units: world.deliveries(), nanos, checksum: world.fingerprint() })
}

fn bench_short(options: &Options) -> Result<Report, String> {
    let deliveries = options.deliveries.min(1_000);
    let mut checksum = 0;
    let start = Instant::now();
    for run in 0..options.runs {
        let world = run_pingpong(options, deliveries, options.seed + run);
        if world.deliveries() != deliveries {
            return Err("a short run ended early".into());
        }
        checksum ^= world.fingerprint();
    }
    Ok(Report { units: options.runs, nanos: start.elapsed().as_nanos(), checksum })
}

fn bench_quorum(options: &Options) -> Result<Report, String> {
    let start = Instant::now();
    let mut world = World::new(Arc::new(quorum::plan(options.appends)), &settings(Span::millis(1, 10)), options.seed);
    let (mut marks, mut limit, mut crashes) = (Vec::new(), Time::ZERO, 0);
    loop {
        limit = limit + Duration::from_millis(5);
        let progress = world.run_until(limit);
        marks.clear();
        world.take_marks(&mut marks);
        for mark in marks.iter().filter(|seen| seen.mark.kind == "bench.answered") {
            if mark.mark.number("count") < Some(options.appends) {
                crashes += 1;
                world.crash(ProcessId(1 + crashes % 2), Duration::from_millis(20));
            }
        }
        if progress == Progress::Idle && world.is_idle() {
            break;
        }
    }
    let nanos = start.elapsed().as_nanos();
    let wanted = (options.appends - 1) / quorum::MARK_EVERY;
    if u64::from(crashes) != wanted {
        return Err(format!("{crashes} crashes instead of {wanted}"));
    }
    let logs: Vec<_> = (0..3).map(|node| world.read_file(NodeId(node), quorum::LOG)).collect();
    let bytes = options.appends as usize * quorum::RECORD_BYTES;
    if logs.iter().any(|log| log != &logs[0]) || logs[0].as_ref().map(Vec::len) != Some(bytes) {
        return Err("the replicas' logs differ or are incomplete".into());
    }
    Ok(Report { units: options.appends, nanos, checksum: world.fingerprint() })
}

/// What one keyed choice costs, by way of making it (decision record 0002).
fn bench_draws(options: &Options) {
    const DRAWS: u64 = 1_000_000;
    let draw = Draw::new(options.seed);
    let mut sum = 0u64;
    let mut time = |name: &str, mut one: Box<dyn FnMut(u64) -> u64>| {
        let start = Instant::now();
        for number in 0..DRAWS {
            sum = sum.wrapping_add(one(number));
        }
        println!("{name:<44} {:>7.1} ns", start.elapsed().as_nanos() as f64 / DRAWS as f64);
    };
    time("keyed hash of an identity", Box::new(move |number| draw.bits(Identity(number), Purpose::Latency)));
    let seed = options.seed;
    time(
        "new ChaCha8 stream for each choice",
        Box::new(move |number| stream(seed, StreamFor::Fault, number).next_u64()),
    );
    let mut one = stream(seed, StreamFor::Fault, 0);
    time("next word of one ChaCha8 stream (not keyed)", Box::new(move |_| one.next_u64()));
    assert!(sum != 0, "the draws are used");
}

/// What faults cost, as a table; fails where all of them together cost more than they may.
fn bench_faults(options: &Options) -> ExitCode {
    let wanted = cost::Options { events: options.events, rounds: options.rounds, seed: options.seed };
    let rows = cost::measure(wanted, &mut |round| eprintln!("round {} of {}", round + 1, wanted.rounds));
    print!("{}", cost::table(&rows));
    let unmet = cost::unmet(&rows);
    if !unmet.is_empty() {
        eprintln!("bench-kernel: never fired, so measure for longer (--events): {}", unmet.join(", "));
        return ExitCode::from(2);
    }
    let ratio = rows.iter().filter(|row| row.name.starts_with("all")).map(cost::Row::ratio).fold(0.0, f64::max);
    let (held, limit) = (ratio <= cost::LIMIT, cost::LIMIT);
    println!(
        "all faults: {ratio:.2} times the quiet kernel, at most {limit}: {}",
        if held { "held" } else { "broken" }
    );
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    match options() {
        Ok(options) if options.workload == "draws" => {
            bench_draws(&options);
            return ExitCode::SUCCESS;
        }
        Ok(options) if options.workload == "faults" => return bench_faults(&options),
        _ => {}
    }
    let report = options().and_then(|options| {
        let report = match options.workload.as_str() {
            "pingpong" => bench_pingpong(&options),
            "short" => bench_short(&options),
            "quorum-log" => bench_quorum(&options),
            other => Err(format!("unknown workload {other}\n{USAGE}")),
        };
        report.map(|report| (options, report))
    });
    match report {
        Ok((options, Report { units, nanos, checksum })) => {
            println!(
                r#"{{"program":"stormproof","workload":"{}","nodes":{},"outstanding":{},"units":{units},"nanos":{nanos},"checksum":"{checksum:016x}"}}"#,
                options.workload, options.nodes, options.outstanding
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-kernel: {error}");
            ExitCode::from(2)
        }
    }
}
