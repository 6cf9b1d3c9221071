//! A second small system: clients write to keepers and wait for a majority of them.
//!
//! Planted defect: `T06` waits for the first keeper, too, so that one lost minority stops everything. The
//! role `single` keeps numbers alone and, once it has lost its disk, says nothing any more: it cannot be repaired.

use crate::fixture::{ClientInbox, Keep, Kept, Teller, TellerConfig, Tick, registry};
use contract::calls::{Calls, Retry};
use contract::cell::{Blueprint, blueprint};
use contract::history::{Done, Op, Outcome};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use contract::{Actor, Addr, Context, Duration, Halt, Observed, ProcessId, Value, mark};
use oracles::{Oracle, OracleKind, Violation};
use runner::{DefectInfo, Registry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct WriterConfig {
    keepers: Vec<Addr<Keep>>,
    count: u64,
    every: Duration,
    needs_the_first: bool,
}

/// Writes each number to all keepers until a majority keeps it.
#[derive(Clone, Debug)]
pub struct Writer {
    config: Arc<WriterConfig>,
    next: u64,
    /// Who keeps each number that not enough keepers keep yet.
    kept: BTreeMap<u64, BTreeSet<ProcessId>>,
    calls: Calls<(u64, usize), Keep>,
}

impl std::fmt::Debug for WriterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keepers, {} numbers", self.keepers.len(), self.count)
    }
}

impl Writer {
    fn is_enough(&self, by: &BTreeSet<ProcessId>) -> bool {
        let first = self.config.keepers[0].process();
        by.len() > self.config.keepers.len() / 2 && (!self.config.needs_the_first || by.contains(&first))
    }
}

impl Actor for Writer {
    type Config = Arc<WriterConfig>;
    type Inbox = ClientInbox;
    type Timer = Tick;

    fn boot(config: &Arc<WriterConfig>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let retry = Retry { first: Duration::from_millis(200), longest: Duration::from_secs(2), deadline: None };
        ctx.set_timer(Tick::Next, config.every);
        Ok(Writer { config: Arc::clone(config), next: 0, kept: BTreeMap::new(), calls: Calls::new(retry) })
    }

    fn on_message(&mut self, from: ProcessId, message: ClientInbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let ClientInbox::Kept(Kept { number }) = message;
        let Some(by) = self.kept.get_mut(&number) else { return Ok(()) };
        by.insert(from);
        if self.is_enough(&self.kept[&number].clone()) {
            self.kept.remove(&number);
            for keeper in 0..self.config.keepers.len() {
                self.calls.finish((number, keeper));
            }
            ctx.complete(Done { id: number, outcome: Outcome::Ok, output: Value::from(number) });
        }
        if self.next == self.config.count && self.kept.is_empty() {
            ctx.mark(mark!("workload.done", client = ctx.me().0));
        }
        self.calls.schedule(Tick::Retry, ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Tick, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        if timer == Tick::Retry {
            self.calls.poll(ctx);
        } else if self.next < self.config.count {
            let number = self.next;
            self.next += 1;
            ctx.invoke(Op { id: number, action: "write", input: Value::from(number) });
            self.kept.insert(number, BTreeSet::new());
            for (index, keeper) in self.config.keepers.iter().enumerate() {
                let message = Keep { number, reply_to: ctx.addr() };
                self.calls.begin((number, index), *keeper, message, ctx);
            }
            ctx.set_timer(Tick::Next, self.config.every);
        }
        self.calls.schedule(Tick::Retry, ctx);
        Ok(())
    }
}

const KEEPER: Role = Role {
    name: "keeper",
    about: "keeps numbers on disk, one of several",
    kind: RoleKind::System,
    core: Core::Majority,
    knobs: &[],
    processes: |_| vec!["main".to_owned()],
    build: |_: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
        Ok(blueprint::<Teller>(TellerConfig { defects: BTreeSet::new(), pad: 8, silent_if_wiped: false }))
    },
    other_build: None,
};

const SINGLE: Role = Role {
    name: "single",
    about: "keeps numbers on the only disk there is",
    core: Core::All,
    build: |_: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
        Ok(blueprint::<Teller>(TellerConfig { defects: BTreeSet::new(), pad: 8, silent_if_wiped: true }))
    },
    ..KEEPER
};

const WRITER: Role = Role {
    name: "writer",
    about: "writes numbers to all keepers, or to the single",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &[],
    processes: |_| vec!["client".to_owned()],
    build: |site: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> {
        let role = if site.directory.count("keeper") > 0 { "keeper" } else { "single" };
        let all = 0..site.directory.count(role);
        let keepers: Result<Vec<_>, _> = all.map(|index| site.directory.addr(role, index, "main")).collect();
        Ok(blueprint::<Writer>(Arc::new(WriterConfig {
            keepers: keepers?,
            count: site.requests,
            every: Duration::from_millis(200),
            needs_the_first: site.defects.contains("T06"),
        })))
    },
    other_build: None,
};

/// Can judge nothing.
#[derive(Clone, Default)]
struct Unsure {
    seen: u64,
}

impl Oracle for Unsure {
    fn name(&self) -> &'static str {
        "unsure"
    }
    fn observe(&mut self, _: &Observed) -> Result<(), Violation> {
        self.seen += 1;
        Ok(())
    }
    fn finish(&mut self) -> Result<(), Violation> {
        Ok(())
    }
    fn pending(&self) -> Option<String> {
        None
    }
    fn judged(&self) -> u64 {
        1
    }
    fn undecided(&self) -> u64 {
        self.seen.min(3)
    }
    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

/// The first system's registry with this one.
pub fn quorum_registry() -> Registry {
    let mut all = registry();
    all.roles.extend([KEEPER, SINGLE, WRITER]);
    all.oracles.extend(oracles::all().into_iter().filter(|kind| kind.name == "convergence"));
    let unsure = || -> Box<dyn Oracle> { Box::new(Unsure::default()) };
    all.oracles.push(OracleKind { name: "unsure", about: "can judge nothing", invariants: &[], make: unsure });
    all.defects.push(DefectInfo {
        id: "T06",
        title: "waits for one keeper",
        oracle: "convergence",
        scenario: "T06.toml",
    });
    all
}

/// Three keepers of which a minority may stay broken.
pub const QUORUM: &str = r#"
title  = "a majority of the keepers is enough"
nodes  = { keeper = 3 }
limits = { requests = 80, safety = "20s", liveness = "60s" }
[[workload]]
name = "writer"
[[fault]]
kind  = "process_crash"
every = "200ms..2s"
lasts = "1s..5s"
[[fault]]
kind  = "partition"
every = "200ms..2s"
lasts = "1s..5s"
[expect]
oracles = ["convergence", "promise"]
"#;

/// `QUORUM` with the planted defect.
pub fn needs_the_first() -> String {
    format!("{QUORUM}defect = \"T06\"\ncaught_by = \"convergence\"\n")
}
