// Draws a layout on a canvas: the visible part on the screen, or a stretch of it for print.

const HEADER = 92;

function palette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue("--" + name).trim();
  const names = ["back", "soft", "line", "lane", "text", "muted", "faint", "bad", "bad-soft", "good", "warn", "warn-soft", "blue", "violet", "magenta"];
  const colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
  return { ...colours, sans: colour("sans"), mono: colour("mono") };
}

function sized(canvas, width, height, scale = window.devicePixelRatio || 1) {
  const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide;
    canvas.height = tall;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/// The names of the lanes, and of the runs above them.
function drawHeader(pen, made, ink) {
  pen.textBaseline = "middle";
  made.panes.forEach((pane, index) => {
    if (index > 0) stroke(pen, ink.line, 1, [[pane.x - 6, 0], [pane.x - 6, HEADER]]);
    const good = pane.run.name === "passing";
    pen.font = "600 12px " + ink.sans;
    pen.fillStyle = good ? ink.good : DATA.failed ? ink.bad : ink.good;
    const name = good ? "Nearest passing run" : DATA.failed ? "Failing run" : "The run";
    pen.fillText(name + (good ? "" : " (seed " + DATA.seed + ")"), pane.x + pane.lanesWidth + 12, HEADER - 14);
    made.lanes.forEach((process, lane) => {
      const [node, ...rest] = DATA.processes[process].name.split("/");
      const x = laneX(made, pane, lane);
      pen.save();
      pen.translate(x - 2, HEADER - 8);
      pen.rotate(-Math.PI / 4.2);
      pen.font = "12px " + ink.sans;
      pen.fillStyle = ink.muted;
      pen.fillText(node, 0, 0);
      pen.font = "600 12px " + ink.sans;
      pen.fillStyle = ink.text;
      if (rest.length) pen.fillText(rest.join("/"), pen.measureText(node).width * 0.97 + 4, 0);
      pen.restore();
    });
  });
}

/// Everything between two heights of the layout, moved up by `top`.
function drawBody(pen, made, ink, top, height, marked) {
  const bottom = top + height;
  const [first, last] = [Math.max(0, rowFrom(made, top - 40) - 1), Math.min(made.rows.length, rowFrom(made, bottom + 40) + 1)];
  pen.save();
  pen.translate(0, -top);
  drawBands(pen, made, ink, first, last, marked);
  made.panes.forEach((pane, index) => {
    if (index > 0) stroke(pen, ink.line, 1, [[pane.x - 6, top], [pane.x - 6, bottom]]);
    pen.save();
    pen.beginPath();
    pen.rect(pane.x - 5, top, pane.width - 2, height);
    pen.clip();
    drawWindows(pen, made, pane, ink, top, bottom);
    drawLanes(pen, made, pane, ink, top, bottom);
    drawArrows(pen, made, pane, ink, index, first, last, top, bottom);
    drawEvents(pen, made, pane, ink, index, first, last);
    pen.restore();
  });
  drawTimes(pen, made, ink, first, last);
  drawDifference(pen, made, ink);
  pen.restore();
}

/// Bands behind rows: the evidence, what is selected, what the pointer is on.
function drawBands(pen, made, ink, first, last, marked) {
  const tall = Math.max(3, made.row);
  for (let index = first; index < last; index += 1) {
    const row = made.rows[index];
    row.events.forEach((event, which) => {
      const pane = made.panes[which];
      const band = (colour, alpha) => {
        pen.globalAlpha = alpha;
        pen.fillStyle = colour;
        pen.fillRect(pane.x - 5, row.y - tall / 2, pane.width - 2, tall);
        pen.globalAlpha = 1;
      };
      if (event.z === NEAR.evidence) band(ink.bad, 0.11);
      if (event === marked.selected) band(ink.blue, 0.2);
      else if (event === marked.hovered) band(ink.blue, 0.09);
    });
  }
}

/// Faults in force: a bar over the lanes of the nodes that they strike.
function drawWindows(pen, made, pane, ink, top, bottom) {
  const depth = new Map();
  pane.run.windows.forEach((window) => {
    const begins = heightAt(made, window.from);
    const ends = Math.max(begins + 2, heightAt(made, window.to));
    const strike = pane.run.events[window.event];
    const near = pane.run.name === "failing" && strike.z > 0;
    if (state.scope > 0 && !near && pane.run.name === "failing") return;
    window.nodes.forEach((node) => {
      const lanes = made.lanes.filter((process) => DATA.processes[process].node === node).map((process) => made.laneOf.get(process));
      if (!lanes.length) return;
      const nth = (depth.get(node) || []).filter((other) => other > begins).length;
      depth.set(node, [...(depth.get(node) || []), ends]);
      if (ends < top || begins > bottom) return;
      const left = laneX(made, pane, lanes[0]) - made.laneWidth / 2 + 2 + nth * 4;
      const right = laneX(made, pane, lanes[lanes.length - 1]) + made.laneWidth / 2 - 2;
      const colour = /crash|power|host_loss/.test(window.kind) ? ink.bad : ink.warn;
      pen.globalAlpha = near ? 0.13 : 0.07;
      pen.fillStyle = colour;
      pen.fillRect(left, begins, Math.max(4, right - left), ends - begins);
      pen.globalAlpha = near ? 0.9 : 0.5;
      pen.fillRect(left, begins, 3, ends - begins);
      pen.globalAlpha = near ? 1 : 0.7;
      // Along the bar, where it can be seen.
      const seen = Math.min(bottom, ends) - Math.max(top, begins);
      const name = window.kind + " #" + window.occurrence;
      pen.font = "600 10.5px " + ink.sans;
      if (right - left > 14 && seen > pen.measureText(name).width + 12) {
        pen.save();
        pen.translate(left + 9, Math.max(top, begins) + 6);
        pen.rotate(Math.PI / 2);
        pen.textBaseline = "middle";
        pen.fillText(name, 0, 0);
        pen.restore();
      }
      pen.globalAlpha = 1;
    });
  });
}

function drawLanes(pen, made, pane, ink, top, bottom) {
  made.lanes.forEach((process, lane) => {
    const x = laneX(made, pane, lane);
    pen.setLineDash([2, 4]);
    stroke(pen, ink.faint, 1, [[x, top], [x, Math.min(bottom, made.height)]]);
    pen.setLineDash([]);
    pane.run.up[process].forEach((life) => {
      const from = Math.max(top, heightAt(made, life.from));
      const to = Math.min(bottom, heightAt(made, life.to));
      if (to > from) stroke(pen, ink.lane, 2, [[x, from], [x, to]]);
    });
  });
}

function drawArrows(pen, made, pane, ink, which, first, last, top, bottom) {
  const near = new Set();
  for (let index = first; index < last; index += 1) {
    const event = made.rows[index].events[which];
    if (!event) continue;
    near.add(event.i);
    pane.run.leads[event.i].forEach((end) => near.add(end));
  }
  const wanted = (arrow) => near.has(arrow.event.i) && arrow.end >= top && arrow.start <= bottom;
  pane.byEvent = pane.byEvent || new Map(pane.arrows.map((arrow) => [arrow.event.i, arrow]));
  const arrows = [...near].map((event) => pane.byEvent.get(event)).filter((arrow) => arrow && wanted(arrow));
  pane.long.filter((arrow) => !near.has(arrow.event.i) && arrow.start <= bottom && arrow.end >= top).forEach((arrow) => arrows.push(arrow));
  // The nearer to the evidence, the later drawn.
  arrows.sort((a, b) => a.event.z - b.event.z);
  arrows.forEach((arrow) => drawArrow(pen, made, pane, ink, arrow));
}

function drawArrow(pen, made, pane, ink, arrow) {
  const lost = arrow.event.w === "drop";
  const focus = state.selected && (arrow.event === state.selected || arrow.event.c === state.selected.i) && state.selected.run === pane.run;
  let [x0, y0, x1, y1] = [laneX(made, pane, arrow.from), arrow.start, laneX(made, pane, arrow.to), arrow.end];
  if (lost && y1 - y0 < made.row) {
    // Lost where it was sent: it never got far.
    [x1, y1] = [x0 + (x1 - x0) * 0.55, y0 + made.row * 0.35];
  }
  const colour = lost ? ink.warn : focus || arrow.event.z >= NEAR.direct ? ink.blue : ink.muted;
  pen.globalAlpha = focus || arrow.event.z >= NEAR.direct ? 1 : arrow.event.z ? 0.7 : 0.55;
  pen.setLineDash(lost ? [4, 3] : []);
  stroke(pen, colour, focus ? 2.4 : arrow.event.z >= NEAR.direct ? 1.8 : 1.1, [[x0, y0], [x1, y1]]);
  pen.setLineDash([]);
  if (lost) cross(pen, ink.warn, x1, y1, 4, 2);
  else if (made.row >= 5 && (x0 !== x1 || y0 !== y1)) head(pen, colour, x0, y0, x1, y1);
  pen.globalAlpha = 1;
}

function head(pen, colour, x0, y0, x1, y1) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  const tip = [x1 - 5 * Math.cos(angle), y1 - 5 * Math.sin(angle)];
  const wing = (turn) => [tip[0] - 7 * Math.cos(angle + turn), tip[1] - 7 * Math.sin(angle + turn)];
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(...tip);
  pen.lineTo(...wing(0.45));
  pen.lineTo(...wing(-0.45));
  pen.fill();
}

