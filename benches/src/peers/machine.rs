//! Date and machine of a measurement.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use super::programs::first_line;

/// Today's date, as 2026-11-23.
fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// All facts in one line, without commas.
pub(crate) fn place() -> String {
    format!("{} × {} · {}", cores(), processor(), today()).replace(',', "")
}

/// The processor's name as the kernel reports it.
fn processor() -> String {
    value_in("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Names and values, in reading order.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory_kib: f64 = value_in("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    let load = read("/proc/loadavg");
    vec![
        ("date", today()),
        ("processor", format!("{}, {} cores", processor(), cores())),
        (
            "memory",
            format!("{:.1} GiB", memory_kib / f64::from(1 << 20)),
        ),
        (
            "kernel",
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        ),
        (
            "load before the first run",
            load.split(' ').next().unwrap_or_default().to_owned(),
        ),
        (
            "compiler",
            first_line(Command::new("rustc").arg("--version")).unwrap_or_default(),
        ),
    ]
}

/// Returns the value after `name` and a colon in a file of `/proc`.
fn value_in(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
