"use strict";
// The data, and what can be read off it: who was up when, what an event led to, which events are wanted.

const DATA = JSON.parse(document.getElementById("data").textContent);
const NEAR = { outside: 0, before: 1, direct: 2, evidence: 3 };

const state = {
  view: DATA.passing ? "both" : "failing",
  scope: DATA.failing.evidence.length ? NEAR.before : NEAR.outside,
  scale: "even",
  row: 22,
  hiddenNodes: new Set(),
  hiddenKinds: new Set(),
  selected: null,
  hovered: null,
};

/// As the command line writes it: seconds, cut at microseconds.
function seconds(nanos) {
  return (Math.floor(nanos / 1e3) / 1e6).toFixed(6) + "s";
}

function span(nanos) {
  if (nanos >= 1e9) return +(nanos / 1e9).toPrecision(3) + " s";
  if (nanos >= 1e6) return +(nanos / 1e6).toPrecision(3) + " ms";
  if (nanos >= 1e3) return +(nanos / 1e3).toPrecision(3) + " µs";
  return nanos + " ns";
}

function nodeOf(event) {
  return event.p === undefined ? event.o : DATA.processes[event.p].node;
}

function placeOf(event) {
  if (event.p !== undefined) return DATA.processes[event.p].name;
  return event.o === undefined ? "nobody" : DATA.nodes[event.o];
}

/// Short names where they are still unique: a process without its node, a protocol without what all share.
const SHORT = (() => {
  const tails = DATA.processes.map((process) => process.name.split("/").pop());
  const unique = (tail) => tails.filter((other) => other === tail).length === 1;
  const processes = DATA.processes.map((process, index) => (unique(tails[index]) ? tails[index] : process.name));
  const kinds = [...new Set([...DATA.failing.kinds, ...(DATA.passing ? DATA.passing.kinds : [])])];
  const family = kinds.length ? kinds[0].split(".")[0] + "." : "";
  const shared = kinds.every((kind) => kind.startsWith(family)) ? family.length : 0;
  return { processes, kinds: new Map(kinds.map((kind) => [kind, kind.slice(shared).replace(/\/1$/, "")])) };
})();

/// What happened in few words, for rows.
function brief(event) {
  const run = event.run;
  const kind = event.k === undefined ? "" : SHORT.kinds.get(run.kinds[event.k]);
  const from = event.x === undefined ? "nobody" : SHORT.processes[event.x];
  if (event.w === "deliver") return "← " + from + "  " + kind;
  if (event.w === "drop") return "never gets " + kind + " from " + from;
  if (event.w === "timer") return "timer";
  if (event.w === "strike" || event.w === "relief") {
    const window = run.windows[event.g];
    return window ? window.kind + " #" + window.occurrence + (event.w === "strike" ? " begins, for " + span(window.to - window.from) : " ends") : event.w;
  }
  return event.d;
}

/// Prepares a run: what each event led to, and when each process was up.
function prepare(run, name) {
  run.name = name;
  run.leads = run.events.map(() => []);
  run.up = DATA.processes.map(() => []);
  run.events.forEach((event, index) => {
    event.i = index;
    event.run = run;
    event.z = event.z || 0;
    if (event.c !== undefined) run.leads[event.c].push(index);
    if (event.p === undefined) return;
    const lives = run.up[event.p];
    if (event.w === "boot") lives.push({ from: event.t, to: run.end });
    if ((event.w === "crash" || event.w === "halt") && lives.length) lives[lives.length - 1].to = event.t;
  });
  run.events.forEach((event) => (event.h || []).forEach((window) => {
    const struck = run.leads[run.windows[window].event];
    if (!struck.includes(event.i)) struck.push(event.i);
  }));
  return run;
}

const RUNS = { failing: prepare(DATA.failing, "failing") };
if (DATA.passing) RUNS.passing = prepare(DATA.passing, "passing");

/// What tells an event in both runs.
function likeness(run, event) {
  return [event.t, event.p, event.w, event.k === undefined ? "" : run.kinds[event.k]].join("|");
}

/// Whether the filters by node and message let an event through.
function passesFilters(run, event) {
  if (state.hiddenNodes.has(nodeOf(event))) return false;
  return event.k === undefined || !state.hiddenKinds.has(run.kinds[event.k]);
}

function wantedOfFailing() {
  const run = RUNS.failing;
  const wanted = (event) =>
    event.z >= state.scope || (event.w === "relief" && event.g !== undefined && run.events[run.windows[event.g].event].z >= state.scope);
  return run.events.filter((event) => wanted(event) && passesFilters(run, event));
}

/// Of the passing run: what the failing run shows too, and from the first difference until the failing run ends
/// all that happened to the processes that are shown.
function wantedOfPassing() {
  const run = RUNS.passing;
  if (state.scope === NEAR.outside) return run.events.filter((event) => passesFilters(run, event));
  const shown = wantedOfFailing();
  const alike = new Set(shown.map((event) => likeness(RUNS.failing, event)));
  const lanes = new Set(shown.map((event) => event.p));
  const parted = DATA.difference ? DATA.difference.at : Infinity;
  const last = shown.length ? shown[shown.length - 1].t : 0;
  const wanted = (event) =>
    event.t < parted ? alike.has(likeness(run, event)) : event.t <= last && (event.p === undefined ? false : lanes.has(event.p));
  return run.events.filter((event) => wanted(event) && passesFilters(run, event));
}

/// The runs that are shown, each with its wanted events.
function shownRuns() {
  const shown = [];
  if (state.view !== "passing") shown.push({ run: RUNS.failing, events: wantedOfFailing() });
  if (state.view !== "failing" && RUNS.passing) shown.push({ run: RUNS.passing, events: wantedOfPassing() });
  return shown;
}
