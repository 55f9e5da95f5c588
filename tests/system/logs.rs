//! The log: lines as text and as JSON, and access lines.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::blocking_service::{Service, parts_of, status_of};
use crate::harness::{cocoon, json_lines, run_command};
use crate::otlp::{Protocol, Receiver};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: (&str, &str) = (
    "traceparent",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
);

/// A service that logs JSON.
fn json_service(more: &[&str]) -> Command {
    cocoon(["--log-format", "json", "serve"].iter().chain(more))
}

/// The access lines of a log.
fn access_lines(log: &str) -> Vec<Value> {
    let lines = json_lines(log).into_iter();
    lines
        .filter(|line| line["target"] == "cocoon::access")
        .collect()
}

#[test]
fn a_json_log_has_one_object_per_line() {
    let mut command = cocoon(["--log-format", "json", "compute", "10"]);
    let outcome = run_command(command.env("COCOON_LOG", "cocoon=debug"));
    assert_eq!((outcome.code, &*outcome.out), (Some(0), "3628800\n"));
    let lines = json_lines(&outcome.err);
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        if line["message"] == "close" {
            for key in ["busy_seconds", "idle_seconds"] {
                assert!(line[key].is_f64(), "{key}: {line}");
            }
        }
    }
    let closed = |name: &str| {
        lines
            .iter()
            .any(|line| line["message"] == "close" && line["span"]["name"] == name)
    };
    for name in ["queue", "sandbox", "cost", "compute"] {
        assert!(closed(name), "{name}: {}", outcome.err);
    }
}

#[test]
fn a_service_with_a_json_log_writes_json_on_every_stream() {
    let service = Service::start(&mut json_service(&["--access-log"]));
    let started: Value = serde_json::from_str(&service.line).expect("JSON");
    assert_eq!(
        (&started["level"], &started["message"]),
        (&json!("INFO"), &json!("serving"))
    );
    assert!(started["deadline_seconds"].is_f64(), "{started}");
    let answer = service.get("/factorial/20", &[PARENT, ("X-Request-Id", "order-17")]);
    assert!(parts_of(&answer).0.contains("\r\nx-request-id: order-17"));
    let answer = service.get("/factorial/x", &[]);
    assert_eq!(status_of(&answer), "400");
    let lines = access_lines(&service.end());
    let [one, wrong] = &lines[..] else {
        panic!("two lines: {lines:#?}")
    };
    for (key, value) in [
        ("level", json!("INFO")),
        ("method", json!("GET")),
        ("path", json!("/factorial/20")),
        ("route", json!("/factorial/{n}")),
        ("status", json!(200)),
        ("bytes", json!(19)),
        ("request_id", json!("order-17")),
        ("trace_id", json!(TRACE)),
    ] {
        assert_eq!(one[key], value, "{one}");
    }
    assert!(one["duration_seconds"].as_f64().expect("a number") > 0.0);
    let client = one["client"].as_str().expect("an address");
    assert!(client.starts_with("127.0.0.1:"), "{one}");
    assert_eq!(
        (&wrong["status"], &wrong["level"]),
        (&json!(400), &json!("INFO"))
    );
    let reason = wrong["reason"].as_str().expect("a reason");
    assert!(reason.contains("`x`"), "{wrong}");
    let id = wrong["request_id"].as_str().expect("a name");
    assert!(id.len() > 16, "{wrong}");
}

#[test]
fn only_server_errors_are_logged_without_the_access_log() {
    let service = Service::start(&mut json_service(&["--deadline", "20ms"]));
    for (path, status) in [
        ("/factorial/20", "200"),
        ("/factorial/x", "400"),
        ("/factorial/3000000", "504"),
    ] {
        assert_eq!(status_of(&service.get(path, &[])), status, "{path}");
    }
    let log = service.end();
    let lines = access_lines(&log);
    let [line] = &lines[..] else {
        panic!("one line: {log}")
    };
    assert_eq!(
        (&line["status"], &line["level"]),
        (&json!(504), &json!("WARN"))
    );
    let reason = line["reason"].as_str().expect("a reason");
    assert!(reason.contains("--deadline"), "{line}");
    assert!(line["request_id"].is_string(), "{line}");
}

