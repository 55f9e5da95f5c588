//! The settings of the export of spans, read from OpenTelemetry's variables.
//!
//! Nothing is exported unless a variable asks for it.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_sdk::trace::Sampler;

use super::context::Propagator;
use super::sampling::Sampling;
use super::variables::{Set, Variables, pairs};
use crate::limits::{
    EXPORT_GIVE_UP, EXPORT_TIMEOUT, SPAN_PARTS_MAX, SPAN_VALUE_CHARS, SPANS_BATCH, SPANS_DELAY,
    SPANS_QUEUED_MAX,
};

/// All of them.
#[derive(Debug)]
pub(super) struct Settings {
    /// Where spans go, if they go anywhere.
    pub(super) target: Option<Target>,
    pub(super) sampling: Sampling,
    pub(super) propagators: Vec<Propagator>,
    pub(super) sizes: Sizes,
    pub(super) batches: Batches,
    pub(super) service_name: Option<String>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) complaints: Vec<String>,
}

/// Where spans go, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) endpoint: Uri,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    pub(super) timeout: Duration,
    /// The file of the authorities that are trusted, instead of the system's.
    pub(super) certificate: Option<PathBuf>,
    /// The files of the certificate and of the key by which this program shows who it is.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// How spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// What a span may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) attributes: u32,
    pub(super) events: u32,
    pub(super) links: u32,
    pub(super) attributes_of_event: u32,
    pub(super) attributes_of_link: u32,
    /// The characters of an attribute's value.
    pub(super) value_chars: usize,
}

/// How spans are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batches {
    /// The spans that wait at most.
    pub(super) queued: usize,
    /// The spans of a batch at most.
    pub(super) spans: usize,
    /// How long a span waits for others.
    pub(super) delay: Duration,
    /// How long a batch is tried.
    pub(super) give_up: Duration,
}

impl Settings {
    /// Reads them; the queue holds `queued` spans unless a variable says otherwise. `None`
    /// where OpenTelemetry is disabled.
    pub(super) fn read(mut from: Variables, queued: usize) -> Option<Self> {
        let disabled = from.parse(&["OTEL_SDK_DISABLED"], "true or false", |text| {
            text.to_ascii_lowercase().parse().ok()
        });
        if disabled == Some(true) {
            return None;
        }
        let resource = from.parse(
            &["OTEL_RESOURCE_ATTRIBUTES"],
            "key=value,key=value, percent-encoded",
            pairs,
        );
        // What is not exported here must not be expected either.
        for (name, known, there) in [
            (
                "OTEL_METRICS_EXPORTER",
                &["none", "prometheus"][..],
                "/metrics serves them",
            ),
            ("OTEL_LOGS_EXPORTER", &["none"], "standard error has them"),
        ] {
            if let Some(set) = from.first(&[name])
                && !known.contains(&set.value.as_str())
            {
                let Set { name, value } = set;
                let value = value.escape_debug();
                from.say(format!(
                    "unsupported value `{value}` for {name}: expected {}; {there}",
                    known.join(" or ")
                ));
            }
        }
        Some(Self {
            target: target(&mut from),
            sampling: sampling(&mut from),
            propagators: propagators(&mut from),
            sizes: sizes(&mut from),
            batches: batches(&mut from, queued),
            service_name: from.first(&["OTEL_SERVICE_NAME"]).map(|set| set.value),
            resource: resource.unwrap_or_default(),
            complaints: from.complaints(),
        })
    }
}

/// The variables of one setting: for spans alone, and for all that is exported.
macro_rules! otlp {
    ($name:literal) => {
        &[
            concat!("OTEL_EXPORTER_OTLP_TRACES_", $name),
            concat!("OTEL_EXPORTER_OTLP_", $name),
        ]
    };
}

