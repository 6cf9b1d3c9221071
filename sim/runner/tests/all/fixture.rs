//! A small system for the runner's own tests: tellers keep numbers on disk, clients hand them in.
//!
//! Planted defects: `T01` acknowledges before the sync, `T02` panics on the hundredth number, `T03` asks
//! a variable that no world owns, so that two runs differ, `T04` never answers after a restart, `T05` writes
//! its file anew at each start, in place.

use contract::calls::{Calls, Retry};
use contract::cell::{Blueprint, blueprint};
use contract::knobs::Knob;
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use contract::{Actor, Addr, Context, Duration, File, Halt, Observed, Open, ProcessId, inbox, mark, message};
use oracles::{Oracle, OracleKind, Violation};
use runner::{Console, DefectInfo, Exit, Registry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Hands a number in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keep {
    pub number: u64,
    pub reply_to: Addr<Kept>,
}

/// It is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub number: u64,
}

message!(Keep = "fixture.keep/1");
message!(Kept = "fixture.kept/1");

inbox! { pub enum TellerInbox { Keep(Keep) } }
inbox! { pub enum ClientInbox { Kept(Kept) } }

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tick {
    Next,
    Retry,
}

pub struct TellerConfig {
    pub defects: BTreeSet<String>,
    pub pad: usize,
    /// Whether it says nothing any more once its disk is gone.
    pub silent_if_wiped: bool,
}

/// Appends each number to one file.
#[derive(Clone, Debug)]
pub struct Teller {
    defects: BTreeSet<String>,
    pad: usize,
    restarted: bool,
    silent: bool,
    file: File,
    kept: BTreeSet<u64>,
}

/// State that no world owns: what an actor must never have.
static SHARED: AtomicU64 = AtomicU64::new(0);

impl Teller {
    fn has(&self, defect: &str) -> bool {
        self.defects.contains(defect)
    }

    fn store(&mut self, number: u64, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let mut record = number.to_le_bytes().to_vec();
        record.resize(8 + self.pad, 0);
        let mut disk = ctx.disk();
        disk.append_all(self.file, &record)?;
        if !self.has("T01") {
            disk.sync(self.file)?;
        }
        self.kept.insert(number);
        Ok(())
    }
}

impl Actor for Teller {
    type Config = TellerConfig;
    type Inbox = TellerInbox;
    type Timer = Tick;

