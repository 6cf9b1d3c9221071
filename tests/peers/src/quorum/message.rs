//! What replicas and clients of workload B say, and the bytes it becomes.

use anyhow::{Result, bail, ensure};

pub const RECORD_BYTES: usize = 128;
/// Size of a message without its record.
pub const HEAD_BYTES: usize = 16;
pub const WIRE_BYTES_MAX: usize = HEAD_BYTES + RECORD_BYTES;

pub type Record = [u8; RECORD_BYTES];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A client asks the leader to append its record.
    Append { client: u32, serial: u64, record: Record },
    /// The leader gives a follower the record at `index`.
    Replicate { index: u64, record: Record },
    /// A replica has synced its first `records` records.
    Durable { replica: u32, records: u64 },
    /// A follower has started with `records` records on its disk and wants the rest.
    Hello { replica: u32, records: u64 },
    /// The leader tells a client that its record is committed.
    Appended { serial: u64 },
}

const APPEND: u32 = 0;
const REPLICATE: u32 = 1;
const DURABLE: u32 = 2;
const HELLO: u32 = 3;
const APPENDED: u32 = 4;

impl Message {
    /// Writes the message into `wire` and returns the bytes used.
    pub fn encode<'wire>(&self, wire: &'wire mut [u8; WIRE_BYTES_MAX]) -> &'wire [u8] {
        let (tag, who, number, record) = match self {
            Self::Append { client, serial, record } => (APPEND, *client, *serial, Some(record)),
            Self::Replicate { index, record } => (REPLICATE, 0, *index, Some(record)),
            Self::Durable { replica, records } => (DURABLE, *replica, *records, None),
            Self::Hello { replica, records } => (HELLO, *replica, *records, None),
            Self::Appended { serial } => (APPENDED, 0, *serial, None),
        };
        wire[..4].copy_from_slice(&tag.to_le_bytes());
        wire[4..8].copy_from_slice(&who.to_le_bytes());
        wire[8..HEAD_BYTES].copy_from_slice(&number.to_le_bytes());
        let Some(record) = record else {
            return &wire[..HEAD_BYTES];
        };
        wire[HEAD_BYTES..].copy_from_slice(record);
        &wire[..]
    }

    /// Whether a record follows this head; for peers that read a stream of bytes.
    pub fn has_record(head: &[u8; HEAD_BYTES]) -> bool {
        let [first, second, third, fourth, ..] = *head;
        matches!(u32::from_le_bytes([first, second, third, fourth]), APPEND | REPLICATE)
    }

    pub fn decode(wire: &[u8]) -> Result<Self> {
        ensure!(HEAD_BYTES <= wire.len(), "a message without a head");
        let (head, body) = wire.split_at(HEAD_BYTES);
        let word = |from: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&head[from..from + 4]);
            u32::from_le_bytes(bytes)
        };
        let who = word(4);
        let number = u64::from(word(8)) | u64::from(word(12)) << 32;
        Ok(match word(0) {
            APPEND => Self::Append { client: who, serial: number, record: body.try_into()? },
            REPLICATE => Self::Replicate { index: number, record: body.try_into()? },
            DURABLE => Self::Durable { replica: who, records: number },
            HELLO => Self::Hello { replica: who, records: number },
            APPENDED => Self::Appended { serial: number },
            tag => bail!("unknown message tag {tag}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{HEAD_BYTES, Message, WIRE_BYTES_MAX};

    #[test]
    fn messages_survive_the_wire() {
        let messages = [
            Message::Append { client: 7, serial: 1 << 33, record: [9; 128] },
            Message::Replicate { index: 5, record: [1; 128] },
            Message::Durable { replica: 2, records: u64::MAX },
            Message::Hello { replica: 1, records: 0 },
            Message::Appended { serial: 3 },
        ];
        for message in messages {
            let mut wire = [0; WIRE_BYTES_MAX];
            let bytes = message.encode(&mut wire).len();
            let mut head = [0; HEAD_BYTES];
            head.copy_from_slice(&wire[..HEAD_BYTES]);
            assert_eq!(Message::has_record(&head), HEAD_BYTES < bytes);
            let decoded = Message::decode(message.encode(&mut wire)).expect("a valid message");
            assert_eq!(decoded, message);
        }
    }

    #[test]
    fn damaged_messages_are_refused() {
        assert!(Message::decode(&[0; 15]).is_err());
        assert!(Message::decode(&[0; 16]).is_err(), "an append needs a record");
        assert!(Message::decode(&[9; 16]).is_err(), "no such tag");
    }
}
