//! A deterministic discrete-event simulator for actors of the contract.
//!
//! A [`World`] is a value: it can be cloned, stepped, healed and asked. It knows no component and no
//! scenario file; a runner gives it a plan, [`Settings`] and a seed.

pub mod clock;
mod crash;
pub mod disk;
mod disk_calls;
pub mod draw;
pub mod effect;
mod event;
pub mod fault;
mod heal;
mod net;
mod process;
pub mod queue;
pub mod settings;
mod strike;
mod syscall;
pub mod trace;
mod view;
pub mod world;

pub use effect::{Effect, EffectKind};
pub use fault::{Family, FaultCount, FaultKind, FaultSpec, Scope};
pub use settings::{DiskSettings, NetworkSettings, Profile, Settings, Span};
pub use trace::TraceLine;
pub use world::{Decision, Progress, World};
