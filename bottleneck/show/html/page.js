"use strict";
const report = JSON.parse(document.getElementById("report").textContent);
const $ = selector => document.querySelector(selector);

/* Everything from the report enters the page as text or as an attribute, never as markup. */
function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "text", "polyline", "circle", "clipPath", "rect"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const grouped = (value, digits) => value.toLocaleString("en-US", {maximumFractionDigits: digits});
const bytes = value => grouped(value, value < 100 ? 1 : 0);
const percent = value => (100 * value).toFixed(1);
const short = value => String(Number(value.toPrecision(3)));
const signed = value => (value >= 0 ? "+" : "−") + Math.abs(100 * value).toFixed(1);
const scaled = value => {
  const [unit, size] = [["G", 1e9], ["M", 1e6], ["K", 1e3], ["", 1]].find(([, size]) => value >= size || size === 1);
  return `${Number((value / size).toPrecision(3))} ${unit}`.trim();
};
const known = value => value !== null && value !== undefined;
const between = (interval, format) => known(interval) ? ` [${interval.map(format).join(", ")}]` : "";

const KINDS = {
  frontier: "Pareto frontier, chosen on held-out samples",
  trial: "other trials",
  trained: "trained bundles",
  untrained: "untrained codecs",
};
const SHAPES = {  // told apart by shape as well as by colour
  frontier: "M0-7 7 0 0 7-7 0Z", trained: "M0-7 7 0 0 7-7 0Z",
  trial: "M-4.6 0a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0-9.2 0", untrained: "M-4.2-4.2h8.4v8.4h-8.4Z",
};
const SYMBOLS = {latent_channels: "Cᵣ, latent channels", stride: "S, stride", step: "Q, step", log10_alpha: "α, task weight"};
const icon = kind => element("svg", {width: 16, height: 14, viewBox: "-8 -7 16 14", "aria-hidden": true},
  element("path", {d: SHAPES[kind], class: `mark ${kind}`}));

const metric = report.metric.replaceAll("_", " ");
const manyCuts = new Set(report.marks.map(mark => mark.split)).size > 1;
const details = mark => [
  ["Cᵣ", mark.latent_channels, String], ["S", mark.stride, String], ["Q", mark.step, short], ["α", mark.alpha, short],
  ["payload", mark.payload_bytes, v => `${bytes(v)} bytes` + (known(mark.payload_bytes_p95) ? ` (p95 ${bytes(mark.payload_bytes_p95)})` : "")],
  ["rate", mark.bpp, v => `${short(v)} bpp`],
  [metric, mark.value, v => `${percent(v)} %${between(mark.value_interval, percent)}`],
  ["drop", mark.drop, v => `${signed(v)} points${between(mark.drop_interval, signed)}`],
  ["device", mark.device_macs, v => `${scaled(v)} MACs` + (known(mark.encoder_macs) ? `, encoder ${scaled(mark.encoder_macs)}` : "")],
  ["device time", mark.device_ms, v => `${short(v)} ms`],
  ["cut at", manyCuts ? mark.split : null, String],
].filter(([, value]) => known(value)).map(([name, value, format]) => [name, format(value)]);

/* ---- the page's head ---- */
document.title = `${report.title} · bottleneck ${report.kind}`;
$(".eyebrow").textContent = `bottleneck · ${report.kind}`;
$("h1").textContent = report.title;
$("#about").textContent = report.about;
$("#tiles").append(...report.tiles.map(([label, value, note]) =>
  element("div", {class: "tile"}, element("span", {}, label), element("b", {}, value), element("span", {}, note))));
$("#chart-title").textContent = `${metric[0].toUpperCase()}${metric.slice(1)} against payload`;
$("#reading").textContent = "Payloads are bytes that were decoded again and fed to the tail, on average per image. Bars and brackets are 95 % intervals; "
  + "a drop is paired with the frozen network on the same images. Hover, or press Tab and then the arrow keys.";

