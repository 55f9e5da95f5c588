//! One request is one trace, in all tasks and sandboxes and for every outcome.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::blocking_service::{Service, parts_of, status_of};
use crate::harness::cocoon;
use crate::otlp::{Protocol, Receiver, Span, whole_trace};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The service, which exports to `receiver` at once.
fn exporting_command(receiver: &Receiver) -> Command {
    let mut command = cocoon(["serve"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    command
}

fn batch(lines: &str) -> String {
    format!(
        "POST /batch HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{lines}",
        lines.len()
    )
}

fn is_request(span: &Span) -> bool {
    span.span.kind == SpanKind::Server as i32
}

/// The spans of the trace that contains the only request of this name.
fn trace_of<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    let mut requests = spans
        .iter()
        .filter(|span| is_request(span) && span.span.name == name);
    let request = requests.next().expect(name);
    assert!(requests.next().is_none(), "{name} twice");
    let trace = &request.span.trace_id;
    spans
        .iter()
        .filter(|span| &span.span.trace_id == trace)
        .collect()
}

fn count(spans: &[&Span], name: &str) -> usize {
    spans.iter().filter(|span| span.span.name == name).count()
}

fn requests(spans: &[Span]) -> usize {
    spans.iter().filter(|span| is_request(span)).count()
}

#[test]
fn every_request_is_one_trace() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let lines: Vec<_> = (1..=20).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    // One line has a long answer, and one fails.
    let lines = lines.concat() + "{\"n\":30000}\n{\"n\":\"x\"}\n";
    let answer = service.send(&batch(&lines));
    assert_eq!(status_of(&answer), "200", "{answer}");
    for path in [
        "/kinds/7",
        "/factorials/10",
        "/factorial/30000",
        "/info/9",
        "/factorial/5",
    ] {
        assert_eq!(status_of(&service.get(path, &[])), "200", "{path}");
    }
    let spans = receiver.wait(|spans| requests(spans) == 6).to_vec();
    for (name, sandboxes) in [
        ("POST /batch", 21),
        ("GET /kinds/{n}", 8),
        ("GET /factorials/{n}", 10),
        ("GET /info/{n}", 1),
    ] {
        let trace = trace_of(&spans, name);
        assert!(count(&trace, "sandbox") >= sandboxes, "{name}: {trace:#?}");
    }
    let mut traces = BTreeMap::<_, Vec<_>>::new();
    for span in &spans {
        traces.entry(&span.span.trace_id).or_default().push(span);
    }
    assert_eq!(traces.len(), 6, "traces without a request");
    for trace in traces.into_values() {
        let root = whole_trace(trace);
        assert!(is_request(root) && root.span.parent_span_id.is_empty());
    }
    assert_eq!(service.end(), "");
}

#[test]
fn a_request_whose_parent_is_not_sampled_exports_nothing() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let unsampled = format!("00-{TRACE}-{CALLER}-00");
    let unsampled = [("traceparent", unsampled.as_str())];
    for path in [
        "/kinds/7",
        "/factorials/10",
        "/factorial/30000",
        "/factorial/5",
    ] {
        let answer = service.get(path, &unsampled);
        let (head, _) = parts_of(&answer);
        let expected = format!("\r\ntraceparent: 00-{TRACE}-");
        assert!(head.contains(&expected), "{head}");
        assert!(!head.contains("-01\r\n"), "{head}");
    }
    let sent = batch("{\"n\":3}\n{\"n\":30000}\n").replacen(
        "\r\n",
        &format!("\r\ntraceparent: {}\r\n", unsampled[0].1),
        1,
    );
    assert_eq!(status_of(&service.send(&sent)), "200");
    let answer = service.get("/info/9", &[]);
    assert_eq!(status_of(&answer), "200");
    // The end of the service flushes all spans.
    assert_eq!(service.end(), "");
    let spans = receiver.wait(|spans| requests(spans) > 0);
    assert_eq!(whole_trace(spans).span.name, "GET /info/{n}");
}

#[test]
fn a_cancelled_request_has_a_failed_span_until_the_cancellation() {
    const PATIENCE: Duration = Duration::from_millis(400);
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let request = "GET /factorial/4000000 HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut stream = service.connect();
    stream.write_all(request.as_bytes()).expect("sent");
    std::thread::sleep(PATIENCE);
    let cancelled = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    drop(stream);
    let spans = receiver.wait(|spans| requests(spans) == 1);
    let root = whole_trace(spans);
    let end = Duration::from_nanos(root.span.end_time_unix_nano);
    assert!(end >= cancelled, "{root:#?}");
    assert!(root.has_failed(), "{root:#?}");
    assert_eq!(root.text("error.type").as_deref(), Some("cancelled"));
    let sandbox = spans.iter().filter(|span| span.span.name == "sandbox");
    let cancelled = sandbox.filter(|span| span.text("error.type").as_deref() == Some("cancelled"));
    assert!(cancelled.count() > 0, "{spans:#?}");
    assert_eq!(service.end(), "");
}

#[test]
fn an_unread_response_has_a_failed_span() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let mut stream = service.connect();
    // More than all buffers in between hold.
    let request = "GET /factorial/2000000 HTTP/1.1\r\nHost: test\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut first = [0; 100];
    stream.read_exact(&mut first).expect("the first bytes");
    drop(stream);
    let spans = receiver.wait(|spans| requests(spans) == 1);
    let root = whole_trace(spans);
    assert_eq!(root.count("http.response.status_code"), Some(200));
    assert!(root.has_failed(), "{root:#?}");
    assert!(root.text("error.type").is_some(), "{root:#?}");
    assert_eq!(service.end(), "");
}

