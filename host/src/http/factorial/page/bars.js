// Many sandboxes, with one bar for each. Follows number.js.

/** The least width of a bar with its gap. Narrower bars are arranged in rows. */
const BAR_PX = 7;

let listing = null;

/** Reads server-sent events from a stream, whose errors an EventSource would hide. */
async function* events(response, signal, summary) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of chunks(response, signal, summary)) {
    rest += decoder.decode(part, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split(/\r?\n/)) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        if (line.startsWith("data:")) data.push(line.slice(5));
      }
      if (data.length) yield [name, JSON.parse(data.join("\n"))];
    }
  }
}

/** Shows bars for 1! to `last`! before any request. */
function prepare(last) {
  listing?.stop.abort();
  const mine = {
    last, stop: new AbortController(), jobs: [], active: 0, finished: false,
    counts: { idle: last, queued: 0, running: 0, done: 0, failed: 0, stopped: 0 },
  };
  listing = mine;
  const box = $("bars");
  // Before its digits arrive, the height of a bar follows from the logarithm of n!.
  let log = 0;
  for (let n = 1; n <= last; n += 1) {
    log += Math.log10(n);
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.id = `bar-${n}`;
    bar.setAttribute("role", "option");
    bar.setAttribute("aria-selected", "false");
    mine.jobs[n] = { n, bar, state: "idle", size: Math.floor(log + 1e-9) + 1 };
  }
  for (const job of mine.jobs.slice(1)) {
    job.bar.style.setProperty("--part", job.size / mine.jobs[last].size);
    mark(mine, job, "idle", true);
  }
  box.replaceChildren(...mine.jobs.slice(1).map((job) => job.bar));
  box.removeAttribute("aria-activedescendant");
  box.setAttribute("aria-label", `Sandboxes of 1! to ${last}!`);
  layBars();
  show($("bars-problem"), null);
  paintBars(mine);
  return mine;
}

async function startBars(last) {
  const mine = prepare(last);
  mine.began = performance.now();
  for (const job of mine.jobs.slice(1)) mark(mine, job, "queued");
  paintBars(mine);
  say(`Started ${plural(last, "sandbox", "sandboxes")}`);
  const { signal } = mine.stop;
  const summary = () => `Received ${counted.format(mine.counts.done)} of ${plural(last, "number")}.`;
  const ticker = setInterval(() => paintBars(mine), PAINT_MS);
  try {
    const response = await ask(`factorials/${last}`, "text/event-stream", signal);
    for await (const [name, data] of events(response, signal, summary)) {
      if (name === "state") mark(mine, mine.jobs[data.n], data.state);
      if (name === "result") {
        const job = mine.jobs[data.n];
        if (job) Object.assign(job, { value: data.value, size: data.digits, us: data.elapsed_us });
        mark(mine, job, "done", true);
      }
      if (name === "failed") throw new Problem(data.title, data.detail, data);
      if (name === "done") mine.finished = data.count === last;
    }
    if (!mine.finished) throw new Problem("The answer is incomplete", summary());
  } catch (error) {
    mine.problem = signal.aborted ? null : error;
  }
  // Running sandboxes failed, and queued ones did not start.
  for (const job of mine.jobs.slice(1)) {
    if (job.state !== "done") mark(mine, job, mine.problem && job.state === "running" ? "failed" : "stopped");
  }
  mine.ended = performance.now();
  clearInterval(ticker);
  if (listing !== mine) return;
  paintBars(mine);
  show($("bars-problem"), mine.problem);
  if (!mine.problem) say($("bars-state").textContent);
}

function mark(mine, job, state, again = false) {
  if (!job || (job.state === state && !again) || !(state in mine.counts)) return;
  mine.counts[job.state] -= 1;
  mine.counts[state] += 1;
  job.state = state;
  job.bar.dataset.state = state;
  job.bar.setAttribute("aria-label", described(job).join(", "));
  if (current() === job) read(job);
}

function described({ n, value, size, us, state }) {
  const digits = plural(size, "digit");
  const time = us == null ? [] : [`in ${duration(us / 1000)}`];
  const now = { idle: "not started", queued: "queued", failed: "failed", stopped: "not computed" }[state];
  if (value == null) return [`${n}!`, now ?? state, digits];
  return [`${n}! = ${value.length > 48 ? `${value.slice(0, 24)}…${value.slice(-12)}` : value}`, digits, [state, ...time].join(" ")];
}

