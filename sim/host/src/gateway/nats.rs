//! A work queue on NATS JetStream: numbered tasks in batches, results by batch and number.
//!
//! Two streams, `NAME-work` (a task is gone once it is acknowledged) and `NAME-results`. A batch is a header among
//! the results and a consumer of its own; whoever sees the consumer may take tasks. A subject holds one message, so
//! that a task posted twice is there once, and the later of two equal results replaces the earlier. A task whose
//! holder is silent for [`ACK_WAIT`] goes to somebody else. Reconnecting is the client's business: calls fail or
//! wait meanwhile and lose nothing. Needs a server of version 2.9 or later; key-value buckets are not used.

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{CreateStreamError, PublishErrorKind};
use async_nats::jetstream::message::{AckKind, Acker, Message, PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{self, LastRawMessageErrorKind, RawMessageErrorKind, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// A task whose holder was not heard of for so long is handed out again.
pub const ACK_WAIT: Duration = Duration::from_secs(15);
/// So often at most does the server hand out a task. Holders are to give up a task long before.
pub const DELIVERIES_MAX: i64 = 20;
/// The name of the streams and the first part of all subjects, where the URL names none.
pub const NAME: &str = "stormproof";

/// Tasks of a batch that may be held at once.
const HELD_MAX: i64 = 65_536;
/// A batch that nobody touches for so long goes, with its tasks and results.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);
/// What connecting or a call to the server may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Bytes of a message beside its body.
const OVERHEAD: usize = 4_096;

/// A connection, with its runtime.
pub struct Queue {
    runtime: Runtime,
    context: Context,
    name: String,
    work: Stream,
    results: Stream,
    address: String,
}

/// A result in the queue.
pub struct Posted {
    /// Its place in the stream.
    pub sequence: u64,
    /// The number of its task.
    pub number: u64,
    /// What was posted.
    pub body: Vec<u8>,
}

impl Queue {
    /// Connects to `nats://[USER:PASSWORD@]HOST:PORT[/NAME]`, or `tls://`, and makes the two streams if they are not there.
    pub fn connect(url: &str) -> Result<Queue, String> {
        let (server, name) = split(url)?;
        let address = server.rsplit('@').next().unwrap_or(server).to_owned();
        let said = |error: &dyn Display| format!("cannot use the queue at {address}: {error}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| said(&error))?;
        let connected = runtime.block_on(async {
            let options = async_nats::ConnectOptions::new().name("stormproof").connection_timeout(CALL_MAX);
            let client = options
                .connect(server)
                .await
                .map_err(|error| format!("{} (is it running? `nats-server -js` starts one)", said(&error)))?;
            let context = jetstream::new(client);
            let no_stream = |error| format!("{} (JetStream must be on: `nats-server -js`)", said(&error));
            let (work, results) = streams(&context, name).await.map_err(no_stream)?;
            Ok::<_, String>((context, work, results))
        });
        let (context, work, results) = connected?;
        Ok(Queue { runtime, context, name: name.to_owned(), work, results, address })
    }

    /// Bytes that a body may have.
    pub fn room(&self) -> usize {
        self.context.client().server_info().max_payload.saturating_sub(OVERHEAD)
    }

    /// Begins a batch, or goes on with it; returns the sequence of the last result there is, of any batch. Streams
    /// are made anew where they are gone: a server of version 2.9 that is killed may have lost them.
    pub fn open(&self, batch: &str, header: &str) -> Result<u64, String> {
        let config = pull::Config {
            durable_name: Some(batch.to_owned()),
            filter_subject: self.work_subject(batch, "*"),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: DELIVERIES_MAX,
            max_ack_pending: HELD_MAX,
            inactive_threshold: FORGOTTEN_AFTER,
            ..pull::Config::default()
        };
        self.runtime.block_on(async {
            let (_, results) = streams(&self.context, &self.name).await.map_err(|error| self.said(&error))?;
            let last = results.cached_info().state.last_sequence;
            // The header first: whoever sees the consumer looks for it.
            self.publish(self.header_subject(batch), header.as_bytes()).await?;
            let consumer = self.work.create_consumer(config.clone()).await.map_err(|error| self.said(&error))?;
            let info = consumer.cached_info();
            if info.num_pending == 0 && info.num_ack_pending == 0 && self.has_tasks(batch).await? {
                // A server that was killed may remember deliveries of tasks that it has lost. What is posted anew takes
                // their places in the stream, and a consumer that believes to be past them never hands it out.
                self.work.delete_consumer(batch).await.map_err(|error| self.said(&error))?;
                self.work.create_consumer(config).await.map_err(|error| self.said(&error))?;
            }
            Ok(last)
        })
    }

    /// Whether a task of the batch is in the queue, held or not.
    async fn has_tasks(&self, batch: &str) -> Result<bool, String> {
        match self.work.get_first_raw_message_by_subject(self.work_subject(batch, "*"), 1).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
            Err(error) => Err(self.said(&error)),
        }
    }

    /// Ends a batch. Its tasks go; its results only if nobody wants them any more.
    pub fn close(&self, batch: &str, keep_results: bool) -> Result<(), String> {
        // The consumer first: nobody takes a task of a batch that is going.
        let gone = self.runtime.block_on(self.work.delete_consumer(batch));
        self.purge(&self.work, self.work_subject(batch, "*"))?;
        if !keep_results {
            self.purge(&self.results, self.result_subject(batch, "*"))?;
            self.purge(&self.results, self.header_subject(batch))?;
        }
        gone.map(drop).map_err(|error| self.said(&error))
    }

    /// The batches that are open.
    pub fn batches(&self) -> Result<Vec<String>, String> {
        self.runtime.block_on(async {
            let mut names = self.work.consumer_names();
            let mut batches = Vec::new();
            while let Some(name) = names.next().await {
                batches.push(name.map_err(|error| self.said(&error))?);
            }
            batches.sort();
            Ok(batches)
        })
    }

    /// What [`Queue::open`] was given for the batch.
    pub fn header(&self, batch: &str) -> Result<Option<String>, String> {
        let found = self.last(&self.header_subject(batch))?;
        Ok(found.map(|found| String::from_utf8_lossy(&found.body).into_owned()))
    }

    /// Posts a task, unless it is there already.
    pub fn submit(&self, batch: &str, number: u64, body: &[u8]) -> Result<(), String> {
        let message = PublishMessage::build().payload(body.to_vec().into()).expected_last_subject_sequence(0);
        let posted = self
            .runtime
            .block_on(async { self.context.send_publish(self.work_subject(batch, number), message).await?.await });
        match posted {
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(()),
            other => other.map(drop).map_err(|error| self.said(&error)),
        }
    }

    /// Takes a task back. Whoever holds it may still complete it.
    pub fn withdraw(&self, batch: &str, number: u64) -> Result<(), String> {
        self.purge(&self.work, self.work_subject(batch, number))
    }

    /// The result of a task.
    pub fn result(&self, batch: &str, number: u64) -> Result<Option<Posted>, String> {
        self.last(&self.result_subject(batch, number))
    }

    /// The first result of the batch that was posted after that place.
    pub fn next_result(&self, batch: &str, after: u64) -> Result<Option<Posted>, String> {
        let subject = self.result_subject(batch, "*");
        let found = self.runtime.block_on(self.results.get_first_raw_message_by_subject(subject, after + 1));
        match found {
            Ok(message) => Ok(Some(posted(&message))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(self.said(&error)),
        }
    }

    /// Takes the result of a task out of the queue.
    pub fn discard(&self, batch: &str, number: u64) -> Result<(), String> {
        self.purge(&self.results, self.result_subject(batch, number))
    }

    /// Takes a task; waits for one at most so long. A batch that is not open has none.
    pub fn take(self: &Arc<Self>, batch: &str, wait: Duration) -> Result<Option<Task>, String> {
        let taken: Result<Option<Message>, String> = self.runtime.block_on(async {
            let Ok(consumer) = self.work.get_consumer::<pull::Config>(batch).await else {
                // Gone, or out of reach: whoever looks for batches next learns which.
                return Ok(None);
            };
            let fetch = consumer.fetch().max_messages(1).expires(wait).messages().await;
            let mut messages = fetch.map_err(|error| self.said(&error))?;
            // A batch that was closed ends the wait with an error.
            Ok(messages.next().await.and_then(Result::ok))
        });
        let Some(message) = taken? else { return Ok(None) };
        let info = message.info().map_err(|error| self.said(&error))?;
        let delivery = u64::try_from(info.delivered).unwrap_or(1);
        let number = number(&message.subject);
        let (message, acker) = message.split();
        let until = Arc::new(Mutex::new(Instant::now() + ACK_WAIT));
        let acker = Arc::new(acker);
        let heart = self.runtime.spawn(beat(acker.clone(), until.clone()));
        let (queue, batch) = (self.clone(), batch.to_owned());
        Ok(Some(Task { queue, batch, number, body: message.payload.to_vec(), delivery, acker, until, heart }))
    }

    fn last(&self, subject: &str) -> Result<Option<Posted>, String> {
        match self.runtime.block_on(self.results.get_last_raw_message_by_subject(subject)) {
            Ok(message) => Ok(Some(posted(&message))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(self.said(&error)),
        }
    }

    fn purge(&self, stream: &Stream, subject: String) -> Result<(), String> {
        let purged = self.runtime.block_on(stream.purge().filter(subject).into_future());
        purged.map(drop).map_err(|error| self.said(&error))
    }

    /// Publishes and waits until the server has it.
    async fn publish(&self, subject: String, body: &[u8]) -> Result<(), String> {
        let sent = self.context.publish(subject, body.to_vec().into()).await.map_err(|error| self.said(&error))?;
        sent.await.map(drop).map_err(|error| self.said(&error))
    }

    fn work_subject(&self, batch: &str, number: impl Display) -> String {
        format!("{}.work.{batch}.{number}", self.name)
    }

    fn result_subject(&self, batch: &str, number: impl Display) -> String {
        format!("{}.result.{batch}.{number}", self.name)
    }

    fn header_subject(&self, batch: &str) -> String {
        format!("{}.batch.{batch}", self.name)
    }

    fn said(&self, error: &dyn Display) -> String {
        format!("the queue at {}: {error}", self.address)
    }
}

/// A task that was taken. Its holder is heard of until the time that [`Task::extend`] gave is over, or it is dropped.
pub struct Task {
    queue: Arc<Queue>,
    batch: String,
    number: u64,
    /// What was posted.
    pub body: Vec<u8>,
    /// How often it was handed out, this time included.
    pub delivery: u64,
    acker: Arc<Acker>,
    until: Arc<Mutex<Instant>>,
    heart: JoinHandle<()>,
}

impl Task {
    /// The holder need not call again for so long.
    pub fn extend(&self, time: Duration) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }

    /// Posts the result and waits until the server has it; then takes the task out and waits until that is so.
    pub fn complete(&self, result: &[u8]) -> Result<(), String> {
        let queue = &self.queue;
        queue.runtime.block_on(async {
            queue.publish(queue.result_subject(&self.batch, self.number), result).await?;
            // Of a batch that was closed meanwhile nobody confirms anything; the result is there.
            let _ = tokio::time::timeout(CALL_MAX, self.acker.double_ack()).await;
            Ok(())
        })
    }

    /// Somebody else may have it at once.
    pub fn give_back(&self) {
        // Without this word it takes until the wait for the holder is over.
        let _ = self.queue.runtime.block_on(async {
            self.acker.ack_with(AckKind::Nak(None)).await?;
            self.queue.context.client().flush().await.map_err(async_nats::Error::from)
        });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

/// Says that the holder is well, as long as it is.
async fn beat(acker: Arc<Acker>, until: Arc<Mutex<Instant>>) {
    loop {
        tokio::time::sleep(ACK_WAIT / 3).await;
        if *until.lock().unwrap_or_else(PoisonError::into_inner) < Instant::now() {
            return;
        }
        // A word that does not arrive is followed by the next.
        let _ = acker.ack_with(AckKind::Progress).await;
    }
}

/// The two streams, made where they are not there.
async fn streams(context: &Context, name: &str) -> Result<(Stream, Stream), CreateStreamError> {
    let work = context.get_or_create_stream(work_stream(name)).await?;
    Ok((work, context.get_or_create_stream(results_stream(name)).await?))
}

fn work_stream(name: &str) -> stream::Config {
    stream::Config {
        name: format!("{name}-work"),
        subjects: vec![format!("{name}.work.>")],
        retention: RetentionPolicy::WorkQueue,
        max_age: FORGOTTEN_AFTER,
        ..stream::Config::default()
    }
}

fn results_stream(name: &str) -> stream::Config {
    stream::Config {
        name: format!("{name}-results"),
        subjects: vec![format!("{name}.result.>"), format!("{name}.batch.>")],
        max_messages_per_subject: 1,
        max_age: FORGOTTEN_AFTER,
        ..stream::Config::default()
    }
}

/// The server's address and the name of the streams.
fn split(url: &str) -> Result<(&str, &str), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
    let name = if name.is_empty() { NAME } else { name };
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !["nats", "tls"].contains(&scheme) || host.is_empty() || !plain {
        return Err(format!(
            "`{url}` is no queue: write nats://HOST:PORT or nats://HOST:PORT/NAME, NAME of letters, digits, - and _"
        ));
    }
    Ok((&url[..scheme.len() + 3 + host.len()], name))
}

fn posted(message: &StreamMessage) -> Posted {
    Posted { sequence: message.sequence, number: number(&message.subject), body: message.payload.to_vec() }
}

/// The last part of a subject. What has none was not posted here, and no batch has so high a number.
fn number(subject: &str) -> u64 {
    subject.rsplit('.').next().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_server_and_perhaps_the_streams() {
        assert_eq!(split("nats://a:4222"), Ok(("nats://a:4222", NAME)));
        assert_eq!(split("nats://a:4222/"), Ok(("nats://a:4222", NAME)));
        assert_eq!(split("tls://u:p@a:1/night_2"), Ok(("tls://u:p@a:1", "night_2")));
        for bad in ["", "a:4222", "http://a:4222", "nats://", "nats:///x", "nats://a/x.y", "nats://a/x/y"] {
            assert!(split(bad).unwrap_err().contains("write nats://HOST:PORT"), "{bad}");
        }
    }

    #[test]
    fn the_last_part_of_a_subject_is_the_number() {
        assert_eq!(number("stormproof.result.0123.42"), 42);
        assert_eq!(number("stormproof.batch.no"), u64::MAX);
    }
}
