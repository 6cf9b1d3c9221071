//! What stands in the log's entries for the store.

use super::message::{Operation, OperationId};
use contract::Blob;
use contract::codec::{self, CodecError};
use serde::{Deserialize, Serialize};

/// One entry for the store. It holds all that decides: the store reads no clock and draws nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A client's operation.
    Client {
        /// Which one.
        id: OperationId,
        /// What is to be done.
        operation: Operation,
    },
    /// The leader has seen this lease's time pass.
    Expire {
        /// The lease.
        lease: u64,
        /// How often it had been renewed when the leader looked: renewed since, it goes on.
        renewals: u64,
    },
}

impl Command {
    /// The entry's bytes.
    ///
    /// # Errors
    /// When it is longer than an entry can be; what [`super::Limits::check`] accepts is not.
    pub fn encode(&self) -> Result<Blob, CodecError> {
        Ok(codec::encode(self)?.into())
    }

    /// Reads an entry; never panics, whatever the bytes.
    ///
    /// # Errors
    /// When `bytes` are not an encoded command.
    pub fn decode(bytes: &[u8]) -> Result<Command, CodecError> {
        codec::decode(bytes)
    }
}
