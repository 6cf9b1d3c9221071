//! What a world keeps of each process and node.

use crate::ail::Ailment;
use crate::clock::Clock;
use crate::disk::{FileSystem, Ino};
use crate::event::Event;
use crate::settings::DiskSettings;
use contract::cell::{Blueprint, Cell};
use contract::{NodeId, Pid};
use std::collections::VecDeque;
use std::sync::Arc;

/// A running actor that can be copied with its world.
pub struct CellBox(pub Box<dyn Cell>);

impl Clone for CellBox {
    fn clone(&self) -> Self {
        CellBox(self.0.clone_cell())
    }
}

/// An open file of one incarnation.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    /// The file.
    pub ino: Ino,
    /// Whether it may be changed through this handle.
    pub writable: bool,
}

/// A crash that strikes right after an effect, not at a moment of the clock: uniform moments hardly ever
/// fall between two effects of a quick handler, and there is where recovery code is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Ambush {
    /// The fault slot that laid it.
    pub slot: u32,
    /// Effects until it strikes; 0 strikes before the next one.
    pub effects_left: u32,
    /// How long the victim stays down.
    pub down_for: u64,
    /// Whether the whole node loses power.
    pub power: bool,
}

/// One process slot.
#[derive(Clone)]
pub struct Process {
    /// Where it runs.
    pub node: NodeId,
    /// Counts its starts; 0 before the first.
    pub incarnation: u32,
    /// The running actor; `None` while it is down.
    pub cell: Option<CellBox>,
    /// End of the span of its last handler: it takes no event before.
    pub busy_until: u64,
    /// When its last hung disk call returns.
    pub hung_until: u64,
    /// When the wake-up that counts is scheduled, while something waits in the mailbox.
    pub wake_at: Option<u64>,
    /// A crash lies in wait for one of its next effects.
    pub ambush: Option<Ambush>,
    /// What arrived while it was busy or paused.
    pub mailbox: VecDeque<Event>,
    /// Its open files.
    pub handles: Vec<Option<Handle>>,
    /// Its number on its node.
    pub pid: Pid,
    /// When this incarnation started, in true time.
    pub started: u64,
    /// The last monotonic reading it got: readings never go back.
    pub last_now: u64,
    /// How to start it.
    pub blueprint: Arc<dyn Blueprint>,
}

impl Process {
    /// A process that was never started.
    pub fn new(node: NodeId, blueprint: Arc<dyn Blueprint>) -> Process {
        Process {
            node,
            incarnation: 0,
            cell: None,
            busy_until: 0,
            hung_until: 0,
            wake_at: None,
            ambush: None,
            mailbox: VecDeque::new(),
            handles: Vec::new(),
            pid: Pid(0),
            started: 0,
            last_now: 0,
            blueprint,
        }
    }

    /// Whether it runs.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.cell.is_some()
    }
}

/// A machine.
#[derive(Clone)]
pub struct Node {
    /// Its disk.
    pub disk: FileSystem,
    /// Its clocks.
    pub clock: Clock,
    /// Changes at each boot.
    pub boot: u64,
    /// The next process number to give out.
    pub next_pid: u32,
    /// What is wrong with the disk now.
    pub ailments: Vec<Ailment>,
    /// Paused until then.
    pub paused_until: u64,
    /// Without power; the next boot of a process boots the machine.
    pub off: bool,
    /// Without power until then.
    pub off_until: u64,
    /// Its processes run their other build: the fault slot that changed them.
    pub skewed_by: Option<usize>,
}

impl Node {
    /// A machine that has just been switched on.
    pub fn new(disk: &DiskSettings) -> Node {
        Node {
            disk: FileSystem::of(disk),
            clock: Clock::default(),
            boot: 1,
            next_pid: 2,
            ailments: Vec::new(),
            paused_until: 0,
            off: false,
            off_until: 0,
            skewed_by: None,
        }
    }

    /// The next process number; the caller makes sure that it is not in use.
    pub fn allocate_pid(&mut self, pid_max: u32) -> Pid {
        let pid = Pid(self.next_pid);
        self.next_pid = if self.next_pid >= pid_max { 2 } else { self.next_pid + 1 };
        pid
    }
}
