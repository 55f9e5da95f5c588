//! The service's telemetry: spans at a real receiver, metrics that move, and neither delays a
//! request.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::blocking_service::{Service, parts_of, status_of};
use crate::harness::{assert_fails, cocoon, run_command, stdout_of};
use crate::otlp::{Protocol, Receiver, Span};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The service, which exports to `endpoint` at once.
fn exporting_command(endpoint: &str, protocol: Protocol) -> Command {
    let mut command = cocoon(["serve"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name())
        .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    command
}

fn hex(bytes: &[u8]) -> String {
    let byte = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(byte).flatten().collect()
}

/// The names and depths of the spans below `parent`, in pre-order.
fn tree(spans: &[Span], parent: &[u8], depth: usize) -> Vec<(usize, String)> {
    let mut below: Vec<_> = spans
        .iter()
        .filter(|span| span.span.parent_span_id == parent)
        .collect();
    below.sort_by_key(|span| span.span.start_time_unix_nano);
    below
        .into_iter()
        .flat_map(|span| {
            let children = tree(spans, &span.span.span_id, depth + 1);
            [(depth, span.span.name.clone())]
                .into_iter()
                .chain(children)
        })
        .collect()
}

fn find_span<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.span.name == name);
    found.unwrap_or_else(|| panic!("no {name} among {spans:#?}"))
}

fn has(spans: &[Span], name: &str) -> bool {
    spans.iter().any(|span| span.span.name == name)
}

const REQUEST: &str = "GET /factorial/{n}";

