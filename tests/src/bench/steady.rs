//! Workload C: a workload that goes on under every fault, for measuring what faults cost and for pinning runs.
//!
//! Every node asks a random other one at each tick of its timer; the other appends the question to its log,
//! syncs and answers. Nobody waits for an answer, and a node whose disk fails opens its log anew. Logs are
//! rotated, so that names are made and renamed all along. Without disks the questions are answered at once.

use contract::cell::blueprint;
use contract::plan::{Directory, NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Addr, Context, DiskError, Duration, File, Halt, NodeId, Open, ProcessId, inbox, mark, message};
use kernel::{FaultKind, FaultSpec, Settings, World};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Nodes of the workload.
pub const NODES: u32 = 5;
/// Time between two questions of a node.
pub const ROUND: Duration = Duration::from_millis(10);
/// Records of a log before it is rotated.
const RECORDS: u64 = 64;
/// How often a node reads a record in the middle of its log, in records.
const READ_EVERY: u64 = 8;
/// Bytes of one record.
const RECORD_BYTES: usize = 128;

/// What nodes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Note {
    /// Keep this.
    Ask {
        /// The asker's how-manieth.
        serial: u64,
        /// The asker's date, in nanoseconds since the epoch.
        date: i64,
    },
    /// It is kept, or could not be.
    Answer {
        /// The question's number.
        serial: u64,
        /// Whether it is on disk.
        kept: bool,
    },
}
message!(Note = "bench.steady/1");
inbox! {
    /// What a node accepts.
    pub enum Inbox {
        /// A note.
        Note(Note),
    }
}

/// One node.
#[derive(Clone, Debug, Default)]
pub struct Steady {
    disk: bool,
    recovered: bool,
    log: Option<File>,
    records: u64,
    /// Over every record read back, so that a wrong byte shows in the marks.
    read: u64,
    serial: u64,
    kept: u64,
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte))
}

impl Steady {
    /// Opens the log for the first time in this life and states what has survived of it, byte for byte.
    fn recover(&mut self, ctx: &mut Context<'_, Self>) -> Result<File, DiskError> {
        let mut disk = ctx.disk();
        let log = disk.open("log", Open::Create)?;
        let found = disk.read_all(log).inspect_err(|_| disk.close(log))?;
        self.recovered = true;
        ctx.mark(mark!("bench.found", bytes = found.len(), sum = sum(&found)));
        Ok(log)
    }

    /// Appends a record, syncs it, and now and then reads one back.
    fn write(&mut self, log: File, record: &[u8], ctx: &mut Context<'_, Self>) -> Result<(), DiskError> {
        let mut disk = ctx.disk();
        disk.append_all(log, record)?;
        disk.sync(log)?;
        self.records += 1;
        if self.records.is_multiple_of(READ_EVERY) {
            let middle = self.records % RECORDS / 2 * RECORD_BYTES as u64;
            self.read = self.read.rotate_left(1) ^ sum(&disk.read_range(log, middle, RECORD_BYTES)?);
        }
        Ok(())
    }

    /// Writes a record to the log, and rotates a log that is long enough.
    fn keep(&mut self, serial: u64, date: i64, ctx: &mut Context<'_, Self>) -> Result<(), DiskError> {
        let log = match self.log.take() {
            Some(log) => log,
            None if self.recovered => ctx.disk().open("log", Open::Create)?,
            None => self.recover(ctx)?,
        };
        let mut record = [serial as u8; RECORD_BYTES];
        record[..8].copy_from_slice(&date.to_le_bytes());
        let written = self.write(log, &record, ctx);
        if written.is_ok() && !self.records.is_multiple_of(RECORDS) {
            self.log = Some(log);
            return Ok(());
        }
        let mut disk = ctx.disk();
        disk.close(log);
        written?;
        disk.rename("log", "old")?;
        disk.sync_dir("")?;
        ctx.mark(mark!("bench.rotated", read = self.read));
        Ok(())
    }
}

impl Actor for Steady {
    type Config = bool;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(disk: &bool, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer((), ROUND);
        Ok(Steady { disk: *disk, ..Steady::default() })
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Note(note) = message;
        match note {
            Note::Ask { serial, date } => {
                let kept = self.disk && self.keep(serial, date, ctx).is_ok();
                ctx.send(node(from.0), Note::Answer { serial, kept });
            }
            Note::Answer { kept, .. } => self.kept += u64::from(kept),
        }
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        ctx.set_timer((), ROUND);
        self.serial += 1;
        let other = (ctx.me().0 + 1 + ctx.random_below(u64::from(NODES) - 1) as u32) % NODES;
        let date = ctx.wall().0;
        ctx.send(node(other), Note::Ask { serial: self.serial, date });
        Ok(())
    }
}

/// The plan gives node k process k.
fn node(process: u32) -> Addr<Note> {
    Directory::known(ProcessId(process))
}

/// [`NODES`] machines with one process each, whose other build is the same program; `disk` says whether it logs.
pub fn plan(disk: bool) -> Arc<Plan> {
    let mut plan = Plan::default();
    for number in 0..NODES {
        let name = format!("steady-{number}");
        plan.nodes.push(NodePlan { name: name.clone(), role: "steady", kind: RoleKind::System });
        plan.other_builds.insert(ProcessId(number), blueprint::<Steady>(disk));
        plan.processes.push(ProcessPlan { name, node: NodeId(number), blueprint: blueprint::<Steady>(disk) });
    }
    Arc::new(plan)
}

/// Each kind asked for on every node, in its usual strength.
pub fn faults(kinds: &[FaultKind]) -> Vec<FaultSpec> {
    kinds.iter().map(|kind| kind.usual((0..NODES).map(NodeId).collect())).collect()
}

/// A world of this workload with those faults, about to start.
pub fn world(plan: &Arc<Plan>, faults: Vec<FaultSpec>, seed: u64) -> World {
    World::new(Arc::clone(plan), &Settings { faults, ..Settings::default() }, seed)
}
