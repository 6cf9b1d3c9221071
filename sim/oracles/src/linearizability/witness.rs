//! Linearizability (C1) by a witness: the system states the order in which it applied the operations, and
//! this checks in linear time that the order is one that explains the history.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `apply {op, key, version}` | a replica | it applies the operation: a write or a swap makes `version`; a read, or a swap that does not swap, sees `version`; 0 is "never written" |
//!
//! Versions of a key rise with each effect, with gaps or without. Several replicas may state the same, and a
//! crash may lose a mark as long as another states it before the client hears of its end. A read that is asked
//! again may be served again, and see something newer: the client was told one of those sights. Of all else the first
//! statement is the operation's point, so it lies after the invocation and before the return; a sight of a
//! version needs an instant between its invocation and its point at which that was the newest. Then the
//! sequential register must give what the client was told. A system that states no `apply` is not judged.

use super::register::{Action, Request, nothing};
use crate::fact::{Fact, Reader, read, senseless};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::history::Outcome;
use contract::{Observed, Value};
use std::collections::BTreeMap;

/// The check of a stated order; see the module.
#[derive(Clone, Debug)]
pub struct LinearizationPoints {
    keys: BTreeMap<Value, Versions>,
    requests: BTreeMap<u64, Asked>,
    operations: Operations<()>,
    /// The event of the first acknowledgement without a point, if no `apply` was stated yet at all.
    silent: Option<u64>,
    judged: u64,
}

/// The values of one key.
#[derive(Clone, Debug)]
struct Versions(BTreeMap<u64, Made>);

/// A version, what made it, and in which event.
#[derive(Clone, Debug)]
struct Made {
    value: Value,
    by: Option<u64>,
    event: u64,
}

/// An operation on a register, ended or not.
#[derive(Clone, Debug)]
struct Asked {
    request: Request,
    event: u64,
    /// The newest version of its key at its invocation.
    newest: u64,
    point: Option<Point>,
    /// What a read that was served again saw later.
    again: Vec<Point>,
    failed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    version: u64,
    event: u64,
}

