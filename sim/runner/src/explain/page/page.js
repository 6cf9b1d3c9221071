// The page: fills the head, answers to pointer, keys and print, keeps its view in the address.

const by = (id) => document.getElementById(id);
let ink = palette();
let pending = false;
// Until somebody touches the page, what is selected stays in view whatever the window does.
let touched = false;

function refresh() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    paint();
  });
}

function paint() {
  const started = performance.now();
  const scroll = by("scroll");
  const [width, height] = [scroll.clientWidth, scroll.clientHeight];
  const wide = Math.max(width, layout.width);
  drawHeader(sized(by("lanes"), width, HEADER), layout, ink);
  drawBody(sized(by("canvas"), wide, height), layout, ink, scroll.scrollTop, height, state);
  const [map, tall] = [by("map"), by("diagram").clientHeight];
  drawMap(sized(map, 52, tall), layout, ink, 52, tall, scroll.scrollTop, height);
  document.documentElement.dataset.drawMs = (performance.now() - started).toFixed(1);
}

/// The diagram takes what the first screen leaves, so that both are seen at once.
function fitStage() {
  if (matchMedia("(max-width: 1100px)").matches) return by("stage").style.removeProperty("height");
  const above = by("bar").getBoundingClientRect().bottom + scrollY;
  return by("stage").style.setProperty("height", Math.max(520, innerHeight - above - 1) + "px");
}

/// Lays everything out anew; what stood in the middle stays there.
function relayout(keep = true) {
  const started = performance.now();
  const scroll = by("scroll");
  const middle = layout && keep ? timeAt(scroll.scrollTop + scroll.clientHeight / 2) : null;
  layout = makeLayout(scroll.clientWidth);
  sized(by("canvas"), Math.max(scroll.clientWidth, layout.width), scroll.clientHeight);
  by("spacer").style.height = Math.max(0, layout.height + 40 - scroll.clientHeight) + "px";
  if (!touched && state.selected) reveal(state.selected, "always");
  else if (middle !== null) scroll.scrollTop = heightAt(layout, middle) - scroll.clientHeight / 2;
  by("count").textContent = layout.panes.map(shownCount).join(" | ") + " events";
  document.documentElement.dataset.layoutMs = (performance.now() - started).toFixed(1);
  paint();
}

function shownCount(pane) {
  const [shown, all] = [pane.events.length, pane.run.events.length].map((count) => count.toLocaleString("en"));
  return shown === all ? all : shown + " of " + all;
}

function timeAt(y) {
  const row = layout.rows[Math.min(layout.rows.length - 1, rowFrom(layout, y))];
  return row ? row.t : 0;
}

function select(event, centre = true) {
  state.selected = event;
  showDetails();
  if (event) reveal(event, centre);
  remember();
  refresh();
}

/// Makes an event visible: widens the filters if they hide it, and scrolls to it.
function reveal(event, centre) {
  const shown = () => layout.panes.find((pane) => pane.run === event.run && pane.y.has(event.i));
  if (!shown()) {
    if (event.run.name !== state.view && state.view !== "both") state.view = event.run.name;
    state.hiddenNodes.delete(nodeOf(event));
    if (event.k !== undefined) state.hiddenKinds.delete(event.run.kinds[event.k]);
    if (event.z < state.scope) state.scope = NEAR.outside;
    controls();
    relayout(false);
  }
  const pane = shown();
  if (!pane) return;
  const [scroll, y] = [by("scroll"), pane.y.get(event.i)];
  const out = y < scroll.scrollTop + 30 || y > scroll.scrollTop + scroll.clientHeight - 30;
  if (out || centre === "always") scroll.scrollTop = y - scroll.clientHeight * 0.4;
}

function evidence(step = 1) {
  const all = RUNS.failing.evidence;
  if (!all.length) return;
  const now = state.selected ? all.indexOf(state.selected.i) : -1;
  select(RUNS.failing.events[all[now < 0 ? all.length - 1 : (now + step + all.length) % all.length]], "always");
}

function difference() {
  if (!DATA.difference) return;
  const event = DATA.difference.here !== null ? RUNS.failing.events[DATA.difference.here] : RUNS.passing.events[DATA.difference.there];
  select(event, "always");
}

