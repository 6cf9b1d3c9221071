//! Links between nodes: what a message meets on its way.

use crate::draw::{Draw, Identity, Purpose, hits, within};
use crate::fault::FaultKind;
use crate::settings::{NetworkSettings, Span};
use contract::NodeId;
use contract::time::nanos;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A stretch of time in which some messages that touch a node meet a fault.
#[derive(Clone, Debug)]
pub struct Window {
    /// The fault slot.
    pub slot: usize,
    /// Loss, duplication, delay, reordering, late replay or clogging.
    pub kind: FaultKind,
    /// Messages from or to this node.
    pub target: NodeId,
    /// Probability per message.
    pub ppm: u32,
    /// How late.
    pub amount: Span,
    /// End of the occurrence, in true time: what a clog holds arrives from then on.
    pub until: u64,
    /// What keys the draws: the slot's index, or the key that the scenario gives it.
    pub key: u32,
    /// Only these messages, where the scenario names them.
    pub only: Option<Arc<BTreeSet<u64>>>,
    /// Only messages from or to these nodes, where the scenario names them.
    pub peers: Vec<NodeId>,
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
    fn touches(&self, from: NodeId, to: NodeId) -> bool {
        let other = match self.target {
            target if target == from => to,
            target if target == to => from,
            _ => return false,
        };
        self.peers.is_empty() || self.peers.contains(&other)
    }
}

impl Net {
    /// A network in which nothing is wrong yet.
    pub fn new(settings: &NetworkSettings) -> Net {
        let span = |span: Span| (nanos(span.least), nanos(span.most));
        Net { latency: span(settings.latency), local: span(settings.local), windows: Vec::new(), cuts: Vec::new() }
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
    pub fn journey(&self, draw: &Draw, message: Identity, sent: u64, from: NodeId, to: NodeId) -> Journey {
        let mut delay = self.latency(draw, message, false);
        let mut journey = Journey::default();
        if let Some(slot) = self.cut_between(from, to) {
            journey.struck.push(slot);
            return journey;
        }
        for window in self.windows.iter().filter(|window| window.touches(from, to)) {
            if window.only.as_ref().is_some_and(|only| !only.contains(&message.0)) {
                continue;
            }
            if window.kind == FaultKind::Clog {
                journey.struck.push(window.slot);
                delay += window.until.saturating_sub(sent);
                continue;
            }
            let bits = draw.slot_bits(message, window.key as usize);
            if !hits(bits, window.ppm) {
                continue;
            }
            journey.struck.push(window.slot);
            let amount_bits = crate::draw::fold(bits | 1, 0x9fb2_1c65_1e98_df25 ^ message.0);
            let amount = within(amount_bits, nanos(window.amount.least), nanos(window.amount.most));
            match window.kind {
                FaultKind::Loss => return journey,
                FaultKind::Duplication => journey.again = Some(delay + within(amount_bits, 0, self.latency.1)),
                FaultKind::LateReplay => journey.again = Some(delay + amount),
                _ => delay += amount,
            }
        }
        journey.arrives = Some(delay);
        journey
    }
}