function drawEvents(pen, made, pane, ink, which, first, last) {
  let lastText = -Infinity;
  for (let index = first; index < last; index += 1) {
    const row = made.rows[index];
    const event = row.events[which];
    if (!event) continue;
    drawSign(pen, made, ink, event, eventX(made, pane, event), row.y);
    if (made.row >= 8 && made.laneWidth >= 30) drawEffects(pen, made, ink, event, eventX(made, pane, event), row.y);
    if (row.y - lastText >= 13) {
      drawText(pen, made, pane, ink, event, row.y);
      lastText = row.y;
    }
  }
}

/// The sign of what happened.
function drawSign(pen, made, ink, event, x, y) {
  const size = Math.max(1.5, Math.min(5, made.row / 3.2));
  const colour = { 3: ink.bad, 2: ink.blue, 1: ink.muted, 0: event.run && event.run.name === "passing" ? ink.text : ink.faint }[event.z];
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.8;
  const shape = {
    deliver: () => disc(pen, x, y, size, true),
    timer: () => { pen.fillStyle = ink.back; disc(pen, x, y, size, true); disc(pen, x, y, size - 0.6, false); },
    boot: () => { pen.fillStyle = ink.good; polygon(pen, x, y, size * 1.35, 3, -Math.PI / 2); },
    crash: () => cross(pen, ink.bad, x, y, size * 1.3, 2.6),
    halt: () => { pen.fillStyle = ink.bad; pen.fillRect(x - size, y - size, 2 * size, 2 * size); },
    drop: () => cross(pen, ink.warn, x, y, size * 0.8, 1.8),
    refuse: () => cross(pen, ink.warn, x, y, size, 2),
    strike: () => { pen.fillStyle = ink.warn; polygon(pen, x, y, size * 1.35, 4, 0); },
    relief: () => { pen.fillStyle = ink.back; pen.strokeStyle = ink.warn; polygon(pen, x, y, size * 1.2, 4, 0); pen.stroke(); },
  }[event.w];
  if (shape) shape();
  if (event.z === NEAR.evidence) {
    pen.strokeStyle = ink.bad;
    pen.lineWidth = 2;
    disc(pen, x, y, size + 4, false);
  }
}