    fn boot(config: &TellerConfig, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let is_first_boot = ctx.identity().boot == 1;
        let mut disk = ctx.disk();
        let silent = config.silent_if_wiped && !is_first_boot && !disk.exists("numbers")?;
        let file = disk.open("numbers", Open::Create)?;
        let bytes = disk.read_all(file)?;
        let size = 8 + config.pad;
        if config.defects.contains("T05") {
            disk.truncate(file, 0)?;
            disk.append_all(file, &bytes)?;
        }
        disk.truncate(file, (bytes.len() / size * size) as u64)?;
        disk.sync(file)?;
        disk.sync_dir("")?;
        let records = bytes.chunks_exact(size);
        let kept: BTreeSet<u64> =
            records.map(|record| record[..8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))).collect();
        ctx.mark(mark!("fixture.found", numbers = kept.iter().copied().collect::<Vec<u64>>()));
        let restarted = !bytes.is_empty();
        Ok(Teller { defects: config.defects.clone(), pad: config.pad, restarted, silent, file, kept })
    }

    fn on_message(&mut self, _: ProcessId, message: TellerInbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let TellerInbox::Keep(Keep { number, reply_to }) = message;
        if self.has("T02") {
            assert!(self.kept.len() < 20, "teller {} cannot count to {number}", ctx.me().0);
        }
        if self.has("T03") {
            ctx.set_timer(Tick::Next, Duration::from_micros(SHARED.fetch_add(1, Relaxed)));
        }
        if self.silent || (self.has("T04") && self.restarted) {
            return Ok(());
        }
        if !self.kept.contains(&number) {
            self.store(number, ctx)?;
        }
        ctx.mark(mark!("fixture.kept", number = number));
        ctx.send(reply_to, Kept { number });
        Ok(())
    }

    fn on_timer(&mut self, _: Tick, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

pub struct ClientConfig {
    teller: Addr<Keep>,
    first: u64,
    count: u64,
    every: Duration,
}

/// Hands its numbers in, one after the other, and asks again until each is kept.
#[derive(Clone, Debug)]
pub struct Client {
    teller: Addr<Keep>,
    next: u64,
    end: u64,
    every: Duration,
    calls: Calls<u64, Keep>,
}

impl Actor for Client {
    type Config = ClientConfig;
    type Inbox = ClientInbox;
    type Timer = Tick;

    fn boot(config: &ClientConfig, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let retry = Retry { first: Duration::from_millis(200), longest: Duration::from_secs(2), deadline: None };
        ctx.set_timer(Tick::Next, config.every);
        let (next, end) = (config.first, config.first + config.count);
        Ok(Client { teller: config.teller, next, end, every: config.every, calls: Calls::new(retry) })
    }

    fn on_message(&mut self, _: ProcessId, message: ClientInbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let ClientInbox::Kept(Kept { number }) = message;
        if self.calls.finish(number).is_some() && self.next == self.end && self.calls.is_empty() {
            ctx.mark(mark!("workload.done", client = ctx.me().0));
        }
        self.calls.schedule(Tick::Retry, ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Tick, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if timer == Tick::Retry {
            self.calls.poll(ctx);
        } else if self.next < self.end {
            let message = Keep { number: self.next, reply_to: ctx.addr() };
            ctx.mark(mark!("fixture.asked", number = self.next));
            self.calls.begin(self.next, self.teller, message, ctx);
            self.next += 1;
            ctx.set_timer(Tick::Next, self.every);
        }
        self.calls.schedule(Tick::Retry, ctx);
        Ok(())
    }
}

const TELLER: Role = Role {
    name: "teller",
    about: "keeps numbers on disk",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &[
        Knob::count("pad", "bytes beside the number in a record", 8, 0, 64),
        Knob::millis("patience", "unused time", 250, 10, 5_000),
        Knob::flag("loud", "unused switch", false),
        Knob::bytes("page_bytes", "unused size", 4_096, 512, 65_536),
    ],
    processes: |_| vec!["main".to_owned()],
    build: |site: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
        Ok(blueprint::<Teller>(TellerConfig {
            defects: site.defects.clone(),
            pad: site.knobs.size("pad"),
            silent_if_wiped: false,
        }))
    },
    other_build: None,
};

/// The teller of another build, whose records are a byte longer.
pub fn teller_padded() -> Role {
    Role {
        build: |site: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
            let (defects, pad) = (site.defects.clone(), site.knobs.size("pad") + 1);
            Ok(blueprint::<Teller>(TellerConfig { defects, pad, silent_if_wiped: false }))
        },
        ..TELLER
    }
}

/// The teller of another build, in which every defect is cured.
pub fn teller_without_defects() -> Role {
    Role {
        build: |site: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
            let (defects, pad) = (BTreeSet::new(), site.knobs.size("pad"));
            Ok(blueprint::<Teller>(TellerConfig { defects, pad, silent_if_wiped: false }))
        },
        ..TELLER
    }
}

const BURST: Role = Role {
    name: "burst",
    about: "hands numbers in",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &[Knob::rate("rate", "numbers a second", 20, 1, 1_000)],
    processes: |_| vec!["client".to_owned()],
    build: |site: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
        if site.requests > 1_000_000 {
            return Err(PlanError("a burst hands in at most 1000000 numbers; lower limits.requests".to_owned()));
        }
        let tellers = site.directory.count("teller").max(1);
        Ok(blueprint::<Client>(ClientConfig {
            teller: site.directory.addr("teller", site.index % tellers, "main")?,
            first: (site.index as u64) << 32,
            count: site.requests,
            every: site.knobs.interval("rate"),
        }))
    },
    other_build: None,
};

/// A role that no scenario uses.
pub const UNRELATED: Role = Role { name: "unrelated", about: "is not used", ..TELLER };

/// Whatever was kept is found again at every later start.
#[derive(Clone, Default)]
struct Promise {
    kept: BTreeMap<ProcessId, BTreeSet<u64>>,
    judged: u64,
}

