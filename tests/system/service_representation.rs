//! Responses to HEAD, 304 and gzip on every route: their header fields are those of the
//! corresponding GET, or fewer.

use std::io::Read as _;

use axum::http::HeaderMap;
use flate2::read::GzDecoder;

use crate::service::{Answer, Client, Server, factorial, get, with};

const ROUTES: [&str; 20] = [
    "/",
    "/page.css",
    "/page.js",
    "/icon.svg",
    "/factorial/20",
    "/factorial/1000",
    "/factorial/30000",
    "/factorial/3000?format=scientific:9",
    "/factorials/3",
    "/kinds/5",
    "/info/5",
    "/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
    // Errors
    "/nothing",
    "/batch",
    "/factorial/ten",
    "/factorial/%ff",
    "/factorial/18446744073709551615",
];
const ACCEPTED: [&str; 5] = [
    "*/*",
    "text/plain",
    "application/json",
    "text/event-stream",
    "image/png",
];
const CODINGS: [Option<&str>; 6] = [
    None,
    Some("gzip"),
    Some("gzip;q=0, *;q=0.5"),
    Some("identity;q=0, x-gzip;q=0.1"),
    Some("identity;q=0"),
    Some("*;q=0"),
];

/// The head of the response to `HEAD path`. Asserts that no byte follows.
async fn head(server: &Server, path: &str, fields: &str) -> (u16, HeaderMap) {
    let request =
        format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
    let answer = String::from_utf8(server.raw(request).await).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the end of a head");
    assert_eq!(body, "", "{path}");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        let name: axum::http::HeaderName = name.parse().expect("a name");
        (name, value.parse().expect("a value"))
    });
    let status = status.and_then(|status| status.parse().ok());
    (status.expect("a status"), headers.collect())
}

/// Asserts that every field is also in the GET's response, and that those of `wanted` that the
/// GET has are present.
fn assert_of_get(headers: &HeaderMap, get: &Answer, wanted: &[&str], what: &str) {
    for (name, value) in headers {
        let is_own = ["date", "connection"].contains(&name.as_str());
        // Metrics count requests, so their length changes.
        let is_counted = what.contains("/metrics") && name == "content-length";
        let expected = get.headers.get(name);
        assert!(
            is_own || is_counted || expected == Some(value),
            "{what}: {name} is {value:?}, and {expected:?} with GET"
        );
    }
    for name in wanted {
        assert_eq!(headers.get(*name), get.headers.get(*name), "{what}: {name}");
    }
}

async fn send_request(client: &mut Client, path: &str, fields: &[(&'static str, &str)]) -> Answer {
    let request = fields.iter().fold(get(path), |request, (name, value)| {
        with(request, name, value)
    });
    client.send(request).await.expect("an answer")
}

#[tokio::test]
async fn head_and_not_modified_have_the_fields_of_the_get() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let (mut lengths, mut tags, mut zipped) = (0, 0, 0);
    for path in ROUTES {
        for accept in ACCEPTED {
            for coding in CODINGS {
                let what = format!("{path} as {accept} in {coding:?}");
                let mut fields = vec![("accept", accept)];
                fields.extend(coding.map(|coding| ("accept-encoding", coding)));
                let answer = send_request(&mut client, path, &fields).await;
                let lines: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                let lines = lines.concat();
                let (status, headers) = head(&server, path, &lines).await;
                assert_eq!(status, answer.status, "{what}");
                let wanted = [
                    "content-type",
                    "content-encoding",
                    "cache-control",
                    "vary",
                    "etag",
                    "allow",
                ];
                assert_of_get(&headers, &answer, &wanted, &what);
                lengths += usize::from(headers.contains_key("content-length"));
                zipped += usize::from(headers.contains_key("content-encoding"));
                if status >= 400 {
                    answer.problem(status);
                    continue;
                }
                assert!(answer.header("vary").contains("accept-encoding"), "{what}");
                let tag = answer.header("etag");
                if tag.is_empty() {
                    continue;
                }
                tags += 1;
                fields.push(("if-none-match", tag));
                let had = send_request(&mut client, path, &fields).await;
                assert_eq!((had.status, had.body.len()), (304, 0), "{what}");
                let wanted = ["cache-control", "vary", "etag"];
                assert_of_get(&had.headers, &answer, &wanted, &what);
                assert_eq!(had.header("content-length"), "", "{what}");
                let lines = format!("{lines}If-None-Match: {tag}\r\n");
                let (status, headers) = head(&server, path, &lines).await;
                assert_eq!(status, 304, "{what}");
                assert_of_get(&headers, &had, &wanted, &what);
            }
        }
    }
    // Guards against a test without cases.
    assert!(
        lengths > 100 && tags > 50 && zipped > 50,
        "{lengths} {tags} {zipped}"
    );
}

fn gunzip(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    let read = GzDecoder::new(&answer.body[..]).read_to_end(&mut plain);
    read.expect("a whole file of gzip");
    plain
}

#[tokio::test]
async fn gzip_is_sent_if_accepted_and_smaller() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    for (path, accept, is_long) in [
        ("/factorial/20", "text/plain", false),
        ("/factorial/20", "application/json", false),
        ("/factorial/1000", "text/plain", true),
        ("/factorial/1000", "application/json", true),
        ("/factorial/30000", "text/plain", true),
        ("/factorial/30000", "application/json", true),
        ("/factorial/30000?format=scientific:9", "*/*", false),
        ("/info/5", "*/*", false),
        ("/openapi.json", "*/*", true),
        ("/page.js", "*/*", true),
        ("/healthz", "*/*", false),
        ("/nothing", "*/*", false),
    ] {
        let plain = send_request(&mut client, path, &[("accept", accept)]).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        for (coding, is_zipped) in [
            ("gzip", is_long),
            ("GZIP;q=0.5, identity;q=0.1", is_long),
            ("deflate, *;q=0.2", is_long),
            ("gzip;q=0.5, identity", false),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
            ("identity;q=0, gzip", plain.status == 200),
            ("*;q=0, gzip;q=0.001", plain.status == 200),
        ] {
            let fields = [("accept", accept), ("accept-encoding", coding)];
            let answer = send_request(&mut client, path, &fields).await;
            let what = format!("{path} as {accept} in {coding:?}");
            assert_eq!(answer.status, plain.status, "{what}");
            let expected = if is_zipped { "gzip" } else { "" };
            assert_eq!(answer.header("content-encoding"), expected, "{what}");
            // All codings share one weak tag.
            assert_eq!(answer.header("etag"), plain.header("etag"), "{what}");
            if is_zipped {
                assert_eq!(answer.header("content-length"), "", "{what}");
                assert_eq!(gunzip(&answer), plain.body, "{what}");
            } else {
                assert_eq!(answer.body, plain.body, "{what}");
            }
            if is_long && is_zipped {
                assert!(answer.body.len() < plain.body.len() * 6 / 10, "{what}");
            }
        }
    }
    for media in ["application/x-ndjson", "text/event-stream"] {
        let fields = [("accept", media), ("accept-encoding", "gzip, identity;q=0")];
        let answer = send_request(&mut client, "/factorials/20", &fields).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "{media}");
        let text = String::from_utf8(gunzip(&answer)).expect("text");
        assert!(text.contains("\"count\":20}"), "{text}");
    }
    let fields = [("accept", "text/event-stream"), ("accept-encoding", "gzip")];
    let events = send_request(&mut client, "/factorials/20", &fields).await;
    assert_eq!(events.header("content-encoding"), "");
    let mut client = server.client2().await;
    let zipped = with(get("/factorial/30000"), "accept-encoding", "gzip");
    let zipped = client.send(zipped).await.expect("an answer");
    assert_eq!(gunzip(&zipped), factorial(30_000).as_bytes());
}

