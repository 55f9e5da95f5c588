//! `cocoon serve` with routes: which handler answers, and how far its load reaches.

use std::fs;
use std::path::PathBuf;

use axum::http::Request;
use bytes::Bytes;
use cocoon_test_guests::HANDLER;
use http_body_util::Full;
use tempfile::TempDir;

use crate::harness::{assert_one_line, run, wait_for};
use crate::service::{Server, get, with};

/// A folder with a configuration file and a handler.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(routes: &str) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        fs::copy(HANDLER, folder.path("handler.wasm")).expect("a copy");
        folder.write(routes);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the configuration, in which `C` stands for the component.
    pub(crate) fn write(&self, routes: &str) {
        let text = routes.replace("C\n", "component = \"handler.wasm\"\n");
        fs::write(self.path("cocoon.toml"), text).expect("a file");
    }

    pub(crate) fn config(&self) -> String {
        self.path("cocoon.toml").to_str().expect("text").to_owned()
    }

    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let config = self.config();
        Server::start(&[&["--config", &config], flags].concat())
    }
}

/// A request to the host `host`.
fn to(host: &str, path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    let headers = request.headers_mut();
    headers.insert("host", host.parse().expect("a host"));
    request
}

/// The value of a series of the metrics.
pub(crate) async fn metric(server: &Server, series: &str) -> Option<u64> {
    let answer = server.get("/metrics").await;
    let mut lines = answer.text().lines();
    lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// Waits until a series has a value.
pub(crate) async fn wait_for_metric(server: &Server, series: &str, value: u64) {
    wait_for(series, async {
        while metric(server, series).await != Some(value) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn requests_go_to_the_longest_prefix_of_their_host() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        C
        env = { WHO = "root" }
        [[serve.route]]
        path = "/shop/"
        C
        env = { WHO = "shop", PREFIX = "/shop" }
        [[serve.route]]
        path = "/shop/api"
        name = "api"
        C
        env = ["WHO=api", "PREFIX=/shop/api"]
        [[serve.route]]
        host = "other.example"
        path = "/shop/api"
        C
        env = { WHO = "other", PREFIX = "/shop/api" }
    "#,
    );
    let server = folder.serve(&["--access-log"]);
    for (host, path, who) in [
        ("localhost", "/env?WHO", "root"),
        ("localhost", "/shop/env?WHO", "shop"),
        ("localhost", "/shop/api/env?WHO", "api"),
        ("OTHER.example:80", "/shop/api/env?WHO", "other"),
        ("other.example", "/shop/env?WHO", "shop"),
    ] {
        let answer = server.send(to(host, path)).await;
        assert_eq!((answer.status, answer.text()), (200, who), "{host}{path}");
    }
    let answer = server.get("/shop/api/target?a=%20").await;
    assert_eq!(answer.text(), "/shop/api/target?a=%20");
    assert_eq!(server.get("/readyz").await.status, 200);
    for (route, requests) in [
        ("/", 1),
        ("/shop", 2),
        ("api", 2),
        ("other.example/shop/api", 1),
    ] {
        let series = format!("cocoon_http_requests_total{{route=\"{route}\",status=\"200\"}}");
        assert_eq!(metric(&server, &series).await, Some(requests), "{route}");
    }
    let metrics = server.get("/metrics").await;
    let info = r#"cocoon_route_info{route="api",host="",path="/shop/api",component=""#;
    assert!(metrics.text().contains(info), "{}", metrics.text());
    server.stderr_with("route=\"api\"").await;
}

#[tokio::test]
async fn a_request_without_a_route_is_not_found() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        host = "a.example"
        path = "/x"
        C
    "#,
    );
    let server = folder.serve(&[]);
    for request in [get("/x"), to("a.example", "/"), to("a.example", "/xy")] {
        server.send(request).await.problem(404);
    }
    let answer = server.send(to("a.example", "/x")).await;
    assert_eq!((answer.status, answer.text()), (404, "unknown path\n"));
}

#[tokio::test]
async fn requests_past_the_rate_may_come_later() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        name = "slow"
        C
        rate = "2/h"
        [[serve.route]]
        path = "/free"
        C
        env = { PREFIX = "/free" }
    "#,
    );
    let server = folder.serve(&[]);
    for _ in 0..2 {
        assert_eq!(server.get("/hello").await.status, 200);
    }
    let answer = server.get("/hello").await;
    let seconds: u64 = answer.header("retry-after").parse().expect("a number");
    assert!((1790..=1800).contains(&seconds), "{seconds}");
    let problem = answer.problem(429);
    assert_eq!(problem["type"], "urn:cocoon:problem:rate");
    assert_eq!(problem["route"], "slow");
    assert_eq!(server.get("/free/hello").await.status, 200);
    let series = r#"cocoon_http_requests_total{route="slow",status="429"}"#;
    assert_eq!(metric(&server, series).await, Some(1));
}

