//! The service's handling of HTTP itself: hosts, targets, expectations, repeated fields, JSON
//! with small faults, and invalid heads.

use axum::http::{HeaderValue, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::wait_for;
use crate::service::{Server, get, post, rest, with};

/// The status of the only response to `bytes`, which must be a problem if it is an error.
async fn status(server: &Server, bytes: &[u8]) -> u16 {
    let shown = String::from_utf8_lossy(bytes);
    let answer = String::from_utf8(server.raw(bytes).await).expect("text");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{shown:?}"));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{head}"));
    if status >= 400 {
        for line in [
            "content-type: application/problem+json".to_owned(),
            "cache-control: no-store".to_owned(),
            format!("content-length: {}", body.len()),
        ] {
            let count = head.lines().filter(|it| *it == line).count();
            assert_eq!(count, 1, "{line} in {head} for {shown:?}");
        }
        let lengths = head.matches("content-length").count();
        assert_eq!(lengths, 1, "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["status"], status, "{body}");
    }
    status
}

#[tokio::test]
async fn every_request_needs_one_valid_host() {
    let server = Server::start(&[]);
    for (line, hosts, expected) in [
        ("GET /factorial/5 HTTP/1.1", &["localhost"][..], 200),
        ("GET /factorial/5 HTTP/1.1", &[""], 200),
        ("GET /factorial/5 HTTP/1.1", &["[::1]:8080"], 200),
        ("GET /factorial/5 HTTP/1.1", &[], 400),
        ("GET /factorial/5 HTTP/1.1", &["a", "a"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a", "b"], 400),
        ("GET /factorial/5 HTTP/1.1", &["user@a"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a b"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a,b c"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a:b"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a:65536"], 400),
        ("GET /factorial/5 HTTP/1.1", &["a/b"], 400),
        ("GET /factorial/5 HTTP/1.1", &["\u{ff}"], 400),
        ("HEAD /factorial/5 HTTP/1.0", &[], 200),
        ("GET /factorial/5 HTTP/1.0", &[], 200),
        ("GET /factorial/5 HTTP/1.0", &["a"], 200),
        ("GET /factorial/5 HTTP/1.0", &["a", "a"], 400),
        ("GET /factorial/5 HTTP/1.0", &["user@a"], 400),
        ("GET http://a/factorial/5 HTTP/1.1", &["a"], 200),
        (
            "GET HTTP://A:80/factorial/5?kind=double HTTP/1.1",
            &["b"],
            200,
        ),
        ("GET http://a/factorial/5 HTTP/1.1", &[], 400),
        ("GET http://user@a/factorial/5 HTTP/1.1", &["a"], 400),
        ("GET http://a:x/factorial/5 HTTP/1.1", &["a"], 400),
        ("GET http://a HTTP/1.1", &["a"], 200),
        ("GET /nothing HTTP/1.1", &[], 400),
        ("DELETE /factorial/5 HTTP/1.1", &["a", "a"], 400),
        ("GET /healthz HTTP/1.1", &[], 400),
        ("OPTIONS * HTTP/1.1", &["a"], 404),
        ("GET a HTTP/1.1", &["a"], 404),
    ] {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let hosts = hosts.concat();
        let request = format!("{line}\r\n{hosts}Connection: close\r\n\r\n");
        if line.starts_with("HEAD") {
            assert!(server.raw(request).await.starts_with(b"HTTP/1.0 200 "));
            continue;
        }
        assert_eq!(
            status(&server, request.as_bytes()).await,
            expected,
            "{request}"
        );
    }
    for (host, expected) in [
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("elsewhere", 400),
        ("localhost:81", 400),
        ("user@localhost", 400),
    ] {
        let mut client = server.client2().await;
        let answer = client.send_with_host(get("/factorial/5"), host).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, expected, "{host}");
        if expected >= 400 {
            answer.problem(expected);
        }
    }
}

#[tokio::test]
async fn an_invalid_head_gets_a_problem() {
    let server = Server::start(&["--headers", "8KiB"]);
    let long = "x".repeat(9000);
    let many: Vec<_> = (0..101).map(|i| format!("x{i}: y\r\n")).collect();
    let many = many.concat();
    let host = "Host: localhost\r\n";
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET\r\n\r\n".to_owned(), 400),
        ("\u{1}GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/9.9\r\n{host}\r\n"), 400),
        (format!("GET / HTTP/2.0\r\n{host}\r\n"), 400),
        (format!("GET /\u{1} HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}a b: c\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}: x\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}a: \u{1}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}\ta: folded\r\n\r\n"), 400),
        (
            format!("POST /batch HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"),
            400,
        ),
        (
            format!("POST /batch HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400,
        ),
        (
            format!("POST /batch HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"),
            400,
        ),
        (
            "POST /batch HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET / HTTP/1.1\r\n{host}a: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\n{host}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{host}{many}\r\n"), 431),
    ] {
        let start: String = request.chars().take(80).collect();
        assert_eq!(
            status(&server, request.as_bytes()).await,
            expected,
            "{start:?}"
        );
    }
    let roomy = Server::start(&["--headers", "256KiB"]);
    let request = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(66_000));
    assert_eq!(status(&roomy, request.as_bytes()).await, 414);
    for codings in ["gzip, chunked", "chunked, chunked", "identity, chunked"] {
        let request = format!(
            "POST /batch HTTP/1.1\r\n{host}Connection: close\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n"
        );
        let seen = status(&server, request.as_bytes()).await;
        assert_eq!(seen, 400, "{codings}");
    }
    // Also after successful responses.
    let good = format!("GET /factorial/30000 HTTP/1.1\r\n{host}\r\n");
    let answers = server.raw(format!("{good}{good}nonsense\r\n\r\n")).await;
    let answers = String::from_utf8(answers).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2);
    let (_, last) = answers
        .split_once("HTTP/1.1 400 Bad Request\r\n")
        .expect("a refusal");
    assert!(
        last.contains("content-type: application/problem+json\r\n"),
        "{last}"
    );
    assert!(last.ends_with('}'), "{last}");
}

