//! One line of the ledger: an event as JSON, sealed by a checksum over the bytes before it.
//!
//! ```text
//! {"eventId":142,"domain":"tx","at":1700000000000,"key":"c-7","payload":{"sum":3},"batch":[1,2],"crc":"1d0f6a2e"}
//! ```
//!
//! The checksum covers bytes, not values: how a writer spells its JSON is its own affair, but the [seal](crate::sealed)
//! ends the line.

use crate::sealed;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A line with its newline, in bytes, at most.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Events of one batch, at most.
pub const BATCH_EVENTS_MAX: usize = 4_096;
/// Bytes of one batch, at most: what lies behind the last complete batch is never longer.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// What somebody wants in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Which part of the workspace it is about, such as `tx`.
    pub domain: String,
    /// The writer's own name for it, by which it finds it again after an answer that it did not get.
    pub key: String,
    /// Any JSON.
    pub payload: String,
}

/// An event that is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: 1 for the first, one more for each after it.
    pub id: u64,
    /// Which part of the workspace it is about.
    pub domain: String,
    /// When it was appended, in milliseconds since 1970 by the writer's clock, for people.
    pub at: i64,
    /// The writer's own name for it.
    pub key: String,
    /// JSON, as the writer spelled it.
    pub payload: String,
    /// Its place in its batch, from 1, and how many events that has.
    pub batch: (u32, u32),
    /// The checksum of its line.
    pub crc: u32,
}

/// Why something cannot be written as a line or a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The payload is no JSON.
    Payload,
    /// The line would be longer than [`LINE_BYTES_MAX`].
    Line,
    /// No event, more than [`BATCH_EVENTS_MAX`], or more than [`BATCH_BYTES_MAX`] bytes.
    Batch,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Payload => f.write_str("the payload is not JSON"),
            Unfit::Line => write!(f, "an event takes at most {LINE_BYTES_MAX} bytes"),
            Unfit::Batch => write!(f, "a batch has 1 to {BATCH_EVENTS_MAX} events in at most {BATCH_BYTES_MAX} bytes"),
        }
    }
}

/// A line as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'l> {
    event_id: u64,
    #[serde(borrow)]
    domain: Cow<'l, str>,
    at: i64,
    #[serde(borrow)]
    key: Cow<'l, str>,
    #[serde(borrow)]
    payload: &'l RawValue,
    batch: (u32, u32),
}

/// Adds the line of `event` to `into`: number `id`, appended at `at`, at that place of its batch; returns its checksum.
///
/// # Errors
/// When it does not fit; `into` is as it was.
pub fn write(event: &NewEvent, id: u64, at: i64, batch: (u32, u32), into: &mut Vec<u8>) -> Result<u32, Unfit> {
    let payload = compact(&event.payload).ok_or(Unfit::Payload)?;
    let payload: &RawValue = serde_json::from_str(&payload).map_err(|_| Unfit::Payload)?;
    let (domain, key) = (Cow::Borrowed(&*event.domain), Cow::Borrowed(&*event.key));
    let fields = Fields { event_id: id, domain, at, key, payload, batch };
    let object = serde_json::to_string(&fields).map_err(|_| Unfit::Payload)?;
    let line = sealed::seal(object.strip_suffix('}').ok_or(Unfit::Payload)?);
    if line.len() > LINE_BYTES_MAX {
        return Err(Unfit::Line);
    }
    into.extend_from_slice(&line);
    sealed::checksum(&line).ok_or(Unfit::Line)
}

/// Reads a line with its newline; `None` for anything but a whole line that was sealed as it is.
pub fn read(line: &[u8]) -> Option<Event> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let crc = sealed::checksum(line)?;
    let Fields { event_id, domain, at, key, payload, batch } = serde_json::from_slice(line).ok()?;
    let (place, count) = batch;
    let placed = place >= 1 && place <= count && count as usize <= BATCH_EVENTS_MAX && event_id >= u64::from(place);
    placed.then(|| Event {
        id: event_id,
        domain: domain.into_owned(),
        at,
        key: key.into_owned(),
        payload: payload.get().to_owned(),
        batch,
        crc,
    })
}

/// JSON without the blanks between its tokens, and so without newlines; `None` if it is no JSON.
fn compact(json: &str) -> Option<String> {
    serde_json::from_str::<&RawValue>(json).ok()?;
    let (mut quoted, mut escaped) = (false, false);
    let kept = json.chars().filter(|&c| {
        let blank = !quoted && c.is_ascii_whitespace();
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        !blank
    });
    Some(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(payload: &str) -> NewEvent {
        NewEvent { domain: "tx".to_owned(), key: "c-7".to_owned(), payload: payload.to_owned() }
    }

    fn line(payload: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&new(payload), 142, 1_700_000_000_000, (1, 2), &mut bytes).unwrap();
        bytes
    }

    /// Pinned: other programs write and check the same bytes. The checksum is Python's
    /// `zlib.crc32(line.split(b',"crc"')[0])`.
    #[test]
    fn a_line_has_these_bytes() {
        let text = "{\"eventId\":142,\"domain\":\"tx\",\"at\":1700000000000,\"key\":\"c-7\",\"payload\":{\"sum\":3},\
                    \"batch\":[1,2],\"crc\":\"CRC\"}\n";
        let (content, _) = text.split_once(",\"crc\"").unwrap();
        let crc = crc32fast::hash(content.as_bytes());
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
        assert_eq!(String::from_utf8(line("{\"sum\":3}")).unwrap(), text.replace("CRC", &format!("{crc:08x}")));
    }

    #[test]
    fn what_is_written_reads_back() {
        for payload in ["{\"sum\":3}", "null", "\"a\\\"b\\\\\"", "1e999", "[1,\"two\",{\"x\":null}]", "\"\\u00e9 é\""]
        {
            let bytes = line(payload);
            let event = read(&bytes).unwrap();
            assert_eq!((event.id, &*event.payload, event.batch), (142, payload, (1, 2)));
        }
    }

    #[test]
    fn blanks_between_tokens_go_and_those_in_texts_stay() {
        assert_eq!(compact(" { \"a b\" :\n [ 1 , \"\\\" \\\\\" , 2 ] }\r\n").unwrap(), "{\"a b\":[1,\"\\\" \\\\\",2]}");
        assert_eq!(compact("{\"a\":}"), None);
        assert_eq!(compact(""), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let bytes = line("{\"sum\":3}");
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), None, "the first {cut} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn places_that_no_batch_has_are_refused() {
        for batch in [(0, 1), (2, 1), (1, BATCH_EVENTS_MAX as u32 + 1)] {
            let mut bytes = Vec::new();
            write(&new("1"), 9, 0, batch, &mut bytes).unwrap();
            assert_eq!(read(&bytes), None, "{batch:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut bytes = Vec::new();
        assert_eq!(write(&new("{"), 1, 0, (1, 1), &mut bytes), Err(Unfit::Payload));
        let long = format!("\"{}\"", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(write(&new(&long), 1, 0, (1, 1), &mut bytes), Err(Unfit::Line));
        assert!(bytes.is_empty());
    }
}