impl Oracle for Promise {
    fn name(&self) -> &'static str {
        "promise"
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let kept = self.kept.entry(seen.process).or_default();
        if seen.mark.kind == "fixture.kept" {
            self.judged += 1;
            kept.extend(seen.mark.number("number"));
        }
        if seen.mark.kind == "fixture.found" {
            let found: BTreeSet<u64> = seen.mark.numbers("numbers").into_iter().collect();
            if let Some(lost) = kept.difference(&found).next() {
                let facts = format!("number {lost} was kept by process {} and is gone", seen.process.0);
                let gone = Violation::new("promise", "K1", "a kept number is gone after a restart");
                return Err(gone.because(facts).seen_in(&[seen.event]).of_loss());
            }
        }
        Ok(())
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

/// Whatever was asked is kept in the end.
#[derive(Clone, Default)]
struct Answered {
    open: BTreeSet<u64>,
    judged: u64,
}

impl Oracle for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let number = seen.mark.number("number");
        self.judged += u64::from(number.is_some());
        match &*seen.mark.kind {
            "fixture.asked" => self.open.extend(number),
            "fixture.kept" => {
                number.map(|number| self.open.remove(&number));
            }
            _ => {}
        }
        Ok(())
    }

    fn pending(&self) -> Option<String> {
        self.open.first().map(|number| format!("number {number} waits for an answer"))
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

/// Judges nothing that exists.
#[derive(Clone, Default)]
struct Idle;

impl Oracle for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }
    fn observe(&mut self, _: &Observed) -> Result<(), Violation> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), Violation> {
        Ok(())
    }
    fn pending(&self) -> Option<String> {
        None
    }
    fn judged(&self) -> u64 {
        0
    }
    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

/// Everything above.
pub fn registry() -> Registry {
    let defect = |id, oracle| DefectInfo { id, title: "planted for tests", oracle, scenario: "T01.toml" };
    Registry {
        roles: vec![TELLER, BURST],
        oracles: vec![
            OracleKind {
                name: "promise",
                about: "what was kept is found again",
                invariants: &["K1"],
                make: || Box::new(Promise::default()),
            },
            OracleKind {
                name: "answered",
                about: "what was asked is kept in the end",
                invariants: &[],
                make: || Box::new(Answered::default()),
            },
            OracleKind { name: "idle", about: "judges nothing", invariants: &[], make: || Box::new(Idle) },
        ],
        defects: vec![
            defect("T01", "promise"),
            defect("T02", "panicked"),
            defect("T03", "promise"),
            defect("T04", "answered"),
            defect("T05", "promise"),
        ],
        file_protocols: Vec::new(),
        extras: Vec::new(),
    }
}

/// What a command printed.
pub struct Printed {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

/// Runs a command line through the library's entry.
pub fn command(registry: &Registry, args: &[&str]) -> Printed {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
    let args = std::iter::once("stormproof").chain(args.iter().copied()).map(Into::into);
    let exit = runner::cli::execute(registry, None, args, &mut console);
    Printed { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// A folder of one test, removed at its end.
pub struct Folder(std::path::PathBuf);

impl Folder {
    pub fn new(test: &str) -> Folder {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a scenario file and returns its path.
    #[allow(clippy::disallowed_methods)] // a test makes its own files
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A scenario that passes, with faults of which each fires in most seeds.
pub const CALM: &str = r#"
title  = "numbers are kept through crashes and losses"
nodes  = { teller = 2 }
limits = { requests = 40, safety = "20s", liveness = "30s" }
[[workload]]
name  = "burst"
count = 2
[[fault]]
kind  = "power_loss"
every = "200ms..2s"
lasts = "50ms..300ms"
[[fault]]
kind   = "loss"
chance = 0.1
every  = "0s..500ms"
lasts  = "500ms..2s"
[expect]
oracles = ["promise", "answered"]
"#;

/// `CALM` with a planted defect, and no other faults than power loss.
pub fn planted(defect: &str, caught_by: &str) -> String {
    let calm = CALM.split("[[fault]]\nkind   = \"loss\"").next().unwrap();
    format!(
        "{calm}[swarm]\nfaults = false\nsafety = false\n[expect]\noracles = [\"promise\", \"answered\"]\ndefect = \"{defect}\"\n{caught_by}\n"
    )
}
