//! What a run is made of besides its plan and its seed.

use crate::fault::FaultSpec;
use contract::Duration;

/// A duration drawn uniformly from `least..=most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Span {
    /// From `least` to `most` milliseconds.
    pub const fn millis(least: u64, most: u64) -> Span {
        Span { least: Duration::from_millis(least), most: Duration::from_millis(most) }
    }
    /// From `least` to `most` microseconds.
    pub const fn micros(least: u64, most: u64) -> Span {
        Span { least: Duration::from_micros(least), most: Duration::from_micros(most) }
    }
    /// Always `exactly`.
    pub const fn exactly(exactly: Duration) -> Span {
        Span { least: exactly, most: exactly }
    }
}

/// The network's quiet behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// One-way latency between two nodes.
    pub latency: Span,
    /// One-way latency between processes of one node.
    pub local: Span,
    /// Messages that a slow receiver's buffer holds.
    pub buffer: usize,
}

/// A disk's quiet behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// Time of one read.
    pub read: Span,
    /// Time of one write or directory operation, into the page cache.
    pub write: Span,
    /// Time of one sync.
    pub sync: Span,
    /// Bytes a node's disk can hold.
    pub capacity: u64,
    /// Files and directories a node's disk can hold.
    pub inodes: u64,
    /// What a power loss may leave of unsynced changes.
    pub profile: Profile,
    /// Whether directories can be synced; elsewhere that is refused with `EINVAL`.
    pub dir_sync: bool,
}

/// Which file system a disk behaves like when the power goes. Under all of them a sync makes durable what its
/// file or directory had before, and every other change survives or not. Whatever is right under
/// [`Profile::PosixMin`] is right under every other: it may leave whatever another may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// The weakest that POSIX and the measured file systems allow: any subset of the changes, any subset
    /// of their 512-byte sectors with garbage among them, sizes without data, directory changes in any order.
    #[default]
    PosixMin,
    /// ext4 in its default mode. Directory changes of the whole file system survive in order, as a prefix, and a
    /// synced one brings the earlier ones with it; a rename between two directories is one change. A file's size
    /// never survives without its data: changes of the size survive in order, the last perhaps up to the end of a
    /// page; only data that is overwritten in place is torn, by sector and with garbage. A rename over an
    /// existing file brings with it what the renamed file had before (`auto_da_alloc`).
    Ext4Ordered,
    /// ext4 with `noauto_da_alloc`: like [`Profile::Ext4Ordered`], but a rename may survive while the renamed
    /// file is still empty.
    Ext4Noauto,
    /// btrfs: copy on write, so that a page of 4,096 bytes is as it was at one moment and never garbage; sizes as
    /// with ext4; directory changes in any order, each rename as one.
    BtrfsLike,
    /// Changes of the whole disk survive in the order in which they were made: a prefix, nothing torn. A sync
    /// makes everything durable that came before the last change of what it syncs.
    Strict,
}

impl Profile {
    /// Every profile, by its word in a scenario file.
    pub const ALL: [(&'static str, Profile); 5] = [
        ("posix-min", Profile::PosixMin),
        ("ext4-ordered", Profile::Ext4Ordered),
        ("ext4-noauto", Profile::Ext4Noauto),
        ("btrfs-like", Profile::BtrfsLike),
        ("strict", Profile::Strict),
    ];
}

/// What a run is made of besides its plan and its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Links.
    pub network: NetworkSettings,
    /// Disks.
    pub disk: DiskSettings,
    /// Availability zones; node `n` lies in zone `n % zones`.
    pub zones: u32,
    /// Process numbers are given out from 2 and start again after this many, as a small `pid_max` would.
    pub pid_max: u32,
    /// Time from the end of a process to its next start by its supervisor.
    pub restart: Span,
    /// What goes wrong; the index is the fault's slot, which keys its draws.
    pub faults: Vec<FaultSpec>,
    /// Whether `Context::choose` may say yes.
    pub choices: bool,
    /// About one message in this many, by its identity, moves as bytes through the codec; 0 for never.
    /// Rounded up to a power of two.
    pub codec_sample: u64,
    /// A run that handles more events than this is stuck in a loop; see [`crate::Progress::Exhausted`].
    pub events_max: u64,
    /// Events kept in the trace.
    pub trace_capacity: usize,
    /// Whether each event's text is kept with the trace: slow, for reports. Never changes the run.
    pub narrate: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            network: NetworkSettings { latency: Span::micros(500, 5_000), local: Span::micros(5, 50), buffer: 64 },
            disk: DiskSettings {
                read: Span::micros(5, 50),
                write: Span::micros(5, 50),
                sync: Span::micros(100, 2_000),
                capacity: 1 << 40,
                inodes: 1 << 20,
                profile: Profile::PosixMin,
                dir_sync: true,
            },
            zones: 1,
            pid_max: 4_096,
            restart: Span::millis(50, 500),
            faults: Vec::new(),
            choices: false,
            codec_sample: 64,
            events_max: u64::MAX,
            trace_capacity: 1024,
            narrate: false,
        }
    }
}

impl Settings {
    /// What keys the draws of a fault slot.
    pub fn fault_key(&self, slot: usize) -> u32 {
        self.faults[slot].key.unwrap_or(slot as u32)
    }
}
