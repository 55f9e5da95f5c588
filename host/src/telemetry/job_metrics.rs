//! The metrics of an engine's jobs by name, read from its meter at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::histograms;
use crate::limits::Limit;
use crate::metrics::Meter;

/// The metrics of an engine's jobs.
#[derive(Debug)]
pub(super) struct JobMetrics(pub(super) Meter);

impl Collector for JobMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let meter = &self.0;
        for (name, help, value) in [
            (
                "queue_length",
                "Jobs that wait for a sandbox or for memory.",
                meter.queue_length(),
            ),
            (
                "sandboxes_live",
                "Sandboxes that exist.",
                meter.sandboxes_live(),
            ),
            (
                "sandboxes_max",
                "Sandboxes that can exist at once.",
                meter.sandboxes_max(),
            ),
            (
                "sandbox_memory_bytes",
                "Memory reserved for all sandboxes.",
                meter.memory_bytes(),
            ),
            (
                "sandbox_memory_max_bytes",
                "Limit of the memory of all sandboxes.",
                meter.memory_max_bytes(),
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?;
        }
        for (name, help, histogram) in [
            (
                "queue_wait_seconds",
                "Time that jobs waited for a sandbox or for memory.",
                meter.queue_wait(),
            ),
            (
                "sandbox_instantiation_seconds",
                "Time to make a sandbox.",
                meter.instantiation(),
            ),
            (
                "sandbox_run_seconds",
                "Time from the start of a sandbox to its end.",
                meter.run(),
            ),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            histograms::encode(&histogram, &mut metric)?;
        }
        // Prometheus sees the first increment only of a series that existed before, so that
        // limits without a hit are listed too.
        let help = "Jobs and requests that a limit refused or stopped.";
        let mut family =
            encoder.encode_descriptor("limits_hit", help, None, MetricType::Counter)?;
        for limit in Limit::ALL {
            let metric = [("limit", limit.spec().flag)];
            let metric = family.encode_family(&metric)?;
            ConstCounter::new(meter.limits_hit(limit)).encode(metric)?;
        }
        Ok(())
    }
}
