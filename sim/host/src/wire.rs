//! What travels on a connection besides messages: greetings and heartbeats, and how frames are read and written.
//!
//! Both sides speak [`contract::codec::Frame`]. The dialler greets first; the listener checks the greeting
//! and answers with its own. A connection carries messages from the dialler to the listener only; the way
//! back carries heartbeats, by which the dialler tells a slow peer from a dead one.

use crate::stats::End;
use contract::codec::{self, BODY_MAX, FRAME_HEADER, Frame};
use contract::{Duration, ProcessId, Protocol};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The protocol of [`Greeting`].
pub(crate) const GREETING: Protocol = Protocol::of("host.greeting/1");
/// The protocol of heartbeats, which have no body.
pub(crate) const HEARTBEAT: Protocol = Protocol::of("host.heartbeat/1");

/// Room made in the buffer before each read.
const READ_CHUNK: usize = 16 * 1024;

/// The body of the first frame in each direction; who and to whom is in the frame itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// Clusters on one network must not hear each other.
    pub(crate) cluster: u64,
    /// Which start of the greeting process it is, from 1.
    pub(crate) incarnation: u32,
}

/// The bytes of a greeting.
pub(crate) fn greeting(from: ProcessId, to: ProcessId, greeting: Greeting) -> Vec<u8> {
    let body = codec::encode(&greeting).unwrap_or_default();
    assert!(!body.is_empty(), "two numbers can be encoded");
    control(from, to, GREETING, body)
}

/// The bytes of a heartbeat.
pub(crate) fn heartbeat(from: ProcessId, to: ProcessId) -> Vec<u8> {
    control(from, to, HEARTBEAT, Vec::new())
}

fn control(from: ProcessId, to: ProcessId, protocol: Protocol, body: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = Frame { from, to, protocol, body }.write(&mut bytes);
    assert!(written.is_ok(), "a control frame is short");
    bytes
}

/// Reads the greeting that must be the first frame of a stream, within `limit`.
pub(crate) async fn read_greeting<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    limit: Duration,
) -> Result<(Frame, Greeting), End> {
    let first = timeout(limit, reader.next()).await.map_err(|_| End::HandshakeTimeout)??;
    let frame = first.ok_or(End::Closed)?;
    if frame.protocol != GREETING {
        return Err(End::Greeting);
    }
    let greeting = codec::decode(&frame.body).map_err(|_| End::Greeting)?;
    Ok((frame, greeting))
}

/// Writes all of `bytes`, or gives the peer up after `limit`.
pub(crate) async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8], limit: Duration) -> Result<(), End> {
    match timeout(limit, writer.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::System),
        Err(_) => Err(End::WriteTimeout),
    }
}

/// Frames from a byte stream. Holds at most one frame and one chunk, whatever a length field claims.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were handed out already.
    used: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        FrameReader { stream, buffer: Vec::new(), used: 0 }
    }

    /// The next frame; `None` if the stream ended between two frames. May be dropped and asked again
    /// without loss. After an error the stream cannot be used any more.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, End> {
        loop {
            if let Some((frame, len)) = Frame::read(&self.buffer[self.used..])? {
                self.used += len;
                return Ok(Some(frame));
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            assert!(self.buffer.len() < FRAME_HEADER + BODY_MAX, "a whole frame would have been taken");
            self.buffer.reserve(READ_CHUNK);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(End::Torn),
                Ok(_) => {}
                Err(_) => return Err(End::System),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Frame {
        Frame { from: ProcessId(1), to: ProcessId(2), protocol: Protocol(3), body: body.to_vec() }
    }

    async fn read_all(bytes: &[u8], chunk: usize) -> (Vec<Frame>, Result<(), End>) {
        let (mut near, far) = tokio::io::duplex(chunk);
        let bytes = bytes.to_vec();
        let writer = tokio::spawn(async move { near.write_all(&bytes).await });
        let mut reader = FrameReader::new(far);
        let mut frames = Vec::new();
        let end = loop {
            match reader.next().await {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break Ok(()),
                Err(end) => break Err(end),
            }
        };
        drop(reader);
        let _ = writer.await;
        (frames, end)
    }

    #[tokio::test]
    async fn frames_survive_any_chunking_and_every_cut_is_torn() {
        let mut bytes = Vec::new();
        let sent = [frame(b""), frame(&[7; 300]), frame(b"last")];
        sent.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
        for chunk in [1, 2, 27, 64, 4096] {
            assert_eq!(read_all(&bytes, chunk).await, (sent.to_vec(), Ok(())));
        }
        let boundaries = [0, FRAME_HEADER, 2 * FRAME_HEADER + 300, bytes.len()];
        for cut in 0..bytes.len() {
            let (frames, end) = read_all(&bytes[..cut], 4096).await;
            let whole = boundaries.iter().filter(|&&boundary| boundary <= cut).count() - 1;
            assert_eq!(frames, sent[..whole]);
            assert_eq!(end, if boundaries.contains(&cut) { Ok(()) } else { Err(End::Torn) }, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn every_flipped_bit_ends_the_stream_and_yields_nothing() {
        let mut bytes = Vec::new();
        frame(b"payload").write(&mut bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (frames, end) = read_all(&damaged, 4096).await;
            // A flip of the padding byte is covered by the checksum like any other.
            assert!(frames.is_empty(), "bit {bit}");
            assert!(end.is_err(), "bit {bit}");
        }
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_from_the_header_alone() {
        let mut bytes = Vec::new();
        frame(b"").write(&mut bytes).unwrap();
        bytes[4..8].copy_from_slice(&(BODY_MAX as u32 + 1).to_le_bytes());
        assert_eq!(read_all(&bytes, 4096).await, (Vec::new(), Err(End::Oversized)));
    }
}
