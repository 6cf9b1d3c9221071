//! The faults a world can suffer: their kinds, and how a run asks for them.

use crate::settings::Span;
use contract::NodeId;

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
    /// fsync on the target fails with EIO with probability `chance` for `lasts`; what it should have synced stays unsynced.
    FsyncFailure,
    /// Messages touching the target are late by `amount` with probability `chance`.
    DelayTail,
    /// Messages touching the target are lost with probability `chance`.
    Loss,
    /// Messages touching the target arrive twice with probability `chance`.
    Duplication,
    /// Messages touching the target are overtaken: held back by up to `amount` with probability `chance`.
    Reordering,
    /// Messages touching the target arrive, and once more after `amount` (seconds to minutes), with probability `chance`.
    LateReplay,
    /// The target is cut off from every other node, both ways, for `lasts`.
    Partition,
    /// The target hears nobody, or nobody hears it (drawn), for `lasts`.
    OneWayPartition,
    /// The link between the target and one other node is cut while both reach the rest, for `lasts`.
    PartialPartition,
    /// All processes of the target stand still for `lasts` while time passes.
    Pause,
    /// The target's wall clock is off by up to `amount`, either way, for `lasts`.
    ClockSkew,
    /// Disk calls on the target take `amount` longer, with probability `chance`, for `lasts`.
    SlowDisk,
    /// The target's file system is read-only for `lasts`: every change and every sync with something to write is EROFS.
    ReadOnly,
    /// Messages touching the target are held for the rest of the occurrence, and then arrive all at once.
    Clog,
    /// The target loses power and its disk with it: the same machine returns empty after `lasts`.
    HostLoss,
    /// The target's clocks run fast or slow by up to `chance` (a fraction) for `lasts`.
    ClockDrift,
}

