// The web page: one number, many sandboxes, and live metrics of the service. It uses the public
// HTTP API. A result is complete only when its end was received; otherwise it is shown as failed.
//
// The files page.js, number.js, bars.js and charts.js are served as one script, in this order.
// This one has the shared functions.

const $ = (id) => document.getElementById(id);
const counted = new Intl.NumberFormat("en");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** An error, with the text of the service where it sent a problem (RFC 9457). */
class Problem extends Error {
  constructor(title, detail = "", more = {}) {
    super(title);
    Object.assign(this, { title, detail, more });
  }

  static async of(response) {
    const more = await response.json().catch(() => ({}));
    more.retry = response.headers.get("retry-after");
    return new Problem(more.title ?? `The service returned status ${response.status}`, more.detail, more);
  }
}

/** The key of the token in the storage of the tab, which the browser deletes with the tab. */
const TOKEN = "cocoon-token";
let asking = null;
let declined = false;

/** Asks the visitor for the token, once for all requests that wait for it. */
function askForToken(detail) {
  asking ??= new Promise((resolve) => {
    const dialog = $("token-dialog");
    $("token-detail").textContent = detail;
    $("token").value = "";
    const close = (given) => {
      declined = !given;
      asking = null;
      resolve(given);
    };
    $("token-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(TOKEN, $("token").value.trim());
      dialog.onclose = () => close(true);
      dialog.close();
    };
    dialog.onclose = () => close(false);
    dialog.showModal();
  });
  return asking;
}

/** Sends a request to the service. A `quiet` request does not ask for a token that the visitor declined to enter. */
async function ask(path, accept, signal, quiet = false) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { accept, authorization: `Bearer ${token}` } : { accept };
    let response;
    try {
      // A cached answer would be from no sandbox.
      response = await fetch(path, { signal, headers, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("The service did not answer", "Check the network connection and try again.");
    }
    if (response.ok) return response;
    const problem = await Problem.of(response);
    if (response.status !== 401 || (quiet && declined)) throw problem;
    // Another request may have stored a newer token meanwhile.
    if (sessionStorage.getItem(TOKEN) !== token) continue;
    sessionStorage.removeItem(TOKEN);
    if (!await askForToken(problem.detail)) throw problem;
  }
}

// A link sends no token, so its target is fetched with one and then shown.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("footer a");
  if (!link || !sessionStorage.getItem(TOKEN)) return;
  event.preventDefault();
  const response = await ask(link.href, "*/*").catch(() => null);
  if (response) location.assign(URL.createObjectURL(new Blob([await response.blob()], { type: "text/plain" })));
});

/** Yields the chunks of a body. An incomplete body is an error with the summary of its part. */
async function* chunks(response, signal, summary) {
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem("The answer is incomplete", summary());
  } finally {
    // After a complete body this does nothing. Otherwise it closes the connection.
    reader.cancel().catch(() => {});
  }
}

function show(box, problem) {
  box.hidden = !problem;
  box.replaceChildren();
  if (!problem) return;
  const line = (name, text) => {
    const part = document.createElement(name);
    part.textContent = text;
    box.append(part);
  };
  const { retry } = problem.more ?? {};
  line("strong", problem.title ?? String(problem));
  // The flag that raises a limit is for the operator. A visitor has none.
  if (problem.detail) line("p", problem.detail.replace(/; use --.*$/, ""));
  if (retry) line("small", `Try again in ${retry} s.`);
}

const say = (text) => { $("say").textContent = text; };
const plural = (n, one, many = `${one}s`) => `${counted.format(n)} ${n === 1 ? one : many}`;

function duration(ms) {
  if (ms == null) return "–";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor(ms / 1000) % 60} s`;
}

function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit += 1) n /= 1024;
  return `${n >= 100 || unit === 0 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}