function zoom(factor) {
  state.row = Math.max(2, Math.min(48, state.row * factor));
  relayout();
}

/// The event under the pointer: of the row, the one in that pane.
function eventAt(x, y) {
  const height = y + by("scroll").scrollTop;
  const near = [rowFrom(layout, height) - 1, rowFrom(layout, height)].map((index) => layout.rows[index]).filter(Boolean);
  near.sort((a, b) => Math.abs(a.y - height) - Math.abs(b.y - height));
  const pane = layout.panes.findIndex((it) => x >= it.x - 6 && x < it.x + it.width - 6);
  for (const row of near) {
    if (Math.abs(row.y - height) <= Math.max(6, layout.row * 0.7) && row.events[pane]) return row.events[pane];
  }
  return null;
}

function step(by_) {
  const run = state.selected ? state.selected.run : layout.panes[0] && layout.panes[0].run;
  const pane = layout.panes.find((it) => it.run === run) || layout.panes[0];
  if (!pane || !pane.events.length) return;
  const now = state.selected ? pane.events.findIndex((event) => event.i >= state.selected.i) : -1;
  const next = Math.max(0, Math.min(pane.events.length - 1, (now < 0 && state.selected ? pane.events.length : now) + by_));
  select(pane.events[next]);
}

function fillHead() {
  by("verdict").textContent = DATA.verdict.replace("_", " ");
  by("verdict").classList.add(DATA.failed ? "bad" : DATA.verdict === "vacuous" ? "warn" : "good");
  by("title").textContent = DATA.title;
  by("sentence").textContent = DATA.sentence;
  by("facts").classList.toggle("calm", !DATA.failed);
  by("facts").replaceChildren(...DATA.facts.map((fact) => element("li", {}, fact)));
  if (DATA.about) by("about").textContent = "What " + DATA.oracle + " judges: " + DATA.about + ".";
  by("replay").textContent = DATA.replay;
  const pairs = [
    ["Scenario", DATA.scenario], ["Seed", DATA.seed], ["Virtual time", seconds(RUNS.failing.end)],
    ["Events", (RUNS.failing.events.length + RUNS.failing.left_out).toLocaleString("en")], ["Fingerprint", DATA.fingerprint], ["Signature", DATA.signature],
  ];
  by("meta").replaceChildren(...pairs.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  by("cards").replaceChildren(...comparison());
}

function comparison() {
  if (!DATA.failed) return [];
  if (!DATA.passing) return [element("div", { class: "card" }, element("h2", {}, "Nearest passing run"), element("p", {}, "None was found, in " + DATA.tried + " tries."))];
  const card = element("div", { class: "card" }, element("h2", {}, "Nearest passing run"), element("p", {}, "It is " + DATA.passing_is + "."));
  const it = DATA.difference;
  if (it) {
    card.append(element("div", { class: "sides" },
      element("div", { class: "side" }, element("b", {}, "Failing, first difference at " + seconds(it.at)), it.here_says),
      element("div", { class: "side good" }, element("b", {}, "Passing (differs in the " + it.part + ")"), it.there_says)));
  }
  return [card];
}

/// The buttons, as the state is.
function controls() {
  const count = (least) => RUNS.failing.events.filter((event) => event.z >= least).length.toLocaleString("en");
  const group = (id, choices, now, pick) => by(id).replaceChildren(...choices.map(([value, name, small]) => {
    const button = element("button", { type: "button", "aria-pressed": String(value === now), onclick: () => pick(value) }, name);
    if (small) button.append(element("small", {}, small));
    return button;
  }));
  const change = (key) => (value) => { state[key] = value; controls(); relayout(); remember(); };
  group("views", DATA.passing ? [["failing", "Failing"], ["both", "Side by side"], ["passing", "Passing"]] : [], state.view, change("view"));
  const scopes = [[NEAR.direct, "Direct causes", count(NEAR.direct)], [NEAR.before, "Causal cone", count(NEAR.before)], [NEAR.outside, "Everything", count(NEAR.outside)]];
  group("scopes", RUNS.failing.evidence.length ? scopes : [], state.scope, change("scope"));
  group("scales", [["even", "Even rows"], ["time", "True time"]], state.scale, change("scale"));
  group("zooms", [[1 / 1.35, "−"], [1.35, "+"]], null, zoom);
  const jumps = [];
  if (RUNS.failing.evidence.length) jumps.push(["evidence", "Evidence"]);
  if (DATA.difference) jumps.push(["difference", "First difference"]);
  group("jumps", jumps, null, (value) => (value === "evidence" ? evidence() : difference()));
  const checks = (id, names, hidden, keyOf, counts) => by(id).replaceChildren(...names.map((name, index) => {
    const box = element("input", { type: "checkbox" });
    const key = keyOf(name, index);
    box.checked = !hidden.has(key);
    box.onchange = () => { if (box.checked) hidden.delete(key); else hidden.add(key); relayout(); remember(); };
    return element("label", {}, box, name, element("small", {}, String(counts.get(key) || 0)));
  }));
  const tally = (key) => RUNS.failing.events.reduce((sums, event) => sums.set(key(event), (sums.get(key(event)) || 0) + 1), new Map());
  checks("node-list", DATA.nodes, state.hiddenNodes, (_, index) => index, tally(nodeOf));
  const kinds = [...new Set([...DATA.failing.kinds, ...(DATA.passing ? DATA.passing.kinds : [])])].sort();
  checks("kind-list", kinds, state.hiddenKinds, (name) => name, tally((event) => (event.k === undefined ? "" : DATA.failing.kinds[event.k])));
}

function fillLegend() {
  const sign = (event, label, extra = {}) => {
    const canvas = document.createElement("canvas");
    const pen = sized(canvas, 22, 18);
    if (event) drawSign(pen, { row: 18 }, ink, { z: 0, ...event }, 8, 9);
    if (extra.effects) drawEffects(pen, { laneWidth: 60 }, ink, { f: extra.effects }, 0, 9);
    return element("span", {}, canvas, label);
  };
  by("legend").replaceChildren(
    sign({ w: "deliver", z: 0 }, "message handled"), sign({ w: "timer", z: 0 }, "timer"), sign({ w: "boot" }, "start"), sign({ w: "crash" }, "crash"),
    sign({ w: "drop" }, "message lost"), sign({ w: "strike" }, "fault begins"), sign({ w: "relief" }, "fault ends"),
    sign(null, "made durable", { effects: [{ w: "sync" }] }), sign(null, "fact stated", { effects: [{ w: "mark" }] }), sign(null, "disk error", { effects: [{ w: "error" }] }),
    sign({ w: "deliver", z: 2 }, "direct cause"), sign({ w: "deliver", z: 3 }, "carried the facts"));
}

/// The view in the address, so that a link shows the same.
function remember() {
  const view = new URLSearchParams({ view: state.view, scope: state.scope, scale: state.scale });
  if (state.selected) view.set("event", state.selected.run.name + "." + state.selected.n);
  try { history.replaceState(null, "", "#" + view); } catch { /* A page inside another may not. */ }
}

function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  if (["failing", "both", "passing"].includes(view.get("view")) && (DATA.passing || view.get("view") === "failing")) state.view = view.get("view");
  if (view.has("scope") && RUNS.failing.evidence.length) state.scope = Number(view.get("scope"));
  if (view.has("scale")) state.scale = view.get("scale") === "time" ? "time" : "even";
  if (view.has("row")) state.row = Math.max(2, Math.min(48, Number(view.get("row")) || 22));
  if (view.has("theme")) theme(view.get("theme"));
  const [name, number] = (view.get("event") || "").split(".");
  return RUNS[name] ? RUNS[name].events.find((event) => event.n === Number(number)) : undefined;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  ink = palette();
}

