//! Places between two effects of a process, and what can happen to it there.

use contract::plan::{Plan, RoleKind};
use contract::{ProcessId, Time};
use kernel::{Effect, EffectKind};
use std::collections::BTreeSet;
use std::fmt;

/// On which side of its effect a boundary lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The effect has not happened.
    Before,
    /// It has happened, and its process has not learned of it.
    After,
}

/// A place between two effects of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// What happens up to and including this moment stays; the rest is taken back.
    pub moment: Time,
    /// Which side of the effect it is. A boundary between two effects at once is that after the first.
    pub side: Side,
    /// The effect.
    pub effect: Effect,
    /// Whether it is the node's first boundary at this moment: a power loss meets all its processes alike.
    pub first_on_node: bool,
}

/// All boundaries of a list of effects, and how many of them two effects share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundaries {
    /// In the order of time.
    pub list: Vec<Boundary>,
    /// Effects that happened.
    pub effects: u64,
    /// Left out since no effect separates them from one that is listed.
    pub shared: u64,
}

impl Boundaries {
    /// Those of the system's own effects that happened by `end`; workloads are not struck.
    pub fn of(mut effects: Vec<Effect>, plan: &Plan, end: Time) -> Boundaries {
        let is_system = |process: ProcessId| {
            plan.nodes[plan.processes[process.0 as usize].node.0 as usize].kind == RoleKind::System
        };
        effects.retain(|effect| effect.at <= end && is_system(effect.process));
        // Stable: effects of one process at one moment stay in the order in which it had them.
        effects.sort_by_key(|effect| (effect.at, effect.process));
        let mut found = Boundaries { effects: effects.len() as u64, ..Boundaries::default() };
        let mut seen = BTreeSet::new();
        for effect in effects {
            let before = Time(effect.at.0.saturating_sub(1));
            for (side, moment) in [(Side::Before, before), (Side::After, effect.at)] {
                if seen.insert((effect.process, moment)) {
                    found.list.push(Boundary { moment, side, effect: effect.clone(), first_on_node: false });
                } else {
                    found.shared += 1;
                }
            }
        }
        found.list.sort_by_key(|boundary| (boundary.moment, boundary.effect.process));
        let mut on_node = BTreeSet::new();
        for boundary in &mut found.list {
            let node = plan.processes[boundary.effect.process.0 as usize].node;
            boundary.first_on_node = on_node.insert((node, boundary.moment));
        }
        assert_eq!(found.list.len() as u64 + found.shared, 2 * found.effects, "each effect has two sides");
        found
    }
}

impl Boundary {
    /// The blow of that force at this place.
    pub fn blow(&self, force: Force) -> Blow {
        Blow { process: self.effect.process, moment: self.moment, force }
    }

    /// The effect's kind and whose it is, without the number of the node: `edge/buffer`.
    pub fn group(&self, plan: &Plan) -> (EffectKind, String) {
        let process = &plan.processes[self.effect.process.0 as usize];
        let node = &plan.nodes[process.node.0 as usize];
        let own_name = process.name.strip_prefix(&*node.name).unwrap_or_default();
        (self.effect.what, format!("{}{own_name}", node.role))
    }

    /// In words: side, effect, event, and what it was where the run was narrated.
    pub fn words(&self) -> String {
        let side = if self.side == Side::Before { "before" } else { "after" };
        let Effect { what, event, text, at, .. } = &self.effect;
        let text = if text.is_empty() { String::new() } else { format!(": {text}") };
        format!("just {side} {} at {at} (event {event}{text})", what.word())
    }
}

/// What happens at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// The process is killed.
    Crash,
    /// Its node loses power; the number chooses among what may be left of unsynced changes.
    Power(u32),
}

impl fmt::Display for Force {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Force::Crash => f.write_str("crash"),
            Force::Power(variant) => write!(f, "power{variant}"),
        }
    }
}

/// One crash: whom, when, how. Blows on a run are written `PROCESS@NANOSECONDS:FORCE`, joined by `+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blow {
    /// Whom; a power loss meets its whole node.
    pub process: ProcessId,
    /// When, in true virtual time.
    pub moment: Time,
    /// How.
    pub force: Force,
}

impl Blow {
    /// One blow or two as `--at` takes them.
    pub fn write_all(blows: &[Blow], plan: &Plan) -> String {
        let write =
            |blow: &Blow| format!("{}@{}:{}", plan.processes[blow.process.0 as usize].name, blow.moment.0, blow.force);
        blows.iter().map(write).collect::<Vec<_>>().join("+")
    }

    /// Reads what [`Blow::write_all`] wrote; an error says what is wrong.
    pub fn read_all(text: &str, plan: &Plan) -> Result<Vec<Blow>, String> {
        let blows = text.split('+').map(|one| Blow::read(one, plan)).collect::<Result<Vec<_>, _>>()?;
        if blows.len() > 2 || blows.windows(2).any(|pair| pair[0].moment >= pair[1].moment) {
            return Err(format!("`{text}` must be one crash, or two in the order of time"));
        }
        Ok(blows)
    }

    fn read(text: &str, plan: &Plan) -> Result<Blow, String> {
        let bad = || {
            format!("`{text}` is no boundary: write PROCESS@NANOSECONDS:crash or :power0, as a certificate prints it")
        };
        let (name, rest) = text.rsplit_once('@').ok_or_else(bad)?;
        let (moment, force) = rest.split_once(':').ok_or_else(bad)?;
        let process = plan.processes.iter().position(|process| process.name == name);
        let process = process.ok_or_else(|| format!("no process `{name}` in this scenario"))?;
        let force = match force.strip_prefix("power") {
            Some(variant) => Force::Power(variant.parse().map_err(|_| bad())?),
            None if force == "crash" => Force::Crash,
            None => return Err(bad()),
        };
        let moment = Time(moment.parse().map_err(|_| bad())?);
        Ok(Blow { process: ProcessId(process as u32), moment, force })
    }
}
