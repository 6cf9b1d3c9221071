//! The commands of the debugger, one a line.

use super::act::Act;
use super::names;
use super::show::Look;
use super::timeline::Target;
use crate::units::duration;
use contract::Time;
use contract::plan::Plan;
use contract::time::nanos;

/// What can be written, a command a line: its form, and what it does.
pub const HELP: [(&str, &str); 24] = [
    ("next [N]", "N moves forward (1): an event, or the end of a phase"),
    ("back [N]", "N moves back (1); undoes acts by hand on the way"),
    ("mark [KIND]", "forward to the next mark whose kind contains KIND"),
    ("backmark [KIND]", "back to the nearest earlier one"),
    ("run", "to a broken invariant, or to the end"),
    ("goto EVENT|TIME", "to event 1200, or to 12.5s, forward or back"),
    ("trace [N]", "the last N events (20)"),
    ("processes", "who is up, down, busy or paused"),
    ("state PROCESS", "an actor's state"),
    ("disk NODE [FILE]", "files and unsynced changes, or a file's bytes"),
    ("queue [PROCESS]", "messages on their way"),
    ("clocks", "each node's clocks beside the truth"),
    ("oracles", "verdict, and what each oracle waits for"),
    ("faults", "in force, asked and fired, and what was done by hand"),
    ("crash PROCESS [FOR]", "kills a process; it starts again after FOR (1s)"),
    ("power NODE [FOR]", "takes a node's power, and unsynced changes with it"),
    ("pause NODE [FOR]", "lets a node stand still"),
    ("cut NODE [FOR]", "cuts a node off from all others"),
    ("strike KIND NODE [FOR]", "any fault of a scenario file, with its usual strength"),
    ("heal", "ends every fault in force; the storm goes on"),
    ("fork SEED", "choices from here on come from another seed"),
    ("acts", "what was done by hand, as commands that do it again"),
    ("help", "this list"),
    ("quit", "leaves"),
];

/// Short for others.
const SHORT: [(&str, &str); 5] = [("n", "next"), ("b", "back"), ("m", "mark"), ("q", "quit"), ("?", "help")];

/// The commands as lines.
pub fn help() -> Vec<String> {
    HELP.iter().map(|(form, about)| format!("{form:<24}{about}")).collect()
}

/// Events that `trace` shows when nobody says.
const TRACED: u64 = 20;

/// One line, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// An empty line, or a comment.
    Nothing,
    /// So many moves forward.
    Next(u64),
    /// So many moves back.
    Back(u64),
    /// Forward to a mark.
    Mark(String),
    /// Back to a mark.
    BackMark(String),
    /// To the end.
    Run,
    /// To an event or a time.
    Go(Target),
    /// Something by hand.
    Act(Act),
    /// Only to be shown.
    Look(Look),
    /// Leaves.
    Quit,
}

impl Command {
    /// Reads a line; names are looked up in `plan`. An error says what to write instead.
    pub fn parse(line: &str, plan: &Plan) -> Result<Command, String> {
        let line = line.split('#').next().unwrap_or_default();
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first_mut() else { return Ok(Command::Nothing) };
        *first = SHORT.iter().find(|(short, _)| short == first).map_or(*first, |(_, long)| long);
        let first = *first;
        let form = HELP.iter().map(|(form, _)| form).find(|form| form.split(' ').next() == Some(first));
        let form = form.ok_or_else(|| format!("there is no command `{first}`; `help` lists them"))?;
        let (least, most) = (form.split(' ').filter(|word| !word.starts_with('[')).count(), form.split(' ').count());
        if !(least..=most).contains(&words.len()) {
            return Err(format!("write {form}"));
        }
        if let Some(act) = Act::parse(&words, plan) {
            return act.map(Command::Act);
        }
        let second = words.get(1).copied();
        let kind = || second.unwrap_or_default().to_owned();
        Ok(match first {
            "next" => Command::Next(count(second, 1)?),
            "back" => Command::Back(count(second, 1)?),
            "mark" => Command::Mark(kind()),
            "backmark" => Command::BackMark(kind()),
            "run" => Command::Run,
            "goto" => Command::Go(target(second)?),
            "quit" => Command::Quit,
            _ => Command::Look(look(first, &words[1..], plan)?),
        })
    }
}

fn look(first: &str, rest: &[&str], plan: &Plan) -> Result<Look, String> {
    let name = rest.first().copied().unwrap_or_default();
    Ok(match first {
        "trace" => Look::Trace(count(rest.first().copied(), TRACED)? as usize),
        "processes" => Look::Processes,
        "state" => Look::State(names::process(plan, name)?),
        "disk" => {
            let node = names::node(plan, name)?;
            rest.get(1).map_or(Look::Disk(node), |path| Look::File(node, (*path).to_owned()))
        }
        "queue" => Look::Queue(rest.first().map(|name| names::process(plan, name)).transpose()?),
        "clocks" => Look::Clocks,
        "oracles" => Look::Oracles,
        "faults" => Look::Faults,
        "acts" => Look::Acts,
        _ => Look::Help,
    })
}

fn count(word: Option<&str>, usual: u64) -> Result<u64, String> {
    let Some(word) = word else { return Ok(usual) };
    word.parse().map_err(|_| format!("`{word}` is not a whole number"))
}

fn target(word: Option<&str>) -> Result<Target, String> {
    let word = word.unwrap_or_default();
    if let Ok(event) = word.parse() {
        return Ok(Target::Event(event));
    }
    duration(word).map(|time| Target::Time(Time(nanos(time))))
}
