//! Export of spans: retries, counts and reports of losses, without delaying requests.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::blocking_service::{Service, parts_of, status_of};
use crate::collector::{Collector, Reply};
use crate::harness::{cocoon, run_command};
use crate::tools::OPENSSL;

/// The service, exporting to `endpoint` at once.
fn exporting_command(endpoint: &str) -> Command {
    let mut command = cocoon(["serve"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    command
}

/// A metric's value by its name and labels.
fn metric(service: &Service, series: &str) -> u64 {
    let answer = service.get("/metrics", &[]);
    let (_, body) = parts_of(&answer);
    let value = body
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {series} in {body}"));
    value.parse().expect("an integer")
}

fn dropped_spans(service: &Service, reason: &str) -> u64 {
    let series = format!("cocoon_spans_dropped_total{{reason=\"{reason}\"}}");
    metric(service, &series)
}

/// Counts the lines of a log that contain all of `words`.
fn lines(log: &str, words: &[&str]) -> usize {
    let has = |line: &&str| words.iter().all(|word| line.contains(word));
    log.lines().filter(has).count()
}

#[test]
fn an_outage_and_its_end_are_logged_once_each() {
    let collector = Collector::start(|number| match number {
        0 | 1 => Reply::error(503, "overloaded\nfor now"),
        _ => Reply::ok(),
    });
    let service = Service::start(&mut exporting_command(&collector.endpoint));
    assert_eq!(status_of(&service.get("/factorial/3", &[])), "200");
    let posts = collector.wait(3);
    // The same spans are retried, with pauses.
    assert!(posts[..3].iter().all(|post| post.spans == posts[0].spans));
    assert!(posts[1].at - posts[0].at >= Duration::from_millis(400));
    let log = service.end();
    let words = ["WARN", "span export failed", "503", "overloaded for now"];
    assert_eq!(lines(&log, &words), 1, "{log}");
    assert_eq!(lines(&log, &["WARN", "span export recovered"]), 1, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn retry_after_is_respected() {
    const AFTER: Duration = Duration::from_secs(3);
    let collector = Collector::start(|number| match number {
        0 => Reply::error(429, "").with("retry-after", "3"),
        _ => Reply::ok(),
    });
    let service = Service::start(&mut exporting_command(&collector.endpoint));
    assert_eq!(status_of(&service.get("/factorial/3", &[])), "200");
    let first = collector.wait(1)[0].at;
    while first.elapsed() < AFTER {
        service.get("/factorial/3", &[]);
        std::thread::sleep(Duration::from_millis(100));
    }
    let posts = collector.wait(2);
    assert!(posts[1].at - first >= AFTER, "{:?}", posts[1].at - first);
    service.end();
}

#[test]
fn retry_after_of_zero_still_backs_off() {
    let collector = Collector::start(|_| Reply::error(503, "").with("retry-after", "0"));
    let service = Service::start(&mut exporting_command(&collector.endpoint));
    service.get("/factorial/3", &[]);
    collector.wait(1);
    std::thread::sleep(Duration::from_secs(2));
    let sent = collector.posts().len();
    assert!(sent <= 4, "{sent}");
    service.end();
}

#[test]
fn shutdown_ignores_retry_after_and_counts_lost_spans() {
    let collector = Collector::start(|_| Reply::error(503, "").with("retry-after", "3600"));
    let service = Service::start(&mut exporting_command(&collector.endpoint));
    service.get("/factorial/3", &[]);
    let sent = collector.wait(1)[0].spans;
    let began = Instant::now();
    let log = service.end();
    assert!(began.elapsed() < Duration::from_secs(5), "{began:?}");
    assert_eq!(collector.posts().len(), 1);
    let spans = format!("spans={sent}");
    assert_eq!(lines(&log, &["spans dropped", &spans]), 1, "{log}");
}

#[test]
fn rejected_spans_are_counted_and_logged_with_the_message() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start(move |number| {
            let reply = match number {
                0 => Reply::partial(2, "too many\u{1b} attributes"),
                1 => Reply::partial(0, "mind the version"),
                _ => Reply::ok(),
            };
            if protocol == "grpc" {
                reply.over_grpc("0")
            } else {
                reply
            }
        });
        let mut command = exporting_command(&collector.endpoint);
        let service = Service::start(command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
        for count in 1..=3 {
            service.get("/factorial/3", &[]);
            collector.wait(count);
        }
        assert_eq!(dropped_spans(&service, "rejected"), 2);
        assert_eq!(dropped_spans(&service, "undelivered"), 0);
        let log = service.end();
        let words = ["spans rejected", "spans=2", "too many attributes"];
        assert_eq!(lines(&log, &words), 1, "{log}");
        let words = ["spans=0", "mind the version"];
        assert_eq!(lines(&log, &words), 1, "{log}");
    }
}

#[test]
fn a_permanently_refused_batch_is_not_retried() {
    for (protocol, refusal) in [
        ("http/protobuf", Reply::error(400, "malformed")),
        (
            "grpc",
            Reply {
                status: 200,
                headers: vec![
                    ("grpc-status", "3".to_owned()),
                    ("grpc-message", "malformed".to_owned()),
                ],
                ..Reply::default()
            },
        ),
    ] {
        let collector = Collector::start(move |_| refusal.clone());
        let mut command = exporting_command(&collector.endpoint);
        let service = Service::start(command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
        service.get("/factorial/3", &[]);
        let sent = collector.wait(1)[0].spans as u64;
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(collector.posts().len(), 1);
        assert_eq!(dropped_spans(&service, "undelivered"), sent);
        let log = service.end();
        assert_eq!(
            lines(&log, &["span export failed", "malformed"]),
            1,
            "{log}"
        );
    }
}

#[test]
fn every_span_arrives_or_is_counted() {
    // A slow collector.
    let collector = Collector::start(|_| {
        std::thread::sleep(Duration::from_millis(200));
        Reply::ok()
    });
    let mut command = exporting_command(&collector.endpoint);
    command.env("OTEL_BSP_MAX_QUEUE_SIZE", "50");
    let service = Service::start(&mut command);
    let requests = 300_u64;
    for n in 0..requests {
        let path = format!("/factorial/{n}");
        assert_eq!(status_of(&service.get(&path, &[])), "200");
    }
    // Until all of them have been received.
    let arrived = || collector.spans() as u64;
    let mut before = None;
    while before != Some(arrived()) {
        before = Some(arrived());
        std::thread::sleep(Duration::from_secs(1));
    }
    let lost = dropped_spans(&service, "queue_full");
    assert!(lost > 0, "{}", arrived());
    // A request for a number of unknown cost has five spans: request, queue, sandbox, cost,
    // compute.
    let all = requests * 5;
    assert_eq!(arrived() + lost, all);
    let log = service.end();
    let all = format!("total={lost}");
    let words = ["spans dropped", "OTEL_BSP_MAX_QUEUE_SIZE=50", &all];
    assert_eq!(lines(&log, &words), 1, "{log}");
}

#[test]
fn export_requests_are_compressed_if_configured() {
    for (protocol, path, name) in [
        ("http/protobuf", "/v1/traces", "content-encoding"),
        (
            "grpc",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "grpc-encoding",
        ),
    ] {
        let collector = Collector::start(move |_| match protocol {
            "grpc" => Reply::ok().over_grpc("0"),
            _ => Reply::ok(),
        });
        let mut command = cocoon(["run", "3"]);
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b");
        let outcome = run_command(&mut command);
        assert_eq!((outcome.code, &*outcome.err), (Some(0), ""));
        let post = &collector.wait(1)[0];
        assert_eq!(post.path, path);
        assert_eq!(post.headers[name], "gzip");
        assert_eq!(post.headers["x-key"], "a b");
        assert!(post.spans > 0);
    }
}

/// Creates an authority, and certificates signed by it for a server and a client.
pub(crate) fn certify(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let made = run_command(OPENSSL.command().current_dir(folder).args(arguments));
        assert_eq!(made.code, Some(0), "{}", made.err);
    };
    let curve = "ec_paramgen_curve:prime256v1";
    let key = ["-newkey", "ec", "-pkeyopt", curve, "-nodes", "-days", "2"];
    let new = ["req", "-x509", "-subj", "/CN=it"];
    let authority = ["-keyout", "authority.key", "-out", "authority.pem"];
    openssl(&[&new[..], &key, &authority].concat());
    for name in ["server", "client"] {
        let (key_file, file) = (format!("{name}.key"), format!("{name}.pem"));
        let signed = [
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-keyout",
            &key_file,
            "-out",
            &file,
        ];
        openssl(&[&new[..], &key, &signed].concat());
    }
}

/// A TLS configuration of a server with the certificate of this folder; it may request client
/// certificates.
pub(crate) fn server(folder: &Path, asks_clients: bool, protocols: &[&str]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(folder.join("authority.pem"));
    roots
        .add(authority.expect("a certificate"))
        .expect("a root");
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if asks_clients {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let chain = CertificateDer::from_pem_file(folder.join("server.pem"));
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key"));
    let config = builder.with_single_cert(vec![chain.expect("its own")], key.expect("a key"));
    let mut config = config.expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    config
}

#[test]
#[ignore = "needs openssl"]
fn spans_are_encrypted_with_a_configured_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let file = |name: &str| folder.path().join(name);
    let run = |collector: &Collector, more: &[(&str, &Path)]| {
        let mut command = cocoon(["compute", "10"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
        for (name, value) in more {
            command.env(name, value);
        }
        let outcome = run_command(&mut command);
        assert_eq!(
            (outcome.code, &*outcome.out),
            (Some(0), "3628800\n"),
            "{}",
            outcome.err
        );
        outcome.err
    };
    let authority = file("authority.pem");
    let roots = ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.as_path());
    let collector = Collector::start_tls(server(folder.path(), false, &["h2", "http/1.1"]));
    assert_eq!(run(&collector, &[roots]), "");
    assert!(collector.spans() > 0);
    // The system does not trust its authority unless a variable adds it.
    let arrived = collector.spans();
    let log = run(&collector, &[]);
    assert_eq!(
        lines(&log, &["UnknownIssuer", "OTEL_EXPORTER_OTLP_CERTIFICATE"]),
        1,
        "{log}"
    );
    assert_eq!(collector.spans(), arrived);
    assert_eq!(
        run(
            &collector,
            &[
                ("SSL_CERT_FILE", &authority),
                ("SSL_CERT_DIR", Path::new(""))
            ]
        ),
        ""
    );
    assert!(collector.spans() > arrived);
    // An invalid file is reported by name.
    let key = file("server.key");
    let log = run(&collector, &[("OTEL_EXPORTER_OTLP_CERTIFICATE", &key)]);
    assert_eq!(
        lines(&log, &["invalid file for OTEL_EXPORTER_OTLP_CERTIFICATE"]),
        1,
        "{log}"
    );

    let collector = Collector::start_tls(server(folder.path(), true, &["http/1.1"]));
    let log = run(&collector, &[roots]);
    assert_eq!(lines(&log, &["span export failed"]), 1, "{log}");
    assert_eq!(collector.spans(), 0);
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let client = [
        roots,
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            certificate.as_path(),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_path()),
    ];
    assert_eq!(run(&collector, &client), "");
    assert!(collector.spans() > 0);
}

#[test]
#[ignore = "needs openssl"]
fn spans_are_encrypted_over_grpc() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let collector = Collector::start_tls(server(folder.path(), false, &["h2"]));
    let mut command = cocoon(["compute", "10"]);
    command
        // An endpoint without a scheme is encrypted.
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            collector.endpoint.replace("https://", ""),
        )
        .env(
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            folder.path().join("authority.pem"),
        )
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let outcome = run_command(&mut command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(collector.spans() > 0, "{}", outcome.err);
}

#[test]
fn invalid_variables_are_reported_once_by_name() {
    let collector = Collector::start(|_| Reply::ok());
    let wrong = std::ffi::OsStr::from_bytes(b"\xff");
    for (name, value) in [
        ("OTEL_TRACES_SAMPLER", "sometimes".as_ref()),
        ("OTEL_TRACES_SAMPLER", wrong),
        ("OTEL_PROPAGATORS", "xray".as_ref()),
        ("OTEL_METRICS_EXPORTER", "otlp".as_ref()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".as_ref()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many".as_ref()),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "http://there".as_ref(),
        ),
        ("OTEL_NONE_SUCH", "1".as_ref()),
    ] {
        let before = collector.spans();
        let mut command = cocoon(["compute", "10"]);
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
            .env(name, value);
        let outcome = run_command(&mut command);
        assert_eq!(
            (outcome.code, &*outcome.out),
            (Some(0), "3628800\n"),
            "{name}"
        );
        assert_eq!(lines(&outcome.err, &["WARN", name]), 1, "{}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
        assert!(collector.spans() > before, "{name}");
        // Commands without telemetry report nothing.
        let quiet = ["completions", "bash"];
        assert_eq!(run_command(cocoon(quiet).env(name, value)).err, "");
    }
}

#[test]
fn trace_contexts_follow_the_configured_propagators() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    let traceparent = format!("00-{TRACE}-{SPAN}-01");
    let single = format!("{TRACE}-{SPAN}-1");
    let fields = [
        ("traceparent", traceparent.as_str()),
        ("b3", &single),
        ("X-B3-TraceId", TRACE),
        ("X-B3-SpanId", SPAN),
        ("X-B3-Sampled", "1"),
    ];
    for (propagators, given, log, continues) in [
        (None, &fields[..1], &["traceparent"][..], true),
        (None, &fields[1..2], &["traceparent"], false),
        (Some("b3"), &fields[1..2], &["b3"], true),
        (Some("b3"), &fields[..1], &["b3"], false),
        (
            Some("b3multi"),
            &fields[2..],
            &["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"],
            true,
        ),
        (
            Some("tracecontext,b3"),
            &fields[1..2],
            &["traceparent", "b3"],
            true,
        ),
        (Some("none"), &fields[..], &[], false),
        (Some("baggage"), &fields[..], &[], false),
    ] {
        let collector = Collector::start(|_| Reply::ok());
        let mut command = exporting_command(&collector.endpoint);
        if let Some(propagators) = propagators {
            command.env("OTEL_PROPAGATORS", propagators);
        }
        let service = Service::start(&mut command);
        let answer = service.get("/factorial/3", given);
        let (head, _) = parts_of(&answer);
        for (name, _) in fields {
            let name = name.to_ascii_lowercase();
            let line = head
                .lines()
                .find(|line| line.starts_with(&format!("{name}: ")));
            assert_eq!(
                line.is_some(),
                log.contains(&name.as_str()),
                "{propagators:?}: {head}"
            );
        }
        assert_eq!(head.contains(TRACE), continues, "{propagators:?}: {head}");
        assert_eq!(service.end(), "");
        assert!(collector.spans() > 0);
    }
}

#[test]
fn a_deferred_sampling_decision_is_made_like_a_roots() {
    const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    let decided = format!("{IDS}-1");
    for (sampler, b3, sampled) in [
        ("parentbased_always_on", IDS, true),
        ("parentbased_always_off", IDS, false),
        ("parentbased_always_off", decided.as_str(), true),
        ("parentbased_always_on", "0", false),
    ] {
        let collector = Collector::start(|_| Reply::ok());
        let mut command = exporting_command(&collector.endpoint);
        command
            .env("OTEL_PROPAGATORS", "b3")
            .env("OTEL_TRACES_SAMPLER", sampler);
        let service = Service::start(&mut command);
        service.get("/factorials/3", &[("b3", b3)]);
        assert_eq!(service.end(), "");
        assert_eq!(collector.spans() > 0, sampled, "{sampler} {b3}");
    }
}

#[test]
fn spans_lost_to_a_dead_collector_are_logged_with_their_number() {
    let collector = Collector::start(|_| Reply::error(404, "no such path"));
    let service = Service::start(&mut exporting_command(&collector.endpoint));
    for _ in 0..10 {
        service.get("/factorial/3", &[]);
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        dropped_spans(&service, "undelivered"),
        collector.spans() as u64
    );
    let log = service.end();
    assert_eq!(lines(&log, &["span export failed", "404"]), 1, "{log}");
    assert!(lines(&log, &["spans dropped", "total="]) >= 1, "{log}");
}