/// How one fault is asked for. Each occurrence draws from a stream of its slot.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpec {
    /// What.
    pub kind: FaultKind,
    /// Whom: each occurrence draws one of these.
    pub targets: Vec<NodeId>,
    /// Time from the start of the run, or of the previous occurrence, to the next.
    pub every: Span,
    /// How long an occurrence lasts; relief comes then.
    pub lasts: Span,
    /// Probability per message or disk operation inside an occurrence, in parts per million.
    pub chance_ppm: u32,
    /// The size of the effect where it has one (delays, offsets).
    pub amount: Span,
    /// At most this many occurrences.
    pub limit: u32,
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
    pub const ALL: [FaultKind; 20] = [
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
    ];

    /// As in a scenario file.
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::ProcessCrash => "process_crash",
            FaultKind::PowerLoss => "power_loss",
            FaultKind::DiskFull => "disk_full",
            FaultKind::DiskError => "disk_error",
            FaultKind::FsyncFailure => "fsync_failure",
            FaultKind::DelayTail => "delay_tail",
            FaultKind::Loss => "loss",
            FaultKind::Duplication => "duplication",
            FaultKind::Reordering => "reordering",
            FaultKind::LateReplay => "late_replay",
            FaultKind::Partition => "partition",
            FaultKind::OneWayPartition => "one_way_partition",
            FaultKind::PartialPartition => "partial_partition",
            FaultKind::Pause => "pause",
            FaultKind::ClockSkew => "clock_skew",
            FaultKind::ClockDrift => "clock_drift",
            FaultKind::SlowDisk => "slow_disk",
            FaultKind::ReadOnly => "read_only",
            FaultKind::Clog => "clog",
            FaultKind::HostLoss => "host_loss",
        }
    }

    /// One sentence for people.
    pub const fn about(self) -> &'static str {
        match self {
            FaultKind::ProcessCrash => "a process is killed; the page cache survives",
            FaultKind::PowerLoss => "a node loses power; what was not synced is dropped, reordered or torn",
            FaultKind::DiskFull => "ENOSPC on write, fsync, rename and create until relief",
            FaultKind::DiskError => "EIO on reads and writes",
            FaultKind::FsyncFailure => "fsync fails with EIO and nothing becomes durable",
            FaultKind::DelayTail => "some messages are late",
            FaultKind::Loss => "some messages are lost",
            FaultKind::Duplication => "some messages arrive twice",
            FaultKind::Reordering => "some messages are overtaken by later ones",
            FaultKind::LateReplay => "some messages arrive again much later",
            FaultKind::Partition => "a node is cut off from all others",
            FaultKind::OneWayPartition => "a node can send but not hear, or hear but not send",
            FaultKind::PartialPartition => "two nodes cannot reach each other while both reach the rest",
            FaultKind::Pause => "a node stands still while time passes for the others",
            FaultKind::ClockSkew => "a node's wall clock is wrong",
            FaultKind::ClockDrift => "a node's clocks run fast or slow",
            FaultKind::SlowDisk => "a node's disk calls take much longer",
            FaultKind::ReadOnly => "a node's file system is read-only until it is mounted anew",
            FaultKind::Clog => "messages are held back and then arrive all at once",
            FaultKind::HostLoss => "a node loses its disk and returns empty",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<FaultKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A spec with this kind's usual strength, for the runner to adjust.
    pub fn usual(self, targets: Vec<NodeId>) -> FaultSpec {
        let (every, lasts, chance_ppm, amount) = match self {
            FaultKind::ProcessCrash | FaultKind::PowerLoss => {
                (Span::millis(3_000, 20_000), Span::millis(50, 3_000), 0, Span::millis(0, 0))
            }
            FaultKind::DiskFull => (Span::millis(3_000, 20_000), Span::millis(500, 10_000), 0, Span::millis(0, 0)),
            FaultKind::DiskError => {
                (Span::millis(3_000, 20_000), Span::millis(100, 3_000), 100_000, Span::millis(0, 0))
            }
            FaultKind::FsyncFailure => {
                (Span::millis(3_000, 20_000), Span::millis(100, 3_000), 300_000, Span::millis(0, 0))
            }
            FaultKind::DelayTail => {
                (Span::millis(0, 5_000), Span::millis(1_000, 10_000), 10_000, Span::millis(100, 5_000))
            }
            FaultKind::Loss => (Span::millis(0, 5_000), Span::millis(1_000, 10_000), 50_000, Span::millis(0, 0)),
            FaultKind::Duplication => (Span::millis(0, 5_000), Span::millis(1_000, 10_000), 50_000, Span::millis(0, 0)),
            FaultKind::Reordering => {
                (Span::millis(0, 5_000), Span::millis(1_000, 10_000), 100_000, Span::millis(1, 100))
            }
            FaultKind::LateReplay => {
                (Span::millis(0, 5_000), Span::millis(1_000, 10_000), 20_000, Span::millis(5_000, 60_000))
            }
            FaultKind::Partition | FaultKind::OneWayPartition | FaultKind::PartialPartition => {
                (Span::millis(2_000, 20_000), Span::millis(200, 10_000), 0, Span::millis(0, 0))
            }
            FaultKind::Pause => (Span::millis(3_000, 20_000), Span::millis(100, 10_000), 0, Span::millis(0, 0)),
            FaultKind::SlowDisk => {
                (Span::millis(3_000, 20_000), Span::millis(500, 10_000), 300_000, Span::millis(5, 500))
            }
            FaultKind::ReadOnly => (Span::millis(5_000, 30_000), Span::millis(200, 8_000), 0, Span::millis(0, 0)),
            FaultKind::Clog => (Span::millis(2_000, 20_000), Span::millis(200, 8_000), 0, Span::millis(0, 0)),
            FaultKind::HostLoss => (Span::millis(10_000, 40_000), Span::millis(500, 10_000), 0, Span::millis(0, 0)),
            FaultKind::ClockSkew => (Span::millis(0, 10_000), Span::millis(5_000, 30_000), 0, Span::millis(10, 60_000)),
            FaultKind::ClockDrift => (Span::millis(0, 10_000), Span::millis(5_000, 30_000), 50_000, Span::millis(0, 0)),
        };
        FaultSpec { kind: self, targets, every, lasts, chance_ppm, amount, limit: u32::MAX }
    }
}
