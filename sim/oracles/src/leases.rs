//! Leases (C2): a holder keeps a lease that it renews.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `lease.held {lease, span}` | the holder | an answer confirms that the lease lasts for at least `span` nanoseconds from now |
//! | `lease.given_up {lease}` | the holder | it is about to ask for the end of the lease |
//! | `lease.ended {lease, why}` | a replica of the service | it applies the end: `expired`, or `revoked` on request |
//!
//! - **C2** No lease ends while a span that its holder was promised lasts, unless the holder gave it up. A lease that
//!   was revoked was given up before. It ends in one way for all replicas.
//!
//! The holder counts its span from the moment at which it sent the question, by its own clock, and states what is left of
//! it. `drift_ppm`, if it states one, is by how many millionths its clock may run faster than the truth: the span counts as
//! that much shorter. A lease's number means one lease for good. Replicas may repeat what others stated; the first
//! statement is the end, so a replica that applies late proves nothing about clocks.
//!
//! After Gray and Cheriton, "Leases" (1989), and etcd#15247 and #12528, where a leader that was stuck in a sync ended
//! leases that their holders had renewed elsewhere. Each fact costs the logarithm of the number of leases.

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, Time};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    leases: BTreeMap<u64, Lease>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Lease {
    /// The latest moment that was promised, and the event.
    held: Option<(Time, u64)>,
    /// The holder asked for its end, or is about to.
    given_up: bool,
    ended: Option<Ended>,
}

#[derive(Clone, Debug)]
struct Ended {
    why: Why,
    at: Time,
    event: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Expired,
    Revoked,
}

impl Leases {
    /// As in a scenario file.
    pub const NAME: &'static str = "leases";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["C2", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&mut self, id: u64, span: u64, drift_ppm: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let room = u128::from(span) * u128::from(drift_ppm.min(1_000_000)) / 1_000_000;
        let until = Time(seen.at.0.saturating_add(span - u64::try_from(room).unwrap_or(span)));
        let lease = self.leases.entry(id).or_default();
        if lease.held.is_none_or(|(before, _)| before < until) {
            lease.held = Some((until, seen.event));
        }
        lease.check(id, seen)
    }

    fn ended(&mut self, id: u64, why: Why, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let lease = self.leases.entry(id).or_default();
        match &lease.ended {
            None => lease.ended = Some(Ended { why, at: seen.at, event: seen.event }),
            Some(first) if first.why == why => return Ok(()),
            Some(first) => {
                return Err(broken("lease ended in two ways")
                    .because(format!("lease {id} had {} at {}, and had {} at {}", first.why, first.at, why, seen.at))
                    .seen_in(&[first.event, seen.event]));
            }
        }
        lease.check(id, seen)
    }
}

impl Lease {
    /// Whether its end, if it has ended, was due or wanted.
    fn check(&self, id: u64, seen: &Observed) -> Result<(), Violation> {
        let Some(ended) = self.ended.as_ref().filter(|_| !self.given_up) else { return Ok(()) };
        if ended.why == Why::Revoked {
            return Err(broken("lease revoked that nobody gave up")
                .because(format!("lease {id} was revoked at {}, and its holder never asked for that", ended.at))
                .seen_in(&[ended.event, seen.event]));
        }
        match self.held {
            Some((until, event)) if until > ended.at => Err(broken("lease ended before its time")
                .because(format!(
                    "lease {id} had expired at {}, and its holder was promised that it lasts until {until}",
                    ended.at
                ))
                .seen_in(&[event, ended.event, seen.event])),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Expired => "expired",
            Why::Revoked => "been revoked",
        })
    }
}

fn broken(shape: &str) -> Violation {
    Violation::new(Leases::NAME, "C2", shape)
}

impl Oracle for Leases {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "lease.held" => {
                let drift_ppm = reader.number_if_any("drift_ppm")?.unwrap_or_default();
                self.held(reader.number("lease")?, reader.number("span")?, drift_ppm, seen)
            }
            "lease.given_up" => {
                self.leases.entry(reader.number("lease")?).or_default().given_up = true;
                Ok(())
            }
            "lease.ended" => match reader.text("why")? {
                "expired" => self.ended(reader.number("lease")?, Why::Expired, seen),
                "revoked" => self.ended(reader.number("lease")?, Why::Revoked, seen),
                _ => Err(senseless(Self::NAME, seen, "`why` is neither `expired` nor `revoked`")),
            },
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
