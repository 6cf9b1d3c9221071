//! A tiny actor that meets every fault: it writes and syncs a file, reads the clocks, and talks to its peer.

pub mod second;

use contract::cell::blueprint;
use contract::plan::{Directory, NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Addr, Context, DiskError, Duration, File, Halt, NodeId, Open, ProcessId, inbox, mark, message};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What probes say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Counts the sender's notes over one life.
    pub serial: u64,
    /// Padding, so that several disk sectors are in play.
    pub text: String,
}
message!(Note = "test.probe/1");
inbox! {
    pub enum Inbox { Note(Note) }
}

/// One probe a node; each talks to the next one.
#[derive(Clone, Debug)]
pub struct Probe {
    next: Addr<Note>,
    file: Option<File>,
    serial: u64,
}

/// Time between two rounds of a probe.
pub const ROUND: Duration = Duration::from_millis(20);

impl Probe {
    fn write(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), (&'static str, DiskError)> {
        let mut disk = ctx.disk();
        let file = match self.file {
            Some(file) => file,
            None => disk.open("probe.log", Open::Create).map_err(|error| ("open", error))?,
        };
        self.file = Some(file);
        let bytes = [self.serial as u8; 700];
        let written = disk.append(file, &bytes).map_err(|error| ("append", error))?;
        disk.sync(file).map_err(|error| ("sync", error))?;
        disk.rename("probe.log", "probe.log2").map_err(|error| ("rename", error))?;
        disk.rename("probe.log2", "probe.log").map_err(|error| ("rename", error))?;
        if written < bytes.len() {
            ctx.mark(mark!("probe.short", written = written));
        }
        Ok(())
    }
}

impl Actor for Probe {
    type Config = ProcessId;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(next: &ProcessId, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer((), ROUND);
        let found = found(ctx);
        ctx.mark(mark!("probe.boot", pid = ctx.identity().pid.0, host_boot = ctx.identity().boot));
        if let Some(last) = found {
            ctx.mark(mark!("probe.found", last = last));
        }
        Ok(Probe { next: Directory::known(*next), file: None, serial: 0 })
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Note(note) = message;
        ctx.mark(mark!("probe.heard", from = from.0, serial = note.serial));
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.serial += 1;
        ctx.set_timer((), ROUND);
        ctx.send(self.next, Note { serial: self.serial, text: "x".repeat(40) });
        let (mono, wall) = (ctx.now().0, ctx.wall().0 as u64);
        ctx.mark(mark!("probe.round", serial = self.serial, mono = mono, wall = wall));
        if let Err((call, error)) = self.write(ctx) {
            ctx.mark(mark!("probe.error", call = call, error = error.to_string()));
            if call == "rename" {
                // The name may be either; start over.
                self.file = None;
            }
        }
        Ok(())
    }
}

/// The last byte of the file that an earlier life left, if it can be read.
pub fn found<A: Actor>(ctx: &mut Context<'_, A>) -> Option<u64> {
    let mut disk = ctx.disk();
    let file = disk.open("probe.log", Open::Read).ok()?;
    let last = disk.read_all(file).ok().and_then(|bytes| bytes.last().map(|byte| u64::from(*byte)));
    disk.close(file);
    last
}

/// `nodes` probes in a ring, each with a second build.
pub fn plan(nodes: u32) -> Arc<Plan> {
    let mut plan = Plan::default();
    for node in 0..nodes {
        let name = format!("probe-{node}");
        plan.nodes.push(NodePlan { name: name.clone(), role: "probe", kind: RoleKind::System });
        let next = ProcessId((node + 1) % nodes);
        plan.other_builds.insert(ProcessId(node), contract::cell::blueprint::<second::Second>(next));
        let blueprint = blueprint::<Probe>(next);
        plan.processes.push(ProcessPlan { name, node: NodeId(node), blueprint });
    }
    Arc::new(plan)
}
