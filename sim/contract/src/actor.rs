//! The trait that every component implements.

use crate::address::ProcessId;
use crate::context::Context;
use crate::message::Inbox;
use std::fmt::Debug;

/// A process: plain data that reacts to events.
///
/// Each handler runs to completion before the next event of the same process is taken. `Clone` is part
/// of the contract: the simulator copies whole worlds to fork, step back and heal. `Debug` is what the
/// debugger and reports show.
pub trait Actor: Clone + Debug + Send + Sized + 'static {
    /// What the scenario or the node's configuration file gives this process.
    type Config: Send + Sync + 'static;
    /// Everything it accepts: its own protocol and the replies of those it calls.
    type Inbox: Inbox;
    /// Its timers, by name; setting one replaces it.
    type Timer: Copy + Ord + Debug + Send + 'static;

    /// First start and every restart. Recovery from disk happens here.
    fn boot(config: &Self::Config, ctx: &mut Context<'_, Self>) -> Result<Self, Halt>;

    /// One message. `from` is the sending process; a reply goes to the typed address in the request.
    fn on_message(&mut self, from: ProcessId, message: Self::Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt>;

    /// One timer that was set and neither replaced nor cancelled.
    fn on_timer(&mut self, timer: Self::Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt>;
}

/// "This process cannot go on": it exits, and its supervisor starts it again after a pause.
///
/// For disk errors after which nothing may be acknowledged, and for bad configuration. A peer's bad
/// input is never a halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Why, as a sentence for the operator.
    pub reason: String,
}

impl Halt {
    /// A halt with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Halt { reason: reason.into() }
    }
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Halt {}

impl From<crate::disk::DiskError> for Halt {
    fn from(error: crate::disk::DiskError) -> Self {
        Halt::new(format!("disk: {error}"))
    }
}
