//! Export of spans over OTLP, by the settings that OpenTelemetry's variables have.
//!
//! Spans go through a bounded queue to a task on a runtime of its own, so that no request
//! shares a thread with it, and so that it outlives the commands' runtime to send the last
//! ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use super::delivery::Delivery;
use super::error::TelemetryError;
use super::logs::ACCESS_TARGET;
use super::otlp::Client;
use super::queue::Queue;
use super::settings::Settings;
use super::target::Target;
use super::worker::Worker;
use crate::limits::{SPANS_CLOSE, TELEMETRY_FLUSH};
use crate::span::spawn_on;

/// The time between two checks for open spans at the end of the program.
const CLOSE_PAUSE: Duration = Duration::from_millis(2);

/// Exports spans for as long as it lives.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
    delivery: Arc<Delivery>,
    open: Arc<AtomicU64>,
    end: CancellationToken,
    /// Closed when the last span has been sent or given up.
    sent: mpsc::Receiver<()>,
    runtime: Option<Runtime>,
}

impl Export {
    pub(super) fn start(settings: &Settings, target: &Target) -> Result<Self, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cocoon-otlp")
            .enable_all()
            .build()
            .map_err(|error| TelemetryError::Start(error.to_string()))?;
        let queued = settings.batches.queued;
        // Without its query, which may have a key.
        let endpoint = target.endpoint.to_string();
        let endpoint = endpoint.split('?').next().unwrap_or_default();
        let delivery = Arc::new(Delivery::new(endpoint.to_owned(), queued));
        let open = Arc::new(AtomicU64::new(0));
        let end = CancellationToken::new();
        let (sender, spans) = tokio::sync::mpsc::channel(queued);
        let (running, sent) = mpsc::channel();
        let resource = resource(settings);
        let working = {
            let (target, batches) = (target.clone(), settings.batches);
            let resource = ResourceAttributesWithSchema::from(&resource);
            let (delivery, end) = (Arc::clone(&delivery), end.clone());
            async move {
                // Dropped in the end.
                let _running: mpsc::Sender<()> = running;
                // Here, since the system's roots are many.
                let (client, complaints) = Client::new(target);
                for complaint in complaints {
                    tracing::warn!("{complaint}");
                }
                let worker = Worker {
                    spans,
                    batches,
                    resource,
                    client,
                    delivery: Arc::clone(&delivery),
                    end,
                };
                tokio::select! {
                    () = worker.run() => {}
                    () = delivery.keep_reporting() => {}
                }
            }
        };
        spawn_on(runtime.handle(), working);
        let queue = Queue::new(
            sender,
            Arc::clone(&delivery),
            Arc::clone(&open),
            settings.sizes.value_chars,
        );
        let sizes = settings.sizes;
        let provider = SdkTracerProvider::builder()
            .with_sampler(settings.sampling.clone())
            .with_max_attributes_per_span(sizes.attributes)
            .with_max_events_per_span(sizes.events)
            .with_max_links_per_span(sizes.links)
            .with_max_attributes_per_event(sizes.attributes_of_event)
            .with_max_attributes_per_link(sizes.attributes_of_link)
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        Ok(Self {
            provider,
            delivery,
            open,
            end,
            sent,
            runtime: Some(runtime),
        })
    }

    /// The layer that exports spans: those of this program from the debug level on, and events
    /// within them from the information level on.
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
    // The line of a request repeats the attributes of its span.
    if target == ACCESS_TARGET {
        return false;
    }
    (target == "cocoon" || target.starts_with("cocoon::")) && *metadata.level() <= least
}

/// The attributes of the process. Variables have the last word.
fn resource(settings: &Settings) -> Resource {
    let given = settings.resource.iter().cloned();
    let given = given.map(|(key, value)| KeyValue::new(key, value));
    let resource = Resource::builder_empty()
        .with_service_name("cocoon")
        .with_attributes(this_process())
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(given);
    match &settings.service_name {
        Some(name) => resource.with_service_name(name.clone()).build(),
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
    /// Sends the rest, for no longer than [`TELEMETRY_FLUSH`].
    fn drop(&mut self) {
        let began = Instant::now();
        // Threads that were stopped end their spans a moment later.
        while self.open.load(Ordering::Relaxed) > 0 && began.elapsed() < SPANS_CLOSE {
            thread::sleep(CLOSE_PAUSE);
        }
        self.end.cancel();
        let time = TELEMETRY_FLUSH;
        if self.sent.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(waited = ?time, "last spans not delivered");
            self.delivery.abandon();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_random_uuid() {
        let [one, other] = [(); 2].map(|()| instance_id().expect("randomness"));
        assert_ne!(one, other);
        let parts: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(one[14..].starts_with('4'), "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}
