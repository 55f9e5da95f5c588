// Live metrics of the service: throughput, latency and sandboxes, from the difference of two
// readings of /metrics. Follows bars.js; the last file of the script.

const SPAN_MS = 60_000;
const POLL_MS = 1000;
const HEIGHT = 100;
const WIDTH = 300;

const seconds = (value) => duration(value == null ? null : value * 1000);
const perSecond = (value) => (value == null ? "–" : value >= 100 ? counted.format(Math.round(value)) : value.toFixed(value === 0 ? 0 : 1));
const whole = (value) => (value == null ? "–" : counted.format(Math.round(value)));

// The first series of a chart is solid, and the second dashed. Latency has a logarithmic scale,
// since a linear one would show the median as 0.
const CHARTS = [
  { title: "Throughput", series: [["rate", "requests a second"]], write: perSecond, least: 1 },
  { title: "Latency", series: [["p50", "median"], ["p99", "99th percentile"]], write: seconds, least: 0.001, decades: true },
  { title: "Sandboxes", series: [["live", "live"], ["queue", "jobs queued"]], write: whole, least: 1 },
];

let samples = [];
let before = null;
let paused = false;
let poll = null;

/** The lines of the Prometheus text as name, labels and value. */
function* metrics(text) {
  for (const line of text.split("\n")) {
    const parts = line.match(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    yield [parts[1], labels, parts[3] === "+Inf" ? Infinity : Number(parts[3])];
  }
}

/** One reading of the requests of all clients, without the readings. */
function reading(text) {
  const now = { at: performance.now(), requests: 0, below: new Map(), build: {} };
  for (const [name, labels, value] of metrics(text)) {
    if (labels.route === "/metrics") continue;
    if (name === "cocoon_http_requests_total") now.requests += value;
    else if (name === "cocoon_http_request_duration_seconds_bucket") {
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      now.below.set(bound, (now.below.get(bound) ?? 0) + value);
    } else if (name === "cocoon_build_info") now.build = labels;
    else now[name] = value;
  }
  return now;
}

/** A quantile of the requests between two readings, interpolated linearly within a bucket. */
function quantile(q, now, then) {
  const bounds = [...now.below.keys()].sort((a, b) => a - b);
  const grown = bounds.map((bound) => now.below.get(bound) - (then.below.get(bound) ?? 0));
  const rank = q * (grown.at(-1) ?? 0);
  if (!(rank > 0)) return null;
  const at = grown.findIndex((count) => count >= rank);
  const [low, under] = at > 0 ? [bounds[at - 1], grown[at - 1]] : [0, 0];
  // Above the last bound, the bound is the best estimate.
  return bounds[at] === Infinity ? low : low + (bounds[at] - low) * ((rank - under) / (grown[at] - under));
}

function sample(now, then) {
  // Counters that decrease are those of a restarted service.
  const counts = then && now.requests >= then.requests;
  return {
    at: now.at,
    rate: counts ? (now.requests - then.requests) / ((now.at - then.at) / 1000) : null,
    p50: counts ? quantile(0.5, now, then) : null,
    p99: counts ? quantile(0.99, now, then) : null,
    live: now.cocoon_sandboxes_live ?? null,
    queue: now.cocoon_queue_length ?? null,
  };
}

/** The next of 1, 2, 5, 10, 20, 50, …, so that the scale seldom changes. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.999);
}

const element = (parent, name, className, text = "") => {
  const child = document.createElement(name);
  child.className = className;
  child.textContent = text;
  parent.append(child);
  return child;
};

function svg(parent, name, attributes) {
  const child = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
  parent.append(child);
  return child;
}

function build(chart) {
  const figure = element($("charts"), "figure", "chart");
  const caption = element(figure, "figcaption", "");
  element(caption, "h3", "", chart.title);
  const values = element(caption, "p", "values");
  chart.now = chart.series.map(([, label], i) => {
    const value = element(values, "span", "value");
    const line = svg(value, "svg", { viewBox: "0 0 18 6", class: `key line-${i}`, "aria-hidden": "true" });
    svg(line, "path", { d: "M1 3H17" });
    const number = element(value, "b", "", "–");
    element(value, "span", "unit", label);
    return number;
  });
  const plot = element(figure, "div", "plot");
  chart.top = element(plot, "span", "top");
  chart.picture = svg(plot, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  chart.bottom = element(plot, "span", "bottom");
  chart.grid = svg(chart.picture, "path", { class: "grid" });
  chart.area = svg(chart.picture, "path", { class: "area" });
  chart.lines = chart.series.map((_, i) => svg(chart.picture, "path", { class: `line line-${i}` }));
  const axis = element(figure, "p", "axis");
  axis.setAttribute("aria-hidden", "true");
  element(axis, "span", "", "60 s ago");
  element(axis, "span", "", "now");
}

/** The scale of a chart: the height of a value, and the values of grid lines. */
function scale({ least, decades }, known) {
  const height = (part) => (HEIGHT - 1 - (HEIGHT - 2) * Math.max(0, part)).toFixed(1);
  if (!decades) {
    const most = ceiling(Math.max(least, ...known));
    return { y: (value) => height(value / most), most, floor: 0, steps: [0, most / 2, most] };
  }
  const high = Math.ceil(Math.log10(Math.max(least, ...known)) - 1e-9);
  const low = Math.min(high - 2, Math.floor(Math.log10(Math.max(1e-6, Math.min(least, ...known))) + 1e-9));
  const steps = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { y: (value) => height((Math.log10(value) - low) / (high - low)), most: 10 ** high, floor: 10 ** low, steps };
}

function draw(chart) {
  const known = chart.series.flatMap(([name]) => samples.map((one) => one[name])).filter((value) => value != null);
  const { y, most, floor, steps } = scale(chart, known);
  const end = samples.at(-1)?.at ?? 0;
  const x = (one) => (WIDTH * (1 - (end - one.at) / SPAN_MS)).toFixed(1);
  chart.top.textContent = known.length ? chart.write(most) : "";
  chart.bottom.textContent = known.length && floor ? chart.write(floor) : "";
  chart.grid.setAttribute("d", steps.map((step) => `M0 ${y(step)}H${WIDTH}`).join(""));
  chart.series.forEach(([name], i) => {
    let line = "";
    let area = "";
    let from = null;
    samples.forEach((one, at) => {
      if (one[name] == null) return;
      const point = `${x(one)} ${y(one[name])}`;
      if (samples[at - 1]?.[name] == null) from = x(one);
      line += `${from === x(one) ? "M" : "L"}${point}`;
      area += `${from === x(one) ? `M${from} ${HEIGHT}L` : "L"}${point}`;
      if (samples[at + 1]?.[name] != null) return;
      // A reading between two gaps is a point.
      line += "h.01";
      area += `V${HEIGHT}H${from}Z`;
    });
    chart.lines[i].setAttribute("d", line);
    if (i === 0) chart.area.setAttribute("d", area);
    chart.now[i].textContent = chart.write(samples.at(-1)?.[name]);
  });
  const summary = chart.series.map(([name, label]) => {
    const values = samples.map((one) => one[name]).filter((value) => value != null);
    return `${label} now ${chart.write(samples.at(-1)?.[name])}, at most ${chart.write(values.length ? Math.max(...values) : null)}`;
  });
  chart.picture.setAttribute("aria-label", `${chart.title} in the last sixty seconds: ${summary.join("; ")}`);
}

function drawTable() {
  if (!$("table-details").open) return;
  const end = samples.at(-1)?.at ?? 0;
  $("rows").replaceChildren(...samples.slice(-10).reverse().map((one) => {
    const row = document.createElement("tr");
    const cells = [Math.round((end - one.at) / 1000), perSecond(one.rate), seconds(one.p50), seconds(one.p99), whole(one.live), whole(one.queue)];
    for (const text of cells) element(row, "td", "", text);
    return row;
  }));
}

function drawHouse(now) {
  const facts = [];
  const { cocoon_sandboxes_max: most, cocoon_sandbox_memory_bytes: memory, cocoon_sandbox_memory_max_bytes: all } = now;
  if (most != null) facts.push(`Room for ${plural(most, "sandbox", "sandboxes")}`);
  if (all != null) facts.push(`${bytes(memory ?? 0)} of ${bytes(all)} promised to sandboxes`);
  if (now.process_resident_memory_bytes != null) facts.push(`${bytes(now.process_resident_memory_bytes)} resident in all`);
  $("house").textContent = facts.join(" · ");
  const { version, component } = now.build;
  $("build").textContent = version ? `Cocoon ${version}, component ${component}` : "";
}

async function readMetrics() {
  let trouble = null;
  try {
    // The timeout does not include the time to enter a token.
    await asking;
    const response = await ask("metrics", "text/plain", AbortSignal.timeout(5 * POLL_MS), true);
    const now = reading(await response.text());
    samples.push(sample(now, before));
    before = now;
    drawHouse(now);
  } catch (error) {
    trouble = error instanceof Problem ? error : new Problem("No metrics received", "The service did not answer within five seconds.");
    before = null;
    samples.push({ at: performance.now() });
  }
  if ($("charts-problem").hidden === Boolean(trouble)) show($("charts-problem"), trouble);
  samples = samples.filter((one) => one.at > performance.now() - SPAN_MS - POLL_MS);
  CHARTS.forEach(draw);
  drawTable();
}

/** Reads once a second while the page is visible, and starts again after a break. */
async function watch() {
  if (poll || paused || document.hidden) return;
  before = null;
  if (samples.length) samples.push({ at: performance.now() });
  const mine = {};
  poll = mine;
  while (poll === mine) {
    const next = performance.now() + POLL_MS;
    await readMetrics();
    await sleep(Math.max(POLL_MS / 4, next - performance.now()));
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) poll = null;
  else watch();
});
$("pause").addEventListener("click", ({ target }) => {
  paused = !paused;
  target.textContent = paused ? "Resume" : "Pause";
  if (paused) poll = null;
  else watch();
});
$("table-details").addEventListener("toggle", drawTable);

CHARTS.forEach(build);
CHARTS.forEach(draw);
showFields();
prepare($("last").valueAsNumber || 10);
fromHash();
watch();
