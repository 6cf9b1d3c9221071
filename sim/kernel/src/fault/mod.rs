//! The faults a world can suffer: their kinds, and how a run asks for them.

mod catalogue;

use crate::settings::Span;
use catalogue::{CATALOGUE, Facts};
use contract::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What goes wrong. The book's chapter on faults says what a correct system does about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// One process of the target is killed; the page cache survives. Restarts after `lasts`.
    ProcessCrash,
    /// The target loses power: unsynced data is dropped, reordered or torn by sector. Boots after `lasts`.
    PowerLoss,
    /// The target's disk is full for `lasts`: ENOSPC on write (short first), fsync, rename and create.
    DiskFull,
    /// Reads and writes on the target fail with EIO with probability `chance` for `lasts`.
    DiskError,
    /// fsync on the target fails with EIO with probability `chance` for `lasts`; what it should have synced stays
    /// unsynced, and a later sync may still save it.
    FsyncFailure,
    /// Messages touching the target are late by `amount` with probability `chance`.
    DelayTail,
    /// Messages touching the target are lost with probability `chance`.
    Loss,
    /// Messages touching the target arrive twice with probability `chance`.
    Duplication,
    /// Messages touching the target are overtaken: held back by up to `amount` with probability `chance`.
    Reordering,
    /// Messages touching the target arrive, and once more after `amount` (seconds to minutes), with probability
    /// `chance`.
    LateReplay,
    /// The target is cut off from its peers (every other node, or `peers`), both ways, for `lasts`.
    Partition,
    /// The target hears none of its peers, or none of them hears it (drawn), for `lasts`.
    OneWayPartition,
    /// The link between the target and one of its peers is cut while both reach the rest, for `lasts`.
    PartialPartition,
    /// All processes of the target stand still for `lasts` while time passes.
    Pause,
    /// The target's wall clock is off by up to `amount`, either way, for `lasts`.
    ClockSkew,
    /// The target's clocks run fast or slow by up to `chance` (a fraction) for `lasts`.
    ClockDrift,
    /// Disk calls on the target take `amount` longer, with probability `chance`, for `lasts`.
    SlowDisk,
    /// The target's file system is read-only for `lasts`: every change and every sync with something to write is
    /// EROFS.
    ReadOnly,
    /// Messages touching the target are held for the rest of the occurrence, and then arrive all at once.
    Clog,
    /// The target loses power and its disk with it: the same machine returns empty after `lasts`.
    HostLoss,
    /// In each occurrence the first fsync of each dirty file on the target fails with EIO and marks its pages
    /// clean; every later one reports success without them (fsyncgate). Reads still see them until the power goes.
    FsyncLie,
    /// A disk call that begins on the target in the occurrence returns, with probability `chance`, only at its end.
    HungDisk,
    /// Creating a file or a directory on the target fails with ENOSPC for `lasts`, although bytes are free. (A disk
    /// also has a real number of inodes, `DiskSettings::inodes`; reaching it is no fault.)
    InodeExhaustion,
    /// Opening a file on the target fails with EMFILE with probability `chance` for `lasts`.
    TooManyOpen,
    /// Reads and writes on the target transfer a part, at least one byte, with probability `chance` for `lasts`.
    ShortIo,
    /// When it strikes, one bit of what is durable flips in each file of the target with probability `chance`; it
    /// stays so until written over. Fires when a read covers it.
    BitRot,
    /// When it strikes, one durable sector in each file of the target becomes unreadable with probability `chance`:
    /// EIO until all of it is written over. Fires when a read covers it.
    LatentError,
    /// A write on the target lands, with probability `chance`, at another sector of that file or of another one of
    /// the same process; what should have been written over stays, and the file grows as if it had been written.
    MisdirectedWrite,
    /// A read on the target returns, with probability `chance`, the bytes from another sector on, of that file or of
    /// another one of the same process. Fires where they differ.
    MisdirectedRead,
    /// A write on the target is, with probability `chance`, never made durable although fsync reports success. It
    /// damages the node when fsync does, and fires when the power goes and the write with it.
    PhantomWrite,
    /// The target and about half of all nodes (with a wider scope: of its victims) are clogged one after the other
    /// in the first half of the occurrence, and freed in another order in the second.
    Swizzle,
    /// When it strikes, the connections of the target to one of its peers, or to all (drawn), break: what is on its
    /// way is lost, the last message after some bytes of its frame. Later messages use new connections.
    Reset,
    /// A connection in one direction of one link of the target (drawn) is dead, and its sender does not know until it
    /// times out at the end of the occurrence: the first messages fill the send buffer and are lost with it, the later
    /// ones wait for the next connection and arrive stale. A one-way partition loses all, of all peers, also what is
    /// on its way when it begins.
    HalfOpen,
    /// Each message takes a process of the target `amount` longer, and what does not fit its receive buffer meanwhile
    /// is lost.
    SlowReceiver,
    /// Like `pause`, and what the target had sent to other nodes but was still on its way leaves when it resumes;
    /// never, if it dies before.
    Zombie,
    /// Those of the target's processes that have another build are killed and start in it, on the files of the first;
    /// messages move as bytes from then on. At the end they are rolled back in the same way. Restarts, and messages
    /// that one build refuses of the other, count as fired.
    VersionSkew,
    /// The target's wall clock jumps by up to `amount`, either way, or to just before the seconds overflow 31 or 32
    /// bits; it is set right after `lasts`.
    ClockJump,
    /// The target's wall clock stands still for `lasts` while its monotonic clock goes on.
    ClockFreeze,
    /// The target's wall clock repeats one second, or smears it over the occurrence (drawn).
    LeapSecond,
}