fn target(from: &mut Variables) -> Option<Target> {
    let asked = from.parse(
        &["OTEL_TRACES_EXPORTER"],
        "otlp or none, the only ones that are supported",
        |text| match text {
            "otlp" => Some(true),
            "none" => Some(false),
            _ => None,
        },
    );
    let protocol = from.parse(
        otlp!("PROTOCOL"),
        "http/protobuf or grpc, the only ones that are supported",
        |text| match text {
            "grpc" => Some(Protocol::Grpc),
            "http/protobuf" => Some(Protocol::Http),
            _ => None,
        },
    );
    let protocol = protocol.unwrap_or(Protocol::Http);
    let insecure = from.parse(otlp!("INSECURE"), "true or false", |text| {
        text.to_ascii_lowercase().parse::<bool>().ok()
    });
    let given = from.first(otlp!("ENDPOINT"));
    let is_given = given.is_some();
    let endpoint = given.and_then(|set| {
        let is_whole = set.name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let endpoint = endpoint(&set.value, protocol, is_whole, insecure == Some(true));
        if endpoint.is_none() {
            // Its value may have a password.
            from.say(format!(
                "invalid value for {}: expected http://HOST:PORT or https://HOST:PORT; using the default",
                set.name
            ));
        }
        endpoint
    });
    let endpoint = endpoint.unwrap_or_else(|| match protocol {
        Protocol::Grpc => Uri::from_static("http://localhost:4317"),
        Protocol::Http => Uri::from_static("http://localhost:4318/v1/traces"),
    });
    let gzip = from.parse(otlp!("COMPRESSION"), "gzip or none", |text| match text {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => None,
    });
    let timeout = milliseconds(from, otlp!("TIMEOUT"));
    let mut file = |names: &[&'static str]| from.first(names).map(|set| PathBuf::from(set.value));
    let certificate = file(otlp!("CERTIFICATE"));
    let client = (file(otlp!("CLIENT_CERTIFICATE")), file(otlp!("CLIENT_KEY")));
    let client = match client {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let names = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY";
            from.say(format!(
                "expected both or neither of {names}; using neither"
            ));
            None
        }
    };
    let headers = headers(from);
    asked.unwrap_or(is_given).then_some(Target {
        endpoint,
        protocol,
        headers,
        gzip: gzip.unwrap_or(false),
        timeout: timeout.unwrap_or(EXPORT_TIMEOUT),
        certificate,
        client,
    })
}

/// The address that spans are sent to. Over HTTP, one for all that is exported lacks the
/// path; over gRPC, an address may lack the scheme.
fn endpoint(text: &str, protocol: Protocol, is_whole: bool, insecure: bool) -> Option<Uri> {
    let text = match (protocol, text.contains("://")) {
        (_, true) => text.to_owned(),
        (Protocol::Grpc, false) if insecure => format!("http://{text}"),
        (Protocol::Grpc, false) => format!("https://{text}"),
        (Protocol::Http, false) => return None,
    };
    let text = match protocol {
        Protocol::Http if !is_whole => format!("{}/v1/traces", text.trim_end_matches('/')),
        _ => text,
    };
    let uri: Uri = text.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?;
    let fits = is_http && !authority.host().is_empty() && !authority.as_str().contains('@');
    fits.then_some(uri)
}

/// The headers, whose values may be secret, and so are not in the complaint.
fn headers(from: &mut Variables) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(set) = from.first(otlp!("HEADERS")) else {
        return headers;
    };
    let read = pairs(&set.value).and_then(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| {
                let name = name.parse::<HeaderName>().ok()?;
                Some((name, HeaderValue::try_from(value).ok()?))
            })
            .collect::<Option<Vec<_>>>()
    });
    match read {
        Some(read) => headers.extend(read),
        None => from.say(format!(
            "invalid value for {}: expected name=value,name=value, percent-encoded; sending none",
            set.name
        )),
    }
    headers
}

