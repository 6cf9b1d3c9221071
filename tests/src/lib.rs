//! What the tests and benchmarks share.

pub mod bench;
pub mod faults;

/// The book's chapters: their Rust examples are compiled and run as doc tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../book/src/actor.md")]
    mod actor {}
    #[doc = include_str!("../../book/src/oracles.md")]
    mod oracles {}
}
