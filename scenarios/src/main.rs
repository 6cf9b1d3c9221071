//! The `stormproof` command.
fn main() {}