/* ---- the chart ---- */
const marks = report.marks.filter(mark => known(mark.payload_bytes))
  .sort((a, b) => a.payload_bytes - b.payload_bytes || a.value - b.value);
const lowest = Math.min(...marks.map(mark => mark.value));
const NEAR = 0.1;  // "near" shows this much below the frozen network
const shown = {near: false};
const kinds = Object.keys(KINDS).filter(kind => marks.some(mark => mark.kind === kind));
$(".legend").append(...kinds.map(kind => element("span", {}, icon(kind), KINDS[kind])));
let current = null, drawn = null;

function logTicks(low, high) {
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5], ticks = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++)
    for (const step of steps) ticks.push(step * 10 ** decade);
  return ticks.filter(tick => tick >= low && tick <= high);
}

function linearTicks(low, high) {
  const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough);
  return Array.from({length: 20}, (_, i) => (Math.ceil(low / step) + i) * step).filter(tick => tick <= high);
}

function draw() {
  const width = Math.max(300, $("#chart").clientWidth), height = Math.min(500, Math.max(320, width * 0.46));
  const box = {left: 50, right: width - 14, top: 14, bottom: height - 46};
  const positive = marks.map(mark => mark.payload_bytes).filter(size => size > 0);
  const low = Math.min(...positive, 10) / 1.35, high = Math.max(...positive, 10) * 1.5;
  const top = Math.max(report.baseline, ...marks.map(mark => mark.value));
  const bottom = shown.near ? report.baseline - NEAR : Math.min(lowest, report.baseline - 0.01);
  const pad = 0.06 * (top - bottom);
  const x = size => box.left + Math.log(Math.max(size, low) / low) / Math.log(high / low) * (box.right - box.left);
  const y = value => box.bottom - (value - bottom + pad) / (top - bottom + 2 * pad) * (box.bottom - box.top);
  const inside = marks.filter(mark => mark.value >= bottom - pad);

  const svg = element("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "group",
    "aria-label": `${metric} against payload in bytes, ${inside.length} points; arrow keys go from point to point`});
  const axes = element("g", {"aria-hidden": true});
  for (const tick of linearTicks(bottom - pad, top + pad))
    axes.append(element("line", {class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick)}),
      element("text", {x: box.left - 9, y: y(tick) + 4, "text-anchor": "end"}, `${Number((100 * tick).toFixed(3))}`));
  for (const tick of logTicks(low, high))
    axes.append(element("line", {class: "grid minor", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom}),
      element("text", {x: x(tick), y: box.bottom + 19, "text-anchor": "middle"}, grouped(tick, 3)));
  axes.append(
    element("text", {class: "title", x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle"}, "payload, bytes per image (log axis)"),
    element("text", {class: "title", transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle"}, `${metric}, %`),
    element("line", {class: "frozen", x1: box.left, x2: box.right, y1: y(report.baseline), y2: y(report.baseline)}),
    element("text", {x: box.left + 8, y: y(report.baseline) - 6}, `frozen network ${percent(report.baseline)} %`));

  const plot = element("g", {"clip-path": "url(#plot)", "aria-hidden": true});
  for (const name of new Set(marks.map(mark => mark.curve).filter(known))) {
    const joined = marks.filter(mark => mark.curve === name);
    plot.append(element("polyline", {class: `curve ${joined[0].kind}`, points: joined.map(mark => `${x(mark.payload_bytes)},${y(mark.value)}`).join(" ")}));
  }
  for (const mark of inside)
    if (["frontier", "trained"].includes(mark.kind) && known(mark.value_interval))
      plot.append(element("line", {class: "whisker", x1: x(mark.payload_bytes), x2: x(mark.payload_bytes), y1: y(mark.value_interval[0]), y2: y(mark.value_interval[1])}));
  const cross = element("g", {"aria-hidden": true});
  const points = element("g");
  for (const mark of [...inside].sort((a, b) => (a.kind === "frontier") - (b.kind === "frontier"))) {
    const place = element("path", {d: SHAPES[mark.kind], class: `mark ${mark.kind}`, transform: `translate(${x(mark.payload_bytes)} ${y(mark.value)})`,
      role: "img", "aria-label": `${mark.name}: ${details(mark).map(pair => pair.join(" ")).join("; ")}`, tabindex: mark === (current ?? inside[0]) ? 0 : -1});
    place.addEventListener("focus", () => show(mark));
    place.addEventListener("blur", hide);
    points.append(place);
    mark.place = place;
  }
  svg.append(element("clipPath", {id: "plot"}, element("rect", {x: box.left, y: box.top - 8, width: box.right - box.left + 8, height: box.bottom - box.top + 8})),
    axes, plot, points, ...labels(inside, x, y, box), cross);
  svg.addEventListener("pointermove", event => near(event));
  svg.addEventListener("pointerdown", event => near(event));
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1}[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    const next = inside[(inside.indexOf(current) + step + inside.length) % inside.length];
    inside.forEach(mark => mark.place.setAttribute("tabindex", mark === next ? 0 : -1));
    next.place.focus();
  });
  $("#chart svg")?.remove();
  $("#chart").prepend(svg);
  drawn = {cross, inside, x, y, box, width};
  if (!$("#tip").hidden) show(current);

  function near(event) {
    const frame = svg.getBoundingClientRect();
    const away = mark => Math.hypot(x(mark.payload_bytes) - event.clientX + frame.left, y(mark.value) - event.clientY + frame.top);
    const closest = inside.reduce((best, mark) => away(mark) < away(best) ? mark : best, inside[0]);
    if (closest && away(closest) < 40) show(closest); else hide();
  }
}

/* Names beside the untrained methods, where there is room for them. */
function labels(inside, x, y, box) {
  const taken = inside.map(mark => [x(mark.payload_bytes) - 7, y(mark.value) - 7, 14, 14]);
  taken.push([box.left, y(report.baseline) - 18, 170, 18]);
  const free = ([left, top, width, height]) => left >= box.left && left + width <= box.right + 10 && top >= box.top - 8 && top + height <= box.bottom
    && taken.every(([l, t, w, h]) => left > l + w || l > left + width || top > t + h || t > top + height);
  const texts = [];
  for (const mark of inside.filter(mark => mark.kind === "untrained")) {
    const width = 6.1 * mark.name.length, [h, v] = [x(mark.payload_bytes), y(mark.value)];
    const spot = [[h - width / 2, v + 8], [h - width / 2, v - 21], [h + 9, v - 7], [h - 9 - width, v - 7]].find(([left, top]) => free([left, top, width, 13]));
    if (!spot) continue;
    taken.push([...spot, width, 13]);
    texts.push(element("text", {class: "name", x: spot[0], y: spot[1] + 10, "aria-hidden": true}, mark.name));
  }
  return texts;
}

function show(mark) {
  current = mark;
  const {cross, x, y, box, width} = drawn, [h, v] = [x(mark.payload_bytes), y(mark.value)];
  cross.replaceChildren(
    element("line", {class: "cross", x1: h, x2: h, y1: v + 10, y2: box.bottom}), element("line", {class: "cross", x1: box.left, x2: h - 10, y1: v, y2: v}),
    element("circle", {class: "ring", cx: h, cy: v, r: 10}));
  const tip = $("#tip");
  tip.replaceChildren(element("b", {}, mark.name), element("dl", {}, ...details(mark).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])));
  tip.hidden = false;
  // To the right of the mark, else to its left, and below its neighbours; where neither has room, below the chart.
  const left = [h + 18, h - 18 - tip.offsetWidth].find(side => side >= 0 && side + tip.offsetWidth <= width);
  const down = left === undefined ? box.bottom + 24 : Math.max(0, Math.min(v + 14, box.bottom - tip.offsetHeight + 40));
  tip.style.transform = `translate(${left ?? 0}px, ${down}px)`;
  for (const other of report.marks) other.line.classList.toggle("lit", other === mark);
}

