//! Who drives the Routing Coordination Service, and states what oracles judge it by.
//!
//! | process | does | judged by |
//! |---|---|---|
//! | `client-i` | reads, writes and swaps registers | `linearizability`, `linearization_points` |
//! | `holder-i` | campaigns for a lock, writes to what it protects | `mutual_exclusion`, `leases` |
//! | `watcher-i` | lists keys and follows their changes | `watch` |
//! | `operator` | takes members out and in, hands leadership over, compacts | `agreement`, `convergence` |
//!
//! Each may be killed: it begins anew and takes nothing of its earlier life for an answer.

pub mod client;
pub mod holder;
pub mod operator;
pub mod watcher;
