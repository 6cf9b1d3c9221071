//! A probe that lives off its disk: all it writes can be told from what it should be, so that it says what is
//! wrong with what it reads. It trusts every success and mends nothing.

use contract::cell::blueprint;
use contract::plan::{NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Context, Disk, DiskError, Duration, File, Halt, NodeId, Open, ProcessId, inbox, mark, message};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Nobody sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing;
message!(Nothing = "test.nothing/1");
inbox! {
    pub enum Inbox { Nothing(Nothing) }
}

/// A log that grows and is synced, blocks that are overwritten, and a small file that is replaced.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    log: Option<File>,
    blocks: Option<File>,
    rounds: u64,
    /// Records in the log.
    written: u64,
    /// Those that a sync has confirmed.
    records: u64,
    /// The version of the next block to write.
    version: u64,
    /// The version that each block should have, once this life has written it.
    versions: [Option<u64>; BLOCKS],
}

/// Records of the log: the n-th consists of the n-th byte.
const RECORD: usize = 700;
/// Blocks of the other file: each consists of one word, its number and its version.
const BLOCK: usize = 2048;
const BLOCKS: usize = 16;
/// Bytes of the small file.
const STATE: usize = 600;
/// The file of records.
pub const LOG: &str = "keeper.log";
/// The file of blocks.
pub const BLOCKS_FILE: &str = "keeper.blocks";
const STATE_FILE: &str = "keeper.state";
const ROUND: Duration = Duration::from_millis(20);

type Step = Result<(), (&'static str, DiskError)>;

/// Names the call that failed.
fn at<T>(call: &'static str, result: Result<T, DiskError>) -> Result<T, (&'static str, DiskError)> {
    result.map_err(|error| (call, error))
}

fn record(number: u64) -> [u8; RECORD] {
    [(number % 255) as u8 + 1; RECORD]
}

/// What is wrong with a block: nothing, some sectors of another version, or bytes that nobody wrote there.
pub fn judge_block(number: usize, block: &[u8]) -> Result<u64, &'static str> {
    let words: Vec<u64> =
        block.chunks(8).map(|word| word.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))).collect();
    if block.len() < BLOCK || words.iter().any(|word| word >> 32 != number as u64 + 1) {
        return Err("alien");
    }
    let first = words[0] & 0xffff_ffff;
    if words.iter().all(|word| *word == words[0]) { Ok(first) } else { Err("torn") }
}

/// How many records of a log are as they should be, all zeros, or something else.
pub fn judge_log(log: &[u8]) -> (u64, u64, u64) {
    let (mut right, mut holes, mut wrong) = (0, 0, 0);
    for (number, bytes) in log.chunks(RECORD).enumerate() {
        let whole = &record(number as u64)[..bytes.len()];
        match () {
            () if bytes == whole => right += 1,
            () if bytes.iter().all(|byte| *byte == 0) => holes += 1,
            () => wrong += 1,
        }
    }
    (right, holes, wrong)
}

impl Keeper {
    /// Appends a record and syncs it. After a failed sync it only syncs again, as if that could help.
    fn append(&mut self, ctx: &mut Context<'_, Self>) -> Step {
        let Some(log) = self.log else { return Ok(()) };
        let place = self.written * RECORD as u64;
        let mut disk = ctx.disk();
        let mut short = None;
        if self.written == self.records {
            if at("len", disk.len(log))? > place {
                at("truncate", disk.truncate(log, place))?;
            }
            let bytes = record(self.written);
            let count = at("append", disk.append(log, &bytes))?;
            at("append", disk.append_all(log, &bytes[count..]))?;
            self.written += 1;
            short = (count < RECORD).then_some(count);
        }
        at("sync", disk.sync(log))?;
        self.records = self.written;
        if let Some(count) = short {
            ctx.mark(mark!("probe.short", written = count));
        }
        Ok(())
    }

    fn overwrite(&mut self, ctx: &mut Context<'_, Self>) -> Step {
        let Some(file) = self.blocks else { return Ok(()) };
        let number = (self.rounds % BLOCKS as u64) as usize;
        let word = ((number as u64 + 1) << 32) | self.version;
        let block = word.to_be_bytes().repeat(BLOCK / 8);
        self.versions[number] = None;
        let mut disk = ctx.disk();
        let mut done = 0;
        while done < BLOCK {
            done += at("write", disk.write_at(file, (number * BLOCK + done) as u64, &block[done..]))?;
        }
        self.versions[number] = Some(self.version);
        self.version += 1;
        if self.rounds.is_multiple_of(4) {
            at("sync", disk.sync(file))?;
        }
        Ok(())
    }

    /// Replaces the small file, and leaves it to the file system that its data comes before its name.
    fn replace(&mut self, ctx: &mut Context<'_, Self>) -> Step {
        let mut disk = ctx.disk();
        let temporary = at("create", disk.open("keeper.tmp", Open::Create))?;
        let written = disk.append_all(temporary, &[7; STATE]);
        disk.close(temporary);
        at("append", written)?;
        at("rename", disk.rename("keeper.tmp", STATE_FILE))
    }

