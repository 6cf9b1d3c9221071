//! What can be done to a run by hand, and how it is written.

use super::names::{node, process};
use crate::engine::{Engine, Phase};
use crate::units::{duration, show_nanos};
use contract::plan::Plan;
use contract::time::{Duration, nanos};
use contract::{NodeId, ProcessId};
use kernel::{FaultKind, Span};
use std::fmt;

/// How long something lasts when nobody says.
const USUALLY: Duration = Duration::from_secs(1);

/// One thing done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    deed: Deed,
    /// As a command line that does the same.
    line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Kills a process; it starts again after that time.
    Crash(ProcessId, Duration),
    /// Takes a node's power; its processes start again after that time.
    Power(NodeId, Duration),
    /// Lets a fault of any kind strike a node.
    Strike(FaultKind, NodeId, Duration),
    /// Ends what is in force.
    Heal,
    /// Choices from here on descend from another seed.
    Fork(u64),
}

impl Act {
    /// The act that these words say; `None` if the first of them names no act.
    /// How many words there may be is looked after by whoever read them.
    pub fn parse(words: &[&str], plan: &Plan) -> Option<Result<Act, String>> {
        let deed = match words.first().copied()? {
            "crash" => crash(words, plan),
            "power" => on_node(words, plan).map(|(node, lasts)| Deed::Power(node, lasts)),
            "pause" => struck(words, plan, FaultKind::Pause),
            "cut" => struck(words, plan, FaultKind::Partition),
            "strike" => strike(words, plan),
            "heal" => Ok(Deed::Heal),
            "fork" => fork(words),
            _ => return None,
        };
        Some(deed.map(|deed| Act { deed, line: line(deed, plan) }))
    }

    /// Does it. Says why not where it is not possible, and changes nothing then.
    pub fn apply(&self, engine: &mut Engine) -> Result<(), String> {
        if let Phase::Over(_) = engine.phase() {
            return Err("the run is over; go back first".to_owned());
        }
        let world = engine.world_mut();
        match self.deed {
            Deed::Crash(victim, _) if !world.is_running(victim) => return Err("it is down already".to_owned()),
            Deed::Crash(victim, lasts) => world.crash(victim, lasts),
            Deed::Power(node, lasts) => {
                // Each power loss of a run draws anew what is left of unsynced changes.
                let variant = world.events() as u32;
                world.power_loss(node, lasts, variant);
            }
            Deed::Strike(kind, node, lasts) => {
                let mut spec = kind.usual(vec![node]);
                spec.lasts = Span { least: lasts, most: lasts };
                if !world.inject(spec) {
                    return Err("the storm is over, and no fault strikes any more; go back before its end".to_owned());
                }
            }
            Deed::Heal => world.relieve_all(),
            Deed::Fork(seed) => world.reseed(seed),
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

fn crash(words: &[&str], plan: &Plan) -> Result<Deed, String> {
    Ok(Deed::Crash(process(plan, word(words, 1))?, lasts(words.get(2))?))
}

fn struck(words: &[&str], plan: &Plan, kind: FaultKind) -> Result<Deed, String> {
    on_node(words, plan).map(|(node, lasts)| Deed::Strike(kind, node, lasts))
}

fn strike(words: &[&str], plan: &Plan) -> Result<Deed, String> {
    let name = word(words, 1);
    let kind = FaultKind::from_name(name)
        .ok_or_else(|| format!("there is no fault `{name}`; `stormproof list` shows all kinds"))?;
    struck(&words[1..], plan, kind)
}

fn fork(words: &[&str]) -> Result<Deed, String> {
    let seed = word(words, 1);
    seed.parse().map(Deed::Fork).map_err(|_| format!("`{seed}` is no seed; write a whole number"))
}

fn on_node(words: &[&str], plan: &Plan) -> Result<(NodeId, Duration), String> {
    Ok((node(plan, word(words, 1))?, lasts(words.get(2))?))
}

/// The n-th word, which the form demands.
fn word<'w>(words: &[&'w str], nth: usize) -> &'w str {
    words.get(nth).copied().unwrap_or_default()
}

fn lasts(word: Option<&&str>) -> Result<Duration, String> {
    word.map_or(Ok(USUALLY), |word| duration(word))
}

fn line(deed: Deed, plan: &Plan) -> String {
    let node = |node: NodeId| &plan.nodes[node.0 as usize].name;
    let show = |span: Duration| show_nanos(nanos(span));
    match deed {
        Deed::Crash(victim, lasts) => format!("crash {} {}", plan.processes[victim.0 as usize].name, show(lasts)),
        Deed::Power(target, lasts) => format!("power {} {}", node(target), show(lasts)),
        Deed::Strike(kind, target, lasts) => format!("strike {} {} {}", kind.name(), node(target), show(lasts)),
        Deed::Heal => "heal".to_owned(),
        Deed::Fork(seed) => format!("fork {seed}"),
    }
}
