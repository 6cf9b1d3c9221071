//! Facade.
pub use contract;
