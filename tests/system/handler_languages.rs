//! The handlers in `examples/handlers/`: each language's own tools build them by the commands of
//! their README, and the service answers by them.

use axum::http::Request;
use http_body_util::Full;
use tempfile::TempDir;

use crate::languages::build;
use crate::service::{Answer, Client, Server, factorial, get, post, with};
use crate::tools::{COMPONENTIZE_PY, NODE, Tool};

/// A handler in a service of its own.
struct Handler {
    server: Server,
    /// The component and its compiled code.
    _folder: TempDir,
}

impl Handler {
    /// Builds the handler of `language` and serves it.
    fn start(language: &str, component: &str, tools: &[Tool], flags: &[&str]) -> Self {
        let folder = build(&format!("handlers/{language}"), tools);
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (component, code) = (path(component), path("code"));
        let flags = [&[&*component, "--code-cache", &*code], flags].concat();
        Self {
            server: Server::start(&flags),
            _folder: folder,
        }
    }

    /// Sends a request on a connection of its own.
    async fn send(&self, request: Request<Full<bytes::Bytes>>) -> Answer {
        let mut client = Client::over(self.server.connect().await).await;
        client.send(request).await.expect("an answer")
    }
}

#[tokio::test]
async fn rust() {
    let facts = Handler::start("rust", "facts.wasm", &[], &[]);
    for n in [0, 20, 10_000] {
        let answer = facts.send(get(&format!("/factorial/{n}?ignored"))).await;
        let (json, digits) = (answer.json(), factorial(n));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(json["factorial"], digits);
        assert_eq!(json["digits"], digits.len());
    }
    // Words that cross the blocks in which a body arrives.
    let text = "The quick brown fox\njumps over the LAZY dog;\n".repeat(10_000);
    let json = facts.send(post("/words", text.clone())).await.json();
    for (field, expected) in [("lines", 20_000), ("words", 90_000), ("bytes", text.len())] {
        assert_eq!(json[field], expected, "{field}");
    }
    let first = serde_json::json!({ "word": "the", "count": 20_000 });
    assert_eq!(json["frequent"][0], first);
    assert_eq!(json["frequent"].as_array().map(Vec::len), Some(8));
    for (request, status) in [
        (get("/factorial/10001"), 400),
        (get("/factorial/-1"), 400),
        (get("/"), 404),
        (post("/factorial/20", ""), 405),
        (get("/words"), 405),
    ] {
        let uri = request.uri().clone();
        let answer = facts.send(request).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["status"]),
            (status, &status.into()),
            "{uri}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(
            json["detail"]
                .as_str()
                .is_some_and(|it| it.starts_with("expected "))
        );
    }
    let mut head = get("/factorial/20");
    *head.method_mut() = axum::http::Method::HEAD;
    let answer = facts.send(head).await;
    let length = facts
        .send(get("/factorial/20"))
        .await
        .body
        .len()
        .to_string();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    // A handler that a tick interrupts after the head writes the rest later.
    assert!([&*length, ""].contains(&answer.header("content-length")));
}

#[tokio::test]
#[ignore = "needs componentize-py"]
async fn python() {
    let page = Handler::start("python", "page.wasm", &[COMPONENTIZE_PY], &[]);
    let answer = page.send(get("/")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for part in ["<h1>Markdown</h1>", "<td>Rust</td>", "<em>text</em>"] {
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    for (text, html) in [
        ("", "\n"),
        ("*é* `<`", "<p><em>é</em> <code>&lt;</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
    ] {
        let answer = page.send(post("/", text)).await;
        assert_eq!((answer.status, answer.text()), (200, html));
    }
    // Longer than one write, and than one read.
    let paragraphs = "A paragraph with *stress*.\n\n".repeat(5_000);
    let answer = page.send(post("/", paragraphs)).await;
    let lines = answer.text().lines();
    let is_whole = |line: &&str| *line == "<p>A paragraph with <em>stress</em>.</p>";
    assert_eq!(lines.filter(is_whole).count(), 5_000);
    for (request, status) in [
        (get("/nothing"), 404),
        (post("/", vec![b'a'; (1 << 20) + 1]), 413),
        (post("/", vec![0xff]), 400),
    ] {
        let answer = page.send(request).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().starts_with("expected "), "{}", answer.text());
    }
    let mut delete = get("/");
    *delete.method_mut() = axum::http::Method::DELETE;
    let answer = page.send(delete).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, POST"));
}

#[tokio::test]
#[ignore = "needs Node.js and componentize-js"]
async fn javascript() {
    let upstream = Server::start(&[]);
    let url = upstream.url("");
    let host = url.strip_prefix("http://").expect("a URL").to_owned();
    let variable = format!("UPSTREAM={url}");
    let flags = ["--env", &*variable, "--allow-http", &*host];
    let proxy = Handler::start("javascript", "proxy.wasm", &[NODE], &flags);
    let answer = proxy
        .send(with(get("/factorial/20"), "via", "1.0 first"))
        .await;
    assert_eq!((answer.status, answer.text()), (200, "2432902008176640000"));
    assert_eq!(answer.header("via"), "1.1 proxy");
    // A query, a long body, and an error of the upstream server.
    let answer = proxy.send(get("/factorial/20000?format=decimal")).await;
    assert_eq!(answer.text(), factorial(20_000));
    let batch = "{\"n\":5}\n{\"n\":6}\n";
    let answer = proxy.send(post("/batch", batch)).await;
    let direct = Client::over(upstream.connect().await)
        .await
        .send(post("/batch", batch))
        .await;
    assert_eq!(answer.status, direct.expect("an answer").status);
    let answer = proxy.send(get("/nothing")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["status"], 404);
    drop(upstream);
    let answer = proxy.send(get("/factorial/20")).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
}
