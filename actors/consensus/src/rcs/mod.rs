//! The Routing Coordination Service: etcd's data model on a replicated log (spec 001).

pub mod cache;
pub mod client;
pub mod command;
pub mod lease;
pub mod limits;
pub mod message;
pub mod schema;
pub mod span;
pub mod spec;
pub mod store;

pub use command::Command;
pub use limits::Limits;
pub use store::Store;
