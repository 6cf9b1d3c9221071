//! A member: one replica of the service, its peers, its clients and its append process.

pub mod message;

mod config;

pub use config::Config;
