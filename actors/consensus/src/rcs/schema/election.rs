//! Elections and locks: a key that one can create and that goes with its creator's lease.
//!
//! The revision that created the key is the fencing token: it only ever rises, so whoever is given it can refuse an
//! overtaken winner. [`Guard`] puts it into a transaction, so that an overtaken winner changes nothing here either.

use super::{Invalid, keys};
use crate::rcs::message::{Answer, Compare, Done, Keys, Relation, Row, Step, StepDone, Target, Transaction};
use contract::Blob;

/// What came of standing for election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Won, with this fencing token.
    Won {
        /// The revision that created the key.
        token: u64,
    },
    /// Somebody has won; the key goes when that one's lease ends, which a watch tells.
    Lost(Row),
}

/// Stands for election: creates the key with the candidate's name and lease if it is not there.
///
/// # Errors
/// When the name cannot be part of a key.
pub fn stand(name: &str, candidate: &str, lease: u64) -> Result<Transaction, Invalid> {
    let key = keys::election(name)?;
    let absent = Compare { key: key.clone(), target: Target::Created(0), relation: Relation::Equal };
    let put = Step::Put { key: key.clone(), value: candidate.as_bytes().into(), lease };
    Ok(Transaction {
        compare: vec![absent],
        then: vec![put],
        otherwise: vec![Step::Range { keys: Keys::One(key), limit: 0 }],
    })
}

/// Reads the answer to [`stand`].
///
/// # Errors
/// When it is not one, or the transaction was refused.
pub fn standing(answer: &Answer) -> Result<Standing, Invalid> {
    match answer {
        Answer::Done { revision, done: Done::Transacted { held: true, .. } } => Ok(Standing::Won { token: *revision }),
        Answer::Done { done: Done::Transacted { held: false, steps }, .. } => match &steps[..] {
            [StepDone::Range(range)] if range.rows.len() == 1 => Ok(Standing::Lost(range.rows[0].clone())),
            _ => Err(Invalid("the answer to another transaction".to_owned())),
        },
        other => Err(Invalid(format!("not done: {other:?}"))),
    }
}

/// Gives an election that was won with `token` back.
///
/// # Errors
/// When the name cannot be part of a key.
pub fn resign(name: &str, token: u64) -> Result<Transaction, Invalid> {
    let guard = Guard::new(name, token)?;
    let step = Step::Delete(Keys::One(guard.key.clone()));
    Ok(Transaction { compare: vec![guard.holds()], then: vec![step], otherwise: Vec::new() })
}

/// "While I am the one who won with this token": a condition for every write of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    key: Blob,
    token: u64,
}

impl Guard {
    /// The guard of an election that was won with `token`.
    ///
    /// # Errors
    /// When the name cannot be part of a key.
    pub fn new(name: &str, token: u64) -> Result<Self, Invalid> {
        Ok(Guard { key: keys::election(name)?, token })
    }

    /// `transaction`, which is not done once another has won.
    pub fn over(&self, mut transaction: Transaction) -> Transaction {
        transaction.compare.push(self.holds());
        transaction
    }

    fn holds(&self) -> Compare {
        Compare { key: self.key.clone(), target: Target::Created(self.token), relation: Relation::Equal }
    }
}