    /// Reads one record and one block back, through a handle of its own.
    fn look(&mut self, ctx: &mut Context<'_, Self>) -> Step {
        let drawn = ctx.random();
        let mut disk = ctx.disk();
        if self.records > 0 {
            let number = drawn % self.records;
            let log = at("open", disk.open(LOG, Open::Read))?;
            let mut bytes = [0; RECORD];
            let read = disk.read_at(log, number * RECORD as u64, &mut bytes);
            disk.close(log);
            let read = at("read", read)?;
            if bytes[..read] != record(number)[..read] {
                ctx.mark(mark!("keeper.bad", what = "record", number = number));
            }
            if read < RECORD {
                ctx.mark(mark!("keeper.short_read", read = read));
            }
        }
        self.look_at_block(ctx)
    }

    fn look_at_block(&mut self, ctx: &mut Context<'_, Self>) -> Step {
        let (number, Some(file)) = ((self.rounds * 7 % BLOCKS as u64) as usize, self.blocks) else { return Ok(()) };
        let Some(version) = self.versions[number] else { return Ok(()) };
        let block = at("read", ctx.disk().read_range(file, (number * BLOCK) as u64, BLOCK))?;
        match judge_block(number, &block) {
            Ok(found) if found == version => {}
            Ok(_) => ctx.mark(mark!("keeper.bad", what = "stale", number = number)),
            Err(what) => ctx.mark(mark!("keeper.bad", what = what, number = number)),
        }
        Ok(())
    }

    fn opened(disk: &mut Disk<'_>) -> Result<(File, File), DiskError> {
        let log = disk.open(LOG, Open::Create)?;
        let blocks = disk.open(BLOCKS_FILE, Open::Create)?;
        if disk.len(blocks)? == 0 {
            for number in 0..BLOCKS as u64 {
                disk.append_all(blocks, &((number + 1) << 32).to_be_bytes().repeat(BLOCK / 8))?;
            }
            disk.sync(blocks)?;
        }
        if !disk.exists(STATE_FILE)? {
            let state = disk.open(STATE_FILE, Open::Create)?;
            disk.append_all(state, &[7; STATE])?;
            disk.sync(state)?;
            disk.close(state);
        }
        disk.sync_dir("")?;
        Ok((log, blocks))
    }

    /// What an earlier life left.
    fn found(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), DiskError> {
        let mut disk = ctx.disk();
        let (log, blocks) = Self::opened(&mut disk)?;
        (self.log, self.blocks) = (Some(log), Some(blocks));
        let bytes = disk.read_all(log)?;
        self.written = (bytes.len() / RECORD) as u64;
        self.records = self.written;
        let (right, holes, wrong) = judge_log(&bytes);
        let bytes = disk.read_all(blocks)?;
        let judged: Vec<_> =
            bytes.chunks(BLOCK).enumerate().map(|(number, block)| judge_block(number, block)).collect();
        self.version = judged.iter().flatten().max().map_or(0, |version| version + 1);
        let count = |wanted: &str| judged.iter().filter(|it| it.is_err_and(|what| what == wanted)).count();
        let state = disk.open(STATE_FILE, Open::Read)?;
        let state = disk.read_all(state)?;
        ctx.mark(
            mark!("keeper.found", records = right, holes = holes, wrong = wrong)
                .with("torn", count("torn"))
                .with("alien", count("alien"))
                .with("empty", state.is_empty())
                .with("partial", !state.is_empty() && state != [7; STATE]),
        );
        Ok(())
    }
}

impl Actor for Keeper {
    type Config = ();
    type Inbox = Inbox;
    type Timer = ();

    fn boot((): &(), ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer((), ROUND);
        let mut keeper = Keeper::default();
        if let Err(error) = keeper.found(ctx) {
            ctx.mark(mark!("probe.error", call = "boot", error = error.to_string()));
        }
        Ok(keeper)
    }

    fn on_message(&mut self, _: ProcessId, _: Inbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        ctx.set_timer((), ROUND);
        self.rounds += 1;
        ctx.mark(mark!("probe.round", serial = self.rounds));
        for step in [Self::append, Self::overwrite, Self::replace, Self::look] {
            if let Err((call, error)) = step(self, ctx) {
                ctx.mark(mark!("probe.error", call = call, error = error.to_string()));
            }
        }
        Ok(())
    }
}

/// One keeper on each of `nodes` nodes.
pub fn plan(nodes: u32) -> Arc<Plan> {
    let mut plan = Plan::default();
    for node in 0..nodes {
        let name = format!("keeper-{node}");
        plan.nodes.push(NodePlan { name: name.clone(), role: "keeper", kind: RoleKind::System });
        plan.processes.push(ProcessPlan { name, node: NodeId(node), blueprint: blueprint::<Keeper>(()) });
    }
    Arc::new(plan)
}
