//! Every bound and interval of the real host, in one place.

use contract::Duration;

/// Bounds and intervals of one node. The defaults suit a cluster on one machine or in one data centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Frames that wait for one peer; beyond it the oldest are dropped and counted.
    pub queue_frames: usize,
    /// Bytes that wait for one peer; beyond it the oldest frames are dropped and counted.
    pub queue_bytes: usize,
    /// Messages that wait for one process; a full mailbox stops the reading of its connections.
    pub mailbox: usize,
    /// Connections accepted at the same time; one more is closed and counted.
    pub connections: usize,
    /// Files that one process may have open at the same time.
    pub open_files: usize,
    /// Longest wait for a TCP connection.
    pub connect_timeout: Duration,
    /// Longest wait for the peer's first frame.
    pub handshake_timeout: Duration,
    /// Longest time that one write may be stuck: a peer that reads slower than this is given up.
    pub write_timeout: Duration,
    /// A side that has written nothing for this long writes a heartbeat.
    pub heartbeat: Duration,
    /// A side that has heard nothing for this long takes the connection for half-open and closes it.
    pub idle_timeout: Duration,
    /// Wait before the second dial; doubled for each further one, with jitter.
    pub backoff_first: Duration,
    /// No wait between dials is longer.
    pub backoff_longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue_frames: 4096,
            queue_bytes: 16 << 20,
            mailbox: 4096,
            connections: 1024,
            open_files: 256,
            connect_timeout: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_millis(500),
            idle_timeout: Duration::from_secs(4),
            backoff_first: Duration::from_millis(10),
            backoff_longest: Duration::from_secs(1),
        }
    }
}
