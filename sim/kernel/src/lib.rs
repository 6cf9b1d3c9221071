//! A deterministic discrete-event simulator for actors of the contract.
//!
//! A [`World`] is a value: it can be cloned, stepped, healed and asked. It knows no component and no
//! scenario file; a runner gives it a plan, [`Settings`] and a seed.

pub mod fault;
pub mod settings;
pub mod world;

pub use fault::{FaultCount, FaultKind, FaultSpec};
pub use settings::{DiskSettings, NetworkSettings, Settings, Span};
pub use world::{Progress, TraceLine, World};