function hide() {
  $("#tip").hidden = true;
  drawn.cross.replaceChildren();
  current?.line.classList.remove("lit");
}

/* ---- the table ---- */
const COLUMNS = [
  ["method", mark => mark.name, null],
  ["cut at", mark => manyCuts ? mark.split : null, null],
  ["Cᵣ", mark => mark.latent_channels, String],
  ["S", mark => mark.stride, String],
  ["Q", mark => mark.step, short],
  ["α", mark => mark.alpha, short],
  ["bytes", mark => mark.payload_bytes, bytes],
  ["bpp", mark => mark.bpp, short],
  [`${metric}, %`, mark => mark.value, percent],
  ["drop, points", mark => mark.drop, signed, mark => between(mark.drop_interval, signed)],
  ["device MACs", mark => mark.device_macs, scaled],
  ["device ms", mark => mark.device_ms, short],
].filter(([, value]) => report.marks.some(mark => known(value(mark))));

for (const mark of report.marks) {
  mark.line = element("tr", {}, ...COLUMNS.map(([, value, format, more], column) => {
    const found = value(mark), cell = element("td", format ? {} : {class: "text"});
    if (column === 0) cell.append(icon(mark.kind));
    if (known(found)) cell.append(format ? format(found) : found, more ? element("small", {}, more(mark)) : "");
    return cell;
  }));
  mark.line.addEventListener("pointerenter", () => drawn.inside.includes(mark) && show(mark));
  mark.line.addEventListener("pointerleave", hide);
}

