//! The one place where values become bytes: messages, network frames, log records.
//!
//! The encoding is bincode 2 (little endian, variable-length integers), behind this module only. Every
//! decoder takes untrusted bytes: it never panics, never allocates more than [`BODY_MAX`] for what a short
//! input claims, and says what is wrong. Layouts are pinned by golden-bytes tests, so that a symmetric mistake is seen.

use crate::address::ProcessId;
use crate::message::Protocol;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// No encoded message or record is longer, in bytes.
pub const BODY_MAX: usize = 1 << 20;
/// The version of the frame layout; a peer with another one is refused.
pub const FRAME_VERSION: u8 = 1;
/// Bytes before a frame's body.
pub const FRAME_HEADER: usize = 32;
/// Bytes before a log record's body.
pub const RECORD_HEADER: usize = 16;

const MAGIC: [u8; 2] = *b"SP";

/// Why bytes were refused, or a value could not become bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// Longer than [`BODY_MAX`].
    TooLong,
    /// The encoding ended early, went on after the value, or is not one of the type.
    Invalid(String),
    /// Not a frame at all: the stream is out of step.
    BadMagic,
    /// A peer with another layout.
    BadVersion(u8),
    /// Damaged on the way.
    BadChecksum,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::TooLong => write!(f, "longer than {BODY_MAX} bytes"),
            CodecError::Invalid(why) => write!(f, "not a valid encoding: {why}"),
            CodecError::BadMagic => f.write_str("no frame starts here"),
            CodecError::BadVersion(version) => write!(f, "frame version {version}, this build speaks {FRAME_VERSION}"),
            CodecError::BadChecksum => f.write_str("checksum mismatch"),
        }
    }
}

impl std::error::Error for CodecError {}

/// bincode's limit counts decoded widths: one byte may stand for a `u128`.
const CLAIM_PER_BYTE: usize = 16;
/// Inputs up to this many bytes are decoded under the smaller limit.
const SHORT_INPUT: usize = BODY_MAX / CLAIM_PER_BYTE;

fn limited<const CLAIMS: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<CLAIMS>()
}

/// Appends the encoding of `value` to `out`; on an error `out` is as before.
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    let result = bincode::serde::encode_into_writer(value, VecWriter(out), bincode::config::standard());
    let failure = match result {
        Ok(()) if out.len() - start <= BODY_MAX => return Ok(()),
        Ok(()) => CodecError::TooLong,
        Err(error) => CodecError::Invalid(error.to_string()),
    };
    out.truncate(start);
    Err(failure)
}

/// The encoding of `value`.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

/// The value that `bytes` encode, all of them. `T` holds no sequence of empty values (`Vec<()>`): its
/// length costs the sender nothing, so nothing would bound the work.
///
/// On a machine with 32-bit addresses bincode 2 cuts the length of a sequence to its low half: a forged length
/// of 2^32 reads as none there and is refused elsewhere. No value has such a length, so all others read alike.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > BODY_MAX {
        return Err(CodecError::TooLong);
    }
    // The limit has to be a constant; two of them keep the claims that a short input may make small.
    let decoded = if bytes.len() <= SHORT_INPUT {
        bincode::serde::decode_from_slice(bytes, limited::<{ SHORT_INPUT * CLAIM_PER_BYTE }>())
    } else {
        bincode::serde::decode_from_slice(bytes, limited::<{ BODY_MAX * CLAIM_PER_BYTE }>())
    };
    let (value, used) = decoded.map_err(|error| CodecError::Invalid(error.to_string()))?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(CodecError::Invalid(format!("{} bytes after the value", bytes.len() - used)))
    }
}

struct VecWriter<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for VecWriter<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        // Most writes are one byte (tags, small numbers, byte arrays): no call for those.
        if let [byte] = bytes {
            self.0.push(*byte);
            return Ok(());
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A message on a stream. Layout, little endian: magic `SP` (2), version (1), zero (1), body length (4),
/// protocol (4), sender (4), receiver (4), xxh3-64 of the body (8), low half of the xxh3-64 of all these (4),
/// body. The header has a check of its own, so that a damaged length is refused before it is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The sending process.
    pub from: ProcessId,
    /// The receiving process.
    pub to: ProcessId,
    /// How to read the body.
    pub protocol: Protocol,
    /// The encoded message.
    pub body: Vec<u8>,
}

