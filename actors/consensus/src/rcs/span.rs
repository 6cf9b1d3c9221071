//! Which keys a [`Keys`] means, as an interval of the order of their bytes.

use super::message::Keys;
use contract::Blob;
use std::ops::Bound;

impl Keys {
    /// Whether `key` is one of them.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(one) => **one == *key,
            Keys::Prefix(prefix) => key.starts_with(prefix),
            Keys::Between(from, to) => **from <= *key && *key < **to,
        }
    }

    /// The interval that holds exactly them; never one that `BTreeMap::range` refuses.
    pub fn span(&self) -> (Bound<Blob>, Bound<Blob>) {
        match self {
            Keys::One(one) => (Bound::Included(one.clone()), Bound::Included(one.clone())),
            Keys::Prefix(prefix) => (Bound::Included(prefix.clone()), after_prefix(prefix)),
            Keys::Between(from, to) => (Bound::Included(from.clone()), Bound::Excluded(to.max(from).clone())),
        }
    }

    /// The key, if it is one.
    pub(crate) fn one(&self) -> Option<&Blob> {
        match self {
            Keys::One(key) => Some(key),
            Keys::Prefix(_) | Keys::Between(..) => None,
        }
    }

    /// The bytes that it names, for limits.
    pub(crate) fn named(&self) -> [&Blob; 2] {
        match self {
            Keys::One(key) | Keys::Prefix(key) => [key, key],
            Keys::Between(from, to) => [from, to],
        }
    }
}

/// The first key behind all that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Bound<Blob> {
    match prefix.iter().rposition(|&byte| byte < u8::MAX) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bound::Excluded(end.into())
        }
        None => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Keys;
    use contract::Blob;
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_oneof};
    use proptest::{prop_assert_eq, proptest};
    use std::collections::BTreeSet;

    /// Few different bytes, among them the highest, so that prefixes meet and overflow.
    fn key() -> impl Strategy<Value = Blob> {
        vec(prop_oneof![0u8..3, 254u8..=255], 0..4).prop_map(Blob::from)
    }

    proptest! {
        #[test]
        fn the_span_of_some_keys_holds_exactly_them(
            all in vec(key(), 0..20),
            from in key(),
            to in key(),
            kind in any::<u8>(),
        ) {
            let keys = match kind % 3 {
                0 => Keys::One(from),
                1 => Keys::Prefix(from),
                _ => Keys::Between(from, to),
            };
            let all: BTreeSet<Blob> = all.into_iter().collect();
            let found: Vec<&Blob> = all.range(keys.span()).collect();
            let expected: Vec<&Blob> = all.iter().filter(|key| keys.contains(key)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
