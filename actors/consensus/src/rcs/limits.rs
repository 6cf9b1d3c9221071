//! How large what is asked and what is kept may be.
//!
//! Limits decide what the store answers and forgets, so they are part of its state: all replicas of a cluster have
//! the ones that it was founded with. Sizes are counted by what follows from the data alone: the bytes of keys and
//! values, and [`ITEM_BYTES`] for each row, step or comparison, which covers all that is said beside them.

use super::message::{Compare, Keys, Operation, Refusal, Step, Target, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What each row, step or comparison counts beside its key and value, in bytes.
pub const ITEM_BYTES: usize = 64;
/// No answer counts more, in bytes.
pub const ANSWER_BYTES_MAX: usize = 480 << 10;
/// No request counts more, in bytes.
pub const REQUEST_BYTES_MAX: usize = 480 << 10;

/// Limits of a store; each is a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Comparisons and steps of a transaction, both branches together.
    pub steps: usize,
    /// What a transaction counts, in bytes.
    pub request_bytes: usize,
    /// What the rows of an answer, or the changes of one revision, count, in bytes.
    pub answer_bytes: usize,
    /// Revisions that are kept; older ones are forgotten as if by [`Operation::Compact`].
    pub history: u64,
    /// Sessions that are kept; the one that was used least recently goes first.
    pub sessions: usize,
    /// Leases that run at a time.
    pub leases: usize,
    /// The shortest time to live of a lease, in milliseconds; shorter wishes are raised to it.
    pub ttl_least_ms: u64,
    /// The longest, in milliseconds; longer wishes are refused.
    pub ttl_most_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            key_bytes: 1 << 10,
            value_bytes: 128 << 10,
            steps: 128,
            request_bytes: 256 << 10,
            answer_bytes: 256 << 10,
            history: 10_000,
            sessions: 1_024,
            leases: 4_096,
            ttl_least_ms: 500,
            ttl_most_ms: 86_400_000,
        }
    }
}

impl Limits {
    /// Whether they fit one another and the wire: each row fits an answer, each request an entry.
    pub fn are_sound(&self) -> bool {
        self.key_bytes > 0
            && self.key_bytes + self.value_bytes + ITEM_BYTES <= self.answer_bytes.min(self.request_bytes)
            && self.answer_bytes <= ANSWER_BYTES_MAX
            && self.request_bytes <= REQUEST_BYTES_MAX
            && (1..=1_024).contains(&self.steps)
            && self.history > 0
            && self.sessions > 0
            && self.leases > 0
            && self.ttl_least_ms <= self.ttl_most_ms
    }

    /// Whether `operation` can be done as it is written, whatever the store holds.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with the reason.
    pub fn check(&self, operation: &Operation) -> Result<(), Refusal> {
        match operation {
            Operation::Transact(transaction) => self.check_transaction(transaction),
            Operation::Grant { ttl_ms } if *ttl_ms > self.ttl_most_ms => {
                Err(invalid(format!("a lease of {ttl_ms} ms; at most {} ms are granted", self.ttl_most_ms)))
            }
            _ => Ok(()),
        }
    }

    /// Whether `keys` are not too long.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with the reason.
    pub fn check_keys(&self, keys: &Keys) -> Result<(), Refusal> {
        keys.named().into_iter().try_for_each(|key| self.check_key(key))
    }

    fn check_key(&self, key: &[u8]) -> Result<(), Refusal> {
        if key.len() > self.key_bytes {
            return Err(invalid(format!("a key of {} bytes; at most {} are taken", key.len(), self.key_bytes)));
        }
        Ok(())
    }

    fn check_value(&self, value: &[u8]) -> Result<(), Refusal> {
        if value.len() > self.value_bytes {
            return Err(invalid(format!("a value of {} bytes; at most {} are taken", value.len(), self.value_bytes)));
        }
        Ok(())
    }

