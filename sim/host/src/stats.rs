//! What happened on a node's network, counted by kind, so that nothing goes wrong unseen.

use contract::Mark;
use contract::codec::CodecError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection ended. Every end is counted once, under one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The peer closed it between two frames.
    Closed,
    /// The bytes are not frames.
    Garbage,
    /// Frames of another version.
    Version,
    /// A length field beyond the limit.
    Oversized,
    /// A checksum that does not match.
    Damaged,
    /// The stream ended inside a frame.
    Torn,
    /// The first frame is not a greeting, or not a readable one.
    Greeting,
    /// A greeting for another cluster.
    Cluster,
    /// A greeting from a process that is not in the plan.
    Stranger,
    /// A greeting or frame for a process that does not run here.
    Receiver,
    /// A frame whose sender is not the one that greeted.
    Sender,
    /// No greeting in time.
    HandshakeTimeout,
    /// Nothing heard in time: half-open.
    IdleTimeout,
    /// A write was stuck: a slow reader.
    WriteTimeout,
    /// Too many connections at once.
    Crowded,
    /// The operating system ended it (reset, unreachable ...).
    System,
}

/// What else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Connections accepted.
    Accepted,
    /// Connections dialled and greeted.
    Dialled,
    /// Dials that failed before the greeting was answered.
    DialFailed,
    /// Message frames written to a socket.
    FramesSent,
    /// Message frames read from a socket.
    FramesReceived,
    /// Messages between processes of this node, without a socket.
    DirectSent,
    /// Frames dropped because a peer's queue was full.
    DroppedQueue,
    /// Local messages dropped because the mailbox was full or the process gone.
    DroppedMailbox,
    /// Messages to a process that nobody knows.
    DroppedUnknown,
    /// Messages too long for a frame.
    Unsendable,
    /// Messages that the receiving actor's inbox did not take.
    Refused,
}

const ENDS: [(End, &str); 16] = [
    (End::Closed, "end_closed"),
    (End::Garbage, "end_garbage"),
    (End::Version, "end_version"),
    (End::Oversized, "end_oversized"),
    (End::Damaged, "end_damaged"),
    (End::Torn, "end_torn"),
    (End::Greeting, "end_greeting"),
    (End::Cluster, "end_cluster"),
    (End::Stranger, "end_stranger"),
    (End::Receiver, "end_receiver"),
    (End::Sender, "end_sender"),
    (End::HandshakeTimeout, "end_handshake_timeout"),
    (End::IdleTimeout, "end_idle_timeout"),
    (End::WriteTimeout, "end_write_timeout"),
    (End::Crowded, "end_crowded"),
    (End::System, "end_system"),
];

const COUNTS: [(Count, &str); 11] = [
    (Count::Accepted, "accepted"),
    (Count::Dialled, "dialled"),
    (Count::DialFailed, "dial_failed"),
    (Count::FramesSent, "frames_sent"),
    (Count::FramesReceived, "frames_received"),
    (Count::DirectSent, "direct_sent"),
    (Count::DroppedQueue, "dropped_queue"),
    (Count::DroppedMailbox, "dropped_mailbox"),
    (Count::DroppedUnknown, "dropped_unknown"),
    (Count::Unsendable, "unsendable"),
    (Count::Refused, "refused"),
];

/// The counters of one node; shared by its network and its processes.
#[derive(Debug, Default)]
pub struct Stats {
    ends: [AtomicU64; ENDS.len()],
    counts: [AtomicU64; COUNTS.len()],
}

impl Stats {
    /// How many connections ended so.
    pub fn ended(&self, end: End) -> u64 {
        self.ends[end as usize].load(Ordering::Relaxed)
    }

    /// How often that happened.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// All counters by name, zeros included.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let ends = ENDS.iter().map(|&(end, name)| (name, self.ended(end)));
        ends.chain(COUNTS.iter().map(|&(count, name)| (name, self.count(count)))).collect()
    }

    /// The counters that are not zero, as the mark `system.stats`.
    pub fn mark(&self) -> Mark {
        let counted = self.snapshot().into_iter().filter(|&(_, number)| number > 0);
        counted.fold(Mark::new("system.stats"), |mark, (name, number)| mark.with(name, number))
    }

    pub(crate) fn end(&self, end: End) {
        self.ends[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, count: Count, number: u64) {
        self.counts[count as usize].fetch_add(number, Ordering::Relaxed);
    }
}

impl From<CodecError> for End {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::TooLong => End::Oversized,
            CodecError::BadMagic => End::Garbage,
            CodecError::BadVersion(_) => End::Version,
            CodecError::BadChecksum => End::Damaged,
            CodecError::Invalid(_) => End::Greeting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_stands_at_its_own_index() {
        assert!(ENDS.iter().enumerate().all(|(index, &(end, _))| end as usize == index));
        assert!(COUNTS.iter().enumerate().all(|(index, &(count, _))| count as usize == index));
        let stats = Stats::default();
        stats.end(End::Torn);
        stats.add(Count::Refused, 2);
        assert_eq!(stats.mark().to_string(), "system.stats end_torn=1 refused=2");
    }
}
