//! The runner over a small system of its own.

mod commands;
mod diagnostics;
mod fixture;
mod sweeps;
