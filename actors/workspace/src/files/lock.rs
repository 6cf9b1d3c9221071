//! A lock whose holder dies with it in hand, or while taking it, giving it back or taking it over.

use super::alone::{Alone, write_back};
use super::save::locker;
use crate::lock::{self, Held, Locker, sweep};
use crate::places::Places;
use contract::file_protocol::Event;
use contract::{Disk, FileProtocol};

/// One lock and a process after another.
#[derive(Clone, Copy, Debug, Default)]
pub struct LockFiles;

/// What the process does with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Takes it, unless it has it.
    Acquire,
    /// Gives it back, if it has it.
    Release,
}

/// A process with a ticket, perhaps with the lock.
#[derive(Clone, Debug)]
pub struct Running {
    process: Alone,
    locker: Locker,
    held: Option<Held>,
}

/// What lies in the workspace when the next process has taken the lock, given it back and swept: nothing but its ticket.
pub type Found = Vec<String>;

fn places() -> Places {
    Places::of("workspace")
}

fn held(process: &mut Alone, locker: &Locker, disk: &mut Disk<'_>) -> Result<Held, String> {
    process.run(disk, |turn| lock::acquire(turn, locker, "lock")).map_err(|error| error.to_string())
}

impl FileProtocol for LockFiles {
    type Op = Op;
    type Ack = bool;
    type State = Running;
    type Found = Found;
    type Model = ();

    fn name(&self) -> &'static str {
        "workspace-lock"
    }

    fn about(&self) -> &'static str {
        "a lock of the workspace: taken, given back, taken over from the dead, swept"
    }

    fn operations(&self, _: usize) -> Vec<Op> {
        vec![Op::Acquire, Op::Release]
    }

    fn tells_boots_apart(&self) -> bool {
        true
    }

    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Found), String> {
        self.restart(0, disk)
    }

    fn restart(&self, boot: u64, disk: &mut Disk<'_>) -> Result<(Running, Found), String> {
        let mut process = Alone::start(boot, disk, &places());
        let locker = locker(&mut process, disk)?;
        write_back(disk, &places());
        let taken = held(&mut process, &locker, disk)?;
        write_back(disk, &places());
        let inode = disk.stat(&places().lock("lock")).map_err(|error| error.to_string())?.inode;
        if inode != locker.ticket.inode {
            return Err("L1: the lock that was taken is somebody else's".to_owned());
        }
        process.run(disk, |turn| lock::release(turn, &locker, &taken)).map_err(|error| error.to_string())?;
        write_back(disk, &places());
        process.run(disk, |turn| sweep::sweep(turn, &locker)).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        for folder in [places().temporaries(), places().locks()] {
            let names = disk.list(&folder).map_err(|error| error.to_string())?;
            found.extend(
                names.into_iter().map(|name| format!("{folder}/{name}")).filter(|it| *it != locker.ticket.path),
            );
        }
        Ok((Running { process, locker, held: None }, found))
    }

    /// Whether it has the lock now.
    fn apply(&self, running: &mut Running, op: &Op, disk: &mut Disk<'_>) -> Result<bool, String> {
        write_back(disk, &places());
        let Running { process, locker, held: mine } = running;
        match (op, mine.take()) {
            (Op::Acquire, None) => *mine = held(process, locker, disk).ok(),
            (Op::Acquire, taken) => *mine = taken,
            (Op::Release, Some(taken)) => {
                process.run(disk, |turn| lock::release(turn, locker, &taken)).map_err(|error| error.to_string())?;
            }
            (Op::Release, None) => {}
        }
        Ok(mine.is_some())
    }

    fn judge(&self, _: &mut (), event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Found(found) if !found.is_empty() => Err(format!("A4: {found:?} belong to nobody")),
            _ => Ok(()),
        }
    }
}
