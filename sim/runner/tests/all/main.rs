//! The runner over a small system of its own.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used)]

mod commands;
mod crash_points;
mod diagnostics;
mod draws;
mod exhaust;
mod explain;
mod fixture;
mod history;
mod liveness;
mod quorum;
mod shrink;
mod sweeps;