#[tokio::test]
async fn the_load_of_one_route_leaves_places_for_others() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        name = "busy"
        C
        [[serve.route]]
        path = "/quiet"
        name = "quiet"
        C
        env = { PREFIX = "/quiet" }
        [[serve.route]]
        path = "/one"
        name = "one"
        C
        concurrency = 1
        env = { PREFIX = "/one" }
    "#,
    );
    let server = folder.serve(&[
        "--sandboxes",
        "8",
        "--queue",
        "6",
        "--sandbox-memory",
        "16MiB",
    ]);
    let mut client = server.client2().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut client = client.clone();
        open.push(tokio::spawn(async move {
            let answer = client.send(get("/wait")).await;
            answer.map(|answer| answer.status)
        }));
    }
    // One sandbox of each other route is never lent.
    wait_for_metric(&server, r#"cocoon_route_sandboxes_live{route="busy"}"#, 6).await;
    wait_for_metric(&server, r#"cocoon_route_queue_length{route="busy"}"#, 6).await;
    let refused = r#"cocoon_http_requests_total{route="busy",status="503"}"#;
    wait_for_metric(&server, refused, 8).await;
    let hits = r#"cocoon_route_limits_hit_total{route="busy",limit="queue"}"#;
    assert_eq!(metric(&server, hits).await, Some(8));
    for _ in 0..20 {
        let answer = client.send(get("/quiet/hello")).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    }
    // The second request of `one` waits for the first, in place of one of `busy`.
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut client = client.clone();
        others.push(tokio::spawn(async move {
            client.send(get("/one/wait")).await.map(|it| it.status)
        }));
    }
    wait_for_metric(&server, r#"cocoon_route_sandboxes_live{route="one"}"#, 1).await;
    wait_for_metric(&server, r#"cocoon_route_queue_length{route="one"}"#, 1).await;
    wait_for_metric(&server, refused, 9).await;
    wait_for_metric(&server, r#"cocoon_route_queue_length{route="busy"}"#, 5).await;
    // A route below its share gets the next free sandbox.
    let mut second = client.clone();
    let held =
        tokio::spawn(async move { second.send(get("/quiet/wait")).await.map(|it| it.status) });
    wait_for_metric(&server, r#"cocoon_route_sandboxes_live{route="quiet"}"#, 1).await;
    let mut third = client.clone();
    let waiting = tokio::spawn(async move { third.send(get("/quiet/hello")).await });
    wait_for_metric(&server, r#"cocoon_route_queue_length{route="quiet"}"#, 1).await;
    assert!(!waiting.is_finished());
    for task in open.iter().chain(&others).chain([&held]) {
        task.abort();
    }
    drop((open, others, held));
    let answer = wait_for("a sandbox", waiting).await.expect("no panic");
    assert_eq!(answer.expect("an answer").status, 200);
    wait_for_metric(&server, "cocoon_sandboxes_live", 0).await;
}

#[tokio::test]
async fn a_route_has_its_own_limits() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        C
        deadline = "1s"
        sandbox-memory = "8MiB"
        [[serve.route]]
        path = "/long"
        C
        env = { PREFIX = "/long" }
    "#,
    );
    let server = folder.serve(&["--sandbox-memory", "32MiB"]);
    let problem = server.get("/spin").await.problem(504);
    assert_eq!(problem["limit"], "deadline");
    assert_eq!(problem["value"], 1000);
    let problem = server.get("/take").await.problem(502);
    assert_eq!(problem["limit"], "sandbox-memory");
    assert_eq!(problem["value"], 8 << 20);
    let problem = server.get("/long/take").await.problem(502);
    assert_eq!(problem["value"], 32 << 20);
    let hits = r#"cocoon_route_limits_hit_total{route="/",limit="sandbox-memory"}"#;
    assert_eq!(metric(&server, hits).await, Some(1));
}

#[tokio::test]
async fn a_sandbox_answers_as_many_requests_as_its_route_says() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        C
        reuse = 3
        sandbox-memory = "16MiB"
        [[serve.route]]
        path = "/fresh"
        C
        env = { PREFIX = "/fresh" }
    "#,
    );
    let server = folder.serve(&[]);
    let mut client = server.client().await;
    let mut answered = async |path: &str| {
        let answer = client.send(get(path)).await.expect("an answer");
        answer.text().to_owned()
    };
    for expected in ["0", "1", "2", "0", "1"] {
        assert_eq!(answered("/answered").await, expected);
    }
    assert_eq!(answered("/fresh/answered").await, "0");
    assert_eq!(answered("/fresh/answered").await, "0");
    answered("/answered").await;
    for failure in ["/trap", "/silent", "/leave-body"] {
        assert_eq!(answered("/answered").await, "0", "before {failure}");
        // An answer that has begun breaks off.
        let _ = server.client().await.send(get(failure)).await;
    }
    assert_eq!(answered("/answered").await, "0");
    client
        .send(get("/trap-after?1"))
        .await
        .expect_err("it breaks off");
    let mut client = server.client().await;
    let mut answered = async |path: &str| {
        let answer = client.send(get(path)).await.expect("an answer");
        answer.text().to_owned()
    };
    // The second request uses more than half of what the first one left.
    assert_eq!(answered("/keep?6000000").await, "0");
    assert_eq!(answered("/keep?6000000").await, "1");
    assert_eq!(answered("/keep?6000000").await, "0");
}

#[tokio::test]
async fn an_idle_sandbox_ends_after_its_time() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        C
        reuse = 1000
    "#,
    );
    let idle = r#"cocoon_route_sandboxes_idle{route="/"}"#;
    let server = folder.serve(&["--sandbox-idle", "1h"]);
    assert_eq!(server.get("/answered").await.text(), "0");
    assert_eq!(server.get("/answered").await.text(), "1");
    assert_eq!(metric(&server, idle).await, Some(1));
    let server = folder.serve(&["--sandbox-idle", "1ms"]);
    assert_eq!(server.get("/answered").await.text(), "0");
    wait_for_metric(&server, idle, 0).await;
    assert_eq!(server.get("/answered").await.text(), "0");
    wait_for_metric(&server, "cocoon_sandboxes_live", 0).await;
}