/// Beside the sign, what the handler did to the disk and what it stated.
function drawEffects(pen, made, ink, event, x, y) {
  const all = event.f || [];
  const signs = ["error", "sync", "mark"].filter((what) => all.some((effect) => effect.w === what && !effect.x));
  signs.forEach((what, nth) => {
    const at = x + 10 + nth * 8;
    if (at - x > made.laneWidth / 2 + 6) return;
    if (what === "sync") {
      pen.fillStyle = ink.good;
      pen.fillRect(at - 1.5, y - 5, 3, 10);
    } else if (what === "mark") {
      pen.fillStyle = ink.violet;
      polygon(pen, at, y, 3.6, 4, 0);
    } else {
      pen.fillStyle = ink.bad;
      pen.font = "700 12px " + ink.sans;
      pen.textBaseline = "middle";
      pen.fillText("!", at - 2, y);
    }
  });
}

/// What happened, in words, right of the lanes.
function drawText(pen, made, pane, ink, event, y) {
  const left = pane.x + pane.lanesWidth + 12;
  const right = pane.x + pane.width - 14;
  if (right - left < 60) return;
  pen.save();
  pen.beginPath();
  pen.rect(left, y - 10, right - left, 20);
  pen.clip();
  pen.textBaseline = "middle";
  let x = left;
  const put = (text, font, colour) => {
    if (x >= right) return;
    pen.font = font;
    pen.fillStyle = colour;
    const words = fitted(pen, text, right - x);
    pen.fillText(words, x, y);
    x += words === text ? pen.measureText(text).width : right;
  };
  const quiet = event.run.name === "failing" && event.run.evidence.length > 0 && event.z < NEAR.direct;
  const name = event.p === undefined ? placeOf(event) : SHORT.processes[event.p];
  put(name + " ", (quiet ? "" : "600 ") + "12px " + ink.sans, event.z === NEAR.evidence ? ink.bad : quiet ? ink.muted : ink.text);
  const colour = { crash: ink.bad, halt: ink.bad, drop: ink.warn, strike: ink.warn, relief: ink.warn, boot: ink.good }[event.w];
  put(brief(event), "12px " + ink.sans, colour || (quiet ? ink.muted : ink.text));
  for (const [words, what, times] of effectWords(event)) {
    put("  " + words + (times > 1 ? " ×" + times : ""), "11.5px " + ink.sans, what === "taken" ? ink.faint : { error: ink.bad, sync: ink.good, mark: ink.violet, change: ink.muted }[what]);
  }
  pen.restore();
}

