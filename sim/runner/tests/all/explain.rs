//! A report's data is whole, its slice closed under causes, its page runs in a browser without a complaint.

#![allow(clippy::disallowed_methods)] // tests read golden files and start a browser

use crate::fixture::{Folder, command, registry};
use runner::explain::{Near, Report, model::Deed, model::Run, page, perfetto, story};
use runner::run::Keep;
use runner::{Exit, Scenario, draw};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// A teller that acknowledges before it syncs, and one power loss.
const TINY: &str = r#"
title  = "a number is acknowledged before it is durable"
nodes  = { teller = 1 }
limits = { requests = 3, safety = "20s", liveness = "30s" }
[[workload]]
name = "burst"
rate = 10.0
[[fault]]
kind  = "power_loss"
every = "350ms..400ms"
lasts = "50ms"
limit = 1
[swarm]
faults = false
safety = false
[expect]
oracles = ["promise", "answered"]
defect = "T01"
"#;

/// The same after six thousand numbers, with messages lost on the way.
fn large() -> String {
    let loss = "[[fault]]\nkind = \"loss\"\nchance = 0.01\nevery = \"100ms..500ms\"\nlasts = \"100ms..500ms\"\n[swarm]";
    TINY.replace("requests = 3,", "requests = 9000,")
        .replace("10.0", "1000.0")
        .replace("350ms..400ms", "7s..7100ms")
        .replace("[swarm]", loss)
}

/// The report of a scenario whose seed 0 to 31 fails first.
fn report(test: &str, text: &str) -> (Folder, Report) {
    let folder = Folder::new(test);
    let path = folder.write("scenario.toml", text);
    let registry = registry();
    let scenario = Scenario::load(&path, &registry).unwrap_or_else(|_| panic!("{test} is a scenario"));
    for seed in 0..32 {
        let drawn = draw::draw(&scenario, seed, Keep::ALL.trace, true).unwrap();
        let report = Report::new(&scenario, &registry, &drawn, |_| {});
        if report.failing.verdict.failed() {
            return (folder, report);
        }
    }
    panic!("no seed of {test} fails");
}

fn check_arrows(run: &Run) -> usize {
    let mut arrows = 0;
    for (index, event) in run.events.iter().enumerate() {
        let Some(message) = &event.message else { continue };
        let cause = event.cause.expect("a message has the event whose handler sent it");
        assert!(cause < index, "causes come before");
        assert_eq!(run.events[cause].process, message.from, "the cause is the sender's");
        assert!(
            message.sent >= run.events[cause].at && message.sent <= event.at.max(message.sent),
            "sent in its handler"
        );
        let sends = run.events[cause].effects.iter().filter(|effect| match &effect.deed {
            Deed::Send { fate, .. } => *fate == Some(index),
            _ => false,
        });
        assert_eq!(sends.count(), 1, "event {} is the end of one send", event.number);
        arrows += 1;
    }
    arrows
}

#[test]
fn every_arrow_has_both_ends_and_every_end_its_arrow() {
    let (_folder, report) = report("explain-arrows", TINY);
    assert!(check_arrows(&report.failing) >= 4, "numbers were handed in and kept");
    let passing = report.passing.expect("without its power loss the run passes");
    assert!(check_arrows(&passing.run) >= 4);
}

#[test]
fn the_cone_holds_its_evidence_is_closed_under_causes_and_is_not_everything() {
    for (test, text) in [("explain-cone", TINY.to_owned()), ("explain-cone-large", large())] {
        let (_folder, report) = report(test, &text);
        let slice = &report.slice;
        assert!(!slice.evidence.is_empty());
        for &event in &slice.evidence {
            assert_eq!(slice.near[event], Near::Evidence);
        }
        for (event, because) in slice.because.iter().enumerate() {
            for &(cause, why) in because {
                assert!(cause < event, "{why:?} leads forward in time");
                assert!(!slice.holds(event) || slice.holds(cause), "{event} is inside and its cause {cause} is not");
            }
        }
        let (direct, cone, all) = (slice.count(Near::Direct), slice.count(Near::Before), report.failing.events.len());
        assert!(direct <= cone && cone <= all && direct < all, "{direct} of {cone} of {all}");
        let strike = &report.failing.windows.iter().find(|window| window.kills()).expect("the power went");
        assert!(slice.near[strike.event] >= Near::Direct, "the power loss is a direct cause of the loss");
    }
}

#[test]
fn what_a_crash_takes_back_is_told_from_what_happened() {
    let (_folder, report) = report("explain-taken-back", TINY);
    for event in &report.failing.events {
        let kept: Vec<bool> = event.effects.iter().map(|effect| !effect.taken_back).collect();
        assert!(kept.is_sorted_by(|a, b| a >= b), "what a crash takes back is the end of a handler: {event:?}");
    }
    let syncs = report.failing.events.iter().flat_map(|event| &event.effects).filter(|it| it.is_durable_point());
    assert!(syncs.count() > 0, "the teller's start makes its file durable");
}

