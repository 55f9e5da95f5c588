//! `queue`: a batch through two workers and Redis, compared with one local `cocoon exec`.
//!
//! Redis and the workers belong to the run. Queue and local batch take turns within a round, and
//! ratios are computed within a round.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::median;
use crate::peers::machine;
use crate::peers::programs::build_cocoon;

/// The interval between two readings of memory.
const SAMPLE: Duration = Duration::from_millis(50);
const MIB: f64 = (1 << 20) as f64;

#[derive(Debug, Args)]
pub(crate) struct Queue {
    /// Program whose first argument `say` prints the others, and `square-slowly N MS` computes for MS
    #[arg(long)]
    program: PathBuf,
    /// Turns of queue and local batch
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Instances that compute for 1 ms
    #[arg(long, default_value_t = 20_000)]
    slow_instances: u64,
    /// Trivial instances
    #[arg(long, default_value_t = 1_000_000)]
    instances: u64,
    /// A cocoon to measure, instead of one built from these sources
    #[arg(long)]
    cocoon: Option<PathBuf>,
}

/// A process that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Programs, and a queue.
struct Bench {
    cocoon: PathBuf,
    program: PathBuf,
    folder: TempDir,
    redis: Killed,
}

impl Queue {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let cocoon = match &self.cocoon {
            Some(given) => given.clone(),
            None => build_cocoon("release")?,
        };
        let bench = Bench::start(cocoon, self.program.clone())?;
        for (what, fact) in machine::facts() {
            println!("{what}: {fact}");
        }
        self.slow(&bench)?;
        self.many(&bench)?;
        Self::first(&bench)
    }

    /// Instances that compute, through two workers of one thread each.
    fn slow(&self, bench: &Bench) -> anyhow::Result<()> {
        let _workers = [bench.worker(&["-c", "1"])?, bench.worker(&["-c", "1"])?];
        let count = self.slow_instances.to_string();
        let mut ratios = Vec::new();
        for _ in 0..self.rounds {
            let arguments = ["-n", &count, "--", "square-slowly", "{i}", "1"];
            let local = bench.time(&["-c", "2"], &arguments, false)?;
            let queue = bench.time(&[], &arguments, true)?;
            ratios.push(local.as_secs_f64() / queue.as_secs_f64());
        }
        println!(
            "{count} instances of 1 ms: {:.2} of the local throughput",
            median(&mut ratios)
        );
        Ok(())
    }

    /// Trivial instances, with the memory of all processes.
    fn many(&self, bench: &Bench) -> anyhow::Result<()> {
        let workers = [bench.worker(&[])?, bench.worker(&[])?];
        let count = self.instances.to_string();
        let arguments = ["-n", &count, "--", "say", "{i}"];
        let local = bench.time(&[], &arguments, false)?;
        let began = Instant::now();
        let mut submitter = Killed(bench.exec(&[], &arguments, true).spawn()?);
        let mut peaks = [0.0_f64; 3];
        let status = loop {
            let memory = [&submitter, &workers[0], &bench.redis].map(|it| resident_bytes(&it.0));
            for (peak, bytes) in peaks.iter_mut().zip(memory) {
                *peak = peak.max(bytes as f64 / MIB);
            }
            if let Some(status) = submitter.0.try_wait()? {
                break status;
            }
            sleep(SAMPLE);
        };
        let queue = began.elapsed();
        ensure!(status.success(), "expected {count} results, got {status}");
        println!(
            "{count} trivial instances: {:.2} of the local throughput; submitter {:.0} MiB, worker {:.0} MiB, Redis {:.0} MiB",
            local.as_secs_f64() / queue.as_secs_f64(),
            peaks[0],
            peaks[1],
            peaks[2]
        );
        Ok(())
    }

    /// One instance, from the start of the submitter to its end.
    fn first(bench: &Bench) -> anyhow::Result<()> {
        let _worker = bench.worker(&[])?;
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..20 {
            for (is_queue, times) in [false, true].into_iter().zip(&mut times) {
                let took = bench.time(&[], &["--", "say", "a"], is_queue)?;
                if round > 0 {
                    times.push(took.as_secs_f64() * 1e3);
                }
            }
        }
        let [local, queue] = times.map(|mut times| median(&mut times));
        println!("one instance as a whole process: {queue:.1} ms, locally {local:.1} ms");
        Ok(())
    }
}

impl Bench {
    fn start(cocoon: PathBuf, program: PathBuf) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "s", "--appendonly", "yes"])
            .args(["--appendfsync", "everysec", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot run redis-server")?;
        Ok(Self {
            cocoon,
            program: fs::canonicalize(program)?,
            folder,
            redis: Killed(redis),
        })
    }

    /// A command of Cocoon without this environment's settings.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.cocoon);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("COCOON_") {
                command.env_remove(name);
            }
        }
        command.env("COCOON_CODE_CACHE", self.folder.path().join("code"));
        command.arg(name);
        command
    }

    fn url(&self) -> String {
        format!("redis+unix://{}/s", self.folder.path().display())
    }

    fn worker(&self, arguments: &[&str]) -> anyhow::Result<Killed> {
        let mut command = self.command("worker");
        command.args(arguments).args(["--queue", &self.url()]);
        let mut worker = Killed(command.stdout(Stdio::piped()).spawn()?);
        let stdout = worker.0.stdout.as_mut().context("no standard output")?;
        BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(worker)
    }

    fn exec(&self, options: &[&str], arguments: &[&str], is_queue: bool) -> Command {
        let mut command = self.command("exec");
        command.args(options).arg("--quiet");
        if is_queue {
            command.args(["--queue", &self.url()]);
        }
        command.arg(&self.program).args(arguments);
        command.stdout(Stdio::null());
        command
    }

    fn time(
        &self,
        options: &[&str],
        arguments: &[&str],
        is_queue: bool,
    ) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let status = self.exec(options, arguments, is_queue).status()?;
        ensure!(status.success(), "expected a success, got {status}");
        Ok(began.elapsed())
    }
}

/// The resident memory of a process, or 0 after its end.
fn resident_bytes(child: &Child) -> u64 {
    let path = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
