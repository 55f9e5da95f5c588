//! The metrics of routes that may change while the service runs, read at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::limits::Limit;
use crate::metrics::Meter;

/// Reads the routes of a service.
pub(crate) trait ReadRoutes: fmt::Debug + Send + Sync + 'static {
    /// All routes, as they are now.
    fn read(&self) -> Vec<RouteReading>;
}

/// A route as it is now.
#[derive(Clone, Debug)]
pub(crate) struct RouteReading {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) path: String,
    /// The digest of its component.
    pub(crate) component: String,
    /// Sandboxes that wait for the next request.
    pub(crate) idle: u64,
    /// Sandboxes that it is guaranteed.
    pub(crate) share: u64,
    pub(crate) meter: Meter,
}

/// The metrics of all routes.
#[derive(Debug)]
pub(super) struct RouteMetrics(pub(super) Box<dyn ReadRoutes>);

/// Limits that a request to a handler may meet.
pub(crate) const ROUTE_LIMITS: [Limit; 14] = [
    Limit::SandboxMemory,
    Limit::TotalMemory,
    Limit::Deadline,
    Limit::Stack,
    Limit::Sandboxes,
    Limit::Queue,
    Limit::HostCall,
    Limit::Files,
    Limit::Resources,
    Limit::TableElements,
    Limit::SandboxThreads,
    Limit::StuckThreads,
    Limit::Stall,
    Limit::RequestBody,
];

type Read = fn(&RouteReading) -> u64;

const GAUGES: [(&str, &str, Read); 6] = [
    (
        "route_queue_length",
        "Requests of a route that wait for a sandbox or for memory.",
        |route| route.meter.queue_length(),
    ),
    (
        "route_sandboxes_live",
        "Sandboxes of a route that exist.",
        |route| route.meter.sandboxes_live(),
    ),
    (
        "route_sandboxes_idle",
        "Sandboxes of a route that wait for the next request.",
        |route| route.idle,
    ),
    (
        "route_sandboxes_share",
        "Sandboxes that a route is guaranteed.",
        |route| route.share,
    ),
    (
        "route_sandboxes_max",
        "Sandboxes of a route that can exist at once.",
        |route| route.meter.sandboxes_max(),
    ),
    (
        "route_sandbox_memory_bytes",
        "Memory reserved for the sandboxes of a route.",
        |route| route.meter.memory_bytes(),
    ),
];

impl Collector for RouteMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let routes = self.0.read();
        let help = "Host, path and component of a route.";
        let mut family = encoder.encode_descriptor("route", help, None, MetricType::Info)?;
        for route in &routes {
            let labels = [
                ("route", &*route.name),
                ("host", &*route.host),
                ("path", &*route.path),
                ("component", &*route.component),
            ];
            family.encode_info(&labels)?;
        }
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for route in &routes {
                let labels = [("route", &*route.name)];
                let value = i64::try_from(read(route)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Requests of a route that a limit refused or stopped.";
        let mut family =
            encoder.encode_descriptor("route_limits_hit", help, None, MetricType::Counter)?;
        for route in &routes {
            for limit in ROUTE_LIMITS {
                let labels = [("route", &*route.name), ("limit", limit.spec().flag)];
                let count = ConstCounter::new(route.meter.limits_hit(limit));
                count.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
