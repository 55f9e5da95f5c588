//! Runs of whole processes: `cocoon exec` and `wasmtime run` with compiled code.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, anyhow, ensure};
use tempfile::TempDir;

use crate::peers::programs::{build_cocoon, first_line};

const BLOCK_BYTES: usize = 64 << 10;
/// The interval between two readings of a process's peak of memory.
const SAMPLE: Duration = Duration::from_millis(10);

/// The two compared programs, and their compiled code.
pub(super) struct Programs {
    cocoon: PathBuf,
    wasmtime: PathBuf,
    pub(super) versions: String,
    /// Cocoon's code cache, and results of `wasmtime compile`.
    folder: TempDir,
}

impl Programs {
    pub(super) fn prepare(
        cocoon: Option<PathBuf>,
        wasmtime: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let cocoon = match cocoon {
            Some(given) => given,
            None => build_cocoon("release")?,
        };
        let wasmtime = wasmtime.unwrap_or_else(|| "wasmtime".into());
        let versions = [&cocoon, &wasmtime].map(|program| {
            first_line(Command::new(program).arg("--version"))
                .with_context(|| format!("cannot run {}", program.display()))
        });
        let [of_cocoon, of_wasmtime] = versions;
        Ok(Self {
            cocoon,
            wasmtime,
            versions: format!("{}, {}", of_cocoon?, of_wasmtime?),
            folder: tempfile::tempdir()?,
        })
    }

    /// `cocoon exec` with the cache named `cache`, without this environment's settings.
    pub(super) fn exec(&self, cache: &str) -> Command {
        let mut command = Command::new(&self.cocoon);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("COCOON_") {
                command.env_remove(name);
            }
        }
        command
            .env("COCOON_CODE_CACHE", self.folder.path().join(cache))
            .arg("exec");
        command
    }

    /// `wasmtime run` with the options that a program needs.
    pub(super) fn run(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.wasmtime);
        command.arg("run").args(options);
        command
    }

    /// Compiles a program for `wasmtime run --allow-precompiled`.
    pub(super) fn precompile(&self, file: &Path) -> anyhow::Result<PathBuf> {
        let name = file.to_string_lossy().replace('/', "-");
        let code = self.folder.path().join(name).with_extension("cwasm");
        if !code.exists() {
            let mut compile = Command::new(&self.wasmtime);
            time(compile.arg("compile").arg(file).arg("-o").arg(&code))?;
        }
        Ok(code)
    }
}

fn start(command: &mut Command) -> anyhow::Result<Child> {
    let program = command.get_program().to_owned();
    let started = command.stderr(Stdio::piped()).spawn();
    started.with_context(|| format!("cannot run {}", program.display()))
}

/// Waits until a process has succeeded.
fn finish(child: Child) -> anyhow::Result<()> {
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.trim_end().lines().last().unwrap_or_default();
    ensure!(output.status.success(), "{}: {last}", output.status);
    Ok(())
}

/// Runs a command without its output, and returns its time.
pub(super) fn time(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    finish(start(command.stdin(Stdio::null()).stdout(Stdio::null()))?)?;
    Ok(started.elapsed())
}

/// Runs a command `count` times, `parallel` at once, and returns the time of all.
pub(super) fn time_runs(
    command: impl Fn() -> Command + Sync,
    count: u64,
    parallel: u64,
) -> anyhow::Result<Duration> {
    let started = Instant::now();
    thread::scope(|scope| {
        let runners: Vec<_> = (0..parallel)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..count / parallel {
                        time(&mut command())?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        runners.into_iter().try_for_each(|runner| {
            let ended = runner.join();
            ended.map_err(|_| anyhow!("a thread panicked"))?
        })
    })?;
    Ok(started.elapsed())
}

/// The costs of a program that copies a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    pub(super) time: Duration,
    pub(super) peak_bytes: u64,
}

/// Sends `bytes` through a command that copies standard input to standard output.
pub(super) fn copy(command: &mut Command, bytes: u64) -> anyhow::Result<Copied> {
    let started = Instant::now();
    let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(anyhow!("no pipes"));
    };
    let writer = thread::spawn(move || {
        let block = vec![b'x'; BLOCK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(BLOCK_BYTES as u64);
            input.write_all(block.get(..usize::try_from(length)?).unwrap_or_default())?;
            left -= length;
        }
        anyhow::Ok(())
    });
    let (mut copied, mut peak_bytes, mut sampled) = (0, 0, started);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let length = output.read(&mut block)?;
        if length == 0 {
            break;
        }
        copied += length as u64;
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            peak_bytes = peak(child.id()).unwrap_or(peak_bytes);
        }
    }
    let written = writer.join().map_err(|_| anyhow!("a thread panicked"))?;
    finish(child)?;
    let time = started.elapsed();
    written?;
    ensure!(copied == bytes, "expected {bytes} bytes, got {copied}");
    Ok(Copied { time, peak_bytes })
}

/// The peak of a process's resident memory.
fn peak(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no VmHWM in its status")? << 10)
}
