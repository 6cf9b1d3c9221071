//! Hand-made histories, generated ones, and logs, before each oracle.

// A mutation may remove facts or add some, so all of them take the vector.
#![allow(clippy::ptr_arg)]

mod agreement;
mod bounded_growth;
mod causal;
mod convergence;
mod custody;
mod cycles;
mod durability;
mod edn;
mod exactly_once;
mod files;
mod fold;
mod generated;
mod leases;
mod ledger;
mod legal;
mod linearizability;
mod linearizability_orders;
mod locks;
mod logs;
mod mutual_exclusion;
mod panel;
mod planted;
mod prefix;
mod reference;
mod sessions;
mod story;
mod teller;
mod watch;
