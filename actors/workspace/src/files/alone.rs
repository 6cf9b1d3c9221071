//! A machine with one process: the disk is given, time stands still but for sleeping, and chance is a counter.

use crate::lock::ticket::{self, Content};
use crate::lock::token::Token;
use crate::places::Places;
use crate::turn::{Machine, Step, Turn};
use contract::host::{Identity, Liveness};
use contract::{Disk, DiskError, Duration, Mark, Open, Pid, Time, Wall};

/// A process, between two operations.
#[derive(Clone, Debug)]
pub struct Alone {
    who: Identity,
    now: Time,
    drawn: u64,
}

impl Alone {
    /// Another process than any that has left something in the workspace.
    pub fn start(boot: u64, disk: &mut Disk<'_>, places: &Places) -> Alone {
        let started = 1 + owners(disk, places).into_iter().map(|token| token.owner.started).max().unwrap_or(0);
        Alone { who: Identity { pid: Pid(1), started, boot, host: 1 }, now: Time::ZERO, drawn: 0 }
    }

    /// Runs an operation to its end.
    pub fn run<T>(&mut self, disk: &mut Disk<'_>, operation: impl FnOnce(&mut Turn<'_>) -> Step<T>) -> T {
        Turn::through(&mut Running { process: self, disk }, operation)
    }
}

/// Writes back what no operation makes durable, as the system does after a while.
pub fn write_back(disk: &mut Disk<'_>, places: &Places) {
    // Where one is missing there is nothing to write back.
    for path in [places.watermark(), places.telemetry()] {
        if let Ok(file) = disk.open(&path, Open::Write) {
            let _ = disk.sync(file);
            disk.close(file);
        }
    }
    for path in [places.temporaries(), places.locks(), places.states(), places.root().to_owned()] {
        let _ = disk.sync_dir(&path);
    }
}

/// Those who have left a ticket or a lock.
fn owners(disk: &mut Disk<'_>, places: &Places) -> Vec<Token> {
    let mut owners = Vec::new();
    for folder in [places.temporaries(), places.locks()] {
        for name in disk.list(&folder).unwrap_or_default() {
            owners.extend(Token::of_file(&name));
            if let Ok(Content::Taken(token)) = content(disk, &format!("{folder}/{name}")) {
                owners.push(token);
            }
        }
    }
    owners
}

fn content(disk: &mut Disk<'_>, path: &str) -> Result<Content, DiskError> {
    let file = disk.open(path, Open::Read)?;
    let bytes = disk.read_all(file);
    disk.close(file);
    Ok(ticket::read(&bytes?, 0))
}

/// A process at work.
struct Running<'r, 'd> {
    process: &'r mut Alone,
    disk: &'r mut Disk<'d>,
}

impl Machine for Running<'_, '_> {
    fn disk(&mut self) -> Disk<'_> {
        Disk::new(&mut **self.disk)
    }
    fn identity(&self) -> Identity {
        self.process.who
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        let Identity { pid: mine, started, .. } = self.process.who;
        if pid == mine { Liveness::Alive { started } } else { Liveness::Dead }
    }
    fn now(&self) -> Time {
        self.process.now
    }
    fn wall(&self) -> Wall {
        Wall::default()
    }
    // A file protocol depends on no chance; numbers that are drawn name files and must differ.
    fn random(&mut self) -> u64 {
        self.process.drawn += 1;
        self.process.drawn
    }
    fn mark(&mut self, _: Mark) {}
    fn sleep(&mut self, time: Duration) {
        self.process.now = self.process.now + time;
    }
}