/// On paper: the diagram of what the filters let through, of the failing run alone where both are shown, in
/// pieces that fit a page.
function preparePrint() {
  const before = document.documentElement.dataset.theme;
  theme("light");
  const made = makeLayout(1000, shownRuns().slice(0, 1), 20, "even");
  const pieces = printPieces(made.rows.length);
  const parts = [element("h2", {}, "Space-time diagram: " + made.panes.map(shownCount) + " events")];
  if (pieces.length && pieces[0][0]) parts.push(element("p", {}, "The last " + (made.rows.length - pieces[0][0]) + " rows."));
  pieces.forEach(([first, end]) => {
    const [top, bottom] = [made.rows[first].y - 14, made.rows[end - 1].y + 14];
    const canvas = document.createElement("canvas");
    const pen = sized(canvas, made.width, HEADER + bottom - top, 2);
    drawHeader(pen, made, ink);
    pen.beginPath();
    pen.rect(0, HEADER, made.width, bottom - top);
    pen.clip();
    pen.translate(0, HEADER);
    drawBody(pen, made, ink, top, bottom - top, {});
    parts.push(element("img", { src: canvas.toDataURL("image/png"), alt: "Space-time diagram, rows " + (first + 1) + " to " + end }));
  });
  by("print").replaceChildren(...parts);
  document.documentElement.dataset.restore = before;
}