#[test]
fn whole_responses_have_no_error_status() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let end = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
    for (request, status) in [
        (format!("HEAD /factorial/30000 {end}\r\n"), "200"),
        (format!("GET /factorial/30000 {end}\r\n"), "200"),
        (
            format!("GET /factorial/5 {end}If-None-Match: *\r\n\r\n"),
            "304",
        ),
        (format!("OPTIONS /factorial/5 {end}\r\n"), "405"),
        (
            format!("GET /factorial/30000 {end}Accept-Encoding: gzip\r\n\r\n"),
            "200",
        ),
    ] {
        let mut stream = service.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(status_of(&answer), status, "{request}");
    }
    for span in receiver.wait(|spans| requests(spans) == 5) {
        assert!(!span.has_failed(), "{span:#?}");
        assert_eq!(span.text("error.type"), None, "{span:#?}");
    }
    assert_eq!(service.end(), "");
}

#[test]
fn a_request_has_the_attributes_of_the_semantic_conventions() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let host = "Host: a.example:81\r\nConnection: close\r\nUser-Agent: it\r\n";
    service.send(&format!("BREW /factorial/5 HTTP/1.1\r\n{host}\r\n"));
    let forwarded = "X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n";
    service.send(&format!("PATCH /nowhere HTTP/1.1\r\n{host}{forwarded}\r\n"));
    let spans = receiver.wait(|spans| requests(spans) == 2);
    let by = |name: &str| {
        let found = spans.iter().find(|span| span.span.name == name);
        found.unwrap_or_else(|| panic!("no {name} among {spans:#?}"))
    };
    let brewed = by("HTTP /factorial/{n}");
    for (key, value) in [
        ("http.request.method", "_OTHER"),
        ("http.request.method_original", "BREW"),
        ("http.route", "/factorial/{n}"),
        ("server.address", "a.example"),
        ("client.address", "127.0.0.1"),
        ("network.peer.address", "127.0.0.1"),
        ("user_agent.original", "it"),
    ] {
        assert_eq!(brewed.text(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(brewed.count("server.port"), Some(81));
    assert!(
        brewed
            .count("network.peer.port")
            .is_some_and(|port| port > 0)
    );
    let patched = by("PATCH");
    assert_eq!(patched.text("http.request.method_original"), None);
    assert_eq!(patched.text("http.route"), None);
    assert_eq!(patched.text("client.address").as_deref(), Some("192.0.2.1"));
    assert_eq!(
        patched.text("network.peer.address").as_deref(),
        Some("127.0.0.1")
    );
    let instance = brewed
        .of_service("service.instance.id")
        .expect("an instance");
    assert_eq!(patched.of_service("service.instance.id"), Some(instance));
    assert!(
        brewed
            .of_service("host.name")
            .is_some_and(|name| !name.is_empty())
    );
    assert_eq!(service.end(), "");
}

#[test]
fn health_and_metrics_are_traced_only_if_configured() {
    for (asked, traced) in [(None, 1), (Some("true"), 4)] {
        let mut receiver = Receiver::start(Protocol::Http);
        let mut command = exporting_command(&receiver);
        if let Some(asked) = asked {
            command.env("COCOON_TRACE_PROBES", asked);
        }
        let service = Service::start(&mut command);
        let parent = format!("00-{TRACE}-{CALLER}-01");
        for path in ["/healthz", "/readyz", "/metrics", "/factorial/3"] {
            let answer = service.get(path, &[("traceparent", &parent)]);
            assert_eq!(status_of(&answer), "200", "{path}");
            let (head, _) = parts_of(&answer);
            let is_told = head.contains("\r\ntraceparent: ");
            assert_eq!(is_told, traced == 4 || path == "/factorial/3", "{head}");
        }
        assert_eq!(service.end(), "");
        let spans = receiver.wait(|spans| spans.iter().any(|it| it.span.name == "compute"));
        assert_eq!(requests(spans), traced, "{spans:#?}");
    }
}

#[test]
fn the_parent_follows_w3c_trace_context() {
    let mut receiver = Receiver::start(Protocol::Http);
    let service = Service::start(&mut exporting_command(&receiver));
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let long = format!("long={}", "x".repeat(200));
    let some: Vec<_> = (0..4)
        .map(|it| format!("m{it}={}", "y".repeat(97)))
        .collect();
    let some = some.join(",");
    let many: Vec<_> = (0..33).map(|it| format!("m{it}=1")).collect();
    for (parents, states, expected) in [
        (&[&*parent][..], &["a=1", "b=2"][..], Some("a=1,b=2")),
        (&[&parent, &parent], &["a=1"], None),
        (&[&parent], &[&long, &some], Some(&*some)),
        (&[&parent], &[&many.join(",")], Some("")),
        (&[&parent.replace("00-0", "00-X")], &["a=1"], None),
    ] {
        let mut headers = Vec::new();
        headers.extend(parents.iter().map(|value| ("traceparent", *value)));
        headers.extend(states.iter().map(|value| ("tracestate", *value)));
        let (head, _) = {
            let answer = service.get("/factorial/3", &headers);
            let (head, body) = parts_of(&answer);
            (head, body.len())
        };
        let is_continued = head.contains(&format!("\r\ntraceparent: 00-{TRACE}-"));
        assert_eq!(is_continued, expected.is_some(), "{headers:?}: {head}");
        let state = head
            .lines()
            .find_map(|line| line.strip_prefix("tracestate: "));
        assert_eq!(
            state.unwrap_or_default(),
            expected.unwrap_or_default(),
            "{head}"
        );
    }
    let spans = receiver.wait(|spans| requests(spans) == 5);
    let continued = spans.iter().filter(|span| {
        let remote = SpanFlags::ContextIsRemoteMask as u32;
        is_request(span) && span.span.flags & remote != 0
    });
    assert_eq!(continued.count(), 3);
    assert_eq!(service.end(), "");
}
