//! Randomness from the operating system, for seeding what must differ between incarnations.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::io;

/// A generator that nobody else has.
pub(crate) fn generator() -> io::Result<ChaCha8Rng> {
    let mut seed = [0; 32];
    let got = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
    // Up to 256 bytes come whole once the system's pool is ready.
    if got == seed.len() {
        Ok(ChaCha8Rng::from_seed(seed))
    } else {
        Err(io::Error::other("the system gave too few random bytes"))
    }
}
