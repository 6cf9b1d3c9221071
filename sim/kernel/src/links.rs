//! Faults of connections: nodes clogged in turn, links that break inside a frame, dead connections whose
//! sender does not know, and receivers that read slowly.

use crate::draw::{Identity, index, within};
use crate::event::{Event, Message};
use crate::fault::{FaultSpec, Scope};
use crate::net::{Way, Window};
use crate::queue::Revision;
use crate::world::{World, encoded};
use contract::codec::Frame;
use contract::time::nanos;
use contract::{NodeId, ProcessId};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

impl World {
    /// A window over everything that a node sends or is sent, from now on.
    pub(crate) fn window(&self, slot: usize, spec: &FaultSpec, target: NodeId, lasts: u64) -> Window {
        Window {
            slot,
            kind: spec.kind,
            target,
            way: Way::Both,
            ppm: spec.chance_ppm,
            amount: spec.amount,
            from: self.now,
            until: self.now + lasts,
            room: self.settings.network.buffer,
            key: self.settings.fault_key(slot),
            only: spec.messages.clone(),
            peers: spec.peers.clone(),
        }
    }

    /// The other ends of a node's links that a fault may strike.
    pub(crate) fn peers(&self, spec: &FaultSpec, target: NodeId) -> Vec<NodeId> {
        let named = |node: &NodeId| *node != target && (spec.peers.is_empty() || spec.peers.contains(node));
        (0..self.nodes.len() as u32).map(NodeId).filter(named).collect()
    }

    /// Clogs the target and about half of the others, one after the other in the first half of the
    /// occurrence, and frees them in another order in the second; whom it clogs. The others are drawn from all
    /// nodes, or with a wider scope from its victims.
    pub(crate) fn swizzle(
        &mut self,
        slot: usize,
        spec: &FaultSpec,
        target: NodeId,
        lasts: u64,
        rng: &mut ChaCha8Rng,
    ) -> Vec<NodeId> {
        let mut clogged = match spec.scope {
            Scope::Node => (0..self.nodes.len() as u32).map(NodeId).collect(),
            Scope::Zone | Scope::All => self.victims(spec, target),
        };
        clogged.retain(|node| rng.next_u64().is_multiple_of(2) || *node == target);
        let half = lasts / 2;
        let mut draw = |least, most| -> Vec<u64> {
            clogged.iter().map(|_| self.now + within(rng.next_u64(), least, most)).collect()
        };
        let (begins, mut ends) = (draw(0, half), draw(half + 1, lasts.max(half + 1)));
        if order(&begins) == order(&ends) {
            ends.reverse();
        }
        for ((&node, from), until) in clogged.iter().zip(begins).zip(ends) {
            let window = Window { from, until, ..self.window(slot, spec, node, lasts) };
            self.net.windows.push(window);
        }
        clogged
    }

    /// One end of one of the target's links is gone, and the sender at the other does not know: the first messages fill
    /// its send buffer and are lost with it, the later ones wait for the next connection.
    pub(crate) fn half_open(
        &mut self,
        slot: usize,
        spec: &FaultSpec,
        target: NodeId,
        lasts: u64,
        rng: &mut ChaCha8Rng,
    ) {
        let peers = self.peers(spec, target);
        let Some(&peer) = peers.get(index(rng.next_u64(), peers.len())) else { return };
        let way = if rng.next_u64().is_multiple_of(2) { Way::Outward } else { Way::Inward };
        let window = Window { way, peers: vec![peer], ..self.window(slot, spec, target, lasts) };
        self.net.windows.push(window);
    }

    /// Breaks the target's connections to one of its peers, or to all (drawn): what is on its way is lost, the last
    /// message after some of its bytes.
    pub(crate) fn reset(&mut self, slot: usize, spec: &FaultSpec, target: NodeId, rng: &mut ChaCha8Rng) {
        let peers = self.peers(spec, target);
        let Some(&peer) = peers.get(index(rng.next_u64(), peers.len())) else { return };
        let peers = if rng.next_u64().is_multiple_of(2) { peers } else { vec![peer] };
        let window = Window { peers, ..self.window(slot, spec, target, 0) };
        let lost = self.take_under_way(&window);
        for message in &lost {
            self.meets(slot, self.node_of[message.from.0 as usize], message.identity);
            self.lose(message);
        }
        if let Some(last) = lost.last() {
            let (cut, whole) = break_inside(last, rng.next_u64());
            if self.trace.narrates() {
                self.trace.narrate(format!("the connection broke after {cut} of the frame's {whole} bytes"));
            }
        }
    }

