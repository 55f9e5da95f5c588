// One number: its digits as they arrive, and their cost. Follows page.js.

// The number of first and of last digits that are shown of a long number, which keeps the page
// fast. Numbers of up to twice this length are shown in full.
const SHOWN = innerWidth < 640 ? 700 : 1500;
const PAINT_MS = 100;

let run = null;

function asked() {
  const kind = $("kind").value === "multi" ? `multi:${$("step").value}` : $("kind").value;
  const format = $("format").value === "scientific" ? `scientific:${$("precision").value}` : "decimal";
  return { n: $("n").value.replace(/[\s,_'’!]/g, ""), kind, format };
}

function notation({ n, kind }) {
  const digits = /^\d+$/.test(n) ? n.replace(/\B(?=(\d{3})+$)/g, ",") : n;
  const [name, step] = kind.split(":");
  const forms = {
    double: `${digits}!!`, subfactorial: `!${digits}`, primorial: `${digits}#`,
    superfactorial: `sf(${digits})`, hyperfactorial: `H(${digits})`, alternating: `af(${digits})`,
  };
  if (name === "multi") return step <= 4 ? digits + "!".repeat(step) : `${digits}!(${step})`;
  return forms[name] ?? `${digits}!`;
}

const hashOf = ({ n, kind, format }) =>
  `#n=${encodeURIComponent(n)}${kind === "factorial" ? "" : `&kind=${kind}`}${format === "decimal" ? "" : `&format=${format}`}`;

function fillIn(hash) {
  const fields = new URLSearchParams(hash.slice(1));
  if (!fields.get("n")) return false;
  const [kind, step] = (fields.get("kind") ?? "factorial").split(":");
  const [format, precision] = (fields.get("format") ?? "decimal").split(":");
  $("n").value = fields.get("n");
  $("kind").value = kind;
  $("format").value = format;
  if ($("kind").selectedIndex < 0) $("kind").value = "factorial";
  if ($("format").selectedIndex < 0) $("format").value = "decimal";
  if (step) $("step").value = step;
  if (precision) $("precision").value = precision;
  showFields();
  return true;
}

function showFields() {
  // A hidden field must be disabled, or it could block the form.
  for (const [field, input, shown] of [
    ["step-field", "step", $("kind").value === "multi"],
    ["precision-field", "precision", $("format").value === "scientific"],
  ]) {
    $(field).hidden = !shown;
    $(input).disabled = !shown;
  }
}

async function compute(request) {
  run?.stop.abort();
  const mine = {
    request, stop: new AbortController(), began: performance.now(), state: "waiting",
    parts: [], received: 0, expected: null, head: "", info: null,
  };
  run = mine;
  const { signal } = mine.stop;
  const query = `${encodeURIComponent(request.n)}?kind=${encodeURIComponent(request.kind)}`;
  show($("problem"), null);
  paint(mine);
  say(`Computing ${notation(request)}`);
  // Costs are optional: without them, the digits are still shown.
  ask(`info/${query}`, "application/json", signal)
    .then((response) => response.text())
    // Counts above 2^53 are read as text, since numbers would round them.
    .then((text) => { mine.info = JSON.parse(text.replace(/:\s*(\d{16,})(?=[,}\s])/g, ':"$1"')); })
    .catch(() => {})
    .then(() => paint(mine));
  const ticker = setInterval(() => paint(mine), calm.matches ? 10 * PAINT_MS : PAINT_MS);
  try {
    const response = await ask(`factorial/${query}&format=${request.format}`, "text/plain", signal);
    // The length of a compressed answer is not the number of digits.
    const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
    if (length != null) mine.expected = Number(length);
    const decoder = new TextDecoder();
    const summary = () => `Received ${plural(mine.received, "digit")}, which is not the whole number.`;
    for await (const part of chunks(response, signal, summary)) {
      mine.parts.push(part);
      mine.received += part.length;
      if (mine.head.length < 2 * SHOWN) mine.head += decoder.decode(part.subarray(0, 2 * SHOWN));
      if (mine.state === "waiting") {
        mine.state = "streaming";
        mine.first = performance.now();
        paint(mine);
      }
    }
    const whole = mine.expected ?? exactly(mine);
    if (mine.received === 0 || (whole != null && mine.received !== whole)) {
      throw new Problem("The answer is incomplete", whole == null ? summary() : `Received ${counted.format(mine.received)} of ${plural(whole, "digit")}.`);
    }
    mine.state = "done";
  } catch (error) {
    mine.state = signal.aborted ? "stopped" : "failed";
    mine.problem = signal.aborted ? null : error;
  }
  mine.ended = performance.now();
  clearInterval(ticker);
  if (run !== mine) return;
  paint(mine);
  // Screen readers announce the alert. The status line has the other states.
  show($("problem"), mine.problem);
  if (mine.state === "done") say(`${notation(request)}: ${plural(mine.received, "character")} in ${duration(mine.ended - mine.began)}`);
  if (mine.state === "stopped") say("Stopped");
}

/** The expected number of digits, or null where /info does not have it. */
function exactly({ info, request }) {
  return request.format === "decimal" && Number.isSafeInteger(info?.digits) ? info.digits : null;
}

/** The digits at positions `from` to `to`, searched from the end. */
function slice({ parts, received }, from, to) {
  const found = [];
  let start = received;
  for (let i = parts.length - 1; i >= 0 && start > from; i -= 1) {
    start -= parts[i].length;
    found.unshift(new TextDecoder().decode(parts[i].subarray(Math.max(0, from - start), Math.max(0, to - start))));
  }
  return found.join("");
}

/** The number of zeros at the end of the received digits. */
function zeros({ parts }) {
  let count = 0;
  for (let i = parts.length - 1; i >= 0; i -= 1) {
    for (let at = parts[i].length - 1; at >= 0; at -= 1) {
      if (parts[i][at] !== 48) return count;
      count += 1;
    }
  }
  return count;
}

/** Digits in groups that are separated by style, so that a selection copies digits only. */
function groups(text, size, lead = 0) {
  const all = document.createDocumentFragment();
  for (let at = 0; at < text.length;) {
    const end = at === 0 && lead ? lead : at + size;
    const group = document.createElement("span");
    group.textContent = text.slice(at, end);
    all.append(group);
    at = end;
  }
  return all;
}

function paintDigits(mine) {
  const box = $("digits");
  const { received, head, request, state } = mine;
  const total = Math.max(received, mine.expected ?? exactly(mine) ?? 0);
  box.dataset.size = Math.max(total, request.format === "decimal" ? 0 : head.length) <= 60 ? "few" : total <= 400 ? "some" : "many";
  box.setAttribute("aria-label", `Digits of ${notation(request)}`);
  if (!received) {
    box.replaceChildren();
    return;
  }
  const power = head.match(/^(-?[\d.]+)e\+?(-?\d+)$/);
  if (request.format !== "decimal" && power) {
    const exponent = document.createElement("sup");
    exponent.textContent = power[2].replace(/\B(?=(\d{3})+$)/g, ",");
    box.replaceChildren(power[1], " × 10", exponent);
  } else if (total <= 60 && state === "done") {
    box.replaceChildren(groups(head, 3, head.length % 3));
  } else if (received <= 2 * SHOWN) {
    box.replaceChildren(groups(head, 10));
  } else {
    // Many zeros at the end are shown as their number.
    const empty = state === "done" ? zeros(mine) : 0;
    const end = empty > SHOWN ? received - empty : received;
    const from = Math.max(SHOWN, Math.floor((end - SHOWN) / 10) * 10);
    const gap = (text) => Object.assign(document.createElement("p"), { className: "gap", textContent: text });
    box.replaceChildren(groups(head.slice(0, SHOWN), 10));
    if (from > SHOWN) box.append(gap(`… ${plural(from - SHOWN, "digit")} …`));
    box.append(groups(slice(mine, from, end), 10));
    if (end < received) box.append(gap(`… and ${plural(empty, "zero", "zeros")}`));
  }
}

const STATES = {
  waiting: "waiting for the first digit", streaming: "receiving digits", done: "done",
  stopped: "stopped, incomplete", failed: "failed",
};

function paint(mine) {
  if (run !== mine) return;
  const { state, received, info, request } = mine;
  const busy = state === "waiting" || state === "streaming";
  const total = mine.expected ?? exactly(mine);
  $("result").dataset.state = state;
  $("state").textContent = STATES[state];
  $("notation").textContent = notation(request);
  const progress = $("progress");
  progress.max = total ?? 1;
  if (busy && (total == null || !received)) progress.removeAttribute("value");
  else progress.value = total == null ? Number(state === "done") : received;
  const known = info?.digits != null ? counted.format(info.digits)
    : info?.digits_at_most != null ? `at most ${counted.format(info.digits_at_most)}` : null;
  const got = counted.format(received);
  $("fact-digits").textContent = request.format !== "decimal" ? known ?? "–"
    : state === "done" ? got : received ? `${got} of ${known ?? "unknown"}` : known ?? "–";
  $("fact-elapsed").textContent = duration((mine.ended ?? performance.now()) - mine.began);
  $("fact-first").textContent = mine.first ? duration(mine.first - mine.began) : "–";
  $("fact-memory").textContent = !info ? "–" : info.peak_bytes == null ? "over 4 GiB" : bytes(Number(info.peak_bytes));
  $("fact-zeros").textContent = info?.trailing_zeros == null ? "–" : counted.format(info.trailing_zeros);
  for (const id of ["copy", "download"]) $(id).disabled = state !== "done";
  if (!busy && document.activeElement === $("stop")) $("compute").focus();
  $("stop").disabled = !busy;
  paintDigits(mine);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers offer the clipboard only over HTTPS and on localhost.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
  return true;
}

$("number-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const request = asked();
  if (hashOf(request) !== location.hash) history.pushState(null, "", hashOf(request));
  compute(request);
});
function fromHash() {
  if (fillIn(location.hash)) compute(asked());
}
addEventListener("popstate", fromHash);
document.addEventListener("click", (event) => {
  // A link to the current number changes no hash, but computes it again.
  const link = event.target.closest('a[href^="#n="]');
  if (link?.hash === location.hash) fromHash();
});
$("stop").addEventListener("click", () => run?.stop.abort());
$("kind").addEventListener("change", showFields);
$("format").addEventListener("change", showFields);
$("copy").addEventListener("click", async ({ target }) => {
  const copied = await copy(await new Blob(run.parts).text());
  target.focus();
  target.textContent = copied ? "Copied" : "Not copied";
  say(copied ? "Copied" : "The browser refused to copy");
  await sleep(1500);
  target.textContent = "Copy";
});
$("download").addEventListener("click", () => {
  const { n, kind } = run.request;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(run.parts, { type: "text/plain" }));
  link.download = `${kind.replace(":", "-")}-${n}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});
