//! The service's routes: their responses, by format and by client.

use axum::http::Method;
use cocoon::worlds::factorial::ONE_OF_EACH_KIND;

use crate::service::{Answer, Server, factorial, get, post, with};

#[tokio::test]
async fn a_number_is_text_or_json() {
    let server = Server::start(&[]);
    for n in [0, 1, 20, 1000, 20_000, 30_000] {
        let (value, path) = (factorial(n), format!("/factorial/{n}"));
        let text = server.get(&path).await;
        assert_eq!((text.status, text.text()), (200, value.as_str()), "{n}");
        assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(text.header("content-length"), value.len().to_string());
        let json = server.get_as(&path, "application/json").await;
        assert_eq!(json.header("content-type"), "application/json");
        let record = json.json();
        assert_eq!(json.status, 200);
        assert_eq!(record["n"], n);
        assert_eq!(record["kind"], "factorial");
        assert_eq!(record["format"], "decimal");
        assert_eq!(record["value"], value);
        assert_eq!(record["digits"], value.len());
        assert!(record["grade"].is_string(), "{n} has no grade");
        for answer in [text, json] {
            assert_eq!(answer.header("vary"), "accept, accept-encoding");
            assert_eq!(
                answer.header("cache-control"),
                "public, max-age=31536000, immutable"
            );
        }
    }
    let short = server
        .get("/factorial/1000?format=scientific:5&kind=double")
        .await;
    assert_eq!(short.text(), "3.9940e+1284");
    let proved = server.get("/factorial/30000?proved=true").await;
    assert_eq!(proved.text(), factorial(30_000));
}

#[tokio::test]
async fn the_accept_header_selects_the_format() {
    let server = Server::start(&[]);
    for (path, accept, expected) in [
        ("/factorial/5", "application/json", "application/json"),
        (
            "/factorial/5",
            "text/plain;q=0.1, application/json",
            "application/json",
        ),
        (
            "/factorial/5",
            "application/json;q=0.1, text/*",
            "text/plain; charset=utf-8",
        ),
        ("/factorial/5", "*/*", "text/plain; charset=utf-8"),
        ("/factorials/5", "*/*", "application/x-ndjson"),
        ("/factorials/5", "text/event-stream", "text/event-stream"),
        ("/info/5", "application/json", "application/json"),
    ] {
        let answer = server.get_as(path, accept).await;
        assert_eq!(answer.status, 200, "{path} as {accept}");
        assert_eq!(
            answer.header("content-type"),
            expected,
            "{path} as {accept}"
        );
    }
    for (path, accept) in [
        ("/factorial/5", "image/png"),
        ("/factorial/5", "text/plain;q=0"),
        ("/factorials/5", "application/json"),
        ("/kinds/5", "text/plain"),
        ("/info/5", "text/plain"),
    ] {
        server.get_as(path, accept).await.problem(406);
    }
}

