//! What the service tells of itself: metrics for whoever asks, and the traces
//! that its requests are parts of.
//!
//! Nothing here stands in a request's way: a request adds to counters, and who
//! reads them pays for the reading.

mod context;
mod http_metrics;
mod metrics;
mod process;

pub(crate) use context::{continue_trace, tell_trace};
pub use http_metrics::{Connection, HttpMetrics, Observation};
pub use metrics::{Build, METRICS_TYPE, Metrics};
