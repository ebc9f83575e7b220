"use strict";
// The journal's records arrive a few times a second and are drawn; names and answers stay text.

const WINDOW = 120, ROWS = 8, PERIOD = 400;
const find = id => document.getElementById(id);
const seen = [];
let last = 0, failures = 0, shownFeature = null, changing = false;

const number = (value, digits = 1) => value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
const median = values => values.length ? [...values].sort((a, b) => a - b)[values.length >> 1] : null;
const known = (records, key) => records.map(record => record[key]).filter(value => value != null);
const say = (id, text) => { find(id).textContent = text; };

function bandwidthText(value) {
  if (value == null) return "–";
  return value >= 1e6 ? `${number(value / 1e6)} MB/s` : `${number(value / 1e3)} kB/s`;
}

function answerText(record, count) {
  if (record.dropped) return `${count > 1 ? `${count} frames ` : ""}dropped: ${record.reason}`;
  const answer = record.answer || {};
  const filled = (record.concealed ? ` (${number(100 * record.concealed, 0)} % concealed)` : "") + (record.asked_again ? " (asked again)" : "");
  if (answer.top) return answer.top.slice(0, 2).map(top => `class ${top.class}, ${number(100 * top.score, 0)} %`).join("; ") + filled;
  if (answer.objects) return `${answer.objects.length} objects${filled}`;
  return (answer.mask ? "a mask" : "an output") + filled;
}

function tiles(state) {
  const answered = seen.filter(record => !record.dropped), recent = answered.slice(-30);
  const newest = answered[answered.length - 1];
  say("title", state.title);
  say("strategy", newest ? newest.strategy || newest.device || "–" : "–");
  say("switches", `${state.switches} switches`);
  say("bandwidth", bandwidthText(newest && newest.bandwidth));
  say("age", `${number(median(known(recent, "age_ms").length ? known(recent, "age_ms") : known(recent, "server_ms")))} ms`);
  say("parts", ["device", "link", "server"].map(part => `${part} ${number(median(known(recent, `${part}_ms`)))}`).join(" · "));
  say("bytes", number(median(known(recent, "bytes")), 0));
  const span = recent.length > 1 ? recent[recent.length - 1].time - recent[0].time : 0;
  say("fps", span > 0 ? number((recent.length - 1) / span) : "–");
  say("rate", span > 0 ? `${number(known(recent, "bytes").reduce((a, b) => a + b, 0) / span, 0)} bytes a second` : "");
  const cut = seen.filter(record => record.packets != null && record.lost_packets != null), sum = key => known(cut, key).reduce((a, b) => a + b, 0);
  find("losses").hidden = !cut.length;
  if (cut.length) {
    say("concealed", `${number(100 * known(cut, "concealed").filter(share => share > 0).length / cut.length, 0)} %`);
    say("lost", `of frames; ${number(sum("lost_packets"), 0)} of ${number(sum("packets"), 0)} packets lost`);
  }
  say("frames", `${state.frames} frames`);
  say("drops", number(state.drops, 0));
  say("share", state.frames ? `${number(100 * state.drops / state.frames)} %` : "");
}

// Frames that were dropped one after another for one reason are a row, so that answers stay in sight.
function merged() {
  const found = [];
  for (const record of seen) {
    const before = found[found.length - 1];
    if (record.dropped && before && before.record.dropped && before.record.reason === record.reason)
      found[found.length - 1] = { record, count: before.count + 1 };
    else found.push({ record, count: 1 });
  }
  return found.slice(-ROWS).reverse();
}

function rows() {
  const body = find("rows");
  body.replaceChildren(...merged().map(({ record, count }) => {
    const row = document.createElement("tr");
    row.className = record.dropped ? "dropped" : record.concealed ? "concealed" : "";
    const cells = [record.id, null, answerText(record, count), record.strategy || record.split || "", record.age_ms == null ? "" : `${number(record.age_ms)} ms`];
    cells.forEach((text, index) => {
      const cell = row.insertCell();
      if (index !== 1) { cell.textContent = text; return; }
      if (record.dropped || record.withoutImage) return;
      const image = new Image();
      image.alt = "";
      image.onerror = () => { record.withoutImage = true; image.remove(); };
      image.src = `image/${record.number}.png`;
      cell.append(image);
    });
    return row;
  }));
}

