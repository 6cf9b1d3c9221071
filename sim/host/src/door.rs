//! The way back into a process for work that it has given to threads of its own.

use crate::net::{Content, Delivery, Mailbox};
use contract::{Message, ProcessId};
use std::sync::{Arc, OnceLock};

/// What is put in arrives as a message of the process to itself. Closed until the process starts; clones are the same door.
#[derive(Clone, Default)]
pub struct Door(Arc<OnceLock<Inside>>);

struct Inside {
    process: ProcessId,
    mailbox: Arc<dyn Mailbox>,
}

impl Door {
    /// Puts a message in without waiting. `false` if it is lost: the mailbox is full, or the process is gone or not yet there.
    pub fn put<M: Message>(&self, message: M) -> bool {
        self.0.get().is_some_and(|inside| {
            inside.mailbox.offer(Delivery { from: inside.process, content: Content::Value(Box::new(message)) })
        })
    }

    /// Leads into this process from now on, once.
    pub(crate) fn open(&self, process: ProcessId, mailbox: Arc<dyn Mailbox>) {
        assert!(self.0.set(Inside { process, mailbox }).is_ok(), "a door leads into one process");
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.get() {
            Some(inside) => write!(f, "door of process {}", inside.process.0),
            None => f.write_str("closed door"),
        }
    }
}