#[test]
fn the_nearest_passing_run_is_one_fault_away_and_the_first_difference_is_real() {
    let (_folder, report) = report("explain-nearest", TINY);
    let passing = report.passing.expect("without its power loss the run passes");
    assert!(passing.words.contains("the same seed without power_loss #1 on teller-0"), "{}", passing.words);
    assert!(!passing.run.verdict.failed());
    let difference = passing.difference.expect("one fails and one does not");
    let (here, there) = (difference.here.expect("the failing run goes on"), difference.there);
    let alike = |index: usize| {
        let (a, b) = (&report.failing.events[index], &passing.run.events[index]);
        a.at == b.at && a.what == b.what && a.process == b.process && a.digest == b.digest
    };
    let strike = report.failing.windows[0].event;
    assert!((0..strike).all(alike), "until the fault both runs are the same");
    assert!(here >= strike && there.is_none_or(|there| there >= strike));
    assert_ne!(difference.here_says, difference.there_says);
}

#[test]
fn the_perfetto_trace_keeps_the_formats_rules() {
    let (_folder, report) = report("explain-perfetto", TINY);
    let trace = perfetto::trace(&report.failing, &report.slice);
    let events = trace["traceEvents"].as_array().expect("a trace is a list of events");
    let mut flows: BTreeMap<(&str, u64), u32> = BTreeMap::new();
    let mut open: BTreeMap<&str, i32> = BTreeMap::new();
    let mut busy: BTreeMap<u64, f64> = BTreeMap::new();
    for event in events {
        let phase = event["ph"].as_str().expect("each event has its phase");
        assert!(event["pid"].is_u64() && event["tid"].is_u64() && event["name"].is_string(), "{event}");
        if phase != "M" {
            assert!(event["ts"].as_f64().is_some_and(|ts| ts >= 0.0), "{event}");
        }
        match phase {
            "M" => assert!(event["args"]["name"].is_string()),
            "X" => {
                let (from, lasts) =
                    (event["ts"].as_f64().unwrap(), event["dur"].as_f64().expect("a slice has its length"));
                if event["cat"] != "disk" {
                    let end = busy.entry(event["tid"].as_u64().unwrap()).or_default();
                    assert!(from >= *end - 0.002, "handlers of one process do not overlap: {event}");
                    *end = from + lasts;
                }
            }
            "s" | "f" => *flows.entry((phase, event["id"].as_u64().unwrap())).or_default() += 1,
            "i" => assert_eq!(event["s"], "t"),
            "b" => *open.entry(event["id"].as_str().unwrap()).or_default() += 1,
            "e" => *open.entry(event["id"].as_str().unwrap()).or_default() -= 1,
            other => panic!("the format has no use for phase {other} here"),
        }
    }
    let ids = |phase: &str| flows.keys().filter(|(it, _)| *it == phase).map(|(_, id)| *id).collect::<BTreeSet<u64>>();
    assert!(!ids("s").is_empty() && ids("s") == ids("f") && flows.values().all(|count| *count == 1));
    assert!(!open.is_empty() && open.values().all(|balance| *balance == 0), "each fault that begins ends");
}

/// The data of the page with an event a line, so that a change can be read.
fn legible(data: &Value) -> String {
    let mut text = String::new();
    for (key, value) in data.as_object().expect("the page's data is an object") {
        match value.as_object() {
            Some(run) => {
                for (part, value) in run {
                    let items = value.as_array().filter(|items| !items.is_empty());
                    match items {
                        Some(items) => items.iter().for_each(|item| text += &format!("{key}.{part} {item}\n")),
                        None => text += &format!("{key}.{part} {value}\n"),
                    }
                }
            }
            None => text += &format!("{key} {value}\n"),
        }
    }
    text
}

#[test]
fn a_tiny_report_is_the_golden_one() {
    let (folder, report) = report("explain-golden", TINY);
    let shown = format!("{}\n{}", story::text(&report), legible(&page::data(&report)));
    let shown = shown.replace(&folder.path("scenario.toml"), "tiny.toml");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/explain.txt");
    if std::env::var_os("STORMPROOF_REWRITE").is_some() {
        std::fs::write(&golden, &shown).unwrap();
    }
    let pinned = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(shown, pinned, "reports changed; if they should have, rewrite with STORMPROOF_REWRITE=1");
}

#[test]
fn a_page_is_whole_whatever_its_texts_hold() {
    let title = r#"</script><!-- {{data}} & \"quotes\""#;
    let text = TINY.replace("a number is acknowledged before it is durable", title);
    let (_folder, report) = report("explain-escape", &text);
    let html = page::html(&report);
    assert_eq!(html.matches("</script>").count(), 2, "no text ends a script early");
    let data = html.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let data: Value = serde_json::from_str(data).expect("the data reads back");
    assert_eq!(data["title"], "</script><!-- {{data}} & \"quotes\"");
    for outside in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!html.split("id=\"data\"").next().unwrap().contains(outside), "the page loads nothing: {outside}");
    }
}