#[tokio::test]
async fn a_client_that_accepts_no_coding_gets_a_problem() {
    let server = Server::start(&[]);
    for path in [
        "/",
        "/factorial/20",
        "/factorial/30000",
        "/openapi.json",
        "/healthz",
        "/metrics",
    ] {
        for coding in [
            "identity;q=0",
            "*;q=0",
            "identity;q=0.000, br",
            "gzip;q=0, identity;q=0",
        ] {
            let request = with(get(path), "accept-encoding", coding);
            let problem = server.send(request).await.problem(406);
            let detail = problem["detail"].as_str().expect("text");
            assert!(detail.contains("gzip or identity"), "{detail}");
        }
    }
    // A client of HTTP/1.0 never gets gzip.
    let old = "GET /factorial/1000 HTTP/1.0\r\nAccept-Encoding: identity;q=0, gzip\r\n\r\n";
    assert!(server.raw(old).await.starts_with(b"HTTP/1.0 406 "));
    let old = "GET /factorial/1000 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    let old = String::from_utf8(server.raw(old).await).expect("text");
    assert!(old.ends_with(&factorial(1000)), "{old}");
    assert!(!old.contains("content-encoding"), "{old}");
}

#[tokio::test]
async fn not_modified_follows_the_grammar_of_tags() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let path = "/factorial/1000";
    let tag = send_request(&mut client, path, &[])
        .await
        .header("etag")
        .to_owned();
    let strong = tag.trim_start_matches("W/");
    let gzipped = strong.replace("-text\"", "-text-gzip\"");
    for (tags, status) in [
        (tag.as_str(), 304),
        (strong, 304),
        (&format!("\"a\", {tag}"), 304),
        (&format!("\"a,b\",{tag}"), 304),
        (&format!("\"\\\",{tag}"), 304),
        (&format!(",, {tag} ,"), 304),
        ("*", 304),
        (&gzipped, 200),
        (strong.trim_matches('"'), 200),
        // The tag is a substring of another one.
        (&format!("\"x,{}", &strong[1..]), 200),
        ("\"*\"", 200),
        ("\"\"", 200),
        ("", 200),
    ] {
        let fields = [("if-none-match", tags)];
        let answer = send_request(&mut client, path, &fields).await;
        assert_eq!(answer.status, status, "{tags}");
    }
    // A missing resource matches no tag.
    let none = [("if-none-match", "*")];
    let answer = send_request(&mut client, "/factorial/18446744073709551615", &none).await;
    answer.problem(422);
}
