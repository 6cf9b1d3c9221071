//! Runs a seed with notes and takes the run apart.

use super::model::{Deed, Effect, Event, Message, Process, Run, Window, index};
use crate::draw::Drawn;
use crate::engine::Phase;
use crate::registry::Registry;
use crate::run::{self, Finished};
use crate::scenario::Scenario;
use contract::Time;
use kernel::{Happening, Note, What, World};
use std::collections::BTreeMap;

/// Events of one run that are taken apart; of longer runs the last ones.
pub const EVENTS_MAX: usize = 100_000;
/// Characters of a message's or a mark's text that are kept.
const TEXT_MAX: usize = 600;

/// Runs what was drawn, with notes.
pub fn record(scenario: &Scenario, registry: &Registry, drawn: &Drawn) -> Run {
    let mut drawn = drawn.clone();
    (drawn.settings.trace_capacity, drawn.settings.narrate) = (EVENTS_MAX, true);
    let mut engine = run::checked(scenario, registry, &drawn);
    while !matches!(engine.phase(), Phase::Over(_)) {
        engine.advance();
    }
    let healed = engine.healed_at().map(|at| at.0);
    let Finished { verdict, world, .. } = run::finished(scenario, drawn.seed, engine.run());
    let plan = world.plan();
    let mut taken = Taken { run: empty(verdict, plan, healed, world.now()), kinds: BTreeMap::new() };
    for happening in world.happenings() {
        taken.event(&happening);
    }
    let mut run = taken.run;
    run.left_out = run.events.first().map_or(0, |first| first.number - 1);
    windows(&mut run, &drawn, &world);
    taken_back(&mut run);
    fates(&mut run);
    met(&mut run, &world);
    run
}

fn empty(verdict: crate::verdict::Verdict, plan: &contract::plan::Plan, healed: Option<u64>, end: Time) -> Run {
    let process = |it: &contract::plan::ProcessPlan| Process { name: it.name.clone(), node: it.node.0 as usize };
    Run {
        verdict,
        nodes: plan.nodes.iter().map(|node| node.name.clone()).collect(),
        processes: plan.processes.iter().map(process).collect(),
        kinds: Vec::new(),
        events: Vec::new(),
        windows: Vec::new(),
        healed,
        end: end.0,
        left_out: 0,
    }
}

/// A run on its way out of a world.
struct Taken {
    run: Run,
    kinds: BTreeMap<&'static str, usize>,
}

impl Taken {
    fn kind(&mut self, protocol: &'static str) -> usize {
        let kinds = &mut self.run.kinds;
        *self.kinds.entry(protocol).or_insert_with(|| {
            kinds.push(protocol);
            kinds.len() - 1
        })
    }

    fn event(&mut self, happening: &Happening<'_>) {
        let at = happening.at.0;
        let mut event = Event {
            number: happening.event,
            at,
            until: at,
            what: happening.what,
            process: happening.process.map(|process| process.0 as usize),
            node: happening.node.map(|node| node.0 as usize),
            cause: index(&self.run.events, happening.cause),
            message: None,
            tag: happening.tag,
            digest: happening.digest,
            text: String::new(),
            effects: Vec::new(),
            window: None,
            met: Vec::new(),
        };
        for note in happening.notes {
            self.note(&mut event, happening, note);
        }
        event.until = event.effects.iter().map(|effect| effect.until).fold(at, u64::max);
        self.run.events.push(event);
    }

    fn note(&mut self, event: &mut Event, happening: &Happening<'_>, note: &Note) {
        let (at, until, deed) = match note {
            Note::Message { protocol, identity, sent, text } => {
                let from = happening.from.map(|from| from.0 as usize);
                let kind = self.kind(protocol);
                event.message = Some(Message { from, kind, sent: sent.0, identity: *identity });
                return add_text(&mut event.text, text);
            }
            Note::Struck(_) => return,
            Note::Text(text) => return add_text(&mut event.text, text),
            Note::Sent { at, to, protocol, identity } => {
                let kind = self.kind(protocol);
                let to = Some(to.0 as usize).filter(|to| *to < self.run.processes.len());
                (at.0, at.0, Deed::Send { to, kind, fate: None, identity: *identity })
            }
            Note::Disk(call) => (call.at.0, call.until.0, Deed::Disk(call.clone())),
            Note::Mark { at, mark } => {
                let text = shortened(&mark.to_string());
                (at.0, at.0, Deed::Mark { kind: mark.kind.to_string(), text })
            }
        };
        event.effects.push(Effect { at, until, deed, taken_back: false });
    }
}