fn spans_of_a_request_arrive(protocol: Protocol) {
    let mut receiver = Receiver::start(protocol);
    let service = Service::start(&mut exporting_command(&receiver.endpoint, protocol));
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("traceparent", traceparent.as_str()),
        ("tracestate", "vendor=1"),
    ];
    let answer = service.get("/factorial/20?format=decimal", &headers);
    let (head, body) = parts_of(&answer);
    assert_eq!(body, "2432902008176640000", "{head}");
    assert!(head.contains("\r\ntracestate: vendor=1"), "{head}");
    let spans = receiver.wait(|spans| has(spans, REQUEST));
    let request = find_span(spans, REQUEST);
    let log = format!(
        "\r\ntraceparent: 00-{TRACE}-{}-01",
        hex(&request.span.span_id)
    );
    assert!(head.contains(&log), "{head}");
    assert_eq!(hex(&request.span.parent_span_id), CALLER);
    assert_eq!(request.span.kind, SpanKind::Server as i32);
    assert_eq!(request.service(), "cocoon");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/factorial/{n}"),
        ("url.path", "/factorial/20"),
        ("url.query", "format=decimal"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(request.text(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(request.count("http.response.status_code"), Some(200));
    assert_eq!(request.count("http.response.body.size"), Some(19));
    for span in spans {
        assert_eq!(hex(&span.span.trace_id), TRACE, "{span:?}");
    }
    let expected = [
        (0, REQUEST),
        (1, "queue"),
        (1, "sandbox"),
        (2, "cost"),
        (2, "compute"),
    ];
    let found = tree(spans, &request.span.parent_span_id, 0);
    let found: Vec<_> = found
        .iter()
        .map(|(depth, name)| (*depth, &**name))
        .collect();
    assert_eq!(found, expected);
    let compute = find_span(spans, "compute");
    assert_eq!(compute.text("cocoon.kind").as_deref(), Some("factorial"));
    assert_eq!(compute.text("cocoon.n").as_deref(), Some("20"));
    let sandbox = find_span(spans, "sandbox");
    let used_bytes = sandbox.count("cocoon.memory_used_bytes").expect("its use");
    let cap_bytes = sandbox.count("cocoon.memory_cap_bytes").expect("its cap");
    assert!(0 < used_bytes && used_bytes <= cap_bytes, "{sandbox:?}");
    assert_eq!(service.end(), "");
}

#[test]
fn spans_of_a_request_arrive_over_grpc() {
    spans_of_a_request_arrive(Protocol::Grpc);
}

#[test]
fn spans_of_a_request_arrive_over_http() {
    spans_of_a_request_arrive(Protocol::Http);
}

#[test]
fn spans_of_long_and_stopped_answers_have_channel_and_error() {
    let mut receiver = Receiver::start(Protocol::Grpc);
    let mut command = exporting_command(&receiver.endpoint, Protocol::Grpc);
    command.env("OTEL_RESOURCE_ATTRIBUTES", "service.name=third,x=y");
    let service = Service::start(&mut command);
    let answer = service.get("/factorial/30000", &[]);
    let (_, body) = parts_of(&answer);
    let spans = receiver.wait(|spans| has(spans, REQUEST));
    let request = find_span(spans, REQUEST);
    assert_eq!(request.service(), "third");
    let channel = find_span(spans, "channel");
    assert_eq!(
        channel.count("cocoon.output_bytes"),
        i64::try_from(body.len()).ok()
    );
    assert_eq!(channel.span.trace_id, request.span.trace_id);
    let digits = find_span(spans, "digits");
    assert_eq!(digits.span.parent_span_id, channel.span.parent_span_id);
    let status = request.span.status.as_ref().map(|status| status.code);
    assert_ne!(status, Some(StatusCode::Error as i32));
    let answer = service.get("/factorial/1000000?timeout=20ms", &[]);
    assert_eq!(status_of(&answer), "504", "{answer}");
    let is_late = |span: &Span| span.count("http.response.status_code") == Some(504);
    let spans = receiver.wait(|spans| spans.iter().any(is_late));
    let request = spans.iter().find(|span| is_late(span)).expect("it came");
    assert_eq!(request.text("error.type").as_deref(), Some("504"));
    let failed: Vec<_> = spans
        .iter()
        .filter(|span| span.text("error.type").as_deref() == Some("stopped"))
        .collect();
    assert!(!failed.is_empty(), "{spans:#?}");
    for span in failed {
        assert_eq!(span.span.trace_id, request.span.trace_id);
        let status = span.span.status.as_ref().expect("a status");
        assert_eq!(status.code, StatusCode::Error as i32);
        assert!(status.message.contains("--deadline"), "{status:?}");
    }
    // Each error of the server has a line in the log.
    let log = service.end();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN cocoon::access: request"), "{log}");
}

#[test]
fn a_fan_out_is_one_trace_flushed_at_the_end() {
    let mut receiver = Receiver::start(Protocol::Http);
    let mut command = cocoon(["compute", "190000", "--fan-out", "2"]);
    // The spans are sent only at the end of the command.
    command
        .env(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            format!("{}/v1/traces", receiver.endpoint),
        )
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .env("OTEL_SERVICE_NAME", "another");
    let outcome = run_command(&mut command);
    assert_eq!((outcome.code, &*outcome.err), (Some(0), ""));
    let spans = receiver.wait(|spans| has(spans, "cocoon compute"));
    let command = find_span(spans, "cocoon compute");
    assert!(command.span.parent_span_id.is_empty(), "{command:?}");
    let whole = find_span(spans, "fan_out");
    assert_eq!(whole.span.parent_span_id, command.span.span_id);
    assert_eq!(whole.service(), "another");
    for span in spans {
        assert_eq!(span.span.trace_id, whole.span.trace_id, "{span:?}");
    }
    let plan = find_span(spans, "plan");
    assert_eq!(plan.text("cocoon.n").as_deref(), Some("190000"));
    let parts: Vec<_> = spans
        .iter()
        .filter(|span| span.span.name == "part")
        .collect();
    assert_eq!(parts.len(), 2, "{spans:#?}");
    for part in parts {
        assert_eq!(part.span.parent_span_id, whole.span.span_id);
        let below = tree(spans, &part.span.span_id, 0);
        let below: Vec<_> = below
            .iter()
            .map(|(depth, name)| (*depth, &**name))
            .collect();
        // Each part prints its number, and then its half or the whole answer.
        assert_eq!(below, [(0, "sandbox"), (1, "channel"), (1, "channel")]);
    }
}

#[test]
fn nothing_is_exported_by_default() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let mut command = cocoon(["compute", "10"]);
        let command = command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env(name, value);
        let outcome = run_command(command);
        assert_eq!((&*outcome.out, &*outcome.err), ("3628800\n", ""));
    }
    let error = listener.accept().expect_err("no connection");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn an_invalid_log_filter_is_reported_before_the_run() {
    let outcome = run_command(cocoon(["compute", "10"]).env("COCOON_LOG", "cocoon=loud"));
    assert_fails(&outcome, 1, &["cocoon=loud", "cocoon=debug"]);
}

/// Asserts that a failing receiver delays neither requests nor the end of the service.
fn requests_do_not_wait_for(endpoint: &str, protocol: Protocol) {
    let mut command = exporting_command(endpoint, protocol);
    // A tiny queue, which is full at once.
    command.env("OTEL_BSP_MAX_QUEUE_SIZE", "8");
    let service = Service::start(&mut command);
    for _ in 0..50 {
        let began = Instant::now();
        let answer = service.get("/factorial/20", &[]);
        assert!(answer.ends_with("2432902008176640000"), "{answer}");
        // The exporter's timeout is ten seconds.
        assert!(began.elapsed() < Duration::from_secs(5), "{began:?}");
    }
    let metrics = service.get("/metrics", &[]);
    assert!(metrics.contains("\ncocoon_queue_length 0\n"), "{metrics}");
    let began = Instant::now();
    let log = service.end();
    assert!(began.elapsed() < Duration::from_secs(8), "{began:?}");
    // The fault is logged a few times, not with every request.
    let lines = log.lines().count();
    assert!((1..=6).contains(&lines), "{log}");
    assert!(
        log.contains("span export failed") || log.contains("not delivered"),
        "{log}"
    );
    assert!(log.contains("spans dropped"), "{log}");
}

#[test]
fn requests_do_not_wait_for_an_unreachable_receiver() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        // A released port refuses connections.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        requests_do_not_wait_for(&format!("http://{address}"), protocol);
    }
}