#[tokio::test]
async fn head_is_answered_without_computing() {
    // Computing the digits would exceed the deadline.
    let server = Server::start(&["--deadline", "500ms"]);
    let mut request = get("/factorial/5000000");
    *request.method_mut() = Method::HEAD;
    let head = server.send(request.clone()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // The number that `cocoon info` reports.
    assert_eq!(head.header("content-length"), "31323382");
    assert!(head.header("etag").starts_with("W/\""));
    let had = with(
        get("/factorial/5000000"),
        "if-none-match",
        head.header("etag"),
    );
    let had = server.send(had).await;
    assert_eq!((had.status, had.body.len()), (304, 0));
    assert_eq!(had.header("etag"), head.header("etag"));
    assert_eq!(had.header("cache-control"), head.header("cache-control"));
    let other = with(get("/factorial/20"), "if-none-match", head.header("etag"));
    let server = Server::start(&[]);
    assert_eq!(server.send(other).await.text(), "2432902008176640000");
}

#[tokio::test]
async fn each_representation_has_its_own_entity_tag() {
    let server = Server::start(&[]);
    let other = Server::hostile(&[]);
    let mut tags = std::collections::HashSet::new();
    for (path, media) in [
        ("/factorial/1000", "text/plain"),
        ("/factorial/1000", "application/json"),
        ("/factorial/1001", "text/plain"),
        ("/factorial/1000?kind=double", "text/plain"),
        ("/factorial/1000?format=scientific:9", "text/plain"),
        ("/factorial/1000?proved=true", "text/plain"),
    ] {
        let first = server.get_as(path, media).await;
        let again = server.get_as(path, media).await;
        let tag = first.header("etag");
        assert_eq!(tag, again.header("etag"), "{path} as {media}");
        assert!(tags.insert(tag.to_owned()), "{path} as {media} has {tag}");
    }
    // Another component may give another response.
    let tag = other.get("/factorial/1000").await.header("etag").to_owned();
    assert!(tags.insert(tag));
}

#[tokio::test]
async fn every_kind_and_every_fact_is_listed() {
    let server = Server::start(&[]);
    let kinds = server.get("/kinds/10").await;
    assert_eq!(kinds.status, 200);
    let kinds = kinds.json();
    let kinds = kinds.as_array().expect("a list");
    assert_eq!(kinds.len(), ONE_OF_EACH_KIND.len());
    for (entry, kind) in kinds.iter().zip(ONE_OF_EACH_KIND) {
        let kind = kind.to_string();
        assert_eq!(entry["kind"], kind);
        let path = format!("/factorial/10?kind={kind}");
        assert_eq!(entry["value"], server.get(&path).await.text(), "{kind}");
        assert!(entry["notation"].is_string(), "{entry}");
    }
    let large = server.get("/kinds/1000000").await.json();
    assert!(large[0]["value"].is_null(), "it has too many digits");
    assert_eq!(large[0]["problem"]["status"], 422);
    let facts = server.get("/info/1000").await.json();
    assert_eq!(facts["n"], 1000);
    assert_eq!(facts["digits"], 2568);
    assert_eq!(facts["trailing_zeros"], 249);
    let double = server.get("/info/9?kind=double").await.json();
    assert_eq!(double["kind"], "double");
    assert_eq!(double["digits"], 3);
}

#[tokio::test]
async fn a_listing_is_ordered_and_marks_its_end() {
    let server = Server::start(&["--list-items", "200"]);
    for n in [1_u64, 3, 200] {
        let answer = server.get(&format!("/factorials/{n}")).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let lines = answer.lines();
        let (last, records) = lines.split_last().expect("a last line");
        assert_eq!(records.len() as u64, n);
        for (record, i) in records.iter().zip(1..) {
            assert_eq!(record["n"], i);
            assert_eq!(record["value"], factorial(i), "{i}");
        }
        assert_eq!(last, &serde_json::json!({"done": true, "count": n}));
    }
    let problem = server.get("/factorials/201").await.problem(422);
    assert_eq!(problem["limit"], "list-items");
    assert_eq!(
        (&problem["value"], &problem["needed"]),
        (&200.into(), &201.into())
    );
}

/// The events of a response, by name and data.
fn events(answer: &Answer) -> Vec<(String, serde_json::Value)> {
    let events = answer.text().split_terminator("\n\n");
    events
        .map(|event| {
            let (name, data) = event.split_once('\n').expect("two lines");
            let name = name.strip_prefix("event: ").expect("a name");
            let data = data.strip_prefix("data: ").expect("data");
            let data = serde_json::from_str(data).expect("JSON");
            (name.to_owned(), data)
        })
        .collect()
}

#[tokio::test]
async fn events_report_the_progress_of_each_sandbox() {
    let server = Server::start(&[]);
    let answer = server.get_as("/factorials/50", "text/event-stream").await;
    let events = events(&answer);
    let (last, events) = events.split_last().expect("a last event");
    assert_eq!(last, &("done".to_owned(), serde_json::json!({"count": 50})));
    let mut stages = [0; 51];
    let mut next = 1;
    for (name, data) in events {
        let n = data["n"].as_u64().expect("a number");
        let stage = &mut stages[usize::try_from(n).expect("it fits")];
        match (name.as_str(), data["state"].as_str()) {
            ("state", Some("queued")) => assert_eq!(std::mem::replace(stage, 1), 0),
            ("state", Some("running")) => assert_eq!(std::mem::replace(stage, 2), 1),
            ("state", Some("done")) => assert_eq!(std::mem::replace(stage, 3), 2),
            ("result", None) => {
                assert_eq!((*stage, n), (3, next), "results are in order");
                assert_eq!(data["value"], factorial(n));
                assert!(data["elapsed_us"].is_u64(), "{data}");
                next += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, 51);
}

#[tokio::test]
async fn errors_name_the_expected_value() {
    let server = Server::start(&["--output", "1MiB"]);
    for (path, status, words) in [
        ("/factorial/ten", 400, &["ten", "18446744073709551615"][..]),
        ("/factorial/-1", 400, &["-1"]),
        ("/factorial/18446744073709551616", 400, &["integer from 0"]),
        (
            "/factorial/5?kind=tripel",
            400,
            &["tripel", "superfactorial"],
        ),
        ("/factorial/5?format=hex", 400, &["hex", "scientific"]),
        ("/factorial/5?timeout=soon", 400, &["timeout", "30s"]),
        ("/factorial/5?timeout=0s", 400, &["from 1ms"]),
        ("/factorial/5?proved=perhaps", 400, &["perhaps", "true"]),
        ("/factorial/5?colour=red", 400, &["colour", "kind"]),
        (
            "/factorial/5?kind=double&kind=double",
            400,
            &["kind", "once"],
        ),
        ("/factorials/5?kind=double", 400, &["kind", "none"]),
        ("/kinds/5?x", 400, &["x", "none"]),
        ("/info/5?format=decimal", 400, &["format", "kind"]),
        ("/factorial", 404, &["/factorial", "/openapi.json"]),
        ("/factorial/5/6", 404, &["/factorial/5/6"]),
        ("/factorial/1000000", 422, &["--output", "1 MiB", "5565709"]),
        ("/factorial/18446744073709551615", 422, &["digits"]),
    ] {
        let problem = server.get(path).await.problem(status);
        let detail = problem["detail"].as_str().expect("text");
        for word in words {
            assert!(detail.contains(word), "{path}: {detail:?} lacks {word:?}");
        }
    }
    let problem = server.get("/factorial/1000000").await.problem(422);
    assert_eq!(problem["limit"], "output");
    assert_eq!(problem["value"], 1 << 20);
    assert_eq!(problem["needed"], 5_565_709);
    for (method, path, allowed) in [
        ("DELETE", "/factorial/5", "GET"),
        ("POST", "/factorials/5", "GET"),
        ("GET", "/batch", "POST"),
        ("PATCH", "/healthz", "GET"),
    ] {
        let mut request = get(path);
        *request.method_mut() = method.parse().expect("a method");
        let answer = server.send(request).await;
        answer.problem(405);
        assert!(answer.header("allow").contains(allowed), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_can_shorten_the_deadline_only() {
    let server = Server::start(&["--deadline", "2s"]);
    let hurried = server.get("/factorial/3000000?timeout=20ms").await;
    let hurried = hurried.problem(504);
    assert_eq!(
        (&hurried["limit"], &hurried["value"]),
        (&"deadline".into(), &20.into())
    );
    let patient = Server::start(&["--deadline", "20ms"]);
    let patient = patient.get("/factorial/3000000?timeout=1h").await;
    let patient = patient.problem(504);
    assert_eq!(
        (&patient["limit"], &patient["value"]),
        (&"deadline".into(), &20.into())
    );
}

#[tokio::test]
async fn the_openapi_document_has_all_routes() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    let document = document.json();
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1."), "{version}");
    let paths = document["paths"].as_object().expect("paths");
    for (path, method) in [
        ("/factorial/{n}", "get"),
        ("/factorial/{n}", "head"),
        ("/factorials/{n}", "get"),
        ("/kinds/{n}", "get"),
        ("/info/{n}", "get"),
        ("/batch", "post"),
        ("/healthz", "get"),
        ("/readyz", "get"),
    ] {
        let operation = &paths[path][method];
        assert!(operation["responses"].is_object(), "{method} {path}");
        // Variables of the path are among the parameters (OpenAPI 3.1, section 4.8.9.1).
        if path.contains("{n}") {
            let parameters = operation["parameters"].as_array().expect("parameters");
            let n = parameters.iter().find(|parameter| parameter["name"] == "n");
            let n = n.expect("n");
            assert_eq!((&n["in"], &n["required"]), (&"path".into(), &true.into()));
        }
    }
    assert_references(&document, &document);
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, text));
    }
}

/// Asserts that every reference has a target in the document.
fn assert_references(document: &serde_json::Value, part: &serde_json::Value) {
    match part {
        serde_json::Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(|there| there.as_str()) {
                let pointer = reference.strip_prefix('#').expect("a place in here");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            members
                .values()
                .for_each(|part| assert_references(document, part));
        }
        serde_json::Value::Array(parts) => {
            for part in parts {
                assert_references(document, part);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn http_1_0_and_http_2_are_supported() {
    let server = Server::start(&[]);
    let old = |path: &str, more: &str| format!("GET {path} HTTP/1.0\r\n{more}\r\n");
    let accepts = "Accept-Encoding: gzip\r\n";
    for n in [20, 30_000] {
        let answer = server.raw(old(&format!("/factorial/{n}"), accepts)).await;
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        let length = format!("content-length: {}", body.len());
        assert!(head.to_lowercase().contains(&length), "{head}");
        assert_eq!(body, factorial(n), "{n}");
    }
    // A client of HTTP/1.0 could not detect a truncated body.
    let json = "Accept: application/json\r\n";
    let refused = server.raw(old("/factorial/30000", json)).await;
    let refused = String::from_utf8(refused).expect("text");
    assert!(refused.starts_with("HTTP/1.0 426 "), "{refused}");
    assert!(refused.contains("\"status\":426"), "{refused}");
    let short = server.raw(old("/factorial/20", json)).await;
    let short = String::from_utf8(short).expect("text");
    assert!(short.to_lowercase().contains("content-length: "), "{short}");
    let mut client = server.client2().await;
    for n in [20, 30_000] {
        let path = format!("/factorial/{n}");
        let answer = client.send(get(&path)).await.expect("all of it");
        assert_eq!(answer.text(), factorial(n), "{n}");
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), length);
    }
    let batch = client.send(post("/batch", "{\"n\":3}")).await;
    assert_eq!(batch.expect("all of it").json()["value"], "6");
}
