//! Random choices, keyed by what they are for.
//!
//! Everything descends from one `rand_chacha` root per seed. Long-lived owners (a process, a fault slot)
//! have a ChaCha stream of their own. A choice about one event (a message's latency, a disk call's) is
//! a keyed hash of the event's *identity*: the path of causes that led to it, not a position in any
//! sequence. Removing an event leaves the choices of events that did not descend from it as they were,
//! which is what keeps shrinking stable. Why not one stream a link: decision record 0002.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::num::Wrapping;

/// What a stream of the root is for; the high half of the stream number.
#[derive(Clone, Copy)]
pub enum StreamFor {
    /// The keys of the hash.
    Keys = 0,
    /// `Context::random` of a process incarnation.
    Process = 1,
    /// A fault slot.
    Fault = 2,
}

/// Opens the stream of one owner.
pub fn stream(seed: u64, purpose: StreamFor, owner: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(b"stormprf");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(((purpose as u64) << 56) | owner);
    rng
}

/// The path of causes of one event, as a hash. Equal in runs of different seeds while causes are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(pub u64);

/// What an event is to its cause.
#[derive(Clone, Copy)]
pub enum Step {
    /// The n-th message to this process.
    Message = 1,
    /// The setting of this timer slot.
    Timer = 2,
    /// The second arrival of a message.
    Copy = 3,
    /// The n-th disk call.
    Disk = 4,
    /// A choice at a site.
    Choice = 5,
}

impl Identity {
    /// The n-th start of a process.
    pub fn boot(process: u32, incarnation: u32) -> Identity {
        Identity(fold(0x9e37_79b9_7f4a_7c15 ^ u64::from(process), 0xd1b5_4a32_d192_ed03 ^ u64::from(incarnation)))
    }

    /// What follows from this event, told apart by `which` and `nth`.
    #[inline]
    pub fn then(self, step: Step, which: u32, nth: u32) -> Identity {
        let what = (u64::from(which) << 32) | u64::from(nth);
        Identity(fold(self.0 ^ 0xa076_1d64_78bd_642f, fold(what ^ 0xe703_7ed1_a0b4_28db, STEP_KEYS[step as usize])))
    }
}

const STEP_KEYS: [u64; 6] = [
    0,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
    0x1d8e_4e27_c47d_124f,
    0xeb44_acca_b455_d165,
    0x9c6e_6877_736c_46e3,
];

/// What a choice about one event is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// A message's latency.
    Latency = 1,
    /// Time until a halted process starts again.
    Restart = 2,
    /// A disk call's time.
    DiskTime = 3,
    /// Whether a choice site is active in this run, or fires now.
    Choice = 7,
    /// The first of the fault slots; slot k is this plus k.
    Slot = 16,
}

/// The keyed hash of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    keys: [u64; 4],
}

impl Draw {
    /// Keys from the root's own stream.
    pub fn new(seed: u64) -> Draw {
        let mut root = stream(seed, StreamFor::Keys, 0);
        Draw { keys: std::array::from_fn(|_| root.next_u64() | 1) }
    }

    /// Sixty-four bits for `purpose` about the event.
    #[inline]
    pub fn bits(&self, about: Identity, purpose: Purpose) -> u64 {
        self.bits_for(about, purpose as u64)
    }

    /// Sixty-four bits for fault slot `slot` about the event.
    #[inline]
    pub fn slot_bits(&self, about: Identity, slot: usize) -> u64 {
        self.bits_for(about, Purpose::Slot as u64 + slot as u64)
    }

    #[inline]
    fn bits_for(&self, about: Identity, purpose: u64) -> u64 {
        let [a, b, c, d] = self.keys;
        let purpose = (Wrapping(purpose) * Wrapping(0x9e37_79b9_7f4a_7c15)).0;
        fold(fold(about.0 ^ a, purpose ^ b) ^ c, d)
    }
}

/// Whether a uniform draw falls below a probability of `ppm` parts per million.
#[inline]
pub fn hits(bits: u64, ppm: u32) -> bool {
    ((u128::from(bits) * 1_000_000) >> 64) < u128::from(ppm)
}

/// `bits` scaled into `least..=most`.
#[inline]
pub fn within(bits: u64, least: u64, most: u64) -> u64 {
    debug_assert!(least <= most);
    least + ((u128::from(bits) * (u128::from(most - least) + 1)) >> 64) as u64
}

/// A place in a list of `len` from a uniform draw; 0 for an empty one. The remainder is taken of all 64 bits:
/// a draw cut to `usize` first would pick another place on a 32-bit machine.
#[inline]
pub fn index(bits: u64, len: usize) -> usize {
    (bits % (len as u64).max(1)) as usize
}

/// The folded multiply: all bits of both factors reach all bits of the result.
#[inline]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A hash of a name that is the same on every platform.
pub fn name_hash(name: &str) -> u32 {
    contract::Protocol::of(name).0
}
