//! A resource behind a lock: it takes a write only if it has seen no higher fencing token (Kleppmann, "How to do
//! distributed locking", 2016).
//!
//! The highest token of each lock is durable before a write with it is taken. The tokens stand in one file, which is
//! written anew under another name, synced, renamed, and whose directory is synced, at every boot too: a name that a
//! crash left behind may not be durable yet. Any error of the disk ends the process; the next one reads what is there.
//! A file that cannot be read is never taken for an empty one.

pub mod message;

use crate::planted::{Defect, Planted};
use contract::codec::{self, RecordAt};
use contract::{Actor, Context, DiskError, Halt, Open, ProcessId, inbox, mark};
use message::{Reply, Request};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a resource is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, for oracles.
    pub name: String,
    /// The defects that are switched on.
    pub planted: Planted,
}

inbox! {
    /// What a resource accepts.
    pub enum Inbox {
        /// From holders.
        Write(Request),
    }
}

/// It has no timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {}

const FILE: &str = "tokens";
const NEW: &str = "tokens.new";

/// One resource.
#[derive(Clone, Debug)]
pub struct Resource {
    config: Arc<Config>,
    /// The highest token by lock; durable.
    highest: BTreeMap<String, u64>,
}

impl Actor for Resource {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let highest = read(ctx)?;
        keep(&highest, ctx)?;
        Ok(Resource { config: Arc::clone(config), highest })
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Write(request) = message;
        let taken = match request.token {
            Some(token) => self.admits(&request.lock, token, ctx)?,
            None => self.config.planted.has(Defect::P32),
        };
        if taken {
            let lock = request.lock.as_str();
            // What each lock protects is a resource of its own.
            let resource = format!("{}/{lock}", self.config.name);
            ctx.mark(mark!("resource.write", resource = resource, lock = lock, token = request.traced));
        }
        ctx.send(request.reply_to, Reply { call: request.call, taken });
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {}
    }
}

impl Resource {
    /// Whether no higher token was seen; if so this one is durably the highest.
    fn admits(&mut self, lock: &str, token: u64, ctx: &mut Context<'_, Self>) -> Result<bool, Halt> {
        let seen = self.highest.get(lock).copied().unwrap_or_default();
        if token > seen {
            self.highest.insert(lock.to_owned(), token);
            keep(&self.highest, ctx)?;
        }
        Ok(token >= seen)
    }
}

fn read(ctx: &mut Context<'_, Resource>) -> Result<BTreeMap<String, u64>, Halt> {
    let mut disk = ctx.disk();
    let file = match disk.open(FILE, Open::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let bytes = disk.read_all(file)?;
    disk.close(file);
    whole(&bytes).ok_or_else(|| Halt::new(format!("{FILE} cannot be read: it is damaged, or this read of it was")))
}

/// The tokens of a whole file: one record and nothing behind it.
fn whole(bytes: &[u8]) -> Option<BTreeMap<String, u64>> {
    match codec::read_record(bytes, 0) {
        RecordAt::Record(body, end) if end == bytes.len() => codec::decode(body).ok(),
        _ => None,
    }
}

fn keep(highest: &BTreeMap<String, u64>, ctx: &mut Context<'_, Resource>) -> Result<(), Halt> {
    let body = codec::encode(highest).map_err(|error| Halt::new(format!("too many locks: {error}")))?;
    let mut bytes = Vec::new();
    codec::write_record(&body, &mut bytes).map_err(|error| Halt::new(format!("too many locks: {error}")))?;
    let mut disk = ctx.disk();
    let file = disk.open(NEW, Open::Create)?;
    disk.truncate(file, 0)?;
    disk.append_all(file, &bytes)?;
    disk.sync(file)?;
    disk.close(file);
    disk.rename(NEW, FILE)?;
    Ok(disk.sync_dir("")?)
}