#[test]
fn the_command_writes_what_it_is_asked_for_and_ends_as_the_run() {
    let folder = Folder::new("explain-command");
    let file = folder.write("tiny.toml", TINY);
    let (html, trace) = (folder.path("report.html"), folder.path("trace.json"));
    let failing = (0..32)
        .map(|seed| seed.to_string())
        .find(|seed| command(&registry(), &["run", &file, "--seed", seed, "--json"]).exit == Exit::Violated);
    let seed = failing.expect("some seed fails");
    let printed = command(&registry(), &["explain", &file, "--seed", &seed, "--out", &html, "--perfetto", &trace]);
    assert_eq!(printed.exit, Exit::Violated, "{}{}", printed.out, printed.err);
    assert!(printed.out.contains("nearest passing run: the same seed without power_loss #1"), "{}", printed.out);
    let replay = printed.out.lines().last().and_then(|line| line.strip_prefix("replay: stormproof replay ")).unwrap();
    assert!(std::fs::read_to_string(&html).unwrap().starts_with("<!doctype html>"));
    serde_json::from_str::<Value>(&std::fs::read_to_string(&trace).unwrap()).expect("the trace is JSON");
    let told = command(&registry(), &["explain", replay.trim_matches('\''), "--text"]);
    assert!(told.out.contains("power_loss #1 on teller-0") && told.exit == Exit::Violated, "{}", told.out);
    let nowhere = command(&registry(), &["explain", &file, "--out", "/nowhere/at/all.html"]);
    assert!(nowhere.exit == Exit::Infrastructure && nowhere.err.contains("name another file"), "{}", nowhere.err);
}

/// What a browser said of a page: its root element, and what its console showed.
struct Visit {
    root: String,
    console: Vec<String>,
}

/// A Chromium, if this machine has one.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success()))
}

fn visit(browser: &str, folder: &Folder, page: &str, view: &str, picture: &str) -> Visit {
    let picture = folder.path(picture);
    let run = |more: &[&str]| {
        let profile = format!("--user-data-dir={}", folder.path("profile"));
        let quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
        let offline = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
        let mut command = Command::new(browser);
        command.args(quiet).args(offline).arg(profile).args(["--hide-scrollbars", "--window-size=1600,1100"]);
        command.args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=1500"]).args(more);
        command.arg(format!("file://{page}#{view}")).output().expect("the browser starts")
    };
    let shot = run(&[&format!("--screenshot={picture}")]);
    let dom = run(&["--dump-dom"]);
    let html = String::from_utf8_lossy(&dom.stdout);
    let root = html.split("<html").nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default().to_owned();
    let said = String::from_utf8_lossy(&shot.stderr).into_owned() + &String::from_utf8_lossy(&dom.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let size = std::fs::metadata(&picture).map_or(0, |it| it.len());
    assert!(size > 20_000, "the picture of {view} shows something: {size} bytes");
    Visit { root, console }
}

fn number(root: &str, name: &str) -> f64 {
    let value = root.split(&format!("data-{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("the page says no {name}: {root}"))
}

#[test]
fn a_browser_opens_the_page_at_twenty_and_at_twenty_thousand_events_without_complaint() {
    let Some(browser) = browser() else {
        println!("skipped: no chromium, chromium-browser or google-chrome is in the path");
        return;
    };
    let views = ["", "view=failing&scope=0&theme=dark", "view=failing&scope=0&scale=time"];
    let sizes = [("explain-small", TINY.to_owned(), 15, &views[..]), ("explain-large", large(), 20_000, &views[..2])];
    for (test, text, least, views) in sizes {
        let (folder, report) = report(test, &text);
        let events = report.failing.events.len();
        assert!(events >= least, "{test} has {events} events");
        let page = folder.write("report.html", &page::html(&report));
        for (nth, view) in views.iter().enumerate() {
            let seen = visit(browser, &folder, &page, view, &format!("{nth}.png"));
            assert!(seen.console.is_empty(), "{view}: {:?}", seen.console);
            let rows = number(&seen.root, "ready");
            assert!(
                rows > 0.0 && (!view.contains("scope=0") || rows as usize >= events),
                "{rows} rows of {events} events"
            );
            let (lays, draws) = (number(&seen.root, "layout-ms"), number(&seen.root, "draw-ms"));
            println!("{test} {view}: {rows} rows, laid out in {lays} ms, drawn in {draws} ms");
            assert!(lays < 5_000.0 && draws < 1_000.0, "it freezes: layout {lays} ms, drawing {draws} ms");
            if let Some(gallery) = std::env::var_os("STORMPROOF_GALLERY") {
                let to = Path::new(&gallery).join(format!("{test}-{nth}.png"));
                std::fs::copy(folder.path(&format!("{nth}.png")), to).expect("the gallery is a folder");
            }
        }
    }
}