#[test]
fn requests_do_not_wait_for_a_receiver_that_hangs() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        // The system accepts connections, but no response comes.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        requests_do_not_wait_for(&format!("http://{address}"), protocol);
    }
}

/// Parses metrics in the text format of Prometheus. Asserts that each sample is unique.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let Some(lines) = text.strip_suffix("# EOF\n") else {
        panic!("no end: {text}");
    };
    for line in lines.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').expect("a name and a type");
            assert_eq!(types.insert(name, kind), None, "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = series.split('{').next().expect("a name");
            let known = [
                "", "_total", "_created", "_info", "_bucket", "_sum", "_count",
            ]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .any(|family| types.contains_key(family));
            assert!(known, "{name} has no type");
            let value = value.parse().expect(series);
            assert_eq!(samples.insert(series.to_owned(), value), None, "{series}");
        }
    }
    samples
}

fn metrics(service: &Service) -> BTreeMap<String, f64> {
    let answer = service.get("/metrics", &[("Accept", "application/openmetrics-text")]);
    let (head, body) = parts_of(&answer);
    assert!(head.contains("\r\ncontent-type: application/openmetrics-text"));
    samples(body)
}

#[test]
fn metrics_count_requests_sandboxes_and_limits() {
    let service = Service::start(&mut cocoon(["serve"]));
    let before = metrics(&service);
    for n in 0..5 {
        assert_eq!(
            status_of(&service.get(&format!("/factorial/{n}"), &[])),
            "200"
        );
    }
    assert_eq!(status_of(&service.get("/factorial/many", &[])), "400");
    assert_eq!(status_of(&service.get("/nowhere", &[])), "404");
    let late = service.get("/factorial/1000000?timeout=20ms", &[]);
    assert_eq!(status_of(&late), "504", "{late}");
    let after = metrics(&service);
    let moved = |series: &str| {
        let value = |samples: &BTreeMap<_, f64>| samples.get(series).copied().unwrap_or(0.0);
        value(&after) - value(&before)
    };
    for (series, steps) in [
        (
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="200"}"#,
            5.0,
        ),
        (
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="400"}"#,
            1.0,
        ),
        (
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="504"}"#,
            1.0,
        ),
        (
            r#"cocoon_http_requests_total{route="other",status="404"}"#,
            1.0,
        ),
        (
            r#"cocoon_http_requests_total{route="/metrics",status="200"}"#,
            1.0,
        ),
        (
            r#"cocoon_http_request_duration_seconds_count{route="/factorial/{n}"}"#,
            7.0,
        ),
        // A late request counts once, whether the sandbox or the service notices its deadline.
        (r#"cocoon_limits_hit_total{limit="deadline"}"#, 1.0),
        (r#"cocoon_limits_hit_total{limit="queue"}"#, 0.0),
        // The large number starts two sandboxes: the first one reports its cost.
        ("cocoon_sandbox_instantiation_seconds_count", 7.0),
        ("cocoon_sandbox_run_seconds_count", 7.0),
    ] {
        assert!(
            (moved(series) - steps).abs() < 0.5,
            "{series}: {}",
            moved(series)
        );
    }
    let now = |series: &str| *after.get(series).unwrap_or_else(|| panic!("no {series}"));
    for series in [
        "cocoon_queue_length",
        "cocoon_sandboxes_live",
        "cocoon_sandbox_memory_bytes",
    ] {
        assert!(now(series).abs() < 0.5, "{series}: {}", now(series));
    }
    for series in [
        "cocoon_sandboxes_max",
        "cocoon_sandbox_memory_max_bytes",
        "cocoon_http_connections",
        "cocoon_queue_wait_seconds_count",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(now(series) > 0.5, "{series}: {}", now(series));
    }
    let version = stdout_of(["--version"]);
    let version = version.trim().rsplit(' ').next().expect("a version");
    let build = after
        .keys()
        .find(|series| series.starts_with("cocoon_build_info{"));
    let build = build.expect("what runs");
    assert!(build.contains(&format!("version=\"{version}\"")), "{build}");
    // Each bucket includes the one before it.
    let buckets = |le: &str| now(&format!("cocoon_sandbox_run_seconds_bucket{{le=\"{le}\"}}"));
    assert!((buckets("+Inf") - now("cocoon_sandbox_run_seconds_count")).abs() < 0.5);
    // The only error of the server has a line in the log.
    let log = service.end();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("status=504"), "{log}");
}
