//! Links between nodes: what a message meets on its way.

use crate::draw::{Draw, Identity, Purpose, hits, within};
use crate::fault::FaultKind;
use crate::settings::{NetworkSettings, Span};
use contract::NodeId;
use contract::time::nanos;
use std::collections::BTreeSet;
use std::sync::Arc;

/// No run gets there, and no sum of times that lie before it overflows.
pub const FOREVER: u64 = u64::MAX / 8;

/// A stretch of time in which some messages that touch a node meet a fault.
#[derive(Clone, Debug)]
pub struct Window {
    /// The fault slot.
    pub slot: usize,
    /// Loss, duplication, delay, reordering, late replay, clogging, half-open or slow reading.
    pub kind: FaultKind,
    /// Messages from or to this node.
    pub target: NodeId,
    /// In which direction, seen from the target.
    pub way: Way,
    /// Probability per message.
    pub ppm: u32,
    /// How late.
    pub amount: Span,
    /// Its start, in true time: what was sent before passes.
    pub from: u64,
    /// Its end, in true time: what is held arrives from then on.
    pub until: u64,
    /// Messages that the send buffer of a half-open connection still takes.
    pub room: usize,
    /// What keys the draws: the slot's index, or the key that the scenario gives it.
    pub key: u32,
    /// Only these messages, where the scenario names them.
    pub only: Option<Arc<BTreeSet<u64>>>,
    /// Only messages from or to these nodes, where the scenario names them.
    pub peers: Vec<NodeId>,
}

/// Which messages of a node a window meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What it sends and what it is sent.
    Both,
    /// What it sends.
    Outward,
    /// What it is sent.
    Inward,
}

/// A cut in the link matrix.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The fault slot.
    pub slot: usize,
    /// Which kind of partition.
    pub kind: FaultKind,
    /// The node that is cut off, in the stated directions.
    pub target: NodeId,
    /// From whom; `None` for everyone else.
    pub peers: Option<Vec<NodeId>>,
    /// Whether what the target sends is lost.
    pub outward: bool,
    /// Whether what is sent to the target is lost.
    pub inward: bool,
}

/// The network of one world.
#[derive(Clone, Debug)]
pub struct Net {
    latency: (u64, u64),
    local: (u64, u64),
    /// Open windows, in the order of their slots.
    pub windows: Vec<Window>,
    /// Cuts in force.
    pub cuts: Vec<Cut>,
    /// Windows in which a node reads slowly: they meet messages at their end, not on their way.
    pub slow: Vec<Window>,
}

/// What happens to one message: when its copies arrive, from now, and which slots had a hand in it.
#[derive(Clone, Debug, Default)]
pub struct Journey {
    /// Delay of the message; `None` if it is lost.
    pub arrives: Option<u64>,
    /// Delay of a second copy.
    pub again: Option<u64>,
    /// Slots whose fault struck.
    pub struck: Vec<usize>,
}

impl Window {
    /// Whether it meets a message that leaves at that time, if chance will have it.
    pub fn touches(&self, message: Identity, sent: u64, from: NodeId, to: NodeId) -> bool {
        (self.from..self.until).contains(&sent) && self.names(message, from, to)
    }

    /// Whether a message goes its way and is one of those that it may meet.
    pub fn names(&self, message: Identity, from: NodeId, to: NodeId) -> bool {
        let other = match self.target {
            target if target == from && self.way != Way::Inward => to,
            target if target == to && self.way != Way::Outward => from,
            _ => return false,
        };
        (self.peers.is_empty() || self.peers.contains(&other))
            && self.only.as_ref().is_none_or(|only| only.contains(&message.0))
    }
}

impl Net {
    /// A network in which nothing is wrong yet.
    pub fn new(settings: &NetworkSettings) -> Net {
        let span = |span: Span| (nanos(span.least), nanos(span.most));
        let (latency, local) = (span(settings.latency), span(settings.local));
        Net { latency, local, windows: Vec::new(), cuts: Vec::new(), slow: Vec::new() }
    }

    /// Ends what a slot's occurrence does to links.
    pub fn relieve(&mut self, slot: usize) {
        self.windows.retain(|window| window.slot != slot);
        self.cuts.retain(|cut| cut.slot != slot);
        self.slow.retain(|window| window.slot != slot);
    }