#[test]
fn a_disconnected_client_is_logged() {
    let service = Service::start(&mut json_service(&["--access-log"]));
    let stream = service.start_get("/factorial/3000000");
    let metrics_have = |text: &str| while !service.get("/metrics", &[]).contains(text) {};
    metrics_have("\ncocoon_sandboxes_live 1\n");
    drop(stream);
    metrics_have("status=\"499\"");
    let lines = access_lines(&service.end());
    let left = lines
        .iter()
        .find(|line| line["path"] == "/factorial/3000000");
    let left = left.expect("its line");
    assert_eq!(left["status"], 499, "{left}");
    let reason = left["reason"].as_str().expect("a reason");
    assert!(reason.contains("connection ended"), "{left}");
}

#[test]
fn lines_within_a_request_have_the_trace_of_its_caller() {
    let service = Service::start(json_service(&[]).env("COCOON_LOG", "cocoon=debug"));
    let answer = service.get("/factorial/20", &[PARENT, ("X-Request-Id", "order-17")]);
    assert_eq!(status_of(&answer), "200");
    let lines = json_lines(&service.end()).into_iter();
    let of_request: Vec<_> = lines
        .filter(|line| line["request_id"] == "order-17")
        .collect();
    assert!(of_request.len() >= 3, "{of_request:#?}");
    for line in of_request {
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
}

#[test]
fn lines_within_a_request_have_its_name_and_its_trace() {
    let mut receiver = Receiver::start(Protocol::Http);
    let mut command = json_service(&["--access-log"]);
    command
        .env("COCOON_LOG", "cocoon=debug")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", Protocol::Http.name())
        .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let service = Service::start(&mut command);
    let answer = service.get("/factorial/20", &[PARENT, ("X-Request-Id", "order-17")]);
    assert_eq!(status_of(&answer), "200");
    let spans = receiver.wait(|spans| spans.iter().any(|span| span.span.parent_span_id.len() == 8));
    assert!(!spans.is_empty());
    // The exemplar of a bucket names its latest request.
    let accept = ("Accept", "application/openmetrics-text");
    let metrics = service.get("/metrics", &[accept]);
    let exemplar = format!(" # {{trace_id=\"{TRACE}\"}} ");
    let with = metrics.lines().filter(|line| line.contains(&exemplar));
    let with: Vec<_> = with.collect();
    assert_eq!(with.len(), 1, "{metrics}");
    assert!(with[0].contains("route=\"/factorial/{n}\""), "{with:?}");
    assert!(
        metrics.contains("\ncocoon_http_requests_created{"),
        "{metrics}"
    );
    let classic = service.get("/metrics", &[]);
    assert!(!classic.contains("trace_id") && !classic.contains("_created"));
    let log = service.end();
    let lines = json_lines(&log);
    let named = |line: &&Value| line["request_id"] == "order-17";
    let of_request: Vec<_> = lines.iter().filter(named).collect();
    let closed = of_request.iter().filter(|line| line["message"] == "close");
    assert!(closed.count() >= 3, "{log}");
    let mut places = Vec::new();
    for line in of_request {
        assert_eq!(line["trace_id"], TRACE, "{line}");
        places.push(line["span_id"].as_str().expect("a span").to_owned());
    }
    places.sort_unstable();
    places.dedup();
    assert!(places.len() >= 3, "spans of their own: {places:?}");
}

#[test]
fn a_request_without_the_token_is_logged_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "one-token-of-many-bytes").expect("written");
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, owner_only).expect("permissions");
    let file = file.to_str().expect("UTF-8");
    let service = Service::start(&mut json_service(&["--access-log", "--token-file", file]));
    assert_eq!(status_of(&service.get("/factorial/20", &[])), "401");
    let token = ("Authorization", "Bearer one-token-of-many-bytes");
    let metrics = service.get("/metrics", &[token]);
    let counted = r#"cocoon_http_requests_total{route="/factorial/{n}",status="401"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    let lines = access_lines(&service.end());
    let refused = lines.iter().find(|line| line["status"] == 401);
    assert_eq!(refused.expect("its line")["path"], "/factorial/20");
}
