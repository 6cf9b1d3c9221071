//! Prefix (Q3): each consumer of a stream gets a gap-free prefix, in order, each entry once, nothing else.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `stream.published {stream, lsn}` | the source | the entry may be delivered from now on |
//! | `stream.subscribed {stream, consumer, from}` | the consumer | it asks for everything from `from` on |
//! | `stream.delivered {stream, consumer, lsn}` | the consumer | it handles the entry |
//!
//! `published` and `delivered` may have a `digest`; those of one LSN must be equal everywhere. A consumer
//! that never subscribed begins at LSN 0. One that subscribes again may go back (it lost its place, and
//! handles entries again), never past what it has not handled. For a stream whose source states what it
//! publishes, anything else is a phantom; for others only the order is judged.
//!
//! This is event-log equivalence per consumer: no reordering, gap, duplicate or phantom. Each fact costs the
//! logarithm of the number of entries.

use crate::fact::Reader;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, Value};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Prefix {
    streams: BTreeMap<String, Stream>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    consumers: BTreeMap<String, Cursor>,
    /// By LSN; the event is that of the first statement.
    published: BTreeMap<u64, u64>,
    digests: BTreeMap<u64, (Value, u64)>,
}

/// What a consumer is to get next.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    next: u64,
    /// The event that set it.
    event: u64,
}

impl Prefix {
    /// As in a scenario file.
    pub const NAME: &'static str = "prefix";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["Q3", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn stream(&mut self, name: &str) -> &mut Stream {
        if !self.streams.contains_key(name) {
            self.streams.insert(name.to_owned(), Stream::default());
        }
        let Some(stream) = self.streams.get_mut(name) else { unreachable!("the stream was just entered") };
        stream
    }

    fn published(&mut self, name: &str, lsn: u64, digest: Option<&Value>, seen: &Observed) -> Result<(), Violation> {
        let stream = self.stream(name);
        stream.published.entry(lsn).or_insert(seen.event);
        stream.agree(name, lsn, digest, seen)
    }

    fn subscribed(&mut self, name: &str, consumer: &str, from: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let stream = self.stream(name);
        let new = Cursor { next: from, event: seen.event };
        match stream.consumers.insert(consumer.to_owned(), new) {
            Some(known) if from > known.next => Err(broken("subscribed past what was not delivered")
                .because(format!(
                    "{consumer} asked for {name} from LSN {from}, and LSN {} was not delivered to it",
                    known.next
                ))
                .seen_in(&[known.event, seen.event])),
            _ => Ok(()),
        }
    }

    fn delivered(
        &mut self,
        name: &str,
        consumer: &str,
        lsn: u64,
        digest: Option<&Value>,
        seen: &Observed,
    ) -> Result<(), Violation> {
        self.judged += 1;
        let stream = self.stream(name);
        if !stream.published.is_empty() && !stream.published.contains_key(&lsn) {
            return Err(broken("delivered before it was published")
                .because(format!("LSN {lsn} of {name} was delivered to {consumer}, and nobody published it"))
                .seen_in(&[seen.event]));
        }
        if !stream.consumers.contains_key(consumer) {
            stream.consumers.insert(consumer.to_owned(), Cursor::default());
        }
        let Some(cursor) = stream.consumers.get_mut(consumer) else { unreachable!("it was just entered") };
        let expected = *cursor;
        *cursor = Cursor { next: lsn.saturating_add(1), event: seen.event };
        if lsn == expected.next {
            return stream.agree(name, lsn, digest, seen);
        }
        let shape = if lsn < expected.next { "delivered again" } else { "entry left out" };
        Err(broken(shape)
            .because(format!("{consumer} got LSN {lsn} of {name}, and the next is LSN {}", expected.next))
            .seen_in(&[expected.event, seen.event]))
    }
}

impl Stream {
    /// One LSN is one entry, whoever names it.
    fn agree(&mut self, name: &str, lsn: u64, digest: Option<&Value>, seen: &Observed) -> Result<(), Violation> {
        let Some(digest) = digest else { return Ok(()) };
        let (first, event) = self.digests.entry(lsn).or_insert_with(|| (digest.clone(), seen.event));
        if first == digest {
            return Ok(());
        }
        Err(broken("two entries at one place")
            .because(format!("LSN {lsn} of {name} was first {first}, and was {digest} at {}", seen.at))
            .seen_in(&[*event, seen.event]))
    }
}

fn broken(shape: &str) -> Violation {
    Violation::new(Prefix::NAME, "Q3", shape)
}

impl Oracle for Prefix {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        let digest = seen.mark.get("digest");
        match &*seen.mark.kind {
            "stream.published" => self.published(reader.text("stream")?, reader.number("lsn")?, digest, seen),
            "stream.subscribed" => {
                let (stream, consumer) = (reader.text("stream")?, reader.text("consumer")?);
                self.subscribed(stream, consumer, reader.number("from")?, seen)
            }
            "stream.delivered" => {
                let (stream, consumer) = (reader.text("stream")?, reader.text("consumer")?);
                self.delivered(stream, consumer, reader.number("lsn")?, digest, seen)
            }
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
