//! What the kernel knows of this process, read from `/proc` when somebody asks.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// The process as a part of the metrics, under the names that are usual.
#[derive(Debug)]
pub(super) struct Process {
    started_seconds: f64,
}

impl Process {
    /// The process, said to have started now: a clock that is read once is all
    /// that is needed to tell that it was started again.
    pub(super) fn started_now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started_seconds: since.map_or(0.0, |since| since.as_secs_f64()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut gauge = |name, help, value: i64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        // Without `/proc` they are left out.
        if let Some(bytes) = resident_bytes() {
            gauge(
                "process_resident_memory_bytes",
                "Memory of the process that is in RAM",
                bytes,
            )?;
        }
        if let Some(open) = open_fds() {
            gauge("process_open_fds", "File descriptors that are open", open)?;
        }
        let metric = encoder.encode_descriptor(
            "process_start_time_seconds",
            "When the service started, in seconds since 1970",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.started_seconds).encode(metric)
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = resident.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

fn open_fds() -> Option<i64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is what reads the folder.
    i64::try_from(open.saturating_sub(1)).ok()
}
