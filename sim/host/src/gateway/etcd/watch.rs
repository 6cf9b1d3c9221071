//! A stream of changes from one server.

use super::types::{EtcdError, Event, Keys};
use super::{ANSWER_MAX, CALL_MAX, Etcd, convert};
use etcd_client::{WatchOptions, WatchStream};
use std::sync::Arc;
use std::time::Duration;

/// Changes of some keys from a revision on, in order, without gaps, those of one revision never parted. After an
/// error it is of no more use: watch anew behind the last change that was seen.
pub struct Watcher {
    etcd: Arc<Etcd>,
    server: usize,
    stream: WatchStream,
}

impl Etcd {
    /// Watches keys from the revision `from` on, which may lie in the future.
    pub fn watch(self: &Arc<Self>, keys: &Keys, from: u64) -> Result<Watcher, EtcdError> {
        let options = WatchOptions::new().with_start_revision(convert::signed(from));
        let options = match &keys.end {
            Some(end) => options.with_range(end.clone()),
            None => options,
        };
        let (key, server) = (keys.first.clone(), self.current.load(std::sync::atomic::Ordering::Relaxed));
        let stream = self.call(|client| async move {
            client.watch_client().max_decoding_message_size(ANSWER_MAX).watch(key, Some(options)).await
        })?;
        Ok(Watcher { etcd: Arc::clone(self), server, stream })
    }

    /// The first revision that can still be read: asked when a read was refused with [`EtcdError::Compacted`],
    /// which does not say it. 0 if nothing was forgotten.
    pub fn floor(self: &Arc<Self>) -> Result<u64, EtcdError> {
        match self.watch(&Keys::one(b"\0".to_vec()), 1)?.next(CALL_MAX) {
            Err(EtcdError::Compacted(floor)) => Ok(floor),
            other => other.map(|_| 0),
        }
    }
}

impl Watcher {
    /// The next changes; none if there were none for so long. [`EtcdError::Compacted`] says from where on to watch
    /// after everything was read anew.
    pub fn next(&mut self, wait: Duration) -> Result<Vec<Event>, EtcdError> {
        let Watcher { etcd, server, stream } = self;
        let until = tokio::time::Instant::now() + wait;
        loop {
            let message = etcd.runtime.block_on(async { tokio::time::timeout_at(until, stream.message()).await });
            let ended = |why: &str| EtcdError::Unavailable(format!("the watch ended: {why}"));
            let message = match message {
                Err(_) => return Ok(Vec::new()),
                Ok(Ok(Some(message))) if !message.canceled() => message,
                Ok(Ok(Some(message))) if message.compact_revision() > 0 => {
                    return Err(EtcdError::Compacted(convert::unsigned(message.compact_revision())));
                }
                over => {
                    etcd.leave(*server);
                    return Err(match over {
                        Ok(Ok(Some(message))) => ended(message.cancel_reason()),
                        Ok(Err(error)) => ended(&error.to_string()),
                        _ => ended("the server closed it"),
                    });
                }
            };
            let events: Vec<Event> = message.events().iter().filter_map(convert::event).collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}