const heads = COLUMNS.map(([name, value, format]) => {
  const button = element("button", {type: "button"}, name), head = element("th", {scope: "col", "aria-sort": "none", class: format ? "" : "text"}, button);
  head.value = value;
  button.addEventListener("click", () => sort(head, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending"));
  return head;
});

function sort(head, order) {
  heads.forEach(other => other.setAttribute("aria-sort", other === head ? order : "none"));
  const sign = order === "ascending" ? 1 : -1;
  const compare = (a, b) => typeof a === "string" ? a.localeCompare(b, "en", {numeric: true}) : a - b;
  const last = mark => known(head.value(mark)) ? 0 : 1;  // what has no value stays at the end, either way
  const sorted = [...report.marks].sort((a, b) => last(a) - last(b) || (last(a) ? 0 : sign * compare(head.value(a), head.value(b))));
  $("tbody").append(...sorted.map(mark => mark.line));
}
$("thead tr").append(...heads);
sort(heads[COLUMNS.findIndex(([name]) => name === "bytes")] ?? heads[0], "ascending");

/* ---- importances and origin ---- */
if (report.importances) {
  const card = $("#importances");
  card.hidden = false;
  for (const [objective, shares] of Object.entries(report.importances.shares))
    card.append(element("h3", {}, objective), ...Object.entries(shares).map(([name, share]) => element("div", {class: "share"},
      element("span", {}, SYMBOLS[name] ?? name), element("i", {style: `--share: ${100 * share}%`, "aria-hidden": true}), element("span", {}, `${Math.round(100 * share)} %`))));
  card.append(element("p", {class: "note"}, report.importances.note));
}
$("#origin").append(element("pre", {}, report.command), element("dl", {class: "versions"},
  ...Object.entries(report.versions).flatMap(([name, version]) => [element("dt", {}, name), element("dd", {}, version)])));
if (report.settings)
  $("#origin").append(element("details", {}, element("summary", {}, "Settings"), element("pre", {}, report.settings)));

/* ---- the vertical range ---- */
if (lowest < report.baseline - NEAR)
  for (const [name, close] of [["everything", false], ["10 points below frozen", true]]) {
    const button = element("button", {type: "button", "aria-pressed": !close}, name);
    button.addEventListener("click", () => {
      shown.near = close;
      for (const other of $(".range").children) other.setAttribute("aria-pressed", other === button);
      hide();
      current = null;
      draw();
    });
    $(".range").append(button);
  }
else $(".range").remove();
new ResizeObserver(() => { if (drawn?.width !== Math.max(300, $("#chart").clientWidth)) draw(); }).observe($("#chart"));
draw();
