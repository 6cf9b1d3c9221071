//! What can be scheduled.

use crate::draw::Identity;
use crate::process::Ambush;
use crate::queue::Touch;
use contract::timer::Alarm;
use contract::{Payload, ProcessId};

/// A message on its way.
#[derive(Clone)]
pub struct Message {
    /// Who sent it.
    pub from: ProcessId,
    /// Who shall get it.
    pub to: ProcessId,
    /// When it left, in true time; a sender that dies before never sent it.
    pub sent: u64,
    /// The event whose handler sent it.
    pub cause: u64,
    /// Its path of causes.
    pub identity: Identity,
    /// The slot of the fault that made this copy, if one did: it fires when the copy arrives.
    pub copied_by: Option<u32>,
    /// What it says.
    pub payload: Box<dyn Payload>,
}

/// Something that will happen.
#[derive(Clone)]
pub enum Event {
    /// A message arrives.
    Message(Message),
    /// A timer runs out.
    Alarm {
        /// Whose.
        process: ProcessId,
        /// Of which of its starts.
        incarnation: u32,
        /// Which.
        alarm: Alarm,
        /// The event whose handler set it.
        cause: u64,
        /// Its path of causes.
        identity: Identity,
    },
    /// A process starts, if it is still down after that incarnation.
    Boot {
        /// Which.
        process: ProcessId,
        /// The incarnation that ended.
        after: u32,
    },
    /// A process's span ends while something waits for it.
    Wake(ProcessId),
    /// A fault slot's next occurrence begins.
    Strike(u32),
    /// A fault slot's occurrence ends.
    Relief(u32),
    /// A crash that lay in wait strikes, between two effects of the span that is open now.
    Ambush {
        /// The victim.
        process: ProcessId,
        /// Which of its starts was meant.
        incarnation: u32,
        /// What happens to it.
        ambush: Ambush,
    },
}

impl Touch for Event {
    #[inline]
    fn touch(&self) {
        if let Event::Message(message) = self {
            message.payload.touch();
        }
    }
}

/// An event fits one cache line of the queue.
const _: () = assert!(size_of::<Option<Event>>() <= 64);
