//! The commands, their flags and their help.

mod crash_points;
mod debug;
mod detect;
mod exhaust;
mod explain;
mod explore;
mod history;
mod know;
mod real_run;
mod record;
mod replay;
mod run;
mod shrink;
mod sweep;
mod worker;

use crate::console::Console;
use crate::diagnostic::FileErrors;
use crate::exit::Exit;
use crate::explore::again;
use crate::real::{Engine, RealWorld};
use crate::registry::Registry;
use crate::scenario::{LoadError, Scenario};
use crate::sweep::queue::WorkQueue;
use crate::token::Token;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;

const EXIT_CODES: &str = "Exit codes:
  0 passed · 1 an invariant was broken · 2 usage or a bad file · 3 not converged (liveness)
  4 an actor panicked · 5 not deterministic · 6 vacuous (a fault that was asked for met nobody)
  7 infrastructure";

/// Runs a distributed system of actors in a seeded, deterministic storm.
#[derive(Parser)]
#[command(name = "stormproof", version, max_term_width = 110, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One run of a scenario: prints the drawn plan, the verdict, and the line that replays it.
    #[command(after_help = "Examples:
  stormproof run scenarios/fast/edge_custody.toml
  stormproof run scenarios/fast/edge_custody.toml --seed 42 --trace
  stormproof run scenarios/fast/edge_custody.toml --seed 42 --check-determinism
  stormproof run scenarios/negative/p01_teardown_unlink.toml --seed 0 --record lost.recording
  stormproof run scenarios/fast/edge_custody.toml --real
  stormproof run scenarios/fast/rcs_engines.toml --real --engine rcs=etcd://127.0.0.1:2379
A negative scenario (with `defect`) is reported like any other: exit 1 when its defect breaks an invariant.")]
    Run(RunArgs),
    /// Many seeds of many scenarios, on all cores; failures grouped by signature.
    #[command(after_help = "Examples:
  stormproof sweep scenarios/fast
  stormproof sweep scenarios/fast --seeds 0..10000 --out results --junit results/junit.xml
  stormproof sweep scenarios/fast --time 10m --shard 2/8 --github
  stormproof sweep scenarios/fast --seeds 0..1000000 --out results --resume
  stormproof sweep scenarios/fast --until-quiet --save-regressions
  stormproof sweep scenarios/fast --seeds 0..1000000 --queue nats://queue.example.com:4222
A positive scenario passes when no seed fails and every fault kind it asks for fired in some run.
A negative scenario (with `defect`) passes when its first failing seed is caught by `caught_by`.")]
    Sweep(Box<sweep::SweepArgs>),
    /// Runs ranges of seeds that `sweep --queue` posts, on as many machines as you like, until Ctrl-C.
    #[command(after_help = "Examples:
  stormproof worker --queue nats://queue.example.com:4222
  stormproof worker --queue nats://127.0.0.1:4222/nightly --jobs 8 --idle 10m
Start it from the very program and in a folder with the very scenario files that the sweep was started with:
anything else is refused (exit 2). A range whose worker dies is run by another.")]
    Worker(worker::WorkerArgs),
    /// Runs a failure again, from its one-line token, its file or its recording, and says whether it still fails the same way.
    #[command(after_help = "Examples:
  stormproof replay SP1:scenarios/fast/edge_custody.toml:hash=0badcafe:seed=42:sig=ab12cd34:fp=0123456789abcdef
  stormproof replay scenarios/regress/lost_ack.toml
  stormproof replay lost.recording
A recording (--record of run, sweep and shrink) also says where the run first departs from the recorded one.
The exit code is that of the run: 0 means that the failure is gone.")]
    Replay(ReplayArgs),
    /// Why a run failed: a self-contained HTML page with its space-time diagram, its causes and the nearest run
    /// that passes; also a Perfetto trace and plain text.
    #[command(after_help = "Examples:
  stormproof explain scenarios/negative/p01_teardown_unlink.toml --seed 0 --out report.html
  stormproof explain SP1:scenarios/fast/edge_custody.toml:hash=0badcafe:seed=42:sig=ab12cd34:fp=0123456789abcdef
  stormproof explain scenarios/fast/edge_custody.toml --seed 42 --text
  stormproof explain scenarios/fast/edge_custody.toml --seed 42 --perfetto trace.json
The page needs nothing but a browser: mail it, attach it, print it. The exit code is that of the run.")]
    Explain(explain::ExplainArgs),
    /// Walks through a run, forward and back: states, disks, messages, clocks, oracles; faults by hand, other seeds.
    #[command(after_help = "Examples:
  stormproof debug scenarios/negative/p01_teardown_unlink.toml --seed 0
  stormproof debug SP1:scenarios/fast/edge_custody.toml:hash=0badcafe:seed=42:sig=ab12cd34:fp=0123456789abcdef
  stormproof debug scenarios/fast/edge_custody.toml --seed 42 --script commands.txt
  printf 'run\\noracles\\n' | stormproof debug scenarios/fast/edge_custody.toml --batch