/// What a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Processes and machines.
    Process,
    /// Disks and file systems.
    Storage,
    /// Links and messages.
    Network,
    /// Clocks.
    Clock,
}

/// How many nodes one occurrence strikes. A wider occurrence draws once and strikes all alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The drawn target.
    #[default]
    Node,
    /// Every target in the drawn target's zone.
    Zone,
    /// Every target.
    All,
}

/// How one fault is asked for. Each occurrence draws from a stream of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpec {
    /// What.
    pub kind: FaultKind,
    /// Whom: each occurrence draws one of these.
    pub targets: Vec<NodeId>,
    /// How many of them at once.
    pub scope: Scope,
    /// The other ends of a link fault; nobody named means everybody else.
    pub peers: Vec<NodeId>,
    /// Time from the start of the run, or the end of the previous occurrence, to the next.
    pub every: Span,
    /// Strikes right after the next mark of this kind by a target, counted from when it would have struck. Then
    /// `every` counts from the beginning of the previous occurrence, so that the restart that ends a crash
    /// can be struck again.
    pub after: Option<Arc<str>>,
    /// How long an occurrence lasts; relief comes then.
    pub lasts: Span,
    /// Probability per message or disk operation inside an occurrence, in parts per million.
    pub chance_ppm: u32,
    /// The size of the effect where it has one (delays, offsets).
    pub amount: Span,
    /// At most this many occurrences.
    pub limit: u32,
    /// Keys this slot's draws in place of its index, so that a file with fewer faults draws the same.
    pub key: Option<u32>,
    /// Only these occurrences strike, the first being 1; the others pass in silence.
    pub occurrences: Option<Arc<BTreeSet<u32>>>,
    /// Only the messages of these identities are met.
    pub messages: Option<Arc<BTreeSet<u64>>>,
}

/// How often a kind was asked for and really struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCount {
    /// Occurrences begun.
    pub asked: u64,
    /// Effects that some process or message really met.
    pub fired: u64,
}

impl FaultKind {
    /// Every kind, in the order of the book's table.
    pub const ALL: [FaultKind; 39] = [
        FaultKind::ProcessCrash,
        FaultKind::PowerLoss,
        FaultKind::DiskFull,
        FaultKind::DiskError,
        FaultKind::FsyncFailure,
        FaultKind::DelayTail,
        FaultKind::Loss,
        FaultKind::Duplication,
        FaultKind::Reordering,
        FaultKind::LateReplay,
        FaultKind::Partition,
        FaultKind::OneWayPartition,
        FaultKind::PartialPartition,
        FaultKind::Pause,
        FaultKind::ClockSkew,
        FaultKind::ClockDrift,
        FaultKind::SlowDisk,
        FaultKind::ReadOnly,
        FaultKind::Clog,
        FaultKind::HostLoss,
        FaultKind::FsyncLie,
        FaultKind::HungDisk,
        FaultKind::InodeExhaustion,
        FaultKind::TooManyOpen,
        FaultKind::ShortIo,
        FaultKind::BitRot,
        FaultKind::LatentError,
        FaultKind::MisdirectedWrite,
        FaultKind::MisdirectedRead,
        FaultKind::PhantomWrite,
        FaultKind::Swizzle,
        FaultKind::Reset,
        FaultKind::HalfOpen,
        FaultKind::SlowReceiver,
        FaultKind::Zombie,
        FaultKind::VersionSkew,
        FaultKind::ClockJump,
        FaultKind::ClockFreeze,
        FaultKind::LeapSecond,
    ];

    fn facts(self) -> &'static Facts {
        &CATALOGUE[self as usize]
    }

    /// As in a scenario file.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// One sentence for people.
    pub fn about(self) -> &'static str {
        self.facts().about
    }

    /// What it strikes.
    pub fn family(self) -> Family {
        self.facts().family
    }

    /// Whether it destroys what a node had made durable, so that only another copy can repair it. A run
    /// may suffer such faults on as many nodes of a role as the scenario's budget says.
    pub fn damages(self) -> bool {
        self.facts().damages
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<FaultKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A spec with this kind's usual strength, for the runner to adjust.
    pub fn usual(self, targets: Vec<NodeId>) -> FaultSpec {
        let &Facts { kind, every, lasts, chance_ppm, amount, .. } = self.facts();
        FaultSpec {
            kind,
            targets,
            scope: Scope::Node,
            peers: Vec::new(),
            every,
            after: None,
            lasts,
            chance_ppm,
            amount,
            limit: u32::MAX,
            key: None,
            occurrences: None,
            messages: None,
        }
    }
}

impl Scope {
    /// Every scope, by its word in a scenario file.
    pub const ALL: [(&'static str, Scope); 3] = [("node", Scope::Node), ("zone", Scope::Zone), ("all", Scope::All)];
}
