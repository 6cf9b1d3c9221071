//! The incoming side: accepts connections, checks greetings, and hands frames to mailboxes.
//!
//! Nothing that a peer sends can harm more than its own connection: every misdeed has a kind in
//! [`End`](crate::stats::End), is counted, and closes that connection only. A full mailbox stops the reading, so that TCP
//! slows the sender down; heartbeats go on meanwhile, because slow is not dead.

use crate::net::{Content, Context, Delivery, Mailbox, Router};
use crate::stats::{Count, End};
use crate::wire::{self, FrameReader, Greeting, HEARTBEAT};
use contract::{Duration, ProcessId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Wait after a failed accept (too many open files, for one), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts connections for the processes of one node.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) router: Arc<Router>,
    /// The processes that may greet.
    pub(crate) peers: BTreeSet<ProcessId>,
    /// The processes here, with their incarnations.
    pub(crate) locals: BTreeMap<ProcessId, u32>,
    pub(crate) context: Arc<Context>,
}

impl Acceptor {
    /// Accepts until the task is dropped; its connections end with it.
    pub(crate) async fn run(self) {
        let this = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = this.listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < this.context.limits.connections => {
                        this.context.stats.add(Count::Accepted, 1);
                        connections.spawn(Arc::clone(&this).serve(stream));
                    }
                    Ok(_) => this.context.stats.end(End::Crowded),
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let end = match self.greet(stream).await {
            Ok(connection) => connection.run(&self.context).await,
            Err(end) => end,
        };
        self.context.stats.end(end);
    }

    /// Checks the dialler's greeting and answers it.
    async fn greet(&self, stream: TcpStream) -> Result<Connection<'_>, End> {
        let limits = &self.context.limits;
        stream.set_nodelay(true).map_err(|_| End::System)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader);
        let (frame, greeting) = wire::read_greeting(&mut reader, limits.handshake_timeout).await?;
        if greeting.cluster != self.context.cluster {
            return Err(End::Cluster);
        }
        if !self.peers.contains(&frame.from) {
            return Err(End::Stranger);
        }
        let (peer, local) = (frame.from, frame.to);
        let incarnation = *self.locals.get(&local).ok_or(End::Receiver)?;
        let mailbox = self.router.local(local).ok_or(End::Receiver)?;
        let answer = Greeting { cluster: self.context.cluster, incarnation };
        wire::write(&mut writer, &wire::greeting(local, peer, answer), limits.write_timeout).await?;
        Ok(Connection { peer, local, reader, writer, mailbox })
    }
}

/// An accepted and greeted connection.
struct Connection<'a> {
    peer: ProcessId,
    local: ProcessId,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    mailbox: &'a Arc<dyn Mailbox>,
}

impl Connection<'_> {
    async fn run(self, context: &Context) -> End {
        let Connection { peer, local, mut reader, mut writer, mailbox } = self;
        let receive = async {
            loop {
                if let Err(end) = receive_one(&mut reader, peer, local, mailbox, context).await {
                    return end;
                }
            }
        };
        let beat = async {
            let heartbeat = wire::heartbeat(local, peer);
            loop {
                if let Err(end) = wire::write(&mut writer, &heartbeat, context.limits.write_timeout).await {
                    return end;
                }
                sleep(context.limits.heartbeat).await;
            }
        };
        tokio::select! {
            biased;
            end = receive => end,
            end = beat => end,
        }
    }
}

/// Reads one frame and hands it over, waiting for room.
async fn receive_one(
    reader: &mut FrameReader<OwnedReadHalf>,
    peer: ProcessId,
    local: ProcessId,
    mailbox: &Arc<dyn Mailbox>,
    context: &Context,
) -> Result<(), End> {
    let heard = timeout(context.limits.idle_timeout, reader.next()).await;
    let frame = heard.map_err(|_| End::IdleTimeout)??.ok_or(End::Closed)?;
    if frame.from != peer {
        return Err(End::Sender);
    }
    if frame.to != local {
        return Err(End::Receiver);
    }
    if frame.protocol == HEARTBEAT {
        return Ok(());
    }
    context.stats.add(Count::FramesReceived, 1);
    let content = Content::Bytes { protocol: frame.protocol, body: frame.body };
    if !mailbox.deliver(Delivery { from: peer, content }).await {
        context.stats.add(Count::DroppedMailbox, 1);
        return Err(End::Receiver);
    }
    Ok(())
}