fn sampling(from: &mut Variables) -> Sampling {
    let names = &["OTEL_TRACES_SAMPLER_ARG"];
    let chosen = from.parse(
        &["OTEL_TRACES_SAMPLER"],
        "always_on, always_off, traceidratio, or one of these after parentbased_",
        |text| {
            let bare = text.strip_prefix("parentbased_");
            match bare.unwrap_or(text) {
                name @ ("always_on" | "always_off" | "traceidratio") => {
                    Some((name.to_owned(), bare.is_some()))
                }
                _ => None,
            }
        },
    );
    let (name, of_parent) = chosen.unwrap_or(("always_on".to_owned(), true));
    let root = match name.as_str() {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => {
            let ratio = from.parse(names, "a number from 0 to 1", |text| {
                text.parse().ok().filter(|it| (0.0..=1.0).contains(it))
            });
            Sampler::TraceIdRatioBased(ratio.unwrap_or(1.0))
        }
        _ => {
            // For other samplers, it means nothing.
            from.first(names);
            Sampler::AlwaysOn
        }
    };
    Sampling::new(root, of_parent)
}

fn propagators(from: &mut Variables) -> Vec<Propagator> {
    const USUAL: [Propagator; 1] = [Propagator::TraceContext];
    let Some(set) = from.first(&["OTEL_PROPAGATORS"]) else {
        return USUAL.to_vec();
    };
    let mut found = Vec::new();
    let mut is_known = true;
    for name in set.value.split(',').map(str::trim) {
        match name {
            "tracecontext" => found.push(Propagator::TraceContext),
            "b3" => found.push(Propagator::B3),
            "b3multi" => found.push(Propagator::B3Multi),
            // Baggage goes with requests that this program sends, and it sends none for
            // others.
            "baggage" | "none" => {}
            _ => is_known = false,
        }
    }
    if !is_known {
        from.complain(
            &set,
            "a list of tracecontext, baggage, b3, b3multi, or none",
        );
        return USUAL.to_vec();
    }
    found
}

fn sizes(from: &mut Variables) -> Sizes {
    let value_chars = from.parse(
        &[
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ],
        "an integer from 0",
        |text| text.parse().ok(),
    );
    let mut count = |names: &[&'static str]| {
        let count = from.parse(names, "an integer from 0", |text| text.parse::<u32>().ok());
        count.map_or(SPAN_PARTS_MAX, |count| count.min(SPAN_PARTS_MAX))
    };
    let attributes = count(&[
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    ]);
    Sizes {
        attributes,
        value_chars: value_chars.unwrap_or(SPAN_VALUE_CHARS),
        events: count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"]),
        links: count(&["OTEL_SPAN_LINK_COUNT_LIMIT"]),
        attributes_of_event: count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"]),
        attributes_of_link: count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"]),
    }
}

fn batches(from: &mut Variables, usual: usize) -> Batches {
    let queued = from.parse(
        &["OTEL_BSP_MAX_QUEUE_SIZE"],
        &format!("an integer from 1 to {SPANS_QUEUED_MAX}"),
        |text| within(text, SPANS_QUEUED_MAX),
    );
    let queued = queued.unwrap_or(usual);
    let spans = from.parse(
        &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        &format!("an integer from 1 to {queued}, the size of the queue"),
        |text| within(text, queued),
    );
    Batches {
        queued,
        spans: spans.unwrap_or(SPANS_BATCH).min(queued),
        delay: milliseconds(from, &["OTEL_BSP_SCHEDULE_DELAY"]).unwrap_or(SPANS_DELAY),
        give_up: milliseconds(from, &["OTEL_BSP_EXPORT_TIMEOUT"]).unwrap_or(EXPORT_GIVE_UP),
    }
}

fn within(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|it| (1..=most).contains(it))
}

