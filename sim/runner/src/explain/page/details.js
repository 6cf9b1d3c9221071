// The panel of one event: what it carried, what its handler did, why it happened, what it led to.

const WHY = {
  cause: { message: "sent by", timer: "timer set by" },
  restart: "restarts after", fault: "met the fault", before: "same process, before", file: "file last changed by",
};
const NEARNESS = ["outside the causal cone", "happened before the evidence", "direct cause of the evidence", "carried the facts"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => (key === "class" ? (made.className = value) : key === "onclick" ? (made.onclick = value) : made.setAttribute(key, value)));
  made.append(...children);
  return made;
}

function showDetails() {
  const panel = document.getElementById("details");
  const event = state.selected;
  panel.replaceChildren(...(event ? describe(event) : hint()));
  panel.scrollTop = 0;
}

function hint() {
  const key = (name) => element("kbd", {}, name);
  return [
    element("h2", {}, "How to read this"),
    element("p", {}, "A lane is a process, time runs downward, an arrow is a message from its sending to its arrival. Click an event for what it carried, what its handler did, and its causes."),
    element("h3", {}, "Keys"),
    element("p", { class: "hint" }, key("↑"), " ", key("↓"), " next event  ", key("c"), " its cause  ", key("e"), " evidence  ", key("d"), " first difference  ", key("+"), " ", key("−"), " zoom"),
    ...(RUNS.failing.left_out ? [element("h3", {}, "Left out"), element("p", {}, RUNS.failing.left_out + " earlier events are not on this page.")] : []),
  ];
}

function describe(event) {
  const run = event.run;
  const parts = [
    element("h2", {}, placeOf(event) + " " + event.d),
    element("p", { class: "when" }, "event " + event.n + " at " + seconds(event.t) + (event.u ? ", busy for " + span(event.u - event.t) : "")),
  ];
  if (run.name === "failing" && run.evidence.length) parts.push(element("p", { class: "when" }, NEARNESS[event.z]));
  if (event.m) parts.push(element("h3", {}, event.x === undefined ? "About it" : "Message"), element("pre", {}, event.m));
  if (event.g !== undefined) {
    const window = run.windows[event.g];
    parts.push(element("h3", {}, "Fault"), element("p", {}, window.about + "; from " + seconds(window.from) + " to " + seconds(window.to) + "."));
  }
  const effects = event.f || [];
  if (effects.length) parts.push(element("h3", {}, "What its handler did"), element("ul", {}, ...effects.map((effect) => describeEffect(run, effect))));
  parts.push(...links("Because of", causes(event), run));
  parts.push(...links("Led to", run.leads[event.i].map((index) => [index, ""]), run));
  return parts;
}

function describeEffect(run, effect) {
  const line = element("li", { class: "effect" + (effect.x ? " taken" : "") }, element("span", { class: "dot " + effect.w }));
  const words = element("span", {}, effect.d + " ", element("span", { class: "when" }, seconds(effect.t)));
  if (effect.w === "send" && effect.e !== undefined) {
    const end = run.events[effect.e];
    words.append(" ", element("button", { class: "link", type: "button", onclick: () => select(end) }, end.w === "drop" ? "→ lost" : "→ arrives as event " + end.n));
  }
  line.append(words);
  return line;
}

/// The causes that are known: of a failing run all edges of the graph, of another its messages and timers.
function causes(event) {
  const all = event.b ? [...event.b] : [];
  if (!all.length) {
    if (event.c !== undefined) all.push([event.c, "cause"]);
    (event.h || []).forEach((window) => all.push([event.run.windows[window].event, "fault"]));
  }
  const word = (why) => (why === "cause" ? WHY.cause[event.w === "timer" ? "timer" : "message"] : WHY[why]);
  return all.map(([index, why]) => [index, word(why)]);
}

function links(heading, list, run) {
  if (!list.length) return [];
  const shown = list.slice(0, 40).map(([index, why]) => {
    const other = run.events[index];
    const text = [element("i", {}, (why ? why + " " : "") + "#" + other.n + " "), placeOf(other) + " " + other.d];
    return element("li", {}, element("button", { class: "link", type: "button", onclick: () => select(other) }, ...text));
  });
  if (list.length > shown.length) shown.push(element("li", { class: "hint" }, "and " + (list.length - shown.length) + " more"));
  return [element("h3", {}, heading), element("ul", {}, ...shown)];
}
