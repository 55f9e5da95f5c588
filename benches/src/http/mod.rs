//! `http`: the service under load, compared with a native handler and `wasmtime serve`.

mod client;
mod crowd;
mod handlers;
mod memory;
pub(crate) mod native;
mod plot;
mod report;
mod server;
mod speed;
mod tail;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::peers::{machine, write_file};
use server::Programs;

#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Counted turns of each server
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Length of each turn, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Duration of the latency measurement, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    tail_seconds: u64,
    /// Measure only these parts
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "speed,tail,crowd,memory,handlers"
    )]
    only: Vec<Part>,
    /// Folder for the table and the plot
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    out: PathBuf,
    /// A cocoon to measure, instead of one built from these sources
    #[arg(long)]
    cocoon: Option<PathBuf>,
    /// A Wasmtime with `serve`, instead of the one on PATH
    #[arg(long)]
    wasmtime: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Speed,
    Tail,
    Crowd,
    Memory,
    Handlers,
}

/// Figures by part; an error gives the reason why a part was left out or failed.
struct Figures {
    speed: Measured<Vec<speed::Speed>>,
    tail: Measured<Vec<tail::Tail>>,
    crowd: Measured<crowd::Crowd>,
    memory: Measured<memory::Memory>,
    handlers: Measured<handlers::Handlers>,
}

type Measured<T> = Result<T, String>;

impl Http {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.out)?;
        raise_descriptors();
        // Read before any measurement, because they include the load.
        let (facts, place) = (machine::facts(), machine::place());
        let programs = Programs::prepare(self.cocoon.clone(), self.wasmtime.clone())?;
        if let Err(why) = &programs.wasmtime {
            println!("wasmtime serve is left out: {why}");
        }
        // The load generator shares the machine with the service, and uses one thread.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let figures = Figures {
            speed: self.part(&runtime, Part::Speed, || {
                speed::measure(&programs, self.rounds, self.seconds)
            }),
            tail: self.part(&runtime, Part::Tail, || {
                tail::measure(&programs, self.tail_seconds)
            }),
            crowd: self.part(&runtime, Part::Crowd, || crowd::measure(&programs)),
            memory: self.part(&runtime, Part::Memory, || memory::measure(&programs)),
            handlers: self.part(&runtime, Part::Handlers, || {
                handlers::measure(&programs, self.rounds, self.seconds, self.tail_seconds)
            }),
        };
        let report = report::Report {
            facts,
            programs: &programs,
            figures: &figures,
            rounds: self.rounds,
            seconds: self.seconds,
            tail_seconds: self.tail_seconds,
        };
        write_file(&self.out, "http.md", &report.text())?;
        write_file(&self.out, "http.csv", &report::csv(&figures))?;
        if let (Ok(speed), Ok(tail)) = (&figures.speed, &figures.tail) {
            write_file(&self.out, "http.svg", &plot::draw(speed, tail, &place))?;
        }
        if let Ok(handlers) = &figures.handlers
            && let Some(plot) = handlers::plot::draw(handlers, &place)
        {
            write_file(&self.out, "http-handlers.svg", &plot)?;
        }
        println!("written to {}", self.out.display());
        Ok(())
    }

    fn part<T, F: Future<Output = anyhow::Result<T>>>(
        &self,
        runtime: &tokio::runtime::Runtime,
        part: Part,
        measure: impl FnOnce() -> F,
    ) -> Measured<T> {
        if !self.only.contains(&part) {
            return Err("left out".to_owned());
        }
        println!("{part:?}");
        runtime.block_on(measure()).map_err(|error| {
            let why = format!("failed: {error:#}");
            println!("  {why}");
            why
        })
    }
}

/// Raises the limit of descriptors: each connection needs one in this process too.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If this fails, the first connection without a descriptor reports it.
    let _ = setrlimit(Resource::Nofile, limit);
}
