//! `http`: the service under load, beside a native handler and `wasmtime serve`.

mod client;
mod crowd;
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
    /// Turns of each server that are counted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// How long each turn is, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long requests are sent at their times, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    tail_seconds: u64,
    /// Only these
    #[arg(long, value_delimiter = ',', default_value = "speed,tail,crowd,memory")]
    only: Vec<Part>,
    /// Where the table and the plot are written
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    out: PathBuf,
    /// This cocoon instead of the one of these sources, which is built first
    #[arg(long)]
    cocoon: Option<PathBuf>,
    /// This Wasmtime, which must have `serve`, instead of the one on PATH
    #[arg(long)]
    wasmtime: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Speed,
    Tail,
    Crowd,
    Memory,
}

/// What was measured; what is none was left out, or failed for the reason given.
struct Figures {
    speed: Measured<Vec<speed::Speed>>,
    tail: Measured<Vec<tail::Tail>>,
    crowd: Measured<crowd::Crowd>,
    memory: Measured<memory::Memory>,
}

type Measured<T> = Result<T, String>;

impl Http {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.out)?;
        raise_descriptors();
        // Before anything runs: they tell the load.
        let (facts, place) = (machine::facts(), machine::place());
        let programs = Programs::prepare(self.cocoon.clone(), self.wasmtime.clone())?;
        if let Err(why) = &programs.wasmtime {
            println!("wasmtime serve is left out: {why}");
        }
        // What loads the service shares the machine with it, and takes one thread.
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

/// Each connection is a descriptor here, too.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What could not be raised is told by the connection that fails.
    let _ = setrlimit(Resource::Nofile, limit);
}
