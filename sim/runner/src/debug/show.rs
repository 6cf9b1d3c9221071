//! What the debugger shows, as lines of text.

use super::command::help;
use super::{Debugger, hex};
use crate::engine::{End, Phase};
use crate::units::show_ppm;
use crate::verdict;
use contract::{NodeId, ProcessId, Time};
use kernel::{TraceLine, World};
use std::ops::Range;

/// Marks of one move that are listed. A run that was judged on a copy brings those of the copy all at once.
const MARKS_SHOWN: usize = 8;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The last events.
    Trace(usize),
    /// Who is up.
    Processes,
    /// An actor's state.
    State(ProcessId),
    /// Files and unsynced changes.
    Disk(NodeId),
    /// A file's bytes.
    File(NodeId, String),
    /// Messages on their way, from or to one process if named.
    Queue(Option<ProcessId>),
    /// The clocks of all nodes.
    Clocks,
    /// Verdict and waits.
    Oracles,
    /// In force, counts, acts.
    Faults,
    /// Acts as a script.
    Acts,
    /// The commands.
    Help,
}

impl Look {
    /// The lines; never empty.
    pub fn lines(&self, debugger: &Debugger) -> Vec<String> {
        let world = debugger.timeline.engine().world();
        let (lines, none) = match self {
            Look::Trace(count) => (world.last_events(*count).iter().map(event).collect(), "no event yet"),
            Look::Processes => (processes(world), "no process"),
            Look::State(process) => (state(world, *process), "it is down: its state is gone"),
            Look::Disk(node) => (disk(world, *node), "the disk is empty"),
            Look::File(node, path) => (file(world, *node, path), "the file is empty, or there is none"),
            Look::Queue(process) => (queue(world, *process), "no message is on its way"),
            Look::Clocks => (clocks(world), "no node"),
            Look::Oracles => (oracles(debugger), "no oracle waits for anything"),
            Look::Faults => (faults(debugger), "no fault in this run"),
            Look::Acts => (acts(debugger), "nothing was done by hand"),
            Look::Help => (help(), ""),
        };
        if lines.is_empty() { vec![none.to_owned()] } else { lines }
    }
}

/// Where the run stands, the verdict if it is over, the last event, and the marks of the last move.
pub fn standing(debugger: &Debugger) -> Vec<String> {
    let timeline = &debugger.timeline;
    let world = timeline.engine().world();
    let mut lines = vec![format!("{}  fingerprint {}", headline(debugger), verdict::hex(world.fingerprint()))];
    if let Some(verdict) = debugger.verdict() {
        lines.extend(verdict.signature.iter().map(|signature| format!("  {signature}")));
        lines.extend(verdict.facts.iter().map(|fact| format!("  {fact}")));
    }
    lines.extend(world.last_events(1).iter().map(|line| format!("  {}", event(line))));
    let name = |process: ProcessId| world.plan().processes.get(process.0 as usize).map_or("?", |it| &it.name);
    let marks = timeline.marks().iter().take(MARKS_SHOWN);
    lines.extend(marks.map(|seen| format!("  mark at {} by {}: {}", seen.at, name(seen.process), seen.mark)));
    if let Some(more) = timeline.marks().len().checked_sub(MARKS_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more marks"));
    }
    lines
}

/// Event, time and phase in one line.
pub fn headline(debugger: &Debugger) -> String {
    let engine = debugger.timeline.engine();
    let phase = match engine.phase() {
        Phase::Storm(until) => format!("storm until {until}"),
        Phase::Calm(until) => format!("healed, must converge until {until}"),
        Phase::Over(end) => format!("OVER: {}", end_in_words(end)),
    };
    format!("event {}  move {}  {}  {phase}", engine.world().events(), debugger.timeline.moves(), engine.world().now())
}

fn end_in_words(end: &End) -> &'static str {
    match end {
        End::Converged => "converged",
        End::Hopeless => "hopeless",
        End::Violated => "an invariant is broken",
        End::NotConverged => "not converged",
        End::Exhausted => "too many events",
        End::Late => "out of time",
        End::Panicked(_) => "an actor panicked",
    }
}

/// One event in a line.
pub fn event(line: &TraceLine) -> String {
    // Where the text of a message is known, its protocol's number and its digest say nothing more.
    let numbers = line.detail.find(" protocol ").zip(line.detail.find(": ")).filter(|(from, to)| from < to);
    let detail = match numbers {
        Some((from, to)) => format!("{}{}", &line.detail[..from], &line.detail[to..]),
        None => line.detail.clone(),
    };
    format!("{:>5} {} {:<7} {} {detail}", line.event, line.at, line.what, line.process)
}

fn processes(world: &World) -> Vec<String> {
    let all = world.plan().processes.iter().enumerate();
    all.map(|(id, it)| format!("{:<24} {}", it.name, world.standing(ProcessId(id as u32)))).collect()
}

