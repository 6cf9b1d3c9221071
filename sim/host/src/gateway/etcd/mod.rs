//! etcd: transactions that compare and change, reads at a revision, leases, watches.
//!
//! Calls block, each for so long at most as the connection says, and may come from many threads, but not from those
//! of a runtime: a process that runs on one gives calls to threads and gets answers through a [`Door`](crate::Door).
//! One server is spoken to until it fails, then the next: a call that failed is not repeated here, because only the
//! caller knows whether it may be.
//!
//! Needs a server of version 3.4 or later; versions before 3.4.32 and 3.5.14 have known faults of consistency, so
//! production wants a later one. Progress notifications are not used: before 3.4.25 they could be ahead of events.

mod convert;
mod types;
mod watch;

pub use types::{
    Compare, EtcdError, Event, Keys, Range, Read, Relation, Row, Step, StepDone, Target, Transacted, Transaction,
};
pub use watch::Watcher;

use etcd_client::{Client, ConnectOptions, Error, LeaseGrantOptions};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The usual patience with a call; a server that has not answered by then is left for the next.
pub const CALL_MAX: Duration = Duration::from_secs(2);

/// Silence after which a server is asked whether it is there, and again as long until it is given up.
const PING: Duration = Duration::from_secs(1);
/// What an answer may have in bytes: pages are the caller's business.
const ANSWER_MAX: usize = 256 << 20;

/// A cluster of etcd servers, with the runtime that its connections need.
pub struct Etcd {
    runtime: Runtime,
    servers: Vec<Server>,
    current: AtomicUsize,
    patience: Duration,
}

struct Server {
    address: String,
    client: Client,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<&str> = self.servers.iter().map(|server| &*server.address).collect();
        write!(f, "etcd at {}", addresses.join(", "))
    }
}

impl Etcd {
    /// Prepares connections to servers, each `HOST:PORT` or `http://HOST:PORT`; the first call dials. Begins with
    /// the server of number `first`, counted around. Fails only for addresses that are none.
    pub fn connect(addresses: &[String], first: usize) -> Result<Arc<Etcd>, String> {
        Etcd::connect_with(addresses, first, CALL_MAX)
    }

    /// The same with another patience than [`CALL_MAX`].
    pub fn connect_with(addresses: &[String], first: usize, patience: Duration) -> Result<Arc<Etcd>, String> {
        if addresses.is_empty() {
            return Err("no address of an etcd server: write HOST:PORT".to_owned());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime for etcd: {error}"))?;
        let prepare = |address: &String| {
            let options = ConnectOptions::new().with_connect_timeout(patience).with_keep_alive(PING, PING);
            let options = options.with_require_leader(true);
            let client = runtime.block_on(Client::connect([address], Some(options)));
            let client = client.map_err(|error| format!("`{address}` is no etcd server: {error}; write HOST:PORT"))?;
            Ok(Server { address: address.clone(), client })
        };
        // On a thread of its own: the caller's may belong to another runtime, where blocking is not allowed.
        let prepare_all = || addresses.iter().map(prepare).collect::<Result<Vec<_>, String>>();
        let servers = std::thread::scope(|scope| scope.spawn(prepare_all).join());
        let servers = servers.map_err(|_| "the preparation of connections to etcd panicked".to_owned())??;
        let current = AtomicUsize::new(first % servers.len());
        Ok(Arc::new(Etcd { runtime, servers, current, patience }))
    }

    /// Compares and changes, all or nothing.
    pub fn transact(&self, wanted: &Transaction) -> Result<Transacted, EtcdError> {
        let wanted = convert::transaction(wanted);
        let done = self.call(|client| async move { kv(&client).txn(wanted).await })?;
        Ok(convert::transacted(&done))
    }

    /// Reads.
    pub fn range(&self, read: &Read) -> Result<Range, EtcdError> {
        let (key, options) = (read.keys.first.clone(), convert::read_options(read));
        let mut found = self.call(|client| async move { kv(&client).get(key, Some(options)).await })?;
        Ok(convert::range(&mut found))
    }

    /// Begins a lease of that number, not 0, for at least so many seconds; returns how many it is.
    pub fn grant(&self, lease: u64, seconds: u64) -> Result<u64, EtcdError> {
        let (id, ttl) = (convert::signed(lease), convert::signed(seconds));
        let options = LeaseGrantOptions::new().with_id(id);
        let granted = self.call(|client| async move { client.lease_client().grant(ttl, Some(options)).await })?;
        Ok(convert::unsigned(granted.ttl()))
    }

    /// Begins the lease's time anew; returns its seconds.
    pub fn renew(&self, lease: u64) -> Result<u64, EtcdError> {
        let id = convert::signed(lease);
        self.call(|client| async move {
            let mut leases = client.lease_client();
            let (mut keeper, mut answers) = leases.keep_alive(id).await?;
            // The first answer was taken for its proof that the lease is there; the second one says for how long.
            keeper.keep_alive().await?;
            let answer = answers.message().await?;
            answer.filter(|answer| answer.ttl() > 0).ok_or(Error::LeaseKeepAliveError("lease not found".to_owned()))
        })
        .map(|answer| convert::unsigned(answer.ttl()))
    }

    /// Ends the lease and deletes its keys; returns the store's revision after it.
    pub fn revoke(&self, lease: u64) -> Result<u64, EtcdError> {
        let id = convert::signed(lease);
        let revoked = self.call(|client| async move { client.lease_client().revoke(id).await })?;
        Ok(convert::revision(revoked.header()))
    }

    /// Forgets what keys were before this revision.
    pub fn compact(&self, revision: u64) -> Result<(), EtcdError> {
        let revision = convert::signed(revision);
        self.call(|client| async move { kv(&client).compact(revision, None).await }).map(drop)
    }

    /// Which of the servers leads, as a number from 0, if one of them says so.
    pub fn leader(&self) -> Option<usize> {
        let leads = |server: &Server| {
            let client = server.client.clone();
            let status = self.wait(async move { client.maintenance_client().status().await });
            status.is_ok_and(|status| status.header().is_some_and(|header| header.member_id() == status.leader()))
        };
        self.servers.iter().position(leads)
    }

    /// Makes one call to the current server; a server that gives no answer is left for the next.
    fn call<T, F>(&self, ask: impl FnOnce(Client) -> F) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let number = self.current.load(Ordering::Relaxed);
        let answer = self.wait(ask(self.servers[number].client.clone()));
        if matches!(answer, Err(EtcdError::Unavailable(_))) {
            self.leave(number);
        }
        answer
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, EtcdError> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(self.patience, answer).await });
        match answer {
            Ok(answer) => answer.map_err(|error| convert::error(&error)),
            Err(_) => Err(EtcdError::Unavailable(format!("none within {:?}", self.patience))),
        }
    }

    /// Goes on to the next server, unless another thread did so already.
    fn leave(&self, number: usize) {
        let next = (number + 1) % self.servers.len();
        // Whoever changed it in the meantime has left this server, too.
        let _ = self.current.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn kv(client: &Client) -> etcd_client::KvClient {
    client.kv_client().max_decoding_message_size(ANSWER_MAX)
}
