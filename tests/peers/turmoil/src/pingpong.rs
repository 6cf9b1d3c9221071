//! Workload A on turmoil: UDP.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use stormproof_peers::cli::Options;
use stormproof_peers::outcome::Run;
use stormproof_peers::pingpong::{MESSAGE_BYTES, Message, Node, Tally};
use turmoil::net::UdpSocket;

use crate::{LATENCY_CURVE, PORT, address, builder};

pub fn run(options: &Options) -> Result<Run> {
    let started = Instant::now();
    let tally = Rc::new(Tally::new(options));
    // At the worst every message under way goes to the same node.
    let mut simulation = builder(options.seed, options.nodes * options.outstanding).build();
    simulation.set_message_latency_curve(LATENCY_CURVE);
    for id in 0..options.nodes {
        let node = Rc::new(RefCell::new(Node::new(id, options)));
        let (tally, outstanding) = (Rc::clone(&tally), options.outstanding);
        simulation.host(address(id), move || serve(Rc::clone(&node), outstanding, Rc::clone(&tally)));
    }
    while !tally.finished() {
        simulation.step().map_err(|error| anyhow!("{error}"))?;
    }
    let elapsed = started.elapsed();
    tally.verify()?;
    Ok(Run { units: tally.deliveries(), elapsed, checksum: tally.checksum() })
}

/// A node: its requests, and then one message for each that arrives. All sockets are bound in the
/// first tick, and nothing is delivered before the second.
async fn serve(node: Rc<RefCell<Node>>, outstanding: usize, tally: Rc<Tally>) -> turmoil::Result {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
    for _ in 0..outstanding {
        let request = node.borrow_mut().ask(&tally);
        if let Some((target, request)) = request {
            send(&socket, target, request).await?;
        }
    }
    let mut wire = [0; MESSAGE_BYTES];
    loop {
        // Without an await while messages wait: `recv_from` would take an asynchronous lock each time.
        let length = match socket.try_recv_from(&mut wire) {
            Ok((length, _)) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.readable().await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if length != MESSAGE_BYTES {
            return Err("a message of the wrong length".into());
        }
        let message = Message::decode(&wire);
        let answer = node.borrow_mut().receive(message, &tally);
        if let Some((target, message)) = answer {
            send(&socket, target, message).await?;
        }
    }
}

async fn send(socket: &UdpSocket, target: usize, message: Message) -> turmoil::Result {
    socket.send_to(&message.encode(), (address(target), PORT)).await?;
    Ok(())
}
