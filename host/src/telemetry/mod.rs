//! What the service tells of itself: metrics for whoever asks.
//!
//! Nothing here stands in a request's way: a request adds to counters, and who
//! reads them pays for the reading.

mod http_metrics;
mod metrics;
mod process;

pub use http_metrics::{Connection, HttpMetrics, Observation};
pub use metrics::{Build, METRICS_TYPE, Metrics};