/** Arranges the bars in columns: all of them, or a round number. */
function layBars() {
  const box = $("bars");
  if (!listing) return;
  const room = Math.floor(box.clientWidth / BAR_PX);
  const round = [100, 50, 40, 25, 20, 10].find((columns) => columns <= room) ?? 10;
  const columns = listing.last <= Math.max(round, room) ? listing.last : round;
  listing.columns = columns;
  const rows = Math.ceil(listing.last / columns);
  box.style.setProperty("--columns", columns);
  box.dataset.rows = rows === 1 ? "one" : rows <= 4 ? "few" : "many";
  box.toggleAttribute("data-named", columns === listing.last && box.clientWidth / columns >= 26);
  for (const { n, bar } of listing.jobs.slice(1)) {
    bar.dataset.n = n;
    bar.toggleAttribute("data-row", rows > 1 && (n - 1) % columns === 0);
  }
}

function paintBars(mine) {
  if (listing !== mine) return;
  const { queued, running, done, failed, stopped } = mine.counts;
  const busy = mine.began != null && mine.ended == null;
  const time = duration((mine.ended ?? performance.now()) - mine.began);
  const state = busy ? "streaming" : mine.finished ? "done" : mine.problem ? "failed" : mine.ended ? "stopped" : "idle";
  $("bars-state").dataset.state = state;
  $("bars-state").textContent = state === "idle" ? "not started"
    : `${counted.format(done)} of ${counted.format(mine.last)} done ${busy ? "after" : "in"} ${time}${state === "failed" || state === "stopped" ? `, then ${state}` : ""}`;
  if (!current()) read(null);
  $("count-queued").textContent = counted.format(queued);
  $("count-running").textContent = counted.format(running);
  $("count-done").textContent = counted.format(done);
  $("count-failed").textContent = counted.format(failed + stopped);
  if (!busy && document.activeElement === $("stop-bars")) $("start-bars").focus();
  $("stop-bars").disabled = !busy;
}

/** The job in the readout: the one under the pointer, or else the selected one. */
const current = () => listing?.pointed ?? listing?.jobs[listing.active];

/** Describes one job, or the times of all jobs. */
function read(job) {
  const [name = "", ...rest] = job ? described(job) : [];
  const strong = document.createElement("b");
  strong.textContent = name;
  $("readout").replaceChildren(strong, job ? ` · ${rest.join(" · ")}` : overall());
}

function overall() {
  const timed = (listing?.jobs ?? []).filter((job) => job?.us != null).sort((a, b) => a.us - b.us);
  if (!listing?.ended || !timed.length) return "";
  const [least, middle, most] = [timed[0], timed[timed.length >> 1], timed.at(-1)];
  return `The median sandbox took ${duration(middle.us / 1000)}, from ${duration(least.us / 1000)} for ${least.n}! to ${duration(most.us / 1000)} for ${most.n}!.`;
}

function choose(n) {
  if (!listing) return;
  listing.jobs[listing.active]?.bar.setAttribute("aria-selected", "false");
  listing.active = Math.min(Math.max(n, 1), listing.last);
  const { bar } = listing.jobs[listing.active];
  bar.setAttribute("aria-selected", "true");
  $("bars").setAttribute("aria-activedescendant", bar.id);
  read(listing.jobs[listing.active]);
}

function open(n) {
  $("n").value = n;
  $("kind").value = "factorial";
  $("format").value = "decimal";
  showFields();
  $("number-form").requestSubmit();
  $("number-title").scrollIntoView({ behavior: calm.matches ? "auto" : "smooth" });
}

$("bars-form").addEventListener("submit", (event) => {
  event.preventDefault();
  startBars($("last").valueAsNumber);
});
$("last").addEventListener("input", ({ target }) => {
  const busy = listing?.began != null && listing.ended == null;
  if (!busy && target.value && target.validity.valid) prepare(target.valueAsNumber);
});
$("stop-bars").addEventListener("click", () => listing?.stop.abort());
$("bars").addEventListener("focus", () => { if (listing && !listing.active) choose(1); });
$("bars").addEventListener("keydown", (event) => {
  if (!listing || event.ctrlKey || event.metaKey || event.altKey) return;
  const { active, columns, last } = listing;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: 10, PageUp: -10, Home: -last, End: last };
  if (event.key === "Enter" && active) open(active);
  else if (event.key in steps) choose(active + steps[event.key]);
  else return;
  event.preventDefault();
});
const barAt = ({ target }) => listing?.jobs[target.closest("#bars .bar")?.dataset.n];
for (const name of ["pointerover", "pointerleave"]) {
  $("bars").addEventListener(name, (event) => {
    if (!listing) return;
    listing.pointed = name === "pointerleave" ? null : barAt(event) ?? listing.pointed;
    read(current());
  });
}
$("bars").addEventListener("click", (event) => { if (barAt(event)) choose(barAt(event).n); });
new ResizeObserver(layBars).observe($("bars"));