impl LinearizationPoints {
    /// As in a scenario file.
    pub const NAME: &'static str = "linearization_points";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["C1", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        LinearizationPoints {
            keys: BTreeMap::new(),
            requests: BTreeMap::new(),
            operations: Operations::new(Self::NAME),
            silent: None,
            judged: 0,
        }
    }

    fn invoked(&mut self, op: u64, action: &str, input: &Value, seen: &Observed) -> Result<(), Violation> {
        let request = Request::of(action, input).map_err(|why| senseless(Self::NAME, seen, why))?;
        let Some(request) = request else { return Ok(()) };
        let newest = self.keys.entry(request.key.clone()).or_default().newest();
        let asked = Asked { request, event: seen.event, newest, point: None, again: Vec::new(), failed: false };
        self.operations.invoke(op, (), seen)?;
        match self.requests.insert(op, asked) {
            None => Ok(()),
            Some(_) => Err(senseless(Self::NAME, seen, "an operation had this id before")),
        }
    }

    fn applied(&mut self, op: u64, key: &Value, version: u64, seen: &Observed) -> Result<(), Violation> {
        if let Some(acked) = self.silent {
            return Err(unapplied().seen_in(&[acked, seen.event]));
        }
        let Some(asked) = self.requests.get_mut(&op) else {
            return Err(broken("operation applied that nobody invoked")
                .because(format!("operation {op} on {key} was applied at {}, and no client invoked it", seen.at))
                .seen_in(&[seen.event]));
        };
        if asked.request.key != *key {
            return Err(senseless(Self::NAME, seen, "the operation is on another key"));
        }
        let again = matches!(asked.request.action, Action::Read) && asked.point.is_some();
        if let Some(point) = asked.point {
            if point.version == version {
                return Ok(());
            }
            if !again {
                return Err(twice(op, point, version, seen));
            }
        }
        if asked.failed {
            return Err(broken("failed operation applied")
                .because(format!("{} was applied after its client was told that it never will be", asked.request))
                .seen_in(&[asked.event, seen.event]));
        }
        let Some(versions) = self.keys.get_mut(key) else { unreachable!("the invocation entered the key") };
        versions.place(op, asked, version, seen)?;
        let point = Point { version, event: seen.event };
        if again {
            asked.again.push(point);
        } else {
            asked.point = Some(point);
        }
        Ok(())
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Fact::Complete { op, .. } = *fact else { return Ok(()) };
        let Some(asked) = self.requests.get_mut(&op) else { return Ok(()) };
        let Some((_, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        match (end.outcome, asked.point) {
            (Outcome::Unknown, _) => Ok(()),
            (Outcome::Failed, None) => {
                asked.failed = true;
                Ok(())
            }
            (Outcome::Failed, Some(point)) => Err(broken("failed operation applied")
                .because(format!("{} was applied, and its client was told that it never will be", asked.request))
                .seen_in(&[asked.event, point.event, seen.event])),
            (Outcome::Ok, None) if self.judged == 0 => {
                self.silent.get_or_insert(seen.event);
                Ok(())
            }
            (Outcome::Ok, None) => Err(unapplied().seen_in(&[asked.event, seen.event])),
            (Outcome::Ok, Some(first)) => {
                let Some(versions) = self.keys.get(&asked.request.key) else { unreachable!("it has a point there") };
                let told = |point: &&Point| versions.agrees(op, asked, **point, end.output, seen).is_ok();
                let point = asked.again.iter().find(told).copied().unwrap_or(first);
                versions.agrees(op, asked, point, end.output, seen)
            }
        }
    }
}

impl Versions {
    fn newest(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// Gives the operation its place in the order, if it fits there.
    fn place(&mut self, op: u64, asked: &Asked, version: u64, seen: &Observed) -> Result<(), Violation> {
        let newest = self.newest();
        let value = match &asked.request.action {
            Action::Write(value) => value,
            Action::Cas { expected, new } if version > newest => {
                if self.0[&newest].value != *expected {
                    return Err(self.misfit(asked, newest, "swap against the register's value", seen));
                }
                new
            }
            Action::Read | Action::Cas { .. } => return self.sight(asked, version, seen),
        };
        if version <= newest {
            return Err(self.misfit(asked, newest, "effect not after the newest version", seen));
        }
        self.0.insert(version, Made { value: value.clone(), by: Some(op), event: seen.event });
        Ok(())
    }

    /// The operation saw this version and changed nothing.
    fn sight(&self, asked: &Asked, version: u64, seen: &Observed) -> Result<(), Violation> {
        let Some(made) = self.0.get(&version) else {
            return Err(self.misfit(asked, self.newest(), "sight of a version that was not made", seen));
        };
        if version < asked.newest {
            return Err(self.misfit(asked, asked.newest, "sight of a version overtaken before the invocation", seen));
        }
        match &asked.request.action {
            Action::Cas { expected, .. } if made.value == *expected => {
                Err(self.misfit(asked, version, "swap refused although the value was as expected", seen))
            }
            _ => Ok(()),
        }
    }

    /// Whether the client was told what the sequential register gives at its point.
    fn agrees(&self, op: u64, asked: &Asked, point: Point, output: &Value, seen: &Observed) -> Result<(), Violation> {
        let made = &self.0[&point.version];
        let given = match asked.request.action {
            Action::Write(_) => return Ok(()),
            Action::Read => made.value.clone(),
            Action::Cas { .. } => Value::Flag(made.by == Some(op)),
        };
        if given == *output {
            return Ok(());
        }
        Err(broken("client told something else than the register gives")
            .because(format!(
                "{}, applied at version {}, returned {output}, and the register gives {given}",
                asked.request, point.version
            ))
            .seen_in(&[asked.event, made.event, point.event, seen.event]))
    }

    fn misfit(&self, asked: &Asked, version: u64, shape: &str, seen: &Observed) -> Violation {
        let made = &self.0[&version];
        broken(shape)
            .because(format!(
                "{} was applied at {} as `{}`, and version {version} of that key is {}",
                asked.request, seen.at, seen.mark, made.value
            ))
            .seen_in(&[asked.event, made.event, seen.event])
    }
}

impl Default for Versions {
    fn default() -> Self {
        Versions(BTreeMap::from([(0, Made { value: nothing(), by: None, event: 0 })]))
    }
}

fn twice(op: u64, point: Point, version: u64, seen: &Observed) -> Violation {
    broken("operation applied twice")
        .because(format!("operation {op} was applied at version {} and at version {version}", point.version))
        .seen_in(&[point.event, seen.event])
}

fn unapplied() -> Violation {
    broken("acknowledged without being applied").because("an operation was acknowledged that nobody had applied")
}

fn broken(shape: &str) -> Violation {
    Violation::new(LinearizationPoints::NAME, "C1", shape)
}

impl Default for LinearizationPoints {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for LinearizationPoints {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        if seen.mark.kind == "apply" {
            let reader = Reader::new(Self::NAME, seen);
            let (op, key, version) = (reader.number("op")?, reader.value("key")?, reader.number("version")?);
            self.judged += 1;
            return self.applied(op, key, version, seen);
        }
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => self.invoked(op, action, input, seen),
            Fact::Complete { .. } => self.completed(&fact, seen),
            Fact::Exit => {
                self.operations.abandon(seen.process);
                Ok(())
            }
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