On the terminal, `?` shows the keys. A script ends with the exit code of the run as it stands then.")]
    Debug(debug::DebugArgs),
    /// Makes a failure small: a commented scenario file with only what the failure needs.
    #[command(after_help = "Examples:
  stormproof shrink scenarios/fast/edge_custody.toml --seed 42 --out lost_ack.toml
  stormproof shrink SP1:scenarios/fast/edge_custody.toml:hash=0badcafe:seed=42:sig=ab12cd34:fp=0123456789abcdef
  stormproof shrink scenarios/negative/p01_teardown_unlink.toml --seed 7 --time 20s --json
Without --out, the file goes to the standard output. A run that passes exits 2: there is nothing to shrink.")]
    Shrink(shrink::ShrinkArgs),
    /// Crashes at every effect boundary of a passing run, and once more in each recovery: does it recover?
    #[command(after_help = "Examples:
  stormproof crash-points scenarios/fast/edge_custody.toml
  stormproof crash-points scenarios/fast/edge_custody.toml --seed 7 --second all --jobs 8
  stormproof crash-points scenarios/negative/p01_teardown_unlink.toml --faults drawn
A certificate that time cut short, or a run without effects, exits 6: it proves nothing.")]
    CrashPoints(crash_points::CrashPointsArgs),
    /// The history of a run: every mark as JSON lines, or the clients' operations as EDN for Jepsen's checkers.
    #[command(after_help = "Examples:
  stormproof history scenarios/fast/edge_custody.toml --seed 42 > marks.jsonl
  stormproof history scenarios/fast/edge_custody.toml --seed 42 --format edn --out history.edn
The exit code says whether it was written. How the run ended is printed on standard error.")]
    History(history::HistoryArgs),
    /// Seed after seed under a strategy: uniform, biased strikes, priorities, or forks of runs that show something new.
    #[command(after_help = "Examples:
  stormproof explore scenarios/fast/edge_custody.toml
  stormproof explore scenarios/fast/edge_custody.toml --strategy biased --budget 60s
  stormproof explore scenarios/negative/p01_teardown_unlink.toml --strategy pct --budget 1000000events --seed 1000
  stormproof explore scenarios/negative/p01_teardown_unlink.toml --all --json
A token brings a run back whatever the strategy. Exit codes are those of sweep.")]
    Explore(explore::ExploreArgs),
    /// Tries a file protocol with all short sequences of operations, every crash point and every legal state.
    #[command(after_help = "Examples:
  stormproof exhaust
  stormproof exhaust edge-buffer
  stormproof exhaust all --length 3 --profile all
  stormproof exhaust edge-ledger --profile ext4-ordered --json
Exit 6 if states were left out: that certificate is not complete.")]
    Exhaust(exhaust::ExhaustArgs),
    /// The planted defects: seeds and virtual time to detection, over disjoint ranges of seeds.
    #[command(after_help = "Examples:
  stormproof defects
  stormproof defects P01 --ranges 20 --budget 1000
