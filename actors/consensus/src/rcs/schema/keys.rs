//! The names of keys. A part of a key that comes from outside holds no slash, so that no name reaches into another's
//! place.

use crate::rcs::message::Keys;
use contract::Blob;
use std::fmt;

/// The longest part of a key, in bytes.
pub const PART_BYTES: usize = 200;

/// What cannot be written or read as this schema has it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// `routes/subgraphs/{subgraph}`.
///
/// # Errors
/// As for every function here: when a part is empty, too long, or has a slash or a control character in it.
pub fn route(subgraph: &str) -> Result<Blob, Invalid> {
    key("routes/subgraphs", &[subgraph])
}

/// All routes.
pub fn routes() -> Keys {
    Keys::Prefix(b"routes/subgraphs/".as_slice().into())
}

/// The subgraph of a route's key.
pub fn subgraph(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(b"routes/subgraphs/")?).ok()
}

/// `snapshots/{territory}/{snapshot}`.
///
/// # Errors
/// See [`route`].
pub fn snapshot(territory: &str, snapshot: &str) -> Result<Blob, Invalid> {
    key("snapshots", &[territory, snapshot])
}

/// All snapshots of a territory.
///
/// # Errors
/// See [`route`].
pub fn snapshots_of(territory: &str) -> Result<Keys, Invalid> {
    let mut prefix = key("snapshots", &[territory])?.to_vec();
    prefix.push(b'/');
    Ok(Keys::Prefix(prefix.into()))
}

/// All snapshots.
pub fn snapshots() -> Keys {
    Keys::Prefix(b"snapshots/".as_slice().into())
}

/// `latest/{territory}`.
///
/// # Errors
/// See [`route`].
pub fn latest(territory: &str) -> Result<Blob, Invalid> {
    key("latest", &[territory])
}

/// `migrations/{subgraph}`.
///
/// # Errors
/// See [`route`].
pub fn migration(subgraph: &str) -> Result<Blob, Invalid> {
    key("migrations", &[subgraph])
}

/// All migrations.
pub fn migrations() -> Keys {
    Keys::Prefix(b"migrations/".as_slice().into())
}

/// `elections/{name}`.
///
/// # Errors
/// See [`route`].
pub fn election(name: &str) -> Result<Blob, Invalid> {
    key("elections", &[name])
}

fn key(start: &str, parts: &[&str]) -> Result<Blob, Invalid> {
    let mut key = start.to_owned();
    for part in parts {
        if part.is_empty() || part.len() > PART_BYTES || part.chars().any(|c| c == '/' || c.is_control()) {
            return Err(Invalid(format!(
                "{part:?} cannot be part of a key: 1 to {PART_BYTES} bytes, no slash and no control character"
            )));
        }
        key.push('/');
        key.push_str(part);
    }
    Ok(key.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_specification() {
        assert_eq!(&**route("7").as_ref().unwrap(), b"routes/subgraphs/7");
        assert_eq!(&**snapshot("territory-042", "a-b").as_ref().unwrap(), b"snapshots/territory-042/a-b");
        assert_eq!(subgraph(b"routes/subgraphs/7"), Some("7"));
        assert_eq!(subgraph(b"migrations/7"), None);
        assert!(routes().contains(&route("7").unwrap()));
    }

    #[test]
    fn a_name_cannot_reach_into_anothers_place() {
        for part in ["", "a/b", "a\n", &"x".repeat(PART_BYTES + 1)] {
            assert!(route(part).is_err() && snapshot("t", part).is_err() && election(part).is_err(), "{part:?}");
        }
        assert!(!snapshots_of("t").unwrap().contains(&snapshot("t2", "s").unwrap()));
    }
}
