//! Random draws of the *workload* (targets of requests, bytes of records).
//!
//! The peers draw latencies from their own generators; what is asked of them must not depend on
//! that, so the workload has a stream of its own, the same in every contestant.

/// Golden-ratio increment of splitmix64.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// A splitmix64 stream.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of one participant: different seeds or participants give unrelated streams.
    pub fn new(seed: u64, participant: u64) -> Self {
        Self { state: mix(seed ^ mix(participant.wrapping_add(INCREMENT))) }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        mix(self.state)
    }

    /// A number below `bound`, by multiplication (its bias is far below what a benchmark can see).
    pub fn below(&mut self, bound: usize) -> usize {
        debug_assert!(0 < bound, "an empty range has no member");
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }
}

/// The output function of splitmix64: a bijection in which every input bit moves every output bit.
pub fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn participants_have_streams_of_their_own() {
        let mut first = Stream::new(1, 0);
        let mut second = Stream::new(1, 1);
        assert_ne!(first.next_u64(), second.next_u64());
        assert_eq!(Stream::new(1, 1).next_u64(), Stream::new(1, 1).next_u64());
    }

    #[test]
    fn draws_stay_below_the_bound_and_reach_every_value() {
        let mut stream = Stream::new(7, 7);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[stream.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
