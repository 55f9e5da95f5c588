//! The metrics by name, as text for Prometheus.
//!
//! The names are a contract: the page, the benchmark and monitoring systems read them.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::exemplars::Exemplar;
use super::http_metrics::HttpMetrics;
use super::job_metrics::JobMetrics;
use super::openmetrics::{complete, seconds};
use super::process::Process;
use super::route_metrics::{ReadRoutes, RouteMetrics};
use super::text_format::classic;
use crate::metrics::Meter;

/// The media type of [`Metrics::encode`].
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of [`Metrics::encode_classic`].
pub const CLASSIC_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of the service, by name.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http: HttpMetrics,
    began: SystemTime,
}

/// The build that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Build {
    /// The version of this program.
    pub version: String,
    /// The digest of the component.
    pub component: String,
}

impl Metrics {
    /// The metrics of an engine's sandboxes and of the requests that use them.
    pub fn new(meter: &Meter, http: &HttpMetrics, build: Build) -> Self {
        Self::with_routes(meter, http, build, None)
    }

    /// As [`Metrics::new`], with those of `routes`.
    pub(crate) fn with_routes(
        meter: &Meter,
        http: &HttpMetrics,
        build: Build,
        routes: Option<Box<dyn ReadRoutes>>,
    ) -> Self {
        let mut root = Registry::default();
        let registry = root.sub_registry_with_prefix("cocoon");
        registry.register(
            "build",
            "Version of the program and digest of its component",
            Info::new(build),
        );
        // The encoder adds `_total` to the names of counters.
        registry.register(
            "http_requests",
            "Requests that were answered, or that the client aborted (499)",
            http.requests().clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from the headers of a request to the last byte of its response",
            http.durations().clone(),
        );
        registry.register(
            "http_connections",
            "Open connections",
            http.connections().clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans that were not exported, by reason",
            super::delivery::dropped(),
        );
        registry.register_collector(Box::new(JobMetrics(meter.clone())));
        if let Some(routes) = routes {
            registry.register_collector(Box::new(RouteMetrics(routes)));
        }
        root.register_collector(Box::new(Process::started_now()));
        Self {
            registry: root,
            http: http.clone(),
            began: SystemTime::now(),
        }
    }

    /// Adds the metrics of a worker.
    #[cfg(feature = "queue")]
    pub(crate) fn add_worker(&mut self, worker: &super::WorkerMetrics) {
        worker.register(self.registry.sub_registry_with_prefix("cocoon"));
    }

    /// All metrics as they are now, of the type [`OPENMETRICS_TYPE`].
    pub fn encode(&self) -> String {
        let exemplars = self.http.exemplars().into_iter();
        let exemplars = exemplars.map(|(route, exemplar)| {
            let Exemplar { trace, took, at } = exemplar;
            // As the encoder writes them.
            let bound = match exemplar.bound() {
                f64::INFINITY => "+Inf".to_owned(),
                bound => bound.to_string(),
            };
            let series = format!(
                "cocoon_http_request_duration_seconds_bucket{{le=\"{bound}\",route=\"{route}\"}}"
            );
            let (took, at) = (took.as_secs_f64(), seconds(at));
            (series, format!("{{trace_id=\"{trace}\"}} {took} {at}"))
        });
        complete(&self.encoded(), self.began, &exemplars.collect())
    }

    /// All metrics as they are now, of the type [`CLASSIC_TYPE`].
    pub fn encode_classic(&self) -> String {
        classic(&self.encoded())
    }

    fn encoded(&self) -> String {
        let mut text = String::new();
        // A `String` takes whatever is written to it, and no metric of ours
        // fails to write itself.
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limit;

    fn metrics() -> (Meter, HttpMetrics, Metrics) {
        let meter = Meter::new(4, 64 << 20);
        let http = HttpMetrics::new(["/factorial/{n}"]);
        let build = Build {
            version: "1.2.3".to_owned(),
            component: "0123".to_owned(),
        };
        let metrics = Metrics::new(&meter, &http, build);
        (meter, http, metrics)
    }

    #[test]
    fn events_are_counted_under_their_names() {
        let (meter, http, metrics) = metrics();
        let _connection = http.connection();
        http.observe(Some("/factorial/{n}")).set_status(200);
        http.observe(Some("/factorial/{n}")).set_status(503);
        http.observe(Some("/elsewhere")).set_status(404);
        drop(http.observe(Some("/factorial/{n}")));
        meter.hit(Limit::Queue);
        let _held = meter.hold(2 << 20);
        let text = metrics.encode();
        for line in [
            r#"cocoon_build_info{version="1.2.3",component="0123"} 1"#,
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="200"} 1"#,
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="503"} 1"#,
            r#"cocoon_http_requests_total{route="/factorial/{n}",status="499"} 1"#,
            r#"cocoon_http_requests_total{route="other",status="404"} 1"#,
            r#"cocoon_http_request_duration_seconds_count{route="/factorial/{n}"} 3"#,
            "cocoon_http_connections 1",
            "cocoon_queue_length 0",
            "cocoon_queue_wait_seconds_count 0",
            "cocoon_sandboxes_live 1",
            "cocoon_sandboxes_max 4",
            "cocoon_sandbox_memory_bytes 4194304",
            "cocoon_sandbox_memory_max_bytes 67108864",
            r#"cocoon_limits_hit_total{limit="queue"} 1"#,
            r#"cocoon_limits_hit_total{limit="deadline"} 0"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for name in [
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ] {
            assert!(text.contains(&format!("\n{name}")), "{name}\n{text}");
        }
    }

    #[test]
    fn an_added_route_has_series_until_it_is_removed() {
        let (_, http, metrics) = metrics();
        for route in [http.add_route("shop"), http.add_route("shop")] {
            HttpMetrics::observe_route(route.clone()).set_status(200);
            HttpMetrics::observe_route(route.clone()).set_status(404);
            assert_eq!(route.statuses().len(), 2);
        }
        let running = HttpMetrics::observe_route(http.add_route("shop"));
        let two = r#"cocoon_http_requests_total{route="shop",status="404"} 2"#;
        let text = metrics.encode();
        assert!(text.lines().any(|line| line == two), "{text}");
        http.retain_routes(|name| name == "shop");
        assert!(metrics.encode().contains(two));
        http.retain_routes(|name| name != "shop");
        drop(running);
        assert!(!metrics.encode().contains("shop"), "{}", metrics.encode());
    }

    #[test]
    fn a_request_under_way_is_not_counted() {
        let (_, http, metrics) = metrics();
        let zero = r#"cocoon_http_requests_total{route="/factorial/{n}",status="200"} 0"#;
        let mut observation = http.observe(Some("/factorial/{n}"));
        observation.set_status(200);
        assert!(metrics.encode().contains(zero));
        drop(observation);
        assert!(!metrics.encode().contains(zero));
    }
}
