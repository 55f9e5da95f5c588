// The page of routes: reads routes.json once a second, and shows each route with its rates. A rate
// is the difference of two counts, so that all visitors of the page see the same.

const PERIOD_MS = 1000;
const $ = (id) => document.getElementById(id);
const counted = new Intl.NumberFormat("en");
const rated = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** The elements of each route, by its name. */
const shown = new Map();
let last = null;

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function size(bytes) {
  for (const [unit, bits] of [["GiB", 30], ["MiB", 20], ["KiB", 10]]) {
    if (bytes >= 2 ** bits) return `${rated.format(bytes / 2 ** bits)} ${unit}`;
  }
  return `${bytes} B`;
}

const time = (ms) => (ms < 1000 ? `${ms} ms` : `${rated.format(ms / 1000)} s`);
const sum = (requests, first, end) =>
  Object.entries(requests).reduce((all, [status, count]) => (status >= first && status < end ? all + count : all), 0);

/** The requests per second since the last reading, with a status from `first` to before `end`. */
function rate(route, before, seconds, first, end) {
  const old = before?.requests ?? route.requests;
  return Math.max(0, sum(route.requests, first, end) - sum(old, first, end)) / seconds;
}

/** The names and values of a route, in order. */
function facts(route, before, seconds) {
  const hits = Object.entries(route.limits_hit).map(([limit, count]) => `${limit} ${counted.format(count)}`);
  const per = (first, end) => `${rated.format(rate(route, before, seconds, first, end))}/s`;
  return [
    ["Requests", per(0, 600), "large"],
    ["4xx", per(400, 500), "large"],
    ["5xx", per(500, 600), "large"],
    ["Requests in all", counted.format(sum(route.requests, 0, 600))],
    ["Waiting", counted.format(route.requests_waiting)],
    ["Sandboxes", `${route.sandboxes_running} running, ${route.sandboxes_idle} idle`],
    ["Guaranteed, at most", `${route.sandboxes_share}, ${route.sandboxes_max}`],
    ["Memory reserved", size(route.memory_bytes)],
    ["Memory of a sandbox", size(route.sandbox_memory_bytes)],
    ["Deadline", time(route.deadline_ms)],
    ["Rate", route.rate ?? "no limit"],
    ["Requests per sandbox", counted.format(route.reuse)],
    ["Limits met", hits.join(", ") || "none", hits.length ? "failed" : ""],
  ];
}

/** The section of a route, made once. */
function section(route) {
  const made = element("section", "route");
  const note = element("div", "note");
  const place = element("p", "place");
  const component = element("p", "place");
  const digest = element("p", "place");
  note.append(element("h2", "", route.name), place, component, digest);
  const list = element("dl", "numbers");
  const work = element("div", "work");
  work.append(list);
  made.append(note, work);
  return { made, place, component, digest, list };
}

function show(route, before, seconds) {
  if (!shown.has(route.name)) shown.set(route.name, section(route));
  const { made, place, component, digest, list } = shown.get(route.name);
  place.textContent = (route.host ?? "") + route.path;
  component.textContent = route.component;
  digest.textContent = route.digest;
  const rows = facts(route, before, seconds).map(([name, value, kind = ""]) => {
    const row = element("div", "");
    row.append(element("dt", "", name), element("dd", kind, value));
    return row;
  });
  list.replaceChildren(...rows);
  return made;
}

async function read() {
  const response = await fetch("routes.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`The service returned status ${response.status}`);
  const now = performance.now();
  const routes = await response.json();
  const seconds = last ? (now - last.now) / 1000 : 1;
  const before = new Map(last?.routes.map((route) => [route.name, route]));
  const sections = routes.map((route) => show(route, before.get(route.name), seconds));
  for (const name of shown.keys()) {
    if (!routes.some((route) => route.name === name)) shown.delete(name);
  }
  $("routes").replaceChildren(...sections);
  last = { now, routes };
}

async function run() {
  for (;;) {
    if (!document.hidden) {
      try {
        await read();
        $("problem").hidden = true;
        $("state").dataset.state = "done";
        $("state").textContent = `${last.routes.length} ${last.routes.length === 1 ? "route" : "routes"}`;
      } catch (error) {
        last = null;
        $("problem").hidden = false;
        $("problem").textContent = `The routes cannot be read: ${error.message}`;
        $("state").dataset.state = "failed";
        $("state").textContent = "no connection";
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

run();
