//! A run in the Chrome trace event format, which <https://ui.perfetto.dev> and `chrome://tracing` open.
//!
//! A track a process, grouped by node; a slice a handler; a flow arrow a message; instants for marks, crashes
//! and lost messages; an asynchronous track a node for fault windows. Times are virtual, in microseconds.

use super::causes::{Near, Slice};
use super::difference::phrase;
use super::model::{Deed, Event, Run};
use kernel::What;
use serde_json::{Value, json};

/// The trace as one JSON object.
pub fn trace(run: &Run, slice: &Slice) -> Value {
    let mut events = names(run);
    events.extend(run.windows.iter().enumerate().flat_map(|(index, _)| window(run, index)));
    for index in 0..run.events.len() {
        event(run, slice, index, &mut events);
    }
    json!({
        "displayTimeUnit": "ns",
        "otherData": {
            "scenario": run.verdict.scenario,
            "seed": run.verdict.seed.to_string(),
            "verdict": run.verdict.exit.word(),
            "signature": run.verdict.signature,
            "replay": run.verdict.replay(),
        },
        "traceEvents": events,
    })
}

/// Nanoseconds as the format's microseconds.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// The format's process: a node. 0 is kept for nobody.
fn pid(node: usize) -> usize {
    node + 1
}

/// The format's thread: a process.
fn tid(process: usize) -> usize {
    process + 1
}

fn names(run: &Run) -> Vec<Value> {
    let nodes = run.nodes.iter().enumerate().map(
        |(node, name)| json!({"ph": "M", "name": "process_name", "pid": pid(node), "tid": 0, "args": {"name": name}}),
    );
    let processes = run.processes.iter().enumerate().map(|(process, it)| {
        let (pid, tid) = (pid(it.node), tid(process));
        json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": it.name}})
    });
    nodes.chain(processes).collect()
}

/// A fault's beginning and end on each node that it struck.
fn window(run: &Run, index: usize) -> Vec<Value> {
    let it = &run.windows[index];
    let name = format!("{} #{}", it.kind.name(), it.occurrence);
    let half = |phase: &str, at: u64, node: usize| {
        let id = format!("fault-{index}-{node}");
        json!({"ph": phase, "cat": "fault", "name": name, "id": id, "pid": pid(node), "tid": 0, "ts": micros(at)})
    };
    it.nodes.iter().flat_map(|node| [half("b", it.from, *node), half("e", it.to, *node)]).collect()
}

fn event(run: &Run, slice: &Slice, index: usize, out: &mut Vec<Value>) {
    let it = &run.events[index];
    let (Some(process), Some(node)) = (it.process, it.node) else { return };
    let track = Track { pid: pid(node), tid: tid(process) };
    let near = match slice.near[index] {
        Near::Evidence => "evidence",
        Near::Direct => "direct cause",
        Near::Before => "happened before",
        Near::Outside => "outside",
    };
    let args = json!({"event": it.number, "causality": near, "text": it.text});
    match it.what {
        What::Deliver | What::Timer | What::Boot => {
            let name = slice_name(run, it);
            // A handler that takes no time still shows.
            let lasts = micros((it.until - it.at).max(1));
            out.push(json!({"ph": "X", "cat": it.what.word(), "name": name, "pid": track.pid, "tid": track.tid,
                "ts": micros(it.at), "dur": lasts, "args": args}));
            effects(run, it, track, out);
        }
        _ => out.push(track.instant(it.what.word(), &phrase(run, it), it.at, &args)),
    }
}

fn slice_name(run: &Run, event: &Event) -> String {
    match (&event.message, event.what) {
        (Some(message), _) => run.kinds[message.kind].to_owned(),
        (None, What::Timer) => format!("timer {}", event.tag),
        _ => event.what.word().to_owned(),
    }
}

/// The track of a process.
#[derive(Clone, Copy)]
struct Track {
    pid: usize,
    tid: usize,
}

impl Track {
    fn instant(self, category: &str, name: &str, at: u64, args: &Value) -> Value {
        json!({"ph": "i", "s": "t", "cat": category, "name": name, "pid": self.pid, "tid": self.tid,
            "ts": micros(at), "args": args})
    }
}

fn effects(run: &Run, event: &Event, track: Track, out: &mut Vec<Value>) {
    for effect in event.effects.iter().filter(|effect| !effect.taken_back) {
        let words = effect.words(run);
        match &effect.deed {
            Deed::Disk(call) => {
                let lasts = micros((effect.until - effect.at).max(1));
                out.push(json!({"ph": "X", "cat": "disk", "name": call.call, "pid": track.pid, "tid": track.tid,
                    "ts": micros(effect.at), "dur": lasts, "args": {"call": words}}));
            }
            Deed::Mark { kind, .. } => out.push(track.instant("mark", kind, effect.at, &json!({"mark": words}))),
            Deed::Send { kind, fate, .. } => {
                let end = fate.map(|fate| &run.events[fate]).filter(|end| end.what == What::Deliver);
                let Some((end, receiver)) = end.and_then(|end| Some((end, end.process?))) else { continue };
                let name = run.kinds[*kind];
                let (id, to_pid) = (end.number, pid(run.processes[receiver].node));
                out.push(
                    json!({"ph": "s", "cat": "message", "name": name, "id": id, "pid": track.pid, "tid": track.tid,
                    "ts": micros(effect.at)}),
                );
                out.push(json!({"ph": "f", "bp": "e", "cat": "message", "name": name, "id": id, "pid": to_pid,
                    "tid": tid(receiver), "ts": micros(end.at)}));
            }
        }
    }
}
