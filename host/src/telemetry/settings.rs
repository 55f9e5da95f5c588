//! The settings of the export of spans, read from OpenTelemetry's variables.
//!
//! Nothing is exported unless a variable asks for it.

use opentelemetry_sdk::trace::Sampler;

use super::context::Propagator;
use super::sampling::Sampling;
use super::sizes::{Batches, Sizes, batches, sizes};
use super::target::{Target, target};
use super::variables::{Set, Variables, pairs};

/// All settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// The receiver of spans, or `None` without an export.
    pub(super) target: Option<Target>,
    pub(super) sampling: Sampling,
    pub(super) propagators: Vec<Propagator>,
    pub(super) sizes: Sizes,
    pub(super) batches: Batches,
    pub(super) service_name: Option<String>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) complaints: Vec<String>,
}

impl Settings {
    /// Reads the settings. The queue holds `queued` spans unless a variable sets another number.
    /// `None` if OpenTelemetry is disabled.
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
        // Users must not expect exports that do not exist.
        for (name, known, there) in [
            (
                "OTEL_METRICS_EXPORTER",
                &["none", "prometheus"][..],
                "metrics are at /metrics",
            ),
            (
                "OTEL_LOGS_EXPORTER",
                &["none"],
                "logs are on standard error",
            ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::target::Protocol;

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
    fn spans_are_not_exported_by_default() {
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
