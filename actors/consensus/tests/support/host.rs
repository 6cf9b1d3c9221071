//! A host that keeps what an actor sends, and moves its clock when told to.

use consensus::rcs::message::{Reply, Request};
use contract::disk::Storage;
use contract::host::{Identity, Liveness};
use contract::message::Payload;
use contract::timer::{Alarm, Timers};
use contract::{Actor, Addr, Context, Duration, Halt, Host, Mark, Message, Pid, ProcessId, Time, Wall, codec, inbox};

inbox! {
    /// What the asker accepts.
    pub enum Inbox {
        /// Answers.
        Rcs(Reply),
    }
}

/// An actor that only lends its types: tests call the code under test themselves.
#[derive(Clone, Debug)]
pub struct Asker;

impl Actor for Asker {
    type Config = ();
    type Inbox = Inbox;
    type Timer = u8;
    fn boot((): &(), _: &mut Context<'_, Self>) -> Result<Self, Halt> {
        Ok(Asker)
    }
    fn on_message(&mut self, _: ProcessId, _: Inbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, _: u8, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

/// The address of a process; the only way to one from outside a plan is a decoder.
pub fn address<M: Message>(process: u32) -> Addr<M> {
    codec::decode(&codec::encode(&ProcessId(process)).expect("an identity encodes")).expect("an address is one")
}

/// What was sent and to which slot.
#[derive(Debug, Default)]
pub struct FakeHost {
    pub now: Time,
    pub sent: Vec<(u32, Request)>,
    pub draws: u64,
}

impl FakeHost {
    /// Runs `body` as one handler.
    pub fn with<R>(&mut self, body: impl FnOnce(&mut Context<'_, Asker>) -> R) -> R {
        body(&mut Context::new(self, &mut Timers::default()))
    }

    /// What was sent since the last time.
    pub fn take(&mut self) -> Vec<(u32, Request)> {
        std::mem::take(&mut self.sent)
    }
}

impl Host for FakeHost {
    fn me(&self) -> ProcessId {
        ProcessId(99)
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(1), started: 0, boot: 1, host: 0 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        self.now
    }
    fn wall(&self) -> Wall {
        Wall(0)
    }
    fn random(&mut self) -> u64 {
        // Weyl's sequence through a multiplication: spread out, and the same in each run.
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (self.draws ^ (self.draws >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        let request = payload.into_any().downcast().expect("only requests are sent");
        self.sent.push((to.0, *request));
    }
    fn arm(&mut self, _: Alarm, _: Duration) {}
    fn storage(&mut self) -> &mut dyn Storage {
        unreachable!("nothing here has a disk")
    }
    fn mark(&mut self, _: Mark) {}
    fn choose(&mut self, _: &'static str) -> bool {
        false
    }
}
