//! `sandboxes`: fresh sandboxes one after the other on each thread, through the library and on
//! bare Wasmtime, in turn.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use cocoon::engine::Engine;
use cocoon::limits::Limits;
use cocoon::machine::Machine;
use cocoon::worlds::factorial::{BUNDLED, Factorial, Kind, Request};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::bare::Bare;
use crate::{ANSWER, N, median};

/// Turns of the library and of the baseline.
const ROUNDS: u64 = 10;

#[derive(Debug, Args)]
pub(crate) struct Sandboxes {
    /// Total number of sandboxes, for each of the two
    #[arg(long, default_value_t = 200_000)]
    jobs: u64,
    /// Threads that create them
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Leave out the baseline and the processes
    #[arg(long, hide = true)]
    library_only: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Figures {
    jobs: u64,
    threads: u64,
    /// Median over rounds.
    per_second: f64,
    mean_us: f64,
    p99_us: f64,
    /// Median over rounds, on bare Wasmtime.
    bare_per_second: Option<f64>,
    /// Median of the ratios of neighbouring rounds.
    ratio_to_bare: Option<f64>,
    /// The rate of as many concurrent processes as there are threads, each with one thread.
    processes_per_second: Option<f64>,
}

impl Sandboxes {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let figures = self.measure()?;
        if self.json {
            println!("{}", serde_json::to_string(&figures)?);
            return Ok(());
        }
        println!(
            "{} fresh sandboxes, {} thread(s), medians of {ROUNDS} rounds",
            self.jobs, self.threads
        );
        println!(
            "library        {:9.0} per second, {:.1} us each, 99 % within {:.1} us",
            figures.per_second, figures.mean_us, figures.p99_us
        );
        if let (Some(bare), Some(ratio)) = (figures.bare_per_second, figures.ratio_to_bare) {
            println!("bare Wasmtime  {bare:9.0} per second; ratio of the library {ratio:.3}");
        }
        if let Some(processes) = figures.processes_per_second {
            println!(
                "{} processes    {processes:9.0} per second; ratio of one process {:.3}",
                self.threads,
                figures.per_second / processes
            );
        }
        Ok(())
    }

    fn measure(&self) -> anyhow::Result<Figures> {
        let runtime = runtime(self.threads)?;
        let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
        let factorial = runtime.block_on(Factorial::load(&engine, &BUNDLED))?;
        let failed = |error: wasmtime::Error| anyhow!("bare Wasmtime: {error:#}");
        let bare = Arc::new(Bare::new().map_err(failed)?);
        let each = (self.jobs / ROUNDS / self.threads).max(1);
        let (mut rates, mut bare_rates, mut ratios, mut latencies) =
            (vec![], vec![], vec![], vec![]);
        // The first round of each warms slots and caches, and is not counted.
        for round in 0..=ROUNDS {
            let factorial = factorial.clone();
            let (rate, mut times) = round_of(&runtime, self.threads, each, move || {
                library_job(factorial.clone())
            })?;
            let bare_rate = if self.library_only {
                None
            } else {
                let bare = Arc::clone(&bare);
                let job = move || {
                    let bare = Arc::clone(&bare);
                    async move { bare.job().await.map_err(failed) }
                };
                Some(round_of(&runtime, self.threads, each, job)?.0)
            };
            if round == 0 {
                continue;
            }
            rates.push(rate);
            latencies.append(&mut times);
            if let Some(bare_rate) = bare_rate {
                bare_rates.push(bare_rate);
                ratios.push(rate / bare_rate);
            }
        }
        let mean_us =
            latencies.iter().sum::<Duration>().as_secs_f64() * 1e6 / latencies.len() as f64;
        latencies.sort_unstable();
        let p99 = latencies
            .get(latencies.len() * 99 / 100)
            .copied()
            .unwrap_or_default();
        let measured = |values: &mut Vec<f64>| (!values.is_empty()).then(|| median(values));
        Ok(Figures {
            jobs: self.jobs,
            threads: self.threads,
            per_second: median(&mut rates),
            mean_us,
            p99_us: p99.as_secs_f64() * 1e6,
            bare_per_second: measured(&mut bare_rates),
            ratio_to_bare: measured(&mut ratios),
            processes_per_second: self.processes()?,
        })
    }

    /// Runs the same jobs in as many processes as there are threads.
    fn processes(&self) -> anyhow::Result<Option<f64>> {
        if self.threads == 1 || self.library_only {
            return Ok(None);
        }
        let jobs = (self.jobs / self.threads).to_string();
        let arguments = ["sandboxes", "--library-only", "--json", "--jobs", &jobs];
        let mut children = Vec::new();
        for _ in 0..self.threads {
            let program = std::env::current_exe()?;
            children.push(
                Command::new(program)
                    .args(arguments)
                    .stdout(Stdio::piped())
                    .spawn()?,
            );
        }
        let mut sum = 0.0;
        for child in children {
            let output = child.wait_with_output()?;
            ensure!(output.status.success(), "a process failed");
            sum += serde_json::from_slice::<Figures>(&output.stdout)?.per_second;
        }
        Ok(Some(sum))
    }
}

fn runtime(threads: u64) -> anyhow::Result<Runtime> {
    let built = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    } else {
        let threads = usize::try_from(threads)?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    };
    built.context("no threads")
}

/// Runs `each` jobs on every thread. Returns the rate per second, and the time of each job.
fn round_of<F>(
    runtime: &Runtime,
    threads: u64,
    each: u64,
    job: impl Fn() -> F + Clone + Send + 'static,
) -> anyhow::Result<(f64, Vec<Duration>)>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    runtime.block_on(async {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..threads {
            let job = job.clone();
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(usize::try_from(each)?);
                for _ in 0..each {
                    let started = Instant::now();
                    job().await?;
                    times.push(started.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = tasks.join_next().await {
            times.append(&mut done??);
        }
        Ok((times.len() as f64 / started.elapsed().as_secs_f64(), times))
    })
}

async fn library_job(factorial: Factorial) -> anyhow::Result<()> {
    let request = Request::decimal(Kind::Factorial, N);
    let answer = factorial.admit(request).await?.compute().await?;
    ensure!(answer == ANSWER, "a wrong answer");
    Ok(())
}