    /// Takes what has left and not arrived on the links of a window out of the queue, in the order of leaving. A late
    /// copy is not on any connection.
    fn take_under_way(&mut self, window: &Window) -> Vec<Message> {
        let (now, node_of) = (self.now, &self.node_of);
        let mut taken = Vec::new();
        self.queue.revise(|_, event| {
            let Event::Message(message) = event else { return Revision::Keep };
            let Some(&to) = node_of.get(message.to.0 as usize) else { return Revision::Keep };
            let from = node_of[message.from.0 as usize];
            let left = message.sent <= now && message.copied_by.is_none() && from != to;
            if !left || !window.names(message.identity, from, to) {
                return Revision::Keep;
            }
            taken.push(message.clone());
            Revision::Drop
        });
        taken.sort_by_key(|message| (message.sent, message.identity));
        taken
    }

    /// How much longer than usual its receiver takes over a message, in nanoseconds.
    #[cold]
    pub(crate) fn slowness(&mut self, from: ProcessId, to: ProcessId, message: Identity) -> u64 {
        let mut longer = 0;
        let (a, b) = (self.node_of[from.0 as usize], self.node_of[to.0 as usize]);
        for place in 0..self.net.slow.len() {
            let window = &self.net.slow[place];
            if window.touches(message, self.now, a, b) {
                let bits = self.draw.slot_bits(message, window.key as usize);
                longer += within(bits, nanos(window.amount.least), nanos(window.amount.most));
                self.meets(window.slot, a, message);
            }
        }
        longer
    }

    /// Whether a message finds its slow receiver's buffer full.
    #[cold]
    pub(crate) fn overflows(&mut self, message: &Message) -> bool {
        let (a, b) = (self.node_of[message.from.0 as usize], self.node_of[message.to.0 as usize]);
        let found = self.net.slow.iter().find(|window| window.touches(message.identity, self.now, a, b));
        let Some(slot) = found.map(|window| window.slot) else { return false };
        let waiting = &self.processes[message.to.0 as usize].mailbox;
        let held = waiting.iter().filter(|event| matches!(event, Event::Message(_))).count();
        let full = held >= self.settings.network.buffer;
        if full {
            self.meets(slot, a, message.identity);
        }
        full
    }
}

/// The places of `values` from the least to the greatest value, if there are several.
fn order(values: &[u64]) -> Option<Vec<usize>> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by_key(|place| values[*place]);
    (values.len() > 1).then_some(places)
}

/// Breaks a connection inside a message's frame, through the codec that real connections use: the part is no
/// message, and the same frame on a new connection is. The bytes that came through, and those of the whole frame.
fn break_inside(message: &Message, bits: u64) -> (usize, usize) {
    let body = encoded(&*message.payload);
    let frame = Frame { from: message.from, to: message.to, protocol: message.payload.protocol(), body };
    let mut bytes = Vec::new();
    // The body was encoded just now, and no encoding is longer than a frame may be.
    frame.write(&mut bytes).expect("an encoded message fits a frame");
    let cut = within(bits, 1, bytes.len() as u64 - 1) as usize;
    assert_eq!(Frame::read(&bytes[..cut]), Ok(None), "{cut} bytes of a frame are not a message");
    let whole = bytes.len();
    assert_eq!(Frame::read(&bytes), Ok(Some((frame, whole))), "a new connection carries the frame");
    (cut, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reverse_of_an_order_is_another_one() {
        for values in [vec![3, 9], vec![1, 2, 3], vec![5, 1, 7, 2], vec![2, 1, 9, 8, 4]] {
            let reversed: Vec<u64> = values.iter().rev().copied().collect();
            assert_ne!(order(&values), order(&reversed));
        }
        assert_eq!(order(&[7]), None);
    }
}