Exit 1 if one is missed in some range, or first caught by another oracle than stated.")]
    Defects(DefectsArgs),
    /// Validates scenario files and builds their plans, without running anything.
    #[command(after_help = "Examples:\n  stormproof check scenarios/fast/*.toml")]
    Check {
        /// Scenario files, or folders of them.
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Prints the JSON Schema of scenario files, with this build's roles, knobs, faults and oracles.
    #[command(after_help = "Examples:\n  stormproof schema > scenario.schema.json")]
    Schema,
    /// What scenario files can name: roles, workloads, faults, oracles, defects, knobs with defaults and ranges.
    #[command(after_help = "Examples:\n  stormproof list\n  stormproof list --json")]
    List {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Runs one process of a scenario's plan on the real host. `cluster` and `run --real` start these and
    /// tell each its addresses on its standard input.
    #[command(after_help = "Examples:\n  stormproof node scenarios/fast/edge_custody.toml --process edge-0/buffer")]
    Node {
        /// The scenario file.
        file: String,
        /// Decides what the scenario leaves open.
        #[arg(long, env = "STORMPROOF_SEED")]
        seed: Option<u64>,
        /// Which process, as node/process.
        #[arg(long)]
        process: String,
        /// As in `run --real`.
        #[arg(long, value_name = "ROLE=URL")]
        engine: Vec<Engine>,
    },
    /// Runs all processes of a scenario's plan on this machine, without faults, until its clients are done.
    #[command(after_help = "Examples:\n  stormproof cluster scenarios/fast/edge_custody.toml")]
    Cluster {
        /// The scenario file.
        file: String,
        /// Decides what the scenario leaves open.
        #[arg(long, env = "STORMPROOF_SEED")]
        seed: Option<u64>,
        /// As in `run --real`.
        #[arg(long, value_name = "ROLE=URL")]
        engine: Vec<Engine>,
    },
}

#[derive(Args)]
struct RunArgs {
    /// The scenario file.
    file: String,
    /// The root of all random choices; the scenario's own, or 0, if left out.
    #[arg(long, env = "STORMPROOF_SEED")]
    seed: Option<u64>,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Prints every event.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    /// Runs twice in lock-step, and a copied world beside them, and names the first difference.
    #[arg(long, conflicts_with = "real")]
    check_determinism: bool,
    /// On real processes, sockets, disks and clocks instead of simulated ones.
    #[arg(long, conflicts_with = "trace")]
    real: bool,
    /// An outside service in place of a role's own processes, as ROLE=URL; may be given for several roles.
    #[arg(long, value_name = "ROLE=URL", requires = "real")]
    engine: Vec<Engine>,
    /// Writes a recording of the run there if it fails, for `replay` with a later build; its name ends with .recording.
    #[arg(long, value_name = "FILE", conflicts_with = "real")]
    record: Option<PathBuf>,
}

#[derive(Args)]
struct ReplayArgs {
    /// The token that a failed run printed, a scenario file with `seed` and `expect.signature`, or a recording.
    token_or_file: String,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Prints every event.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
}

#[derive(Args)]
struct DefectsArgs {
    /// Only these; all if left out.
    ids: Vec<String>,
    /// Disjoint ranges of seeds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    ranges: u64,
    /// Seeds in each range.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    budget: u64,
    /// Worker threads; one a core if left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Prints a JSON object for each defect.
    #[arg(long)]
    json: bool,
}

/// What every command works with.
struct Session<'a, 'c> {
    registry: &'a Registry,
    real: Option<&'a dyn RealWorld>,
    console: &'a mut Console<'c>,
    /// How this program was called, so that printed commands work when pasted.
    program: String,
    /// With which arguments.
    arguments: Vec<String>,
}

/// Runs the command that `args` say; the first of them is the program's name.
pub fn execute(
    registry: &Registry,
    real: Option<&dyn RealWorld>,
    args: impl IntoIterator<Item = std::ffi::OsString>,
    console: &mut Console<'_>,
) -> Exit {
    let args: Vec<std::ffi::OsString> = args.into_iter().collect();
    let program = args.first().map_or_else(|| "stormproof".into(), |name| name.to_string_lossy().into_owned());
    let arguments = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let parsed = command(registry).try_get_matches_from(args);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, console),
    };
    let mut session = Session { registry, real, console, program, arguments };
    match cli.command {
        Command::Run(args) if args.real => real_run::run(&mut session, args),
        Command::Run(args) => run::run(&mut session, &args),
        Command::Sweep(args) => sweep::sweep(&mut session, &args),
        Command::Worker(args) => worker::worker(&mut session, &args),
        Command::Replay(args) => replay::replay(&mut session, &args),
        Command::Explain(args) => explain::explain(&mut session, &args),
        Command::Debug(args) => debug::debug(&mut session, &args),
        Command::Shrink(args) => shrink::shrink(&mut session, &args),
        Command::CrashPoints(args) => crash_points::crash_points(&mut session, &args),
        Command::History(args) => history::history(&mut session, &args),
        Command::Explore(args) => explore::explore(&mut session, &args),
        Command::Exhaust(args) => exhaust::exhaust(&mut session, &args),
        Command::Defects(args) => detect::detect(&mut session, &args),
        Command::Check { paths } => know::check(&mut session, &paths),
        Command::Schema => know::schema(&mut session),
        Command::List { json } => know::list(&mut session, json),
        Command::Node { file, seed, process, engine } => real_run::node(&mut session, &file, seed, &process, engine),
        Command::Cluster { file, seed, engine } => real_run::cluster(&mut session, &file, seed, engine),
    }
}

/// The runner's commands, and in the help those of components.
fn command(registry: &Registry) -> clap::Command {
    let extras = registry.extras.iter().map(|extra| clap::Command::new(extra.name).about(extra.about));
    Cli::command().subcommands(extras)
}

