//! The kernel's metrics of this process, read from `/proc` for each request.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The process as a part of the metrics, under the names that are usual.
#[derive(Debug)]
pub(super) struct Process {
    started_seconds: f64,
}

impl Process {
    /// The process, with the current time as its start: one clock is enough to detect a restart.
    pub(super) fn started_now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started_seconds: since.map_or(0.0, |since| since.as_secs_f64()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let metric = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time of all threads, in seconds",
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        let mut gauge = |name, help, value: i64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        // Without `/proc` they are left out.
        if let Some(bytes) = memory_bytes("VmSize:") {
            gauge(
                "process_virtual_memory_bytes",
                "Address space of the process",
                bytes,
            )?;
        }
        if let Some(bytes) = memory_bytes("VmRSS:") {
            gauge(
                "process_resident_memory_bytes",
                "Resident memory of the process",
                bytes,
            )?;
        }
        if let Some(open) = open_fds() {
            gauge("process_open_fds", "Open file descriptors", open)?;
        }
        if let Some(most) = max_fds() {
            gauge("process_max_fds", "Limit of open file descriptors", most)?;
        }
        let metric = encoder.encode_descriptor(
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970-01-01",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.started_seconds).encode(metric)
    }
}

/// Processor time of the process, in seconds.
fn cpu_seconds() -> Option<f64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    );
    Some(Duration::new(seconds, nanos).as_secs_f64())
}

/// The soft limit of descriptors. `None` where there is none.
fn max_fds() -> Option<i64> {
    getrlimit(Resource::Nofile).current?.try_into().ok()
}

/// A size that the kernel gives under `name` in KiB.
fn memory_bytes(name: &str) -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: i64 = size.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

fn open_fds() -> Option<i64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of the descriptors belongs to the read of the folder.
    i64::try_from(open.saturating_sub(1)).ok()
}