/// Rows that go together: few on the first page, below the head; at most eight pages, since the end is what matters.
function printPieces(count) {
  const [few, many, pages] = [14, 44, 8];
  const pieces = [];
  let first = Math.max(0, count - few - many * pages);
  while (first < count) {
    const end = Math.min(count, first + (pieces.length ? many : few));
    pieces.push([first, end]);
    first = end;
  }
  return pieces;
}

function listen() {
  const scroll = by("scroll");
  scroll.addEventListener("scroll", refresh, { passive: true });
  scroll.addEventListener("pointermove", (pointer) => {
    const box = scroll.getBoundingClientRect();
    const event = eventAt(pointer.clientX - box.left + scroll.scrollLeft, pointer.clientY - box.top);
    scroll.style.cursor = event ? "pointer" : "default";
    if (event !== state.hovered) { state.hovered = event; refresh(); }
  });
  scroll.addEventListener("click", (pointer) => {
    const box = scroll.getBoundingClientRect();
    select(eventAt(pointer.clientX - box.left + scroll.scrollLeft, pointer.clientY - box.top), false);
  });
  scroll.addEventListener("wheel", (wheel) => {
    if (!wheel.ctrlKey && !wheel.metaKey) return;
    wheel.preventDefault();
    zoom(wheel.deltaY < 0 ? 1.15 : 1 / 1.15);
  }, { passive: false });
  by("map").addEventListener("click", (pointer) => {
    const box = by("map").getBoundingClientRect();
    scroll.scrollTop = ((pointer.clientY - box.top) / box.height) * Math.max(box.height, layout.height) - scroll.clientHeight / 2;
  });
  const keys = { ArrowDown: () => step(1), ArrowUp: () => step(-1), e: () => evidence(), d: difference, "+": () => zoom(1.35), "-": () => zoom(1 / 1.35), Escape: () => select(null),
    c: () => state.selected && state.selected.c !== undefined && select(state.selected.run.events[state.selected.c]) };
  document.addEventListener("keydown", (key) => {
    if (key.ctrlKey || key.metaKey || key.altKey || /^(INPUT|SUMMARY|BUTTON)$/.test(document.activeElement.tagName)) return;
    if (keys[key.key]) { key.preventDefault(); keys[key.key](); }
  });
  by("copy").onclick = async () => {
    try { await navigator.clipboard.writeText(DATA.replay); } catch { getSelection().selectAllChildren(by("replay")); document.execCommand("copy"); }
    by("copy").textContent = "Copied";
    setTimeout(() => (by("copy").textContent = "Copy"), 1500);
  };
  by("theme").onclick = () => { theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); fillLegend(); refresh(); };
  document.addEventListener("click", (click) => document.querySelectorAll(".menu[open]").forEach((menu) => menu.contains(click.target) || (menu.open = false)));
  ["wheel", "pointerdown", "keydown"].forEach((name) => addEventListener(name, () => (touched = true), { passive: true, capture: true }));
  addEventListener("resize", fitStage);
  new ResizeObserver(() => relayout()).observe(scroll);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => { theme(dark.matches ? "dark" : "light"); fillLegend(); refresh(); });
  addEventListener("beforeprint", preparePrint);
  addEventListener("afterprint", () => { theme(document.documentElement.dataset.restore || "light"); refresh(); });
}

function start() {
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const wanted = recall();
  fillHead();
  controls();
  fillLegend();
  fitStage();
  relayout(false);
  listen();
  showDetails();
  if (wanted) select(wanted, "always");
  else evidence();
  document.documentElement.dataset.ready = String(layout.rows.length);
}

start();
