//! A deterministic discrete-event simulator for actors of the contract.
//!
//! A [`World`] is a value: it can be cloned, stepped, healed and asked. It knows no component and no
//! scenario file; a runner gives it a plan, [`Settings`] and a seed.

mod ail;
mod ailing;
pub mod clock;
mod crash;
pub mod disk;
mod disk_calls;
pub mod draw;
pub mod effect;
mod event;
pub mod fault;
mod hand;
mod heal;
mod links;
mod narrator;
mod net;
pub mod note;
mod peek;
mod process;
pub mod queue;
pub mod settings;
mod skew;
mod strike;
mod syscall;
pub mod trace;
mod traffic;
mod view;
pub mod world;

pub use effect::{Effect, EffectKind};
pub use fault::{Family, FaultCount, FaultKind, FaultSpec, Scope};
pub use note::{DiskNote, Note};
pub use peek::{Clocks, Transit, Unsynced};
pub use settings::{DiskSettings, NetworkSettings, Profile, Settings, Span};
pub use trace::{Happening, TraceLine, What};
pub use traffic::Traffic;
pub use world::{Decision, Progress, World};
