//! Sessions in etcd: one key each, whose value is the number and the outcome of the session's last operation.
//!
//! Numbers are written so that the order of bytes is that of numbers: "the stored value is less than this number" is
//! one comparison, true for a new operation, false for a repeated or overtaken one and for a session that is gone.

use consensus::rcs::message::Refusal;
use host::gateway::etcd::{Compare, Relation, Row, Step, Target};

/// Seconds after which a session that does nothing is forgotten.
pub const SESSION_SECONDS: u64 = 3_600;

/// What became of a session's last operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The session has just begun.
    None,
    /// A transaction: whether its comparisons held.
    Transacted { held: bool },
    /// A transaction that named a lease that had ended.
    NoLease,
    /// A lease of this number is about to be granted.
    Granting { lease: u64 },
    /// It was granted, for so many seconds.
    Granted { lease: u64, seconds: u64 },
    /// An operation that may be done again, or is done: a renewal, a revocation, a compaction.
    Begun,
    /// A compaction of what was compacted already; the first revision that was left.
    Forgotten { floor: u64 },
}

/// A session's key as it was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The operation is not to be done.
    Refused(Refusal),
    /// It was begun before, in this revision, with this outcome.
    Again(Outcome, u64),
}

/// The value for operation `number`.
pub fn marker(number: u64, outcome: Outcome) -> Vec<u8> {
    let (tag, first, second) = match outcome {
        Outcome::None => (0, 0, 0),
        Outcome::Transacted { held } => (1, u64::from(held), 0),
        Outcome::NoLease => (2, 0, 0),
        Outcome::Granting { lease } => (3, lease, 0),
        Outcome::Granted { lease, seconds } => (4, lease, seconds),
        Outcome::Begun => (5, 0, 0),
        Outcome::Forgotten { floor } => (6, floor, 0),
    };
    [&number.to_be_bytes()[..], &[tag], &first.to_be_bytes(), &second.to_be_bytes()].concat()
}

/// What a value says; `None` if it is none of ours.
fn read(value: &[u8]) -> Option<(u64, Outcome)> {
    let number = |at: usize| Some(u64::from_be_bytes(value.get(at..at + 8)?.try_into().ok()?));
    let (first, second) = (number(9)?, number(17)?);
    let outcome = match value.get(8)? {
        0 => Outcome::None,
        1 => Outcome::Transacted { held: first != 0 },
        2 => Outcome::NoLease,
        3 => Outcome::Granting { lease: first },
        4 => Outcome::Granted { lease: first, seconds: second },
        5 => Outcome::Begun,
        6 => Outcome::Forgotten { floor: first },
        _ => return None,
    };
    (value.len() == 25).then_some((number(0)?, outcome))
}

/// Holds if operation `number` is new to the session whose key this is.
pub fn is_new(key: &[u8], number: u64) -> Compare {
    let target = Target::Value(number.to_be_bytes().to_vec());
    Compare { key: key.to_vec(), target, relation: Relation::Less }
}

/// Writes a session's key.
pub fn write(key: &[u8], session: u64, number: u64, outcome: Outcome) -> Step {
    Step::Put { key: key.to_vec(), value: marker(number, outcome), lease: session }
}

/// What the session's key says of operation `number`, which is not new.
pub fn found(row: Option<&Row>, number: u64) -> Found {
    match row.map(|row| (read(&row.value), row.modified)) {
        Some((Some((last, outcome)), revision)) if last == number => Found::Again(outcome, revision),
        Some((Some((last, _)), _)) if last > number => Found::Refused(Refusal::Overtaken),
        _ => Found::Refused(Refusal::NoSession),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 8] = [
        Outcome::None,
        Outcome::Transacted { held: true },
        Outcome::Transacted { held: false },
        Outcome::NoLease,
        Outcome::Granting { lease: 1 << 62 },
        Outcome::Granted { lease: 7, seconds: 60 },
        Outcome::Begun,
        Outcome::Forgotten { floor: 9 },
    ];

    #[test]
    fn values_come_back_and_their_order_is_that_of_numbers() {
        for number in [0_u64, 1, 255, 256, 1 << 40] {
            for outcome in OUTCOMES {
                let value = marker(number, outcome);
                assert_eq!(read(&value), Some((number, outcome)));
                assert!(value[..] < (number + 1).to_be_bytes()[..], "the next operation is new");
                assert!(value[..] >= number.to_be_bytes()[..], "the same one is not");
            }
        }
    }

    #[test]
    fn whatever_bytes_stand_there_they_are_no_session() {
        for bad in [&[][..], &[0; 8], &[0; 24], &[0; 26], &[9; 25]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(found(None, 1), Found::Refused(Refusal::NoSession));
    }
}
