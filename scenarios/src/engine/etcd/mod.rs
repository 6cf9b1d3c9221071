//! The Routing Coordination Service on a real etcd: a process that speaks the service's wire on one side and etcd's
//! on the other.
//!
//! | the wire | etcd |
//! |---|---|
//! | key `x` | key `NAME/k/x` |
//! | session | key `NAME/s/NUMBER` with the last operation's number and outcome, under a lease of an hour |
//! | transaction | one transaction that also compares and writes the session's key: [`sessions`] |
//! | lease | a lease of a number drawn here, so that a repeated grant finds it; whole seconds |
//! | watch | a long poll over one background watch of `NAME/`: [`feed`] |
//! | read | a read, linearizable unless asked otherwise |
//!
//! A session's key is written in etcd's own revisions: revisions grow with every operation of a session, also where our own
//! store's stay. Sessions are forgotten after an hour without an operation, not by number. Requests run on threads; what they
//! answer comes back through the process's [`Door`].

mod feed;
mod operations;
mod retell;
mod sessions;
mod space;
#[cfg(test)]
mod tests;

use super::Servers;
use consensus::rcs::message::{Answer, Ask, Reply, Request};
use consensus::wal;
use contract::cell::{self, Blueprint};
use contract::{Actor, Addr, Context, Halt, ProcessId, inbox, message};
use feed::Feed;
use host::Door;
use host::gateway::etcd::{Etcd, Read};
use operations::Service;
use serde::{Deserialize, Serialize};
use space::Space;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that are with etcd at a time.
const WORKERS: usize = 64;
/// Requests that wait for a worker; whoever comes then is told to ask again.
const WAITING: usize = 1_024;

/// The blueprint of the process of that name on node `index` of the role.
pub fn blueprint(servers: &Servers, process: &str, index: usize, door: &Door) -> Result<Arc<dyn Blueprint>, String> {
    let config = Config { servers: servers.clone(), index, door: door.clone() };
    match process {
        "member" => Ok(cell::blueprint::<Gateway>(config)),
        "log" => Ok(cell::blueprint::<Idle>(())),
        other => Err(format!("no part of etcd can stand in for process `{other}` of role rcs")),
    }
}

/// Whether one of the servers answers.
pub fn reach(servers: &Servers) -> Result<(), String> {
    let etcd = Etcd::connect(&servers.addresses, 0)?;
    let mut last = Ok(());
    for _ in &servers.addresses {
        let all = Space::of(&servers.name).all();
        match etcd.range(&Read { keys: all, revision: 0, limit: 1, linearizable: true }) {
            Ok(_) => return Ok(()),
            Err(error) => last = Err(format!("{}: {error} (is it running?)", servers.addresses.join(", "))),
        }
    }
    last
}

/// What a gateway is given.
#[derive(Clone, Debug)]
pub struct Config {
    servers: Servers,
    /// Gateways begin with different servers.
    index: usize,
    door: Door,
}

/// An answer on its way from a thread through the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    reply_to: Addr<Reply>,
    reply: Reply,
}
message!(Finished = "engine.finished/1");

inbox! {
    /// Everything that a gateway accepts.
    pub enum Inbox {
        /// A request of a client.
        Client(Request),
        /// From its own threads.
        Finished(Finished),
    }
}

/// The process that stands in for a member.
#[derive(Clone, Debug)]
pub struct Gateway {
    jobs: SyncSender<Job>,
}

/// A request with what it needs of the process.
#[derive(Debug)]
struct Job {
    request: Request,
    /// For numbers that are drawn.
    random: u64,
}

impl Actor for Gateway {
    type Config = Config;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(config: &Config, _: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let etcd = Etcd::connect(&config.servers.addresses, config.index).map_err(Halt::new)?;
        let space = Space::of(&config.servers.name);
        let feed = Feed::start(Arc::clone(&etcd), space.clone(), config.door.clone()).map_err(Halt::new)?;
        let service = Arc::new(Service::new(etcd, space));
        let (jobs, waiting) = sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..WORKERS {
            let (service, feed, door) = (Arc::clone(&service), feed.clone(), config.door.clone());
            let waiting = Arc::clone(&waiting);
            let worker = std::thread::Builder::new().name(format!("etcd-{number}"));
            let started = worker.spawn(move || work(&waiting, &service, &feed, &door));
            started.map_err(|error| Halt::new(format!("no thread for requests to etcd: {error}")))?;
        }
        Ok(Gateway { jobs })
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Client(request) => {
                let (reply_to, call, random) = (request.reply_to, request.call, ctx.random());
                if self.jobs.try_send(Job { request, random }).is_err() {
                    ctx.send(reply_to, Reply { call, answer: Answer::Retry { leader: None } });
                }
            }
            // Anybody could send one; only its own threads are its own.
            Inbox::Finished(done) if from == ctx.me() => ctx.send(done.reply_to, done.reply),
            Inbox::Finished(_) => {}
        }
        Ok(())
    }

    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        unreachable!("a gateway sets no timer")
    }
}

/// Serves requests one by one until the process is gone.
fn work(waiting: &Mutex<Receiver<Job>>, service: &Service, feed: &Feed, door: &Door) {
    loop {
        // Nothing panics while it holds the lock.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { request: Request { call, reply_to, ask }, random }) = job else { return };
        let answer = match ask {
            Ask::Do { id, operation } => service.operate(id, &operation, random),
            Ask::Read(read) => service.read(&read),
            Ask::Watch(watch) => match feed.ask(watch, call, reply_to) {
                Some(answer) => answer,
                // The feed answers when there is something to tell.
                None => continue,
            },
        };
        // An answer that is lost is asked for again.
        door.put(Finished { reply_to, reply: Reply { call, answer } });
    }
}

/// The process that stands in for an append process: there is nothing to append.
#[derive(Clone, Debug)]
struct Idle;

inbox! {
    /// What an append process is asked, and this one does not answer.
    enum Unanswered {
        Log(wal::message::Request),
    }
}

impl Actor for Idle {
    type Config = ();
    type Inbox = Unanswered;
    type Timer = ();

    fn boot((): &(), _: &mut Context<'_, Self>) -> Result<Self, Halt> {
        Ok(Idle)
    }
    fn on_message(&mut self, _: ProcessId, _: Unanswered, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        unreachable!("an idle process sets no timer")
    }
}