/// Help and version are results; everything else that clap says is a usage error.
fn usage(error: &clap::Error, console: &mut Console<'_>) -> Exit {
    let rendered = error.render();
    let text = if console.colour { rendered.ansi().to_string() } else { rendered.to_string() };
    if error.use_stderr() {
        console.note(text.trim_end());
        return Exit::Usage;
    }
    console.say(text.trim_end());
    Exit::Passed
}

impl Session<'_, '_> {
    /// Prints a `stormproof ...` command under a heading, as it can be pasted here.
    fn say_command(&mut self, heading: &str, command: &str) {
        let arguments = command.strip_prefix("stormproof ").unwrap_or(command);
        let line = format!("{heading}{} {arguments}", self.program);
        self.console.say(line);
    }

    /// Reads one scenario; what is wrong with it is printed.
    fn load(&mut self, path: &str) -> Result<Scenario, Exit> {
        let error = match Scenario::load(path, self.registry) {
            Ok(scenario) => return Ok(scenario),
            Err(error) => error,
        };
        match error {
            LoadError::Unreadable { path, why } => {
                let place =
                    std::env::current_dir().map_or_else(|_| String::new(), |dir| format!(" (in {})", dir.display()));
                self.console.note(format!("error: cannot read scenario `{path}`{place}: {why}"));
                Err(Exit::Usage)
            }
            LoadError::Wrong(errors) => Err(self.wrong(&errors)),
        }
    }

    /// A scenario's text is wrong.
    fn wrong(&mut self, errors: &FileErrors) -> Exit {
        let text = errors.render(self.console.colour);
        self.console.note(text.trim_end());
        Exit::Usage
    }

    /// What a file or a token names: the token has its own seed, a file leaves it to the command line.
    fn subject(&mut self, file_or_token: &str, seed: Option<u64>) -> Result<(Scenario, u64), Exit> {
        if Token::is_one(file_or_token) {
            let (scenario, token) = self.named(file_or_token)?;
            return Ok((scenario, token.seed));
        }
        let scenario = self.load(file_or_token)?;
        let seed = seed.or(scenario.seed).unwrap_or(0);
        Ok((scenario, seed))
    }

    /// The token that `text` is, with its scenario as the run was planned and forked; warns when the file has changed
    /// since.
    fn named(&mut self, text: &str) -> Result<(Scenario, Token), Exit> {
        let token = Token::parse(text).map_err(|why| self.refused(why))?;
        let scenario = self.load(&token.path)?;
        if scenario.hash as u32 != token.hash {
            self.console.note(format!("warning: {} has changed since the token was made", token.path));
        }
        let Token { seed, strategy, ref forks, .. } = token;
        let planned = again(&scenario, self.registry, seed, strategy, forks).map_err(|error| self.refused(error))?;
        Ok((planned, token))
    }

    /// Reads files and the *.toml files of folders; reports what is wrong with each of them.
    fn load_all(&mut self, paths: &[String]) -> Result<Vec<Scenario>, Exit> {
        let mut files = Vec::new();
        for path in paths {
            match toml_files(path) {
                Ok(found) => files.extend(found),
                Err(why) => {
                    self.console.note(format!("error: {why}"));
                    return Err(Exit::Usage);
                }
            }
        }
        let loaded: Vec<Result<Scenario, Exit>> = files.iter().map(|file| self.load(file)).collect();
        loaded.into_iter().collect()
    }

    /// Reaches a work queue; what keeps it from that is printed.
    fn queue(&mut self, url: &str) -> Result<Arc<dyn WorkQueue>, Exit> {
        let Some(real) = self.real else {
            return Err(self.refused("this program was built without a host: it reaches no queue"));
        };
        real.queue(url).map_err(|why| self.broken(why))
    }

    /// Something is wrong with the machine.
    fn broken(&mut self, why: impl std::fmt::Display) -> Exit {
        self.console.note(format!("error: {why}"));
        Exit::Infrastructure
    }

    /// The command line asks for something that is not there.
    fn refused(&mut self, why: impl std::fmt::Display) -> Exit {
        self.console.note(format!("error: {why}"));
        Exit::Usage
    }
}

/// The file itself, or the folder's scenario files by name.
fn toml_files(path: &str) -> Result<Vec<String>, String> {
    if !std::path::Path::new(path).is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.trim_end_matches('/');
    let entries = std::fs::read_dir(path).map_err(|error| format!("cannot read folder `{path}`: {error}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> =
        names.filter(|name| name.ends_with(".toml")).map(|name| format!("{folder}/{name}")).collect();
    files.sort();
    if files.is_empty() { Err(format!("folder `{path}` has no *.toml file")) } else { Ok(files) }
}

/// Worker threads when nobody says how many.
fn cores(jobs: Option<u16>) -> usize {
    jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get), usize::from)
}