#[tokio::test]
async fn every_error_of_a_route_is_a_problem() {
    let server = Server::start(&["--output", "1MiB"]);
    for (method, path, expected) in [
        ("GET", "/factorial/%ff", 400),
        ("GET", "/factorials/%ff", 400),
        ("GET", "/kinds/%c3%28", 400),
        ("GET", "/info/%ff", 400),
        ("GET", "/factorial/5?kind=%ff", 400),
        ("GET", "/factorial/5?%ff=1", 400),
        ("GET", "/factorial/", 404),
        ("GET", "/%ff", 404),
        ("GET", "//", 404),
        ("GET", "/factorial/1000000", 422),
        ("DELETE", "/factorial/%ff", 405),
        ("OPTIONS", "/factorial/5", 405),
        ("TRACE", "/", 405),
        ("BREW", "/page.css", 405),
        ("POST", "/openapi.json", 405),
        ("PUT", "/healthz", 405),
        ("GET", "/batch", 405),
        ("CONNECT", "/", 405),
    ] {
        let method: Method = method.parse().expect("a method");
        if method == Method::CONNECT {
            let bytes =
                b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n";
            let seen = status(&server, bytes).await;
            assert!(seen == 404 || seen == 405, "{seen}");
            continue;
        }
        let mut request = get(path);
        *request.method_mut() = method.clone();
        let answer = server.send(request).await;
        answer.problem(expected);
        let is_allowed = answer.headers.contains_key("allow");
        assert_eq!(is_allowed, expected == 405, "{method} {path}");
    }
}

/// Reads up to and including `end`.
async fn until(stream: &mut tokio::net::TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let read = wait_for("what is waited for", stream.read_buf(&mut seen)).await;
        let text = String::from_utf8_lossy(&seen);
        assert_ne!(read.expect("a reader"), 0, "it ended after {text:?}");
    }
    String::from_utf8(seen).expect("text")
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let server = Server::start(&[]);
    let body = "{\"n\":5}\n{\"n\":6}\n";
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = format!("Content-Length: {}", body.len());
    for (expect, framing, body) in [
        ("100-continue", length.as_str(), body),
        ("100-Continue", &length, body),
        ("100-continue", "Transfer-Encoding: chunked", &chunk),
    ] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: {expect}\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("a reader");
        assert_eq!(until(&mut stream, "\r\n\r\n").await, GO_ON);
        stream.write_all(body.as_bytes()).await.expect("a reader");
        let answer = String::from_utf8(rest(&mut stream).await).expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for value in ["\"value\":\"120\"", "\"value\":\"720\""] {
            assert!(answer.contains(value), "{answer}");
        }
        // A client that does not wait gets its response as well.
        let answer = String::from_utf8(server.raw(format!("{head}{body}")).await).expect("text");
        assert!(answer.contains("\"value\":\"720\""), "{answer}");
    }
    // No 100 is sent where the body is unused or empty.
    for (head, expected) in [
        (
            "POST /batch HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 9\r\n",
            "415",
        ),
        ("POST /nothing HTTP/1.1\r\nContent-Length: 9\r\n", "404"),
        ("POST /batch HTTP/1.1\r\nContent-Length: 0\r\n", "400"),
        ("GET /factorial/5 HTTP/1.1\r\n", "200"),
        ("HEAD /factorial/5 HTTP/1.1\r\n", "200"),
    ] {
        let more = "Host: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n";
        let answer = server.raw(format!("{head}{more}")).await;
        let expected = format!("HTTP/1.1 {expected} ");
        assert!(answer.starts_with(expected.as_bytes()), "{head}");
    }
}

