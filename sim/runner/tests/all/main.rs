//! The runner over a small system of its own.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used)]

mod commands;
mod crash_points;
mod debug;
mod diagnostics;
mod draws;
mod exhaust;
mod explain;
mod explore;
mod findings;
mod fixture;
mod history;
mod liveness;
mod queue;
mod quorum;
mod recording;
mod resume;
mod shrink;
mod sweeps;
