//! A certificate for one scenario: crash at every effect boundary of a run that passes, restart, run to
//! convergence, judge; then again with a second crash inside each recovery.
//!
//! ```text
//! base run ──▶ boundaries ──▶ walk: the run once more, a copy at each boundary ──▶ workers: strike the copy,
//! lists effects  in order      (bounded channel: few copies exist at a time)        run it to its end, judge
//! ```
//!
//! Whatever is sampled is drawn from the seed, and results are taken in the order of the boundaries: a
//! certificate does not depend on the number of threads.

mod base;
mod boundary;
mod certify;
mod once;
pub(crate) mod pipeline;
mod sample;
mod strike;
mod tally;

pub use base::{Base, Weather};
pub use boundary::{Blow, Boundary, Force, Side};
pub use certify::{Certificate, Failure, Options, Progress, certify};
pub use once::{Once, once, seen_at};
pub use sample::Second;
pub use tally::{Count, Group, Tally};