fn state(world: &World, process: ProcessId) -> Vec<String> {
    world.inspect(process).map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect())
}

fn disk(world: &World, node: NodeId) -> Vec<String> {
    let unsynced = world.unsynced(node);
    let entry = |(path, len, synced): (String, u64, bool)| {
        // A sync inside the span of a handler has been asked for, and ends later than now.
        let synced = synced && !unsynced.iter().any(|it| it.path.as_deref().map(bare) == Some(bare(&path)));
        format!("{} {len:>8}  {}", if synced { "durable " } else { "unsynced" }, path.trim_start_matches('/'))
    };
    let mut lines: Vec<String> = world.files(node).into_iter().filter(|file| file.0 != "/").map(entry).collect();
    for change in &unsynced {
        let path = bare(change.path.as_deref().unwrap_or("(unlinked)"));
        lines.push(format!("pending  {}: {}", if path.is_empty() { "." } else { path }, change.text));
    }
    lines
}

/// A path as programs write it: without the slashes around it.
fn bare(path: &str) -> &str {
    path.trim_matches('/')
}

fn file(world: &World, node: NodeId, path: &str) -> Vec<String> {
    let Some(bytes) = world.read_file(node, path) else { return Vec::new() };
    let pending = world.unsynced(node).into_iter();
    let here = pending.filter(|it| it.path.as_deref().is_some_and(|it| bare(it) == path));
    let ranges: Vec<Range<u64>> = here.filter_map(|it| it.bytes).map(|(from, to)| from..to).collect();
    hex::dump(&bytes, &ranges)
}

fn queue(world: &World, process: Option<ProcessId>) -> Vec<String> {
    let name = |id: ProcessId| world.plan().processes.get(id.0 as usize).map_or("nobody", |it| &it.name);
    let all = world.on_the_way().into_iter();
    let wanted = all.filter(|it| process.is_none_or(|process| it.from == process || it.to == process));
    let line = |it: kernel::Transit| {
        let when = it.arrives.map_or_else(|| "waiting".to_owned(), |at| at.to_string());
        format!("{when:>12} {} -> {}: {}", name(it.from), name(it.to), it.text)
    };
    wanted.map(line).collect()
}

fn clocks(world: &World) -> Vec<String> {
    let mut lines = vec![format!("true time {}", world.now())];
    for (id, node) in world.plan().nodes.iter().enumerate() {
        let Some(it) = world.clocks(NodeId(id as u32)) else { continue };
        let sign = if it.wall_ahead < 0 { "behind" } else { "ahead" };
        let off = Time(it.wall_ahead.unsigned_abs());
        let slow = if it.drift_ppm < 0 { "-" } else { "+" };
        let drift = show_ppm(it.drift_ppm.unsigned_abs());
        let (name, monotonic, boot) = (&node.name, it.monotonic, it.boot);
        lines.push(format!("{name:<12} boot {boot}  monotonic {monotonic}  wall {off} {sign}  drift {slow}{drift}"));
    }
    lines
}

fn oracles(debugger: &Debugger) -> Vec<String> {
    let judge = debugger.timeline.engine().judge();
    let mut lines = Vec::new();
    if let Some(violation) = judge.violation() {
        lines.push(format!("BROKEN {}", violation.signature()));
        lines.extend(violation.facts.lines().map(|fact| format!("  {fact}")));
        lines.push(format!("  events {:?}", violation.events));
    }
    lines.extend(judge.pending().into_iter().map(|(oracle, sentence)| format!("{oracle} waits: {sentence}")));
    lines.extend(judge.undecided().into_iter().map(|(oracle, count)| format!("{oracle} left {count} facts open")));
    lines
}

fn faults(debugger: &Debugger) -> Vec<String> {
    let world = debugger.timeline.engine().world();
    let names = |nodes: &[NodeId]| {
        let names: Vec<&str> = nodes.iter().map(|node| &*world.plan().nodes[node.0 as usize].name).collect();
        names.join(" ")
    };
    let mut lines = Vec::new();
    lines.extend(debugger.timeline.acts().iter().map(|(at, act)| format!("by hand   move {at}: {act}")));
    lines.extend(world.in_force().iter().map(|(kind, nodes)| format!("in force  {kind} on {}", names(nodes))));
    let counts = world.fault_counts().into_iter();
    lines.extend(
        counts.map(|(kind, count)| format!("{:<18} asked {}, fired {}", kind.name(), count.asked, count.fired)),
    );
    lines
}

/// Each act behind as many moves as it takes to get there.
pub fn acts(debugger: &Debugger) -> Vec<String> {
    let mut lines = Vec::new();
    let mut before = 0;
    for (at, act) in debugger.timeline.acts() {
        let moves = at - before - 1;
        if moves > 0 {
            lines.push(format!("next {moves}"));
        }
        lines.push(act.to_string());
        before = *at;
    }
    lines
}