/// What a handler did, in few words; what it did several times in a row stands once.
function effectWords(event) {
  const all = [];
  for (const effect of event.f || []) {
    if (effect.w === "send" || effect.w === "read") continue;
    const plain = effect.w === "mark" ? effect.d.split(" ")[0] : effect.d.replace(/: .*\((E[A-Z]+)\)$/, ": $1");
    const words = effect.x ? "not " + plain : plain;
    const last = all[all.length - 1];
    if (last && last[0] === words) last[2] += 1;
    else all.push([words, effect.x ? "taken" : effect.w, 1]);
  }
  // What went wrong first: the row may have no room for the rest.
  return all.sort((a, b) => (b[1] === "error") - (a[1] === "error"));
}

/// The text, or as much of it as fits with three dots.
function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(text.slice(0, middle) + "…").width <= room) low = middle;
    else high = middle - 1;
  }
  return low > 2 ? text.slice(0, low) + "…" : "";
}

function drawTimes(pen, made, ink, first, last) {
  let lastText = -Infinity;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (let index = first; index < last; index += 1) {
    const row = made.rows[index];
    if (row.y - lastText < 13) continue;
    lastText = row.y;
    pen.font = "11px " + ink.mono;
    pen.fillStyle = ink.faint;
    pen.fillText(seconds(row.t), TIME_GUTTER - 12, row.y);
  }
  pen.textAlign = "left";
}

