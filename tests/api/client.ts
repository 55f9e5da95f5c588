// Calls a service with the types that openapi-typescript generates from its description.
//
// Reads the service's address and token from COCOON_URL and COCOON_TOKEN. Exits with an
// error at the first answer that differs.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

declare const process: { env: Record<string, string | undefined> };

type Schemas = components["schemas"];

const baseUrl = process.env["COCOON_URL"] ?? "";
const headers = { authorization: `Bearer ${process.env["COCOON_TOKEN"] ?? ""}` };
const client = createClient<paths>({ baseUrl, headers });

// Throws if an answer differs.
function expect<T>(what: string, seen: T, expected: T): void {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`);
  }
}

function lines<T>(text: string): T[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as T);
}

const text = await client.GET("/factorial/{n}", { params: { path: { n: 20 } }, parseAs: "text" });
expect("a number as text", text.data, "2432902008176640000");

const asJson = await client.GET("/factorial/{n}", {
  params: { path: { n: 30 }, query: { kind: "multi:3", format: "scientific:3", proved: true } },
  headers: { accept: "application/json" },
});
const number = asJson.data as Schemas["Number"];
expect("a number as JSON", [number.n, number.value, number.grade], [30, "2.14e+11", "proved"]);

const facts = await client.GET("/info/{n}", { params: { path: { n: 100 }, query: { kind: "factorial" } } });
expect("facts", [facts.data?.n, facts.data?.digits], [100, 158]);

const kinds = await client.GET("/kinds/{n}", { params: { path: { n: 5 } } });
expect("kinds", kinds.data?.map((one) => one.value).slice(0, 3), ["120", "15", "10"]);

const listed = await client.GET("/factorials/{n}", {
  params: { path: { n: 3 } },
  headers: { accept: "application/x-ndjson" },
  parseAs: "text",
});
const items = lines<Schemas["ListLine"]>(listed.data as unknown as string);
expect("a listing", items.map((item) => ("value" in item ? item.value : item)), [
  "1",
  "2",
  "6",
  { done: true, count: 3 },
]);

const requests: Schemas["BatchRequest"][] = [{ n: 6, kind: "double" }, { n: 7, timeout: "never" }];
const answered = await client.POST("/batch", {
  body: requests as unknown as Schemas["BatchRequest"],
  bodySerializer: () => requests.map((request) => `${JSON.stringify(request)}\n`).join(""),
  headers: { "content-type": "application/x-ndjson" },
  parseAs: "text",
});
const answers = lines<Schemas["BatchLine"]>(answered.data as unknown as string);
expect("a batch", answers.map((line) => ("value" in line ? line.value : line.problem.status)), ["48", 400]);

const refused = await client.GET("/factorial/{n}", { params: { path: { n: 5 }, query: { kind: "treble" } } });
expect("a problem", refused.error?.status, 400);
const large = await client.GET("/factorials/{n}", { params: { path: { n: 1_000_001 } } });
expect("a limit", [large.error?.status, large.error?.limit], [422, "list-items"]);
const stranger = createClient<paths>({ baseUrl, headers: { authorization: "Bearer another" } });
const closed = await stranger.GET("/factorial/{n}", { params: { path: { n: 5 } } });
expect("a wrong token", closed.error?.status, 401);
const ready = await client.GET("/readyz", { parseAs: "text" });
expect("readiness", ready.response.status, 200);
console.log("all answers were as described");