impl Frame {
    /// Appends the frame's bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.body.len() > BODY_MAX {
            return Err(CodecError::TooLong);
        }
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[FRAME_VERSION, 0]);
        out.extend_from_slice(&(self.body.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.protocol.0.to_le_bytes());
        out.extend_from_slice(&self.from.0.to_le_bytes());
        out.extend_from_slice(&self.to.0.to_le_bytes());
        out.extend_from_slice(&xxh3_64(&self.body).to_le_bytes());
        let check = header_check(&out[start..]);
        out.extend_from_slice(&check);
        out.extend_from_slice(&self.body);
        Ok(())
    }

    /// Reads one frame from the front of a stream's bytes: the frame and the bytes it took, or `None`
    /// if more bytes are needed. After an error the stream cannot be used any more.
    pub fn read(bytes: &[u8]) -> Result<Option<(Frame, usize)>, CodecError> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(CodecError::BadMagic);
        }
        if bytes.len() > 2 && bytes[2] != FRAME_VERSION {
            return Err(CodecError::BadVersion(bytes[2]));
        }
        if bytes.len() < FRAME_HEADER {
            return Ok(None);
        }
        let len = u32_at(bytes, 4) as usize;
        if len > BODY_MAX {
            return Err(CodecError::TooLong);
        }
        if header_check(&bytes[..FRAME_HEADER - 4]) != bytes[FRAME_HEADER - 4..FRAME_HEADER] {
            return Err(CodecError::BadChecksum);
        }
        let Some(body) = bytes.get(FRAME_HEADER..FRAME_HEADER + len) else { return Ok(None) };
        if xxh3_64(body) != u64_at(bytes, 20) {
            return Err(CodecError::BadChecksum);
        }
        let frame = Frame {
            protocol: Protocol(u32_at(bytes, 8)),
            from: ProcessId(u32_at(bytes, 12)),
            to: ProcessId(u32_at(bytes, 16)),
            body: body.to_vec(),
        };
        Ok(Some((frame, FRAME_HEADER + len)))
    }
}

/// What ends a header: four bytes that say whether the rest of it can be believed.
fn header_check(header: &[u8]) -> [u8; 4] {
    (xxh3_64(header) as u32).to_le_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Appends a log record to `out`: body length (4, little endian), xxh3-64 of the body (8), low half of the
/// xxh3-64 of both (4), body.
pub fn write_record(body: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    if body.is_empty() {
        return Err(CodecError::Invalid("a log record has at least one byte".to_owned()));
    }
    if body.len() > BODY_MAX {
        return Err(CodecError::TooLong);
    }
    let start = out.len();
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&xxh3_64(body).to_le_bytes());
    let check = header_check(&out[start..]);
    out.extend_from_slice(&check);
    out.extend_from_slice(body);
    Ok(())
}

/// What stands at a place of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordAt<'a> {
    /// A whole record, and the offset after it.
    Record(&'a [u8], usize),
    /// The log ends here.
    End,
    /// No whole record is here; whether one follows says tail from middle.
    Damaged {
        /// Offset of the next whole record, if any: then this is rot in the middle, not a torn tail.
        /// A damaged record whose own body holds an encoded record shows that one.
        resumes_at: Option<usize>,
    },
}

/// Reads the record at `offset` of a log. An empty body is never written, so NUL-filled tails are damage.
pub fn read_record(log: &[u8], offset: usize) -> RecordAt<'_> {
    if offset >= log.len() {
        return RecordAt::End;
    }
    match whole_record(log, offset) {
        Some((body, next)) => RecordAt::Record(body, next),
        None => {
            let resumes_at = (offset + 1..log.len()).find(|&at| whole_record(log, at).is_some());
            RecordAt::Damaged { resumes_at }
        }
    }
}

fn whole_record(log: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let header = log.get(offset..offset + RECORD_HEADER)?;
    // Checked first: a search through damage hashes twelve bytes a place, not a body a place.
    if header_check(&header[..RECORD_HEADER - 4]) != header[RECORD_HEADER - 4..] {
        return None;
    }
    let len = u32_at(header, 0) as usize;
    if len == 0 || len > BODY_MAX {
        return None;
    }
    let start = offset + RECORD_HEADER;
    let body = log.get(start..start + len)?;
    (xxh3_64(body) == u64_at(header, 4)).then_some((body, start + len))
}