fn milliseconds(from: &mut Variables, names: &[&'static str]) -> Option<Duration> {
    from.parse(names, "milliseconds, an integer from 1", |text| {
        let ms = text.parse::<u32>().ok().filter(|ms| *ms > 0)?;
        Some(Duration::from_millis(ms.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::{SPAN_VALUE_CHARS, SPANS_QUEUED};

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";

    fn read(variables: &[(&str, &str)]) -> Option<Settings> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Settings::read(Variables::new(variables.into_iter()), SPANS_QUEUED)
    }

    /// Where spans go, without a complaint.
    fn endpoint_of(variables: &[(&str, &str)]) -> Option<String> {
        let settings = read(variables)?;
        assert_eq!(settings.complaints, [""; 0], "{variables:?}");
        Some(settings.target?.endpoint.to_string())
    }

    #[test]
    fn spans_go_nowhere_unless_somebody_asks() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x"), (PROTOCOL, "grpc")],
            &[(EXPORTER, "none"), (ENDPOINT, "http://there:4318")],
            &[("OTEL_SDK_DISABLED", "TRUE"), (EXPORTER, "otlp")],
        ] {
            assert_eq!(endpoint_of(variables), None, "{variables:?}");
        }
    }

    #[test]
    fn the_endpoint_of_traces_comes_before_that_of_everything() {
        for (variables, endpoint) in [
            (&[(ENDPOINT, "http://a:1")][..], "http://a:1/v1/traces"),
            (&[(ENDPOINT, "https://a/b/")], "https://a/b/v1/traces"),
            (
                &[(ENDPOINT, "http://a:1"), (TRACES_ENDPOINT, "https://b:2/x")],
                "https://b:2/x",
            ),
            (&[(EXPORTER, "otlp")], "http://localhost:4318/v1/traces"),
            (
                &[(EXPORTER, "otlp"), (PROTOCOL, "grpc")],
                "http://localhost:4317/",
            ),
            (&[(PROTOCOL, "grpc"), (ENDPOINT, "a:1")], "https://a:1/"),
            (
                &[
                    (PROTOCOL, "grpc"),
                    (ENDPOINT, "a:1"),
                    ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
                ],
                "http://a:1/",
            ),
        ] {
            let found = endpoint_of(variables);
            assert_eq!(found.as_deref(), Some(endpoint), "{variables:?}");
        }
    }

    #[test]
    fn a_wrong_value_is_reported_by_name_and_the_default_is_used() {
        let on = (EXPORTER, "otlp");
        for (name, value) in [
            (ENDPOINT, "a:1"),
            (ENDPOINT, "ftp://a:1"),
            (ENDPOINT, "http://user:secret@a:1"),
            (PROTOCOL, "http/json"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_PROPAGATORS", "tracecontext,xray"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "x"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
            ("OTEL_NONE_SUCH", "1"),
        ] {
            let settings = read(&[on, (name, value)]).expect("settings");
            let complaints = settings.complaints;
            assert_eq!(complaints.len(), 1, "{name}: {complaints:?}");
            assert!(complaints[0].contains(name), "{complaints:?}");
            assert!(!complaints[0].contains("secret"), "{complaints:?}");
            let target = settings.target.expect("a target");
            assert_eq!(target.endpoint, "http://localhost:4318/v1/traces");
            assert_eq!(target.protocol, Protocol::Http);
            assert_eq!(settings.batches.queued, SPANS_QUEUED);
            assert_eq!(settings.sizes.value_chars, SPAN_VALUE_CHARS);
            assert_eq!(settings.propagators, [Propagator::TraceContext]);
        }
        let settings = read(&[(EXPORTER, "zipkin")]).expect("settings");
        assert!(settings.complaints[0].contains("zipkin"));
        assert!(settings.target.is_none());
    }

    #[test]
    fn settings_are_read() {
        let settings = read(&[
            (ENDPOINT, "https://a"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=b%20c"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/client"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/roots"),
            ("OTEL_PROPAGATORS", "b3, baggage,tracecontext"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7"),
        ]);
        let settings = settings.expect("settings");
        assert_eq!(settings.complaints, [""; 0]);
        let target = settings.target.expect("a target");
        assert!(target.gzip);
        assert_eq!(target.headers["x-a"], "b c");
        assert_eq!(target.client, Some(("/client".into(), "/key".into())));
        assert_eq!(target.certificate, Some("/roots".into()));
        assert_eq!(
            settings.propagators,
            [Propagator::B3, Propagator::TraceContext]
        );
        assert_eq!((settings.batches.queued, settings.batches.spans), (8, 8));
        assert_eq!(settings.sizes.value_chars, 7);
    }
}
