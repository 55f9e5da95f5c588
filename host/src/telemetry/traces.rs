//! Export of spans over OTLP, set up by OpenTelemetry's own environment
//! variables. Nothing is exported unless one of them asks for it.
//!
//! The exporter lives on a runtime of its own, so that no request shares a thread
//! with it: the processor that the HTTP client needs is driven by tokio, and the
//! commands end their runtime before the last spans are sent. Between the two is
//! a bounded queue; what does not fit is dropped.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{BatchConfigBuilder, SdkTracerProvider};
use tokio::runtime::{Builder, Runtime};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use super::delivery::{Delivery, Told};
use crate::limits::{SPANS_QUEUED, TELEMETRY_FLUSH_MS};

/// How often a queue that is full is looked at while the rest is sent.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

/// Where spans go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    endpoint: String,
    queued: usize,
}

/// A reader of environment variables, in which empty ones are unset.
pub(super) trait Variables: Fn(&str) -> Option<String> {}
impl<F: Fn(&str) -> Option<String>> Variables for F {}

/// The variables of this process.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Target {
    /// Where the variables say that spans go, if they go anywhere.
    pub(super) fn find(variables: impl Variables) -> Result<Option<Self>, TelemetryError> {
        let first = |names: [&'static str; 2]| {
            let mut found = names.into_iter();
            found.find_map(|name| variables(name).map(|value| (name, value)))
        };
        let disabled = variables("OTEL_SDK_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let given = first([
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ]);
        match (variables("OTEL_TRACES_EXPORTER").as_deref(), &given) {
            (Some("none"), _) | (None, None) => return Ok(None),
            (Some("otlp"), _) | (None, Some(_)) => {}
            (Some(other), _) => return Err(TelemetryError::Exporter(other.to_owned())),
        }
        let protocol = first([
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ]);
        let default = match protocol {
            Some((_, value)) if value == "grpc" => "http://localhost:4317",
            Some((_, value)) if value == "http/protobuf" => "http://localhost:4318",
            Some((name, value)) => return Err(TelemetryError::Protocol { name, value }),
            None => "http://localhost:4318",
        };
        let endpoint = match given {
            Some((_, value)) if value.starts_with("http://") => value,
            Some((name, value)) => return Err(TelemetryError::Endpoint { name, value }),
            None => default.to_owned(),
        };
        let queued = variables("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|value| value.parse().ok());
        Ok(Some(Self {
            endpoint,
            queued: queued.filter(|&spans| spans > 0).unwrap_or(SPANS_QUEUED),
        }))
    }
}

/// Exports spans for as long as it lives.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
    runtime: Option<Runtime>,
}

impl Export {
    pub(super) fn start(target: &Target) -> Result<Self, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cocoon-otlp")
            .enable_all()
            .build()
            .map_err(|error| TelemetryError::Start(error.to_string()))?;
        let provider = {
            // The gRPC client and the processor start tasks.
            let _entered = runtime.enter();
            let exporter = SpanExporter::builder()
                .build()
                .map_err(|error| TelemetryError::Start(error.to_string()))?;
            let delivery = Arc::new(Delivery::new(&target.endpoint, target.queued));
            let exporter = Told::new(exporter, Arc::clone(&delivery));
            let config = BatchConfigBuilder::default().with_max_queue_size(target.queued);
            let processor = BatchSpanProcessor::builder(exporter, Tokio)
                .with_batch_config(config.build())
                .build();
            SdkTracerProvider::builder()
                .with_resource(resource())
                .with_span_processor(Told::new(processor, delivery))
                .build()
        };
        Ok(Self {
            provider,
            runtime: Some(runtime),
        })
    }

    /// The layer that hands spans over: ours from the debug level on, and what is
    /// logged within them from the information level on.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let wanted = FilterFn::new(is_exported as fn(&Metadata<'_>) -> bool)
            .with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("cocoon"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // No other library looks for the context.
            .with_context_activation(false)
            .with_filter(wanted)
    }
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    let least = if metadata.is_span() {
        Level::DEBUG
    } else {
        Level::INFO
    };
    let target = metadata.target();
    (target == "cocoon" || target.starts_with("cocoon::")) && *metadata.level() <= least
}

/// What every span says of the process. The variables have the last word.
fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name("cocoon")
        .with_attributes(this_process())
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match environment("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

/// The attributes of this process, in the order of the alphabet.
fn this_process() -> Vec<KeyValue> {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let mut attributes = vec![KeyValue::new("host.name", host)];
    if let Some(id) = instance_id() {
        attributes.push(KeyValue::new("service.instance.id", id));
    }
    attributes.push(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    attributes
}

/// A random UUID (RFC 9562, version 4).
fn instance_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) | 0x4 << 76;
    let bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Some(parts.join("-"))
}

impl Drop for Export {
    /// Sends what is left, for no longer than [`TELEMETRY_FLUSH_MS`].
    fn drop(&mut self) {
        let provider = self.provider.clone();
        let (done, sent) = mpsc::channel();
        // Whoever waits for the exporter waits without a bound.
        let sending = thread::Builder::new().spawn(move || {
            // A queue that is full takes no message to send it.
            while provider.force_flush().is_err() && provider.shutdown().is_err() {
                thread::sleep(FLUSH_PAUSE);
            }
            let _ = done.send(());
        });
        let time = Duration::from_millis(TELEMETRY_FLUSH_MS);
        if sending.is_ok() && sent.recv_timeout(time).is_err() {
            tracing::warn!("the last spans were not delivered within {time:?}, and are lost");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";

    fn find(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let value = |name: &str| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match Target::find(value) {
            Ok(target) => Ok(target.map(|target| target.endpoint)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn spans_go_nowhere_unless_somebody_asks() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x"), (PROTOCOL, "grpc")],
            &[(EXPORTER, "none"), (ENDPOINT, "http://there:4318")],
            &[("OTEL_SDK_DISABLED", "TRUE"), (EXPORTER, "otlp")],
        ] {
            assert_eq!(find(variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn the_endpoint_of_traces_comes_before_that_of_everything() {
        for (variables, endpoint) in [
            (&[(ENDPOINT, "http://a:1")][..], "http://a:1"),
            (
                &[(ENDPOINT, "http://a:1"), (TRACES_ENDPOINT, "http://b:2")],
                "http://b:2",
            ),
            (&[(EXPORTER, "otlp")], "http://localhost:4318"),
            (
                &[(EXPORTER, "otlp"), (PROTOCOL, "grpc")],
                "http://localhost:4317",
            ),
        ] {
            assert_eq!(find(variables), Ok(Some(endpoint.to_owned())));
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_what_would_be_right() {
        for (variables, hints) in [
            (
                &[(TRACES_ENDPOINT, "https://a:1")][..],
                &[TRACES_ENDPOINT, "https://a:1", "TLS", "Collector"],
            ),
            (&[(ENDPOINT, "a:1")], &[ENDPOINT, "a:1", "http://", "TLS"]),
            (
                &[(ENDPOINT, "http://a:1"), (PROTOCOL, "http/json")],
                &[PROTOCOL, "http/json", "grpc", "http/protobuf"],
            ),
            (
                &[(EXPORTER, "zipkin")],
                &[EXPORTER, "zipkin", "otlp", "Collector"],
            ),
        ] {
            let error = find(variables).expect_err(hints[1]);
            for hint in hints {
                assert!(error.contains(hint), "{hint}: {error}");
            }
        }
    }
}
