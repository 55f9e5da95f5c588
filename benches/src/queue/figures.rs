//! The figures of a queue.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::programs::{Killed, Programs};
use crate::median;

/// The interval between two readings of memory.
const SAMPLE: Duration = Duration::from_millis(50);
const MIB: f64 = (1 << 20) as f64;
/// Steps of the program that measures how many take a millisecond.
const STEPS: u64 = 4_000_000;

/// Instances that compute, through two workers of one thread each.
pub(super) struct Slow {
    pub(super) instances: u64,
    /// Seconds of the local batch and of the queue.
    pub(super) seconds: [f64; 2],
    pub(super) ratio: f64,
}

/// Trivial instances, with the memory of all processes.
pub(super) struct Many {
    pub(super) instances: u64,
    /// Seconds of the local batch and of the queue.
    pub(super) seconds: [f64; 2],
    /// MiB after a quarter of the time, and at most.
    pub(super) memory: Vec<(&'static str, f64, f64)>,
}

/// One instance as a whole process. Milliseconds to the first byte and to the end.
pub(super) struct First {
    pub(super) local: [f64; 2],
    pub(super) queue: [f64; 2],
}

pub(super) fn slow(programs: &Programs, instances: u64, rounds: u64) -> anyhow::Result<Slow> {
    let _workers = [
        programs.worker(&["-c", "1"])?,
        programs.worker(&["-c", "1"])?,
    ];
    let (count, steps) = (instances.to_string(), steps_of_a_millisecond(programs)?);
    let arguments = ["-n", &count, "--", "work", "{i}", &steps.to_string()];
    let mut times = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let local = time(programs, &["-c", "2"], &arguments, false)?;
        let queue = time(programs, &[], &arguments, true)?;
        ratios.push(local / queue);
        times[0].push(local);
        times[1].push(queue);
    }
    Ok(Slow {
        instances,
        seconds: times.map(|mut times| median(&mut times)),
        ratio: median(&mut ratios),
    })
}

/// The number of steps that take a millisecond.
fn steps_of_a_millisecond(programs: &Programs) -> anyhow::Result<u64> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let arguments = ["--json", "--", "work", "1", &STEPS.to_string()];
        let mut command = programs.exec(&[], &arguments, false);
        let output = command.stdout(Stdio::piped()).output()?.stdout;
        let last = String::from_utf8(output)?;
        let last: Value = serde_json::from_str(last.lines().last().context("no record")?)?;
        times.push(last["elapsed_us"].as_f64().context("no time")?);
    }
    Ok((STEPS as f64 * 1000.0 / median(&mut times)) as u64)
}

pub(super) fn many(programs: &Programs, instances: u64) -> anyhow::Result<Many> {
    let workers = [programs.worker(&[])?, programs.worker(&[])?];
    let count = instances.to_string();
    let arguments = ["-n", &count, "--", "say", "{i}"];
    let local = time(programs, &[], &arguments, false)?;
    let began = Instant::now();
    let mut submitter = Killed(programs.exec(&[], &arguments, true).spawn()?);
    let mut samples = Vec::new();
    let status = loop {
        samples.push([&submitter, &workers[0], &workers[1], &programs.redis].map(resident_mib));
        if let Some(status) = submitter.0.try_wait()? {
            break status;
        }
        sleep(SAMPLE);
    };
    let queue = began.elapsed().as_secs_f64();
    ensure!(status.success(), "expected {count} results, got {status}");
    let names = ["submitter", "a worker", "the other worker", "Redis"];
    let memory = names.into_iter().enumerate().map(|(at, name)| {
        let early = samples[..=samples.len() / 4].iter();
        let peak = |samples: &mut dyn Iterator<Item = f64>| samples.fold(0.0, f64::max);
        (
            name,
            peak(&mut early.map(|sample| sample[at])),
            peak(&mut samples.iter().map(|sample| sample[at])),
        )
    });
    Ok(Many {
        instances,
        seconds: [local, queue],
        memory: memory.collect(),
    })
}

pub(super) fn first(programs: &Programs, rounds: u64) -> anyhow::Result<First> {
    let _worker = programs.worker(&[])?;
    let mut times = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 0..=rounds {
        for (is_queue, times) in [false, true].into_iter().zip(&mut times) {
            let began = Instant::now();
            let mut command = programs.exec(&[], &["--", "say", "a"], is_queue);
            let mut child = Killed(command.stdout(Stdio::piped()).spawn()?);
            let stdout = child.0.stdout.as_mut().context("no standard output")?;
            stdout.read_exact(&mut [0])?;
            let first = began.elapsed();
            ensure!(child.0.wait()?.success(), "expected a success");
            // The first round compiles.
            if round > 0 {
                times[0].push(first.as_secs_f64() * 1e3);
                times[1].push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let [local, queue] = times.map(|times| times.map(|mut times| median(&mut times)));
    Ok(First { local, queue })
}

/// The seconds of a batch.
fn time(
    programs: &Programs,
    options: &[&str],
    arguments: &[&str],
    is_queue: bool,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let status = programs.exec(options, arguments, is_queue).status()?;
    ensure!(status.success(), "expected a success, got {status}");
    Ok(began.elapsed().as_secs_f64())
}

/// The resident memory of a process, or 0 after its end.
fn resident_mib(process: &Killed) -> f64 {
    let child: &Child = &process.0;
    let path = Path::new("/proc").join(child.id().to_string());
    let text = fs::read_to_string(path.join("status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0 / MIB
}
