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
}

/// What a run is made of besides its plan and its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Links.
    pub network: NetworkSettings,
    /// Disks.
    pub disk: DiskSettings,
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
            network: NetworkSettings { latency: Span::micros(500, 5_000), local: Span::micros(5, 50) },
            disk: DiskSettings {
                read: Span::micros(5, 50),
                write: Span::micros(5, 50),
                sync: Span::micros(100, 2_000),
                capacity: 1 << 40,
            },
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
