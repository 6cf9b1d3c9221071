//! A running actor whose type was erased, as hosts hold it.

use crate::actor::{Actor, Halt};
use crate::address::ProcessId;
use crate::context::Context;
use crate::host::Host;
use crate::message::{Inbox, Payload, Protocol, Refused};
use crate::timer::{Alarm, Timers};
use std::sync::Arc;

/// One process incarnation: its state and its timers.
pub trait Cell: Send {
    /// Runs the handler of a message that moved as a value.
    fn deliver(&mut self, from: ProcessId, payload: Box<dyn Payload>, host: &mut dyn Host) -> Result<(), Stop>;
    /// Runs the handler of a message that moved as bytes.
    fn deliver_bytes(
        &mut self,
        from: ProcessId,
        protocol: Protocol,
        bytes: &[u8],
        host: &mut dyn Host,
    ) -> Result<(), Stop>;
    /// Runs the handler of a timer; `false` if the alarm was replaced or cancelled, and nothing ran.
    fn fire(&mut self, alarm: Alarm, host: &mut dyn Host) -> Result<bool, Stop>;
    /// Whether `alarm` is still set.
    fn is_live(&self, alarm: Alarm) -> bool;
    /// A copy, for copies of the world.
    fn clone_cell(&self) -> Box<dyn Cell>;
    /// The actor's state for people, by its `Debug`.
    fn inspect(&self) -> String;
}

/// Why a delivery ended without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The message was not understood; the process goes on.
    Refused(Refused),
    /// The process cannot go on.
    Halt(Halt),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Stop::Halt(halt)
    }
}

/// How to start a process, as often as needed.
pub trait Blueprint: Send + Sync {
    /// First start and every restart.
    fn boot(&self, host: &mut dyn Host) -> Result<Box<dyn Cell>, Halt>;
    /// Whether the process accepts messages of `protocol`.
    fn accepts(&self, protocol: Protocol) -> bool;
}

/// The blueprint of actor `A` with its configuration.
pub fn blueprint<A: Actor>(config: A::Config) -> Arc<dyn Blueprint> {
    Arc::new(Typed::<A> { config })
}

struct Typed<A: Actor> {
    config: A::Config,
}

impl<A: Actor> Blueprint for Typed<A> {
    fn boot(&self, host: &mut dyn Host) -> Result<Box<dyn Cell>, Halt> {
        let mut timers = Timers::default();
        let actor = A::boot(&self.config, &mut Context::new(host, &mut timers))?;
        Ok(Box::new(Running { actor, timers }))
    }
    fn accepts(&self, protocol: Protocol) -> bool {
        A::Inbox::accepts(protocol)
    }
}

struct Running<A: Actor> {
    actor: A,
    timers: Timers<A::Timer>,
}

impl<A: Actor> Running<A> {
    fn handle(&mut self, from: ProcessId, message: Result<A::Inbox, Refused>, host: &mut dyn Host) -> Result<(), Stop> {
        let message = message.map_err(Stop::Refused)?;
        Ok(self.actor.on_message(from, message, &mut Context::new(host, &mut self.timers))?)
    }
}

impl<A: Actor> Cell for Running<A> {
    fn deliver(&mut self, from: ProcessId, payload: Box<dyn Payload>, host: &mut dyn Host) -> Result<(), Stop> {
        self.handle(from, A::Inbox::from_payload(payload), host)
    }
    fn deliver_bytes(
        &mut self,
        from: ProcessId,
        protocol: Protocol,
        bytes: &[u8],
        host: &mut dyn Host,
    ) -> Result<(), Stop> {
        self.handle(from, A::Inbox::from_bytes(protocol, bytes), host)
    }
    fn fire(&mut self, alarm: Alarm, host: &mut dyn Host) -> Result<bool, Stop> {
        let Some(timer) = self.timers.fire(alarm) else { return Ok(false) };
        self.actor.on_timer(timer, &mut Context::new(host, &mut self.timers))?;
        Ok(true)
    }
    fn is_live(&self, alarm: Alarm) -> bool {
        self.timers.is_live(alarm)
    }
    fn clone_cell(&self) -> Box<dyn Cell> {
        Box::new(Running::<A> { actor: self.actor.clone(), timers: self.timers.clone() })
    }
    fn inspect(&self) -> String {
        format!("{:#?}", self.actor)
    }
}