function canvas(id) {
  const element = find(id), ratio = window.devicePixelRatio || 1;
  const width = element.clientWidth, height = element.clientHeight;
  element.width = width * ratio; element.height = height * ratio;
  const pen = element.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  return [pen, width, height];
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

function bars(id, parts, unit) {
  const [pen, width, height] = canvas(id), records = seen.slice(-WINDOW), step = width / WINDOW;
  const total = record => parts.reduce((sum, part) => sum + (record[part.key] || 0), 0);
  const most = Math.max(1e-9, ...records.map(total));
  records.forEach((record, index) => {
    const x = width - (records.length - index) * step;
    if (record.dropped) { pen.fillStyle = colour("drop"); pen.fillRect(x, height - 3, step - 0.5, 3); return; }
    let y = height;
    for (const part of parts) {
      const size = (record[part.key] || 0) / most * (height - 18);
      pen.fillStyle = colour(part.colour);
      pen.fillRect(x, y - size, step - 0.5, size);
      y -= size;
    }
  });
  pen.fillStyle = colour("muted");
  if (records.length) pen.fillText(`${number(most)} ${unit}`, 0, 11);
}

function line(id, key) {
  const [pen, width, height] = canvas(id), records = seen.slice(-WINDOW).filter(record => record[key] != null);
  const most = Math.max(1e-9, ...records.map(record => record[key]));
  pen.strokeStyle = colour("link"); pen.lineWidth = 1.6; pen.beginPath();
  records.forEach((record, index) => pen.lineTo(width * index / Math.max(1, records.length - 1), height - 2 - record[key] / most * (height - 20)));
  pen.stroke();
  pen.fillStyle = colour("muted");
  if (records.length) pen.fillText(bandwidthText(most), 0, 11);
}

function feature(state) {
  if (state.feature === shownFeature || state.feature == null) return;
  shownFeature = state.feature;
  find("no-feature").hidden = true;
  find("feature").hidden = false;
  find("feature").src = `feature.png?${state.feature}`;
}

function link(state) {
  find("link").hidden = state.link == null;
  if (state.link == null || changing) return;
  find("bandwidth-slider").value = Math.log10(Math.max(100, state.link.bandwidth));
  find("rtt-slider").value = 1000 * state.link.rtt;
  say("bandwidth-set", bandwidthText(state.link.bandwidth));
  say("rtt-set", `${number(1000 * state.link.rtt, 0)} ms`);
}

async function setLink() {
  const lowest = find("bandwidth-slider").value <= find("bandwidth-slider").min;  // the left end is a dead link
  const wanted = { bandwidth: lowest ? 0 : 10 ** find("bandwidth-slider").value, rtt: find("rtt-slider").value / 1000 };
  await fetch("link", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) });
  changing = false;
}

for (const id of ["bandwidth-slider", "rtt-slider"]) {
  find(id).addEventListener("input", () => { changing = true; });
  find(id).addEventListener("change", setLink);
}
for (const [name, text] of [["device", "device"], ["link", "link"], ["server", "server"], ["drop", "dropped"]]) {
  const entry = document.createElement("span");
  entry.className = name;
  entry.append(document.createElement("i"), text);
  find("legend").append(entry);
}

async function follow() {
  try {
    const state = await (await fetch(`state?since=${last}`)).json();
    seen.push(...state.seen);
    seen.splice(0, seen.length - 600);
    if (state.seen.length) last = seen[seen.length - 1].number;
    failures = 0;
    tiles(state); link(state); feature(state);
    if (state.seen.length) {
      rows();
      bars("latency", [{ key: "device_ms", colour: "device" }, { key: "link_ms", colour: "link" }, { key: "server_ms", colour: "server" }], "ms");
      bars("sizes", [{ key: "bytes", colour: "server" }], "bytes");
      line("bandwidths", "bandwidth");
    }
  } catch (error) {
    failures += 1;
  }
  find("alive").className = `muted${failures ? " lost" : ""}`;
  say("alive", failures ? "The process that this page shows does not answer." : "live");
  setTimeout(follow, PERIOD);
}
follow();
