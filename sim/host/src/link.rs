//! The outgoing side: one link for each pair of a process here and a process elsewhere.
//!
//! A link dials when the first message waits, greets, and then empties its queue. Whatever ends the
//! connection, it dials again when something waits, after an exponential back-off with jitter. Frames
//! that were handed to a connection which then failed are lost: the contract's messages may be.

use crate::net::Context;
use crate::queue::OutQueue;
use crate::stats::{Count, End};
use crate::wire::{self, FrameReader, Greeting};
use contract::{Duration, ProcessId};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

/// Frames are written in batches of about this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// One way from a process here to a process elsewhere.
pub(crate) struct Link {
    pub(crate) from: ProcessId,
    pub(crate) incarnation: u32,
    pub(crate) to: ProcessId,
    pub(crate) address: SocketAddr,
    pub(crate) queue: Arc<OutQueue>,
    pub(crate) context: Arc<Context>,
}

impl Link {
    /// Serves the queue until the task is dropped.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(&self.context);
        loop {
            self.queue.ready().await;
            match self.dial().await {
                Ok((reader, writer)) => {
                    self.context.stats.add(Count::Dialled, 1);
                    backoff.reset();
                    let end = self.pump(reader, writer).await;
                    self.context.stats.end(end);
                }
                Err(end) => {
                    self.context.stats.add(Count::DialFailed, 1);
                    self.context.stats.end(end);
                }
            }
            sleep(backoff.next()).await;
        }
    }

    async fn dial(&self) -> Result<(FrameReader<OwnedReadHalf>, OwnedWriteHalf), End> {
        let limits = &self.context.limits;
        let connecting = timeout(limits.connect_timeout, TcpStream::connect(self.address)).await;
        let stream = connecting.map_err(|_| End::HandshakeTimeout)?.map_err(|_| End::System)?;
        stream.set_nodelay(true).map_err(|_| End::System)?;
        let (reader, mut writer) = stream.into_split();
        let greeting = Greeting { cluster: self.context.cluster, incarnation: self.incarnation };
        wire::write(&mut writer, &wire::greeting(self.from, self.to, greeting), limits.write_timeout).await?;
        let mut reader = FrameReader::new(reader);
        let (frame, answer) = wire::read_greeting(&mut reader, limits.handshake_timeout).await?;
        if answer.cluster != self.context.cluster {
            return Err(End::Cluster);
        }
        if (frame.from, frame.to) != (self.to, self.from) {
            return Err(End::Receiver);
        }
        Ok((reader, writer))
    }

    /// Moves frames until the connection ends. Listening goes on while a write is stuck: a peer that
    /// reads slowly still sends heartbeats.
    async fn pump(&self, mut reader: FrameReader<OwnedReadHalf>, mut writer: OwnedWriteHalf) -> End {
        tokio::select! {
            biased;
            end = self.listen(&mut reader) => end,
            end = self.write(&mut writer) => end,
        }
    }

    /// Hears heartbeats, and nothing else, until the peer closes, breaks the rules or falls silent.
    async fn listen(&self, reader: &mut FrameReader<OwnedReadHalf>) -> End {
        loop {
            match timeout(self.context.limits.idle_timeout, reader.next()).await {
                Ok(Ok(Some(frame))) if frame.from == self.to && frame.protocol == wire::HEARTBEAT => {}
                Ok(Ok(Some(_))) => return End::Sender,
                Ok(Ok(None)) => return End::Closed,
                Ok(Err(end)) => return end,
                Err(_) => return End::IdleTimeout,
            }
        }
    }

    /// Empties the queue, with a heartbeat whenever there was nothing to write for a while.
    async fn write(&self, writer: &mut OwnedWriteHalf) -> End {
        let limits = &self.context.limits;
        let heartbeat = wire::heartbeat(self.from, self.to);
        let mut batch = Vec::new();
        loop {
            batch.clear();
            match timeout(limits.heartbeat, self.queue.ready()).await {
                Ok(()) => {
                    let frames = self.queue.take(&mut batch, BATCH_BYTES);
                    self.context.stats.add(Count::FramesSent, frames);
                }
                Err(_) => batch.extend_from_slice(&heartbeat),
            }
            if let Err(end) = wire::write(writer, &batch, limits.write_timeout).await {
                return end;
            }
        }
    }
}

/// Exponential waits, uniform in their upper half, so that peers do not dial in step.
#[derive(Debug)]
struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    fn new(context: &Context) -> Self {
        let Context { limits, .. } = context;
        Backoff { first: limits.backoff_first, longest: limits.backoff_longest, next: limits.backoff_first }
    }

    fn reset(&mut self) {
        self.next = self.first;
    }

    fn next(&mut self) -> Duration {
        let wait = self.next.min(self.longest);
        self.next = (wait * 2).min(self.longest);
        let half = wait / 2;
        half + half.mul_f64(jitter())
    }
}

/// A fraction of one; the quality does not matter, only that two processes draw apart.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn waits_double_to_the_longest_and_stay_in_their_upper_half() {
        let limits = Limits::default();
        let context = Context { cluster: 1, limits, stats: Arc::default() };
        let mut backoff = Backoff::new(&context);
        let mut expected = limits.backoff_first;
        for _ in 0..20 {
            let wait = backoff.next();
            assert!(wait >= expected / 2 && wait <= expected, "{wait:?} of {expected:?}");
            expected = (expected * 2).min(limits.backoff_longest);
        }
        backoff.reset();
        assert!(backoff.next() <= limits.backoff_first);
    }
}