#[tokio::test]
async fn requests_at_once_have_different_sandboxes() {
    let folder = Folder::new(
        r#"
        [[serve.route]]
        path = "/"
        C
        reuse = 1000
    "#,
    );
    let server = folder.serve(&[]);
    let client = server.client2().await;
    for _ in 0..5 {
        let slow = (0..8).map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.send(get("/slow?20")).await })
        });
        let slow: Vec<_> = slow.collect();
        for task in slow {
            let answer = task.await.expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200);
        }
    }
    let idle = r#"cocoon_route_sandboxes_idle{route="/"}"#;
    let idle = metric(&server, idle).await.expect("a number");
    assert!((1..=8).contains(&idle), "{idle}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of mistakes")]
fn a_mistake_is_one_line_with_its_key() {
    let route = |rest: &str| format!("[[serve.route]]\npath = \"/\"\nC\n{rest}\n");
    let twice = "[[serve.route]]\npath = \"/a\"\nC\n[[serve.route]]\npath = \"/a/\"\nC\n";
    for (text, words) in [
        (
            route("rat = \"1/s\""),
            ["cocoon.toml:4", "got `rat`", "did you mean `rate`?"],
        ),
        (
            route("rate = \"1/d\""),
            ["cocoon.toml:4", "`rate`", "such as 200/s"],
        ),
        (
            route("rate = 1.5"),
            ["cocoon.toml:4", "`rate`", "rate = \"200/s\""],
        ),
        (
            route("reuse = 0"),
            ["cocoon.toml:4", "`reuse`", "from 1 to"],
        ),
        (
            route("concurrency = []"),
            ["cocoon.toml:4", "`concurrency`", "another value"],
        ),
        (
            route("deadline = \"soon\""),
            ["cocoon.toml:4", "`deadline`", "expected a time"],
        ),
        (
            route("sandbox-memory = 5"),
            ["cocoon.toml:4", "`sandbox-memory`", "from 64 KiB"],
        ),
        (
            route("host = \"a:80\""),
            ["cocoon.toml:2", "without a port", "a:80"],
        ),
        (
            route("allow-net = [\"a b\"]"),
            ["cocoon.toml:4", "`allow-net`", "HOST[:PORT]"],
        ),
        (
            route("allow-http = \"a b\""),
            ["cocoon.toml:4", "`allow-http`", "HOST"],
        ),
        (
            route("dir = \"none\""),
            ["cocoon.toml:4", "`dir`", "expected a folder"],
        ),
        (
            route("env = { A = true }"),
            ["cocoon.toml:4", "env.A", "expected a string"],
        ),
        (
            route("env = [\"A=1\", \"A=2\"]"),
            ["cocoon.toml:4", "`A` twice", "env"],
        ),
        (
            route("name = \"a b\""),
            ["cocoon.toml:4", "`name`", "without spaces"],
        ),
        (
            route("").replace("path", "paths"),
            ["cocoon.toml:2", "got `paths`", "`path`?"],
        ),
        (
            route("").replace("path = \"/\"", ""),
            ["cocoon.toml:1", "key `path`", "/shop/"],
        ),
        (
            twice.to_owned(),
            ["cocoon.toml:4", "`/a` (line 1)", "one route for /a"],
        ),
        (
            twice.replace("\"/a/\"", "\"/b\"\nname = \"/a\""),
            ["cocoon.toml:4", "`/a` twice", "lines 1 and 4"],
        ),
        (
            "[serve]\nroute = 1\n".to_owned(),
            ["cocoon.toml:2", "`route`", "[[serve.route]]"],
        ),
        (
            "[compute]\nroute = 1\n".to_owned(),
            ["cocoon.toml:2", "`route`", "compute"],
        ),
        (
            route("sandbox-memory = \"1GiB\""),
            ["cocoon.toml:1", "at most 128 MiB", "--sandbox-memory"],
        ),
        (
            route("").replace("C\n", "component = \"none.wasm\"\n"),
            ["cocoon.toml:1", "route `/`", "none.wasm"],
        ),
        (
            route("").replace("C\n", "component = \"cocoon.toml\"\n"),
            ["cocoon.toml:1", "route `/`", "cocoon.toml"],
        ),
    ] {
        let folder = Folder::new(&text);
        let config = folder.config();
        let outcome = run(["--config", &config, "serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(outcome.code, Some(2), "{text}: {}", outcome.err);
        assert_one_line(&outcome.err, &words);
    }
}

#[test]
fn routes_are_shown_with_the_settings() {
    let folder = Folder::new(
        "[[serve.route]]\npath = \"/a\"\nC\nenv = { SECRET = \"hidden\" }\nreuse = 5\nallow-net = [\"a.example\"]\n",
    );
    let config = folder.config();
    let outcome = run(["--config", &config, "config", "serve"]);
    let shown = outcome.out;
    for line in [
        "path = \"/a\"",
        "component = \"handler.wasm\"",
        "# env: SECRET (values not shown)",
        "reuse = 5",
        "allow-net = [\"a.example\"]",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
    }
    assert!(shown.contains("[[serve.route]]  # "), "{shown}");
    let outcome = run(["--config", &config, "config", "--json", "serve"]);
    let last = outcome.out.lines().last().expect("a line");
    let row: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(row["key"], "route");
    assert_eq!(row["value"]["env"], serde_json::json!(["SECRET"]));
    assert_eq!(row["value"]["reuse"], 5);
}

#[test]
fn routes_exclude_another_handler() {
    let folder = Folder::new("[[serve.route]]\npath = \"/a\"\nC\n");
    let config = folder.config();
    for other in [[HANDLER].as_slice(), &["--component", HANDLER]] {
        let arguments = [&["--config", &config, "serve"], other].concat();
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(2));
        assert_one_line(&outcome.err, &["[[serve.route]]", "got both"]);
    }
    let routes = (0..3).map(|route| format!("[[serve.route]]\npath = \"/{route}\"\nC\n"));
    let folder = Folder::new(&routes.collect::<String>());
    let config = folder.config();
    let outcome = run(["--config", &config, "serve", "--sandboxes", "2"]);
    assert_one_line(&outcome.err, &["at most 2 routes", "got 3", "--sandboxes"]);
    let outcome = run([
        "--config",
        &config,
        "serve",
        "--total-memory",
        "200MiB",
        "--sandboxes",
        "10",
    ]);
    assert_one_line(
        &outcome.err,
        &["expected memory for a sandbox of each route"],
    );
}

#[tokio::test]
async fn a_trace_names_the_route() {
    let folder = Folder::new(
        "[[serve.route]]\npath = \"/a/\"\nname = \"first\"\nC\nenv = { PREFIX = \"/a\" }\n",
    );
    let server = folder.serve(&[]);
    let request = with(get("/a/header?x"), "x-request-id", "order-17");
    assert_eq!(server.send(request).await.status, 200);
    server.get("/a/log?text").await;
    let log = server.stderr_with("to stdout: text").await;
    assert!(log.contains("route=\"first\""), "{log}");
}
