// Where things stand: rows for events, lanes for processes, arrows between them.

const TIME_GUTTER = 92;
const LANE_MIN = 16;
const LANE_MAX = 64;
const LONG_ARROW = 1200;

let layout = null;

/// Rows of all shown runs, on one scale, so that equal times stand side by side.
function makeLayout(width, shown = shownRuns(), row = state.row, scale = state.scale) {
  const rows = mergedRows(shown);
  place(rows, row, scale);
  const height = rows.length ? rows[rows.length - 1].y + row : 0;
  const lanes = DATA.processes.map((_, process) => process).filter((process) => isShown(shown, process));
  const paneWidth = Math.max(260, (width - TIME_GUTTER) / Math.max(1, shown.length));
  const laneWidth = Math.max(LANE_MIN, Math.min(LANE_MAX, (paneWidth * 0.46 - 20) / Math.max(1, lanes.length)));
  const panes = shown.map((it, index) => ({ ...it, x: TIME_GUTTER + index * paneWidth, width: paneWidth }));
  const made = { rows, row, scale, height, lanes, laneWidth, panes, width, laneOf: new Map(lanes.map((process, lane) => [process, lane])) };
  panes.forEach((pane) => makePane(pane, made));
  return made;
}

function isShown(shown, process) {
  if (state.hiddenNodes.has(DATA.processes[process].node)) return false;
  return shown.some((it) => it.events.some((event) => event.p === process || event.x === process));
}

/// One row a moment: events of both runs that are alike share one.
function mergedRows(shown) {
  const items = [];
  shown.forEach((it, pane) => it.events.forEach((event) => items.push({ event, pane, key: likeness(it.run, event) })));
  items.sort((a, b) => a.event.t - b.event.t || a.pane - b.pane || a.event.i - b.event.i);
  const rows = [];
  let open = [];
  for (const item of items) {
    if (open.length && open[0].t !== item.event.t) open = [];
    const twin = open.find((row) => row.key === item.key && row.events[item.pane] === undefined);
    if (twin) {
      twin.events[item.pane] = item.event;
      continue;
    }
    const row = { t: item.event.t, key: item.key, events: [] };
    row.events[item.pane] = item.event;
    rows.push(row);
    open.push(row);
  }
  return rows;
}

/// Heights: even rows with a little air where time passes, or true to time.
function place(rows, height, scale) {
  if (!rows.length) return;
  const first = rows[0].t;
  const whole = Math.max(1, rows[rows.length - 1].t - first);
  let y = height;
  rows.forEach((row, index) => {
    if (scale === "time") {
      row.y = height + ((row.t - first) / whole) * rows.length * height;
      return;
    }
    if (index > 0) {
      const gap = row.t - rows[index - 1].t;
      y += height * (gap >= 1e9 ? 2 : gap >= 1e8 ? 1.6 : gap >= 1e7 ? 1.3 : 1);
    }
    row.y = y;
  });
}

function makePane(pane, made) {
  pane.y = new Map();
  made.rows.forEach((row) => {
    const event = row.events[made.panes.indexOf(pane)];
    if (event) pane.y.set(event.i, row.y);
  });
  pane.lanesWidth = 20 + made.lanes.length * made.laneWidth;
  pane.arrows = [];
  pane.events.forEach((event) => {
    if (event.c === undefined || event.x === undefined) return;
    const from = made.laneOf.get(event.x);
    const to = made.laneOf.get(event.p);
    if (from === undefined || to === undefined) return;
    const end = pane.y.get(event.i);
    const known = pane.y.get(event.c);
    // A sender that the filters hide still sent it then.
    const start = made.scale === "time" || known === undefined ? heightAt(made, event.s) : known;
    pane.arrows.push({ event, from, to, start: Math.min(start, end), end });
  });
  pane.long = pane.arrows.filter((arrow) => arrow.end - arrow.start > LONG_ARROW);
}

/// The height of a moment, between the rows around it.
function heightAt(made, time) {
  const rows = made.rows;
  if (!rows.length) return 0;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].t <= time) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return Math.max(0, rows[0].y - made.row);
  if (low === rows.length) return rows[low - 1].y + (time > rows[low - 1].t ? made.row * 0.8 : 0);
  const [before, after] = [rows[low - 1], rows[low]];
  const share = (time - before.t) / Math.max(1, after.t - before.t);
  return before.y + share * (after.y - before.y);
}

/// The first row at or below a height.
function rowFrom(made, y) {
  let low = 0;
  let high = made.rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (made.rows[middle].y < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

function laneX(made, pane, lane) {
  return pane.x + 10 + (lane + 0.5) * made.laneWidth;
}

/// Where an event's sign stands; faults stand left of the lanes of their node.
function eventX(made, pane, event) {
  if (event.p !== undefined && made.laneOf.has(event.p)) return laneX(made, pane, made.laneOf.get(event.p));
  const first = made.lanes.findIndex((process) => DATA.processes[process].node === nodeOf(event));
  return first < 0 ? pane.x + 5 : laneX(made, pane, first) - made.laneWidth / 2;
}