#[tokio::test]
async fn a_client_must_send_its_body_after_100_continue() {
    let server = Server::start(&["--stall", "300ms"]);
    let head = "POST /batch HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let answer = String::from_utf8(server.raw(head).await).expect("text");
    let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n");
    let answer = answer.expect("100 first");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn unknown_expectations_are_refused() {
    let server = Server::start(&[]);
    for (expect, expected) in [
        (&["200-ok"][..], 417),
        (&["100-continue", "200-ok"], 417),
        (&["100-continue, 200-ok"], 417),
        (&["\"100-continue\""], 417),
        (&["100-continue"], 200),
    ] {
        for path in ["/factorial/5", "/healthz", "/page.css"] {
            let request = expect
                .iter()
                .fold(get(path), |request, expect| with(request, "expect", expect));
            let answer = server.send(request).await;
            assert_eq!(answer.status, expected, "{expect:?}");
            if expected == 417 {
                answer.problem(417);
            }
        }
    }
}

#[tokio::test]
async fn a_client_may_read_the_head_before_it_sends_the_body() {
    let server = Server::start(&[]);
    let mut stream = server.connect().await;
    let head =
        "POST /batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 7\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a reader");
    let read = until(&mut stream, "\r\n\r\n").await;
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
    stream.write_all(b"{\"n\":5}").await.expect("a reader");
    let answer = String::from_utf8(rest(&mut stream).await).expect("text");
    assert!(answer.contains("\"value\":\"120\""), "{answer}");
}

#[tokio::test]
async fn only_an_object_is_a_record_of_a_batch() {
    let server = Server::start(&[]);
    let lines = [
        "[5]",
        "[5,null,null,null,null]",
        "[]",
        "5",
        "null",
        "\"5\"",
        "{\"n\":5,\"n\":5}",
        "{\"n\":5,\"\\u006e\":6}",
        "{\"n\":5,\"kind\":\"double\",\"kind\":\"double\"}",
        "{\"n\":5}{\"n\":6}",
        "{\"n\":5}]",
        "{\"n\":5.0}",
        "{\"n\":\"5\"}",
        "{\"kind\":[\"double\"],\"n\":5}",
        "{}",
    ];
    let answer = server.send(post("/batch", lines.join("\n"))).await;
    let answers = answer.lines();
    assert_eq!(answers.len(), lines.len());
    for (line, answer) in lines.iter().zip(&answers) {
        assert_eq!(answer["problem"]["status"], 400, "{line}: {answer}");
    }
    let good = server.send(post("/batch", " {\"\\u006e\" : 5 } ")).await;
    assert_eq!(good.json()["value"], "120");
}

#[tokio::test]
async fn the_type_of_a_batch_follows_the_grammar() {
    let server = Server::start(&[]);
    for (types, expected) in [
        (&[][..], 200),
        (&["application/x-ndjson"], 200),
        (&["Application/X-NDJSON"], 200),
        (&["application/json; charset=utf-8"], 200),
        (&["application/json ;CHARSET=\"UTF-8\""], 200),
        (&["application/jsonl;x=\"a;b,c\""], 200),
        (&["application/x-www-form-urlencoded"], 200),
        (&["application/json;"], 200),
        (&["application/json; charset=utf-16"], 415),
        (&["application/json, text/plain"], 415),
        (&["application/json; charset"], 415),
        (&["application/json; x=\"unended"], 415),
        (&["application"], 415),
        (&["text/plain"], 415),
        (&[""], 415),
        (&["\u{e9}"], 415),
        (&["application/json", "application/json"], 400),
    ] {
        let mut request = post("/batch", "{\"n\":5}");
        request.headers_mut().remove("content-type");
        for it in types {
            let it = HeaderValue::from_bytes(it.as_bytes()).expect("a value");
            request.headers_mut().append("content-type", it);
        }
        let answer = server.send(request).await;
        assert_eq!(answer.status, expected, "{types:?}");
        if expected == 200 {
            assert_eq!(answer.json()["value"], "120", "{types:?}");
        } else {
            answer.problem(expected);
        }
    }
    let zipped = with(post("/batch", "x"), "content-encoding", "gzip");
    let zipped = server.send(zipped).await;
    zipped.problem(415);
    assert_eq!(zipped.header("accept-encoding"), "identity");
    let bare = with(post("/batch", "{\"n\":5}"), "content-encoding", "identity");
    assert_eq!(server.send(bare).await.json()["value"], "120");
}

#[tokio::test]
async fn media_ranges_follow_the_grammar() {
    let server = Server::start(&[]);
    let json = "application/json";
    let text = "text/plain; charset=utf-8";
    for (accept, expected) in [
        ("APPLICATION/JSON", json),
        ("image/png;x=\", application/json\", text/plain", text),
        ("image/png;x=\"\\\", application/json\", text/plain", text),
        ("application/json;x=\",\"", json),
        ("text/plain;Q=0.1, application/json;q=0.2", json),
        ("text/plain;q=0.1;x=y, application/json", json),
        ("text/plain;q=1.5, application/json;q=0.1", json),
        (",,application/json,,", json),
        ("application/json;;q=1", json),
    ] {
        let answer = server.get_as("/factorial/5", accept).await;
        assert_eq!(answer.header("content-type"), expected, "{accept}");
    }
    for accept in [
        "image/png;x=\", text/plain\"",
        "text",
        "text/plain;q=0",
        "*/plain",
    ] {
        server.get_as("/factorial/5", accept).await.problem(406);
    }
}