    /// Ends whatever is done to links between `sound` nodes (by index). What is done to links that touch another
    /// node now is done for ever. Latencies are at their least from now on.
    pub fn heal(&mut self, sound: &[bool], now: u64) {
        let is_sound = |node: NodeId| sound[node.0 as usize];
        let broken: Vec<NodeId> = (0..sound.len() as u32).map(NodeId).filter(|node| !is_sound(*node)).collect();
        self.windows.retain_mut(|window| {
            if is_sound(window.target) {
                let named = |node: &NodeId| window.peers.is_empty() || window.peers.contains(node);
                window.peers = broken.iter().copied().filter(named).collect();
            }
            let stays = !(is_sound(window.target) && window.peers.is_empty());
            let is_open = (window.from..window.until).contains(&now);
            window.until = FOREVER;
            stays && is_open
        });
        self.cuts.retain_mut(|cut| {
            if is_sound(cut.target) {
                cut.peers = Some(match cut.peers.take() {
                    Some(peers) => peers.into_iter().filter(|peer| !is_sound(*peer)).collect(),
                    None => broken.clone(),
                });
            }
            cut.peers.as_ref().is_none_or(|peers| !peers.is_empty())
        });
        self.slow.retain_mut(|window| {
            window.until = FOREVER;
            !is_sound(window.target)
        });
        (self.latency.1, self.local.1) = (self.latency.0, self.local.0);
    }

    /// The latency of a message when nothing is wrong.
    #[inline]
    pub fn latency(&self, draw: &Draw, message: Identity, local: bool) -> u64 {
        let (least, most) = if local { self.local } else { self.latency };
        within(draw.bits(message, Purpose::Latency), least, most)
    }

    /// Whether windows or cuts are open at all.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.windows.is_empty() && self.cuts.is_empty()
    }

    /// The slot of a cut between the nodes, in that direction.
    pub fn cut_between(&self, from: NodeId, to: NodeId) -> Option<usize> {
        let cut = self.cuts.iter().find(|cut| {
            let with = |other: NodeId| cut.peers.as_ref().is_none_or(|peers| peers.contains(&other));
            (cut.outward && cut.target == from && with(to)) || (cut.inward && cut.target == to && with(from))
        });
        cut.map(|cut| cut.slot)
    }

    /// The journey of a message between two nodes while something is wrong.
    pub fn journey(&mut self, draw: &Draw, message: Identity, sent: u64, from: NodeId, to: NodeId) -> Journey {
        let (mut delay, mut held) = (self.latency(draw, message, false), 0);
        let mut journey = Journey::default();
        if let Some(slot) = self.cut_between(from, to) {
            journey.struck.push(slot);
            return journey;
        }
        let slowest = self.latency.1;
        for window in self.windows.iter_mut().filter(|window| window.touches(message, sent, from, to)) {
            if journey.struck.last() == Some(&window.slot) {
                continue; // Both ends are struck by one occurrence: it meets the message once.
            }
            let bits = draw.slot_bits(message, window.key as usize);
            let always = matches!(window.kind, FaultKind::Clog | FaultKind::Swizzle | FaultKind::HalfOpen);
            if !always && !hits(bits, window.ppm) {
                continue;
            }
            journey.struck.push(window.slot);
            let amount_bits = crate::draw::fold(bits | 1, 0x9fb2_1c65_1e98_df25 ^ message.0);
            let amount = within(amount_bits, nanos(window.amount.least), nanos(window.amount.most));
            match window.kind {
                FaultKind::HalfOpen if window.room > 0 => {
                    window.room -= 1;
                    return Journey { struck: journey.struck, ..Journey::default() };
                }
                // Two clogs on one way end together with the later one.
                _ if always => held = held.max(window.until - sent),
                FaultKind::Loss => return journey,
                FaultKind::Duplication => journey.again = Some(delay + within(amount_bits, 0, slowest)),
                FaultKind::LateReplay => journey.again = Some(delay + amount),
                _ => delay += amount,
            }
        }
        journey.arrives = Some(delay + held);
        journey
    }
}
