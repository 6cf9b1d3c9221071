//! The contract's tests in one program: what it promises to actors, hosts and peers.

mod answers;
mod calls;
mod cell;
mod codec;
mod disk;
mod fake;
mod golden;
mod inbox;
mod knobs;
mod marks;
mod plan;
mod records;
mod timers;
