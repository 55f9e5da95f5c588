//! `queue`: a batch through two workers and Redis, compared with one local `cocoon exec`.
//!
//! Redis and the workers belong to the run. Queue and local batch take turns within a round, and
//! ratios are computed within a round.

mod figures;
mod programs;
mod report;

use std::fs;
use std::path::PathBuf;

use clap::Args;

use self::programs::Programs;
use self::report::Report;
use crate::peers::machine;
use crate::peers::programs::build_cocoon;
use crate::peers::write_file;

#[derive(Debug, Args)]
pub(crate) struct Queue {
    /// Program whose first argument `say` prints the others, and `work N STEPS` computes
    #[arg(long)]
    program: PathBuf,
    /// Turns of queue and local batch
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Instances that compute for 1 ms
    #[arg(long, default_value_t = 20_000)]
    slow_instances: u64,
    /// Trivial instances
    #[arg(long, default_value_t = 1_000_000)]
    instances: u64,
    /// Turns of single instances
    #[arg(long, default_value_t = 40)]
    single_rounds: u64,
    /// Folder for the table and the figures
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    out: PathBuf,
    /// A cocoon to measure, instead of one built from these sources
    #[arg(long)]
    cocoon: Option<PathBuf>,
}

impl Queue {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.out)?;
        // Read before any measurement, because they include the load.
        let facts = machine::facts();
        let cocoon = match &self.cocoon {
            Some(given) => given.clone(),
            None => build_cocoon("release")?,
        };
        let programs = Programs::start(cocoon, &self.program)?;
        let report = Report {
            facts,
            slow: figures::slow(&programs, self.slow_instances, self.rounds)?,
            many: figures::many(&programs, self.instances)?,
            first: figures::first(&programs, self.single_rounds)?,
            rounds: self.rounds,
        };
        let text = report.text();
        println!("{text}");
        write_file(&self.out, "queue.md", &text)?;
        write_file(&self.out, "queue.csv", &report.csv())?;
        println!("written to {}", self.out.display());
        Ok(())
    }
}
