//! The report as one HTML page that needs nothing else: style, script and data stand inside it.

use super::causes::{Because, Slice};
use super::difference::{Difference, phrase};
use super::model::{Deed, Effect, Event, Run, Window};
use super::report::Report;
use crate::verdict::hex;
use kernel::What;
use serde::Serialize;
use serde_json::{Value, json};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPTS: [&str; 5] = [
    include_str!("page/model.js"),
    include_str!("page/layout.js"),
    include_str!("page/draw.js"),
    include_str!("page/details.js"),
    include_str!("page/page.js"),
];

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("{} (seed {})", report.title, report.failing.verdict.seed);
    let values = [
        ("{{title}}", escape(&title)),
        ("{{style}}", STYLE.to_owned()),
        ("{{script}}", SCRIPTS.join("\n")),
        ("{{data}}", embeddable(&data(report))),
    ];
    // One pass: a value that happens to hold a placeholder's name is left alone.
    let mut page = String::with_capacity(PAGE.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = PAGE;
    while let Some(start) = rest.find("{{") {
        let found = values.iter().find(|(name, _)| rest[start..].starts_with(name));
        let Some((name, value)) = found else { break };
        page.push_str(&rest[..start]);
        page.push_str(value);
        rest = &rest[start + name.len()..];
    }
    page + rest
}

/// JSON that a script element can hold: nothing in it ends the element or starts a comment.
fn embeddable(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Everything that the page shows. Times are nanoseconds; events are named by their place in `events`.
pub fn data(report: &Report) -> Value {
    let Report { title, sentence, about, failing, slice, passing, tried } = report;
    let verdict = &failing.verdict;
    json!({
        "format": 1,
        "title": title,
        "scenario": verdict.scenario,
        "seed": verdict.seed.to_string(),
        "verdict": verdict.exit.word(),
        "failed": verdict.failed(),
        "sentence": sentence,
        "oracle": verdict.oracle,
        "invariant": verdict.invariant,
        "about": about,
        "signature": verdict.signature,
        "facts": verdict.facts,
        "fingerprint": verdict.fingerprint.map(hex),
        "replay": verdict.replay(),
        "nodes": failing.nodes,
        "processes": failing.processes.iter().map(|it| json!({"name": it.name, "node": it.node})).collect::<Vec<_>>(),
        "failing": run(failing, Some(slice)),
        "passing": passing.as_ref().map(|it| run(&it.run, None)),
        "passing_is": passing.as_ref().map(|it| &it.words),
        "tried": tried,
        "difference": passing.as_ref().and_then(|it| it.difference.as_ref()).map(difference),
    })
}

fn difference(it: &Difference) -> Value {
    json!({
        "at": it.at, "here": it.here, "there": it.there, "part": it.part,
        "here_says": it.here_says, "there_says": it.there_says,
    })
}

fn run(run: &Run, slice: Option<&Slice>) -> Value {
    let events = run.events.iter().enumerate().map(|(index, event)| shown_event(run, slice, index, event));
    json!({
        "end": run.end,
        "healed": run.healed,
        "verdict": run.verdict.exit.word(),
        "left_out": run.left_out,
        "kinds": run.kinds,
        "evidence": slice.map(|slice| &slice.evidence),
        "windows": run.windows.iter().map(shown_window).collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
    })
}

fn shown_window(it: &Window) -> Value {
    json!({
        "kind": it.kind.name(), "about": it.kind.about(), "occurrence": it.occurrence, "nodes": it.nodes,
        "from": it.from, "to": it.to, "event": it.event,
    })
}

/// An event; what is empty or usual is left out, since a page may hold a hundred thousand.
#[derive(Serialize)]
struct ShownEvent<'a> {
    /// Number.
    n: u64,
    /// Time.
    t: u64,
    /// End of the handler, where it took time.
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<u64>,
    /// What.
    w: &'static str,
    /// Process.
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<usize>,
    /// Node, where there is no process.
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<usize>,
    /// Sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<usize>,
    /// Protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
    /// When the message left.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<u64>,
    /// The event whose handler sent the message or set the timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<usize>,
    /// All earlier events that it depends on, each with why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    b: Vec<(usize, &'static str)>,
    /// How near to the evidence: 0 outside, 1 before, 2 direct, 3 evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    z: Option<u8>,
    /// The phrase behind its place.
    d: String,
    /// Text.
    #[serde(skip_serializing_if = "str::is_empty")]
    m: &'a str,
    /// Effects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    f: Vec<ShownEffect<'a>>,
    /// The window that it begins or ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    g: Option<usize>,
    /// Windows that it met.
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    h: &'a [usize],
}

/// Something that a handler did.
#[derive(Serialize)]
struct ShownEffect<'a> {
    /// Time.
    t: u64,
    /// `send`, `mark`, `change`, `read`, `sync` or `error`.
    w: &'static str,
    /// In words.
    d: String,
    /// The mark's kind or the disk call.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'a str>,
    /// Where a message ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<usize>,
    /// Taken back by a crash.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    x: bool,
}

fn shown_event<'a>(run: &'a Run, slice: Option<&Slice>, index: usize, event: &'a Event) -> Value {
    let because = slice.map(|slice| &*slice.because[index]).unwrap_or_default();
    let message = event.message.as_ref();
    let shown = ShownEvent {
        n: event.number,
        t: event.at,
        u: (event.until > event.at).then_some(event.until),
        w: event.what.word(),
        p: event.process,
        o: if event.process.is_none() { event.node } else { None },
        x: message.and_then(|message| message.from),
        k: message.map(|message| message.kind),
        s: message.map(|message| message.sent),
        c: event.cause,
        b: because.iter().map(|(event, why)| (*event, why_word(*why))).collect(),
        z: slice.map(|slice| slice.near[index] as u8).filter(|near| *near > 0),
        d: phrase(run, event),
        m: if matches!(event.what, What::Refuse | What::Halt) { "" } else { &event.text },
        f: event.effects.iter().map(|effect| shown_effect(run, effect)).collect(),
        g: event.window,
        h: &event.met,
    };
    // A struct of numbers and texts has no key that is no text.
    serde_json::to_value(shown).unwrap_or(Value::Null)
}

fn shown_effect<'a>(run: &Run, effect: &'a Effect) -> ShownEffect<'a> {
    let (w, k, e) = match &effect.deed {
        Deed::Send { fate, .. } => ("send", None, *fate),
        Deed::Mark { kind, .. } => ("mark", Some(&**kind), None),
        Deed::Disk(call) if call.outcome.is_err() => ("error", Some(call.call), None),
        Deed::Disk(call) if call.is_durable_point() => ("sync", Some(call.call), None),
        Deed::Disk(call) if call.is_change() => ("change", Some(call.call), None),
        Deed::Disk(call) => ("read", Some(call.call), None),
    };
    ShownEffect { t: effect.at, w, d: effect.words(run), k, e, x: effect.taken_back }
}

fn why_word(why: Because) -> &'static str {
    match why {
        Because::Cause => "cause",
        Because::Restart => "restart",
        Because::Fault => "fault",
        Because::Before => "before",
        Because::File => "file",
    }
}