    fn check_transaction(&self, transaction: &Transaction) -> Result<(), Refusal> {
        let Transaction { compare, then, otherwise } = transaction;
        let steps = compare.len() + then.len() + otherwise.len();
        if steps > self.steps {
            return Err(invalid(format!("{steps} comparisons and steps; at most {} are taken", self.steps)));
        }
        let mut bytes = 0;
        for Compare { key, target, .. } in compare {
            self.check_key(key)?;
            bytes += ITEM_BYTES + key.len();
            if let Target::Value(value) = target {
                self.check_value(value)?;
                bytes += value.len();
            }
        }
        for step in then.iter().chain(otherwise) {
            bytes += self.check_step(step)?;
        }
        if bytes > self.request_bytes {
            return Err(invalid(format!("a transaction of {bytes} bytes; at most {} are taken", self.request_bytes)));
        }
        changed_once(then)?;
        changed_once(otherwise)
    }

    /// Checks one step alone and says what it counts.
    fn check_step(&self, step: &Step) -> Result<usize, Refusal> {
        let bytes = match step {
            Step::Put { key, value, .. } => {
                if key.is_empty() {
                    return Err(invalid("a key has at least one byte".to_owned()));
                }
                self.check_key(key)?;
                self.check_value(value)?;
                key.len() + value.len()
            }
            Step::Delete(keys) | Step::Range { keys, .. } => {
                self.check_keys(keys)?;
                keys.named().iter().map(|key| key.len()).sum()
            }
        };
        Ok(ITEM_BYTES + bytes)
    }
}

/// No step writes what another one of its branch writes or deletes.
fn changed_once(branch: &[Step]) -> Result<(), Refusal> {
    let mut written = BTreeSet::new();
    let deleted: Vec<&Keys> = branch
        .iter()
        .filter_map(|step| match step {
            Step::Delete(keys) => Some(keys),
            _ => None,
        })
        .collect();
    for step in branch {
        let Step::Put { key, .. } = step else { continue };
        if !written.insert(key) || deleted.iter().any(|keys| keys.contains(key)) {
            return Err(invalid(format!("the key {} is changed twice", key.escape_ascii())));
        }
    }
    Ok(())
}

/// The refusal of what can never be done.
pub(crate) fn invalid(why: String) -> Refusal {
    Refusal::Invalid(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Blob;

    fn blob(text: &str) -> Blob {
        text.as_bytes().into()
    }

    fn put(key: &str) -> Step {
        Step::Put { key: blob(key), value: blob("v"), lease: 0 }
    }

    fn refused(then: Vec<Step>) -> bool {
        let transaction = Transaction { then, ..Transaction::default() };
        Limits::default().check(&Operation::Transact(transaction)).is_err()
    }

    #[test]
    fn the_default_limits_fit_one_another() {
        assert!(Limits::default().are_sound());
        assert!(!Limits { value_bytes: 256 << 10, ..Limits::default() }.are_sound(), "a row must fit an answer");
    }

    #[test]
    fn a_branch_that_changes_a_key_twice_is_refused() {
        assert!(refused(vec![put("a"), put("a")]));
        assert!(refused(vec![put("ab"), Step::Delete(Keys::Prefix(blob("a")))]));
        assert!(refused(vec![Step::Delete(Keys::Between(blob("a"), blob("c"))), put("b")]));
        assert!(!refused(vec![put("a"), Step::Delete(Keys::Between(blob("b"), blob("c"))), put("c")]));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let Limits { key_bytes, value_bytes, steps, .. } = Limits::default();
        let long =
            |key: usize, value: usize| Step::Put { key: vec![1; key].into(), value: vec![1; value].into(), lease: 0 };
        assert!(!refused(vec![long(key_bytes, value_bytes)]));
        assert!(refused(vec![long(key_bytes + 1, 1)]));
        assert!(refused(vec![long(1, value_bytes + 1)]));
        assert!(refused(vec![put("")]), "an empty key");
        assert!(refused((0..=steps).map(|key| put(&key.to_string())).collect()));
        assert!(refused(vec![long(1, value_bytes), long(2, value_bytes), long(3, value_bytes)]), "together too long");
    }
}
