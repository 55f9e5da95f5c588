//! Telemetry: metrics by name, traces over OTLP, and a log on standard error.
//!
//! None of it delays a request. A request adds to counters, and a reader of the metrics pays
//! for the sum. Spans go into a bounded queue, and a full queue drops them.

mod b3;
mod context;
mod delivery;
mod error;
mod exemplars;
mod export_answer;
mod grpc;
mod histograms;
mod http_metrics;
mod job_metrics;
mod json_lines;
mod logs;
mod metrics;
mod openmetrics;
mod otlp;
mod process;
mod queue;
#[cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, reason = "handlers alone have such routes")
)]
mod route_metrics;
mod sampling;
mod settings;
mod sizes;
mod start;
mod target;
mod text_format;
mod tls;
mod traces;
mod variables;
mod w3c;
mod worker;
#[cfg(feature = "queue")]
mod worker_metrics;

pub use context::{continue_command, is_exported, leave_out};
#[cfg(feature = "queue")]
pub use context::{continue_fields, trace_fields};
pub(crate) use context::{continue_trace, exported_trace, named_trace, tell_trace};
pub use error::TelemetryError;
pub use http_metrics::{Connection, HttpMetrics, Observation, RouteCounters};
pub use json_lines::json_line;
pub(crate) use logs::logs_requests;
pub use logs::{ACCESS_TARGET, GUEST_TARGET, LOG_FILTER, LogFormat};
pub use metrics::{Build, CLASSIC_TYPE, Metrics, OPENMETRICS_TYPE};
pub(crate) use route_metrics::ReadRoutes;
#[cfg(feature = "compiler")]
pub(crate) use route_metrics::{ROUTE_LIMITS, RouteReading};
pub use start::{Exports, Guard, start};
#[cfg(feature = "queue")]
pub use worker_metrics::WorkerMetrics;