fn add_text(all: &mut String, text: &str) {
    if !all.is_empty() {
        all.push_str("; ");
    }
    all.push_str(&shortened(text));
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Pairs the beginnings of faults with their ends.
fn windows(run: &mut Run, drawn: &Drawn, world: &World) {
    let limit = run.healed.unwrap_or(run.end);
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    for (at, happening) in world.happenings().enumerate() {
        let Some((slot, occurrence)) = happening.fault else { continue };
        if happening.what == What::Relief {
            if let Some(window) = open.remove(&slot) {
                run.windows[window].to = happening.at.0;
                run.events[at].window = Some(window);
            }
            continue;
        }
        let struck = happening.notes.iter().find_map(|note| match note {
            Note::Struck(nodes) => Some(nodes.iter().map(|node| node.0 as usize).collect()),
            _ => None,
        });
        let nodes = struck.unwrap_or_else(|| happening.node.iter().map(|node| node.0 as usize).collect());
        let kind = drawn.settings.faults[slot as usize].kind;
        let (from, to) = (happening.at.0, limit.max(happening.at.0));
        open.insert(slot, run.windows.len());
        run.events[at].window = Some(run.windows.len());
        run.windows.push(Window { kind, slot: slot as usize, occurrence, nodes, from, to, event: at });
    }
}

/// A crash takes back what its victim's last handler would have done after it.
fn taken_back(run: &mut Run) {
    let mut last: Vec<Option<usize>> = vec![None; run.processes.len()];
    for at in 0..run.events.len() {
        let (what, time) = (run.events[at].what, run.events[at].at);
        let Some(process) = run.events[at].process else { continue };
        match what {
            What::Deliver | What::Timer | What::Boot => last[process] = Some(at),
            What::Crash => {
                let Some(victim) = last[process].take() else { continue };
                for effect in &mut run.events[victim].effects {
                    effect.taken_back = moment(effect) > time;
                }
                run.events[victim].until = run.events[victim].until.min(time);
            }
            _ => {}
        }
    }
}

/// When an effect takes effect: a sync at its end, another disk call in its middle.
fn moment(effect: &Effect) -> u64 {
    match &effect.deed {
        Deed::Disk(call) if call.is_durable_point() => effect.until,
        Deed::Disk(_) => effect.at.midpoint(effect.until),
        _ => effect.at,
    }
}

/// Ties each send to where its message ended.
fn fates(run: &mut Run) {
    let mut ends: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, event) in run.events.iter().enumerate() {
        if let Some(message) = &event.message {
            ends.entry(message.identity).or_insert(at);
        }
    }
    for event in &mut run.events {
        for effect in &mut event.effects {
            if let Deed::Send { fate, identity, .. } = &mut effect.deed {
                *fate = ends.get(identity).copied();
            }
        }
    }
}

/// Ties events to the faults that they met: messages by the log of decisions, disk calls by their errors,
/// crashes by the last blow to their node.
fn met(run: &mut Run, world: &World) {
    let mut by_message: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for decision in world.decisions().iter().filter(|decision| decision.message) {
        let slot = decision.slot as usize;
        let window = run.windows.iter().rposition(|it| it.slot == slot && it.from <= decision.at);
        by_message.entry(decision.key).or_default().extend(window);
    }
    for at in 0..run.events.len() {
        let event = &run.events[at];
        let mut met = Vec::new();
        if let Some(message) = &event.message {
            met.extend(by_message.get(&message.identity).into_iter().flatten().copied());
        }
        let Some(node) = event.node else { continue };
        let here = |window: &Window| window.nodes.contains(&node) && window.from <= event.at;
        if event.what == What::Crash {
            met.extend(run.windows.iter().rposition(|window| window.kills() && here(window)));
        }
        for effect in &event.effects {
            let Deed::Disk(call) = &effect.deed else { continue };
            let Err(error) = call.outcome else { continue };
            let hurt = |window: &Window| window.explains(error) && here(window) && window.to >= event.at;
            met.extend(run.windows.iter().enumerate().filter(|(_, window)| hurt(window)).map(|(index, _)| index));
        }
        met.sort_unstable();
        met.dedup();
        run.events[at].met = met;
    }
}
