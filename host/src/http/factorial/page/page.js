// The page: one number, many sandboxes, and the service as it runs. Everything
// is asked of the same HTTP API that anybody else can use. A result counts as
// whole only when its end was seen: whatever breaks off is shown as failed.
//
// The files page.js, number.js, bars.js and charts.js are served as one script,
// in this order. This one has what the others share.

const $ = (id) => document.getElementById(id);
const counted = new Intl.NumberFormat("en");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** What went wrong, in the words of the service where it had any (RFC 9457). */
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

/** Where the tab keeps the token. It goes when the tab is closed. */
const TOKEN = "cocoon-token";
let asking = null;
let declined = false;

/** Asks a person for the token, once for all requests that wait for it. */
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

/** Asks the service. What runs by itself is `quiet`: it does not ask again for a token that somebody declined to give. */
async function ask(path, accept, signal, quiet = false) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { accept, authorization: `Bearer ${token}` } : { accept };
    let response;
    try {
      // What a cache gave would be nobody's sandbox.
      response = await fetch(path, { signal, headers, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("The service did not answer", "Check the network connection and try again.");
    }
    if (response.ok) return response;
    const problem = await Problem.of(response);
    if (response.status !== 401 || (quiet && declined)) throw problem;
    // Another request may have been told a newer token meanwhile.
    if (sessionStorage.getItem(TOKEN) !== token) continue;
    sessionStorage.removeItem(TOKEN);
    if (!await askForToken(problem.detail)) throw problem;
  }
}

// A link sends no token: what it leads to is fetched with one, and then shown.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("footer a");
  if (!link || !sessionStorage.getItem(TOKEN)) return;
  event.preventDefault();
  const response = await ask(link.href, "*/*").catch(() => null);
  if (response) location.assign(URL.createObjectURL(new Blob([await response.blob()], { type: "text/plain" })));
});

/** Every chunk of a body; a cut one ends in a problem that says what came. */
async function* chunks(response, signal, told) {
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem("The answer is incomplete", told());
  } finally {
    // After a whole body this does nothing; after anything else it hangs up.
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
