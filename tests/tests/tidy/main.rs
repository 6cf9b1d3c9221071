//! Lints over the whole tree, as an ordinary test: `cargo test -p stormproof-tests --test tidy`.
//!
//! Each rule is a function from files to complaints, so that it can be shown a made-up file that it must
//! complain about: a rule that cannot fail is a defect. What a rule says tells what to do.
#![allow(clippy::disallowed_methods, reason = "tidy reads the source tree")]

mod book;
mod house;
mod layering;
mod manifests;
mod scenarios;
mod sizes;
mod source;
mod tree;
mod words;

/// Fails with every complaint at once, one a line.
#[track_caller]
fn demand(advice: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{advice}\n  {}\n", complaints.join("\n  "));
}