/// Where the two runs part.
function drawDifference(pen, made, ink) {
  if (!DATA.difference || made.panes.length < 2) return;
  const y = heightAt(made, DATA.difference.at) - made.row / 2 - 1;
  pen.setLineDash([6, 4]);
  stroke(pen, ink.magenta, 1.6, [[0, y], [made.width, y]]);
  pen.setLineDash([]);
  pen.font = "600 11px " + ink.sans;
  const words = "first difference";
  const wide = pen.measureText(words).width + 12;
  const x = made.panes[1].x - 6 - wide / 2;
  pen.fillStyle = ink.back;
  pen.fillRect(x, y - 9, wide, 18);
  pen.strokeStyle = ink.magenta;
  pen.lineWidth = 1;
  pen.strokeRect(x + 0.5, y - 8.5, wide - 1, 17);
  pen.fillStyle = ink.magenta;
  pen.textBaseline = "middle";
  pen.fillText(words, x + 6, y + 0.5);
}

/// The whole layout in a strip: density, crashes, evidence, the first difference and what is visible now.
function drawMap(pen, made, ink, width, height, top, seen) {
  const key = [ink.back, width, height].join();
  if (made.mapKey !== key) {
    made.mapKey = key;
    made.map = document.createElement("canvas");
    drawDensity(sized(made.map, width, height), made, ink, width, height);
  }
  pen.drawImage(made.map, 0, 0, width, height);
  const scale = height / Math.max(height, made.height);
  pen.fillStyle = ink.blue;
  pen.globalAlpha = 0.14;
  pen.fillRect(0, top * scale, width, Math.max(6, seen * scale));
  pen.globalAlpha = 1;
  pen.strokeStyle = ink.blue;
  pen.strokeRect(0.5, top * scale + 0.5, width - 1, Math.max(6, Math.min(height - top * scale, seen * scale)) - 1);
}

function drawDensity(pen, made, ink, width, height) {
  const scale = height / Math.max(height, made.height);
  const counts = new Float64Array(Math.ceil(height / 2) + 1);
  made.rows.forEach((row) => row.events.forEach(() => (counts[Math.floor((row.y * scale) / 2)] += 1)));
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  pen.fillStyle = ink.faint;
  counts.forEach((count, at) => pen.fillRect(8, at * 2, (width - 16) * Math.sqrt(count / most), 1.6));
  const flag = (time, colour, tall) => {
    pen.fillStyle = colour;
    pen.fillRect(0, heightAt(made, time) * scale - tall / 2, width, tall);
  };
  if (made.panes.length) made.panes[0].events.forEach((event) => event.w === "crash" && flag(event.t, ink.warn, 1.5));
  if (DATA.difference && RUNS.passing) flag(DATA.difference.at, ink.magenta, 2.5);
  if (state.view !== "passing") RUNS.failing.evidence.forEach((event) => flag(RUNS.failing.events[event].t, ink.bad, 3));
}

function stroke(pen, colour, width, points) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

function disc(pen, x, y, size, filled) {
  pen.beginPath();
  pen.arc(x, y, size, 0, 2 * Math.PI);
  if (filled) pen.fill();
  else pen.stroke();
}

function cross(pen, colour, x, y, size, width) {
  stroke(pen, colour, width, [[x - size, y - size], [x + size, y + size]]);
  stroke(pen, colour, width, [[x + size, y - size], [x - size, y + size]]);
}

function polygon(pen, x, y, size, corners, turn) {
  pen.beginPath();
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = turn + (2 * Math.PI * corner) / corners;
    const point = [x + size * Math.cos(angle), y + size * Math.sin(angle)];
    if (corner) pen.lineTo(...point);
    else pen.moveTo(...point);
  }
  pen.closePath();
  pen.fill();
}
