//! A way of keeping things in files, described so that every crash of it can be tried.
//!
//! A component that owns files describes what a client can ask of them ([`FileProtocol::operations`]), runs
//! its real code ([`FileProtocol::apply`], [`FileProtocol::recover`]) and says what must hold in a model
//! ([`FileProtocol::judge`]). The model is told three things only: what was acknowledged, what a crash cut
//! short, and what a recovery read back. `stormproof exhaust` tries all short sequences of operations with
//! all crashes.

use crate::disk::Disk;
use std::fmt::Debug;

/// A way of keeping things in files.
///
/// Everything must be a function of the disk and of the operations: no clock, no randomness of its own.
pub trait FileProtocol: Send + Sync {
    /// What a client can ask for.
    type Op: Clone + Debug;
    /// What the client is told at the end of an operation. One that promises something and goes on writing
    /// is to be cut into two operations.
    type Ack: Debug;
    /// What the process has in memory: open files, indexes. A crash takes it.
    type State: Clone;
    /// What a recovery reads back.
    type Found: Clone + Ord + Debug;
    /// What may be found next, given all that was acknowledged, cut short and found so far.
    type Model: Clone + Ord + Default;

    /// As on the command line: `"edge-ledger"`.
    fn name(&self) -> &'static str;

    /// What it keeps, in a few words.
    fn about(&self) -> &'static str;

    /// What may come after `step` other operations; the number lets each write something of its own.
    fn operations(&self, step: usize) -> Vec<Self::Op>;

    /// First start, on an empty disk, and every restart: repairs the files and reads them back.
    ///
    /// # Errors
    /// When it refuses to start. Crashes alone must never lead there, so that it counts as a failure.
    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Self::State, Self::Found), String>;

    /// Whether it matters to the protocol that the machine booted anew. If so, every restart goes through
    /// [`FileProtocol::restart`], and a death and a power loss that leave the same files are told apart.
    fn tells_boots_apart(&self) -> bool {
        false
    }

    /// [`FileProtocol::recover`] of a process that knows how often its machine has lost its power before.
    ///
    /// # Errors
    /// As [`FileProtocol::recover`].
    fn restart(&self, _boot: u64, disk: &mut Disk<'_>) -> Result<(Self::State, Self::Found), String> {
        self.recover(disk)
    }

    /// Does one operation.
    ///
    /// # Errors
    /// When the process cannot go on: it is restarted, and the operation was not acknowledged.
    fn apply(&self, state: &mut Self::State, op: &Self::Op, disk: &mut Disk<'_>) -> Result<Self::Ack, String>;

    /// Takes the next event into the model.
    ///
    /// # Errors
    /// What is wrong, as a sentence: a promise was broken.
    fn judge(&self, model: &mut Self::Model, event: Event<'_, Self>) -> Result<(), String>;
}

/// What the model of a protocol is told, in the order in which it happened.
#[derive(Debug)]
pub enum Event<'e, P: FileProtocol + ?Sized> {
    /// The operation was done, and its client was told so.
    Acknowledged(&'e P::Op, &'e P::Ack),
    /// The operation was begun; a crash came before its client was told anything.
    Cut(&'e P::Op),
    /// A recovery came to its end and read this back.
    Found(&'e P::Found),
}
