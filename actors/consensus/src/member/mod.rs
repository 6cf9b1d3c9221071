//! A member: one replica of the service, its peers, its clients and its append process.
//!
//! ```text
//!            the disk is read        the disk belongs to a cluster
//!   Opening ------------------> Founding ------------------------> Serving
//!      ^                                                              |
//!      +--------------------- the append process began anew ----------+
//! ```
//!
//! It touches no disk: what is to be durable goes to the append process of its node, so that heartbeats flow while a
//! sync hangs. When that process begins anew, so does the member, from what the disk then holds.

pub mod hello;
pub mod message;

mod admin;
mod applying;
mod config;
mod disk;
mod founding;
mod polls;
mod reading;
mod relay;
mod serving;

pub use config::Config;

use crate::raft::Envelope;
use crate::{rcs, wal};
use contract::{Actor, Context, Halt, ProcessId, inbox};
use disk::{Disk, News};
use founding::Founders;
use hello::Hello;
use serving::Serving;
use std::sync::Arc;

inbox! {
    /// What a member accepts.
    pub enum Inbox {
        /// From other members.
        Peer(Envelope),
        /// From replicas that look for their cluster.
        Hello(Hello),
        /// From the append process.
        Log(wal::message::Reply),
        /// From clients.
        Client(rcs::message::Request),
        /// From the leader, to what was passed on for clients.
        Relayed(rcs::message::Reply),
        /// From operators.
        Admin(message::Request),
    }
}

/// The member's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The core's clockwork.
    Core,
    /// The append process has not answered.
    Log,
    /// Time to say hello.
    Hello,
    /// The time of a lease has passed, as far as the leader knows.
    Lease,
    /// Somebody has waited long enough for changes, or for a read to be confirmed.
    Wait,
}

/// One replica.
#[derive(Clone, Debug)]
pub struct Member {
    config: Arc<Config>,
    disk: Disk,
    phase: Phase,
}

/// How far it is.
#[derive(Clone, Debug)]
enum Phase {
    Opening,
    Founding(Box<Founders>),
    Serving(Box<Serving>),
}

impl Actor for Member {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!((config.me as usize) < config.peers.len(), "a member has a place among its peers");
        let disk = Disk::open(config.log, ctx);
        ctx.set_timer(Timer::Log, config.log_retry);
        Ok(Member { config: Arc::clone(config), disk, phase: Phase::Opening })
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Log(reply) => self.on_disk(reply, ctx)?,
            Inbox::Hello(hello) => self.on_hello(hello, ctx),
            Inbox::Peer(envelope) => {
                if let Phase::Serving(serving) = &mut self.phase {
                    serving.on_peer(envelope, ctx)?;
                }
            }
            Inbox::Client(request) => match &mut self.phase {
                Phase::Serving(serving) => serving.on_client(&request, ctx)?,
                _ => serving::retry(&request, None, ctx),
            },
            Inbox::Relayed(reply) => {
                if let Phase::Serving(serving) = &mut self.phase {
                    serving.on_relayed(reply, ctx);
                }
            }
            Inbox::Admin(request) => self.on_admin(&request, ctx)?,
        }
        self.write_on(ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match (timer, &mut self.phase) {
            (Timer::Log, _) => {
                self.disk.say_again(ctx);
                ctx.set_timer(Timer::Log, self.config.log_retry);
            }
            (Timer::Hello, _) => self.say_hello(ctx),
            (Timer::Core, Phase::Serving(serving)) => serving.tick(ctx)?,
            (Timer::Lease, Phase::Serving(serving)) => serving.end_leases(ctx)?,
            (Timer::Wait, Phase::Serving(serving)) => serving.end_waits(ctx)?,
            _ => {}
        }
        self.write_on(ctx);
        Ok(())
    }
}

impl Member {
    fn on_disk(&mut self, reply: wal::message::Reply, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match (self.disk.on_reply(reply, ctx), &mut self.phase) {
            (News::None, _) => Ok(()),
            (News::Loaded(read), _) => {
                let (held, recovered) = *read;
                self.phase = match &held.founding {
                    Some(founding) => {
                        Phase::Serving(Box::new(Serving::new(&self.config, held.disk, founding, recovered, ctx)?))
                    }
                    None => Phase::Founding(Box::new(Founders::new(self.config.me, held.disk))),
                };
                self.say_hello(ctx);
                Ok(())
            }
            (News::Founded, Phase::Founding(founders)) => {
                let Some((disk, founding, recovered)) = founders.founded() else { return Ok(()) };
                let serving = Serving::new(&self.config, disk, &founding, recovered, ctx)?;
                self.phase = Phase::Serving(Box::new(serving));
                self.say_hello(ctx);
                Ok(())
            }
            (News::Saved(seq), Phase::Serving(serving)) => serving.saved(seq, ctx),
            (News::Founded | News::Saved(_), _) => Ok(()),
            (News::Ended, _) => {
                self.begin_anew(ctx);
                Ok(())
            }
        }
    }

    /// The append process knows this session no more: forgets all but what the disk will say.
    fn begin_anew(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.mark(contract::mark!("member.began_anew"));
        for timer in [Timer::Core, Timer::Hello, Timer::Lease, Timer::Wait] {
            ctx.cancel_timer(timer);
        }
        self.disk = Disk::open(self.config.log, ctx);
        self.phase = Phase::Opening;
        ctx.set_timer(Timer::Log, self.config.log_retry);
    }

    /// Gives the append process what there is to write, a few writes at a time.
    fn write_on(&mut self, ctx: &mut Context<'_, Self>) {
        let Phase::Serving(serving) = &mut self.phase else { return };
        while let Some(write) = serving.next_write() {
            let idle = !self.disk.is_waiting();
            self.disk.write(write, ctx);
            if idle {
                ctx.set_timer(Timer::Log, self.config.log_retry);
            }
        }
    }
}
