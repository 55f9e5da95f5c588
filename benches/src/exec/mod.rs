//! `exec`: `cocoon exec` compared with bare Wasmtime and with `wasmtime run` of compiled code.
//!
//! Compared programs take turns within a round, and ratios are computed within a round. A first
//! round is not counted.

mod bare;
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use clap::Args;

use crate::median;
use crate::peers::machine;
use crate::peers::programs::{cargo, target};
use bare::Bare;
use process::{Copied, Programs, copy, time, time_runs};

const LANGUAGES: [&str; 5] = ["rust", "c", "go", "python", "javascript"];
/// The job of each instance, and its output.
const JOB: &str = "factorials";
const OUTPUT: &str = "0! = 1\n1! = 1\n2! = 2\n3! = 6\n4! = 24\n5! = 120\n6! = 720\n7! = 5040\n\
                      8! = 40320\n9! = 362880\n10! = 3628800\n";
const STREAM_BYTES: u64 = 1_000_000_000;
/// Instances that run at once: bare Wasmtime's threads, and processes of `wasmtime run`.
const PARALLEL: u64 = 2;

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Counted turns of each program
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Measure only these parts
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "small,python,stream,starts"
    )]
    only: Vec<Part>,
    /// Folder with LANGUAGE/words.wasm for each language, built as examples/README.md describes
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))]
    examples: PathBuf,
    /// Instances of the program in Rust
    #[arg(long, default_value_t = 20_000)]
    small_instances: u64,
    /// Runs of the program in Rust by `wasmtime run` in each round
    #[arg(long, default_value_t = 100)]
    small_runs: u64,
    /// Instances of the program in Python
    #[arg(long, default_value_t = 1_000)]
    python_instances: u64,
    /// Runs of the program in Python by `wasmtime run` in each round
    #[arg(long, default_value_t = 100)]
    python_runs: u64,
    /// A cocoon to measure, instead of one built from these sources
    #[arg(long)]
    cocoon: Option<PathBuf>,
    /// A Wasmtime, instead of the one on PATH
    #[arg(long)]
    wasmtime: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Many instances of the program in Rust
    Small,
    /// Many instances of the program in Python
    Python,
    /// One gigabyte through one instance
    Stream,
    /// The first and the second start of each program
    Starts,
}

impl Exec {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let programs = Programs::prepare(self.cocoon.clone(), self.wasmtime.clone())?;
        for (what, fact) in machine::facts() {
            println!("{what}: {fact}");
        }
        println!("programs: {}", programs.versions);
        for part in &self.only {
            let measured = match part {
                Part::Small => self.small(&programs),
                Part::Python => self.python(&programs),
                Part::Stream => self.stream(&programs),
                Part::Starts => {
                    self.starts(&programs);
                    Ok(())
                }
            };
            if let Err(error) = measured {
                println!("{part:?} failed: {error:#}");
            }
        }
        Ok(())
    }

    fn example(&self, language: &str) -> anyhow::Result<PathBuf> {
        let file = self.examples.join(language).join("words.wasm");
        let (is_there, name) = (file.is_file(), file.display());
        ensure!(
            is_there,
            "expected {name}, got none; see examples/README.md"
        );
        Ok(file)
    }

    /// Many instances of a small program.
    fn small(&self, programs: &Programs) -> anyhow::Result<()> {
        let file = self.example("rust")?;
        let (instances, runs) = (self.small_instances, self.small_runs);
        let failed = |error: wasmtime::Error| anyhow!("bare Wasmtime: {error:#}");
        let bare = Arc::new(Bare::new(&file, &[JOB]).map_err(failed)?);
        let code = programs.precompile(&file)?;
        let mut rounds = Rounds::default();
        for _ in 0..=self.rounds {
            let threads = usize::try_from(PARALLEL)?;
            let bare = bare.run(instances, threads, OUTPUT).map_err(failed)?;
            let exec = time(&mut many(programs, &file, instances))?;
            let run = time_runs(|| precompiled(programs, &[], &code), runs, 1)?;
            rounds.add([exec, bare, scaled(run, instances, runs)]);
        }
        let [exec, bare, run] = rounds.seconds();
        println!("{instances} instances of the program in Rust");
        println!("  cocoon exec              {exec:8.2} s");
        println!(
            "  bare Wasmtime, captured  {bare:8.2} s; speed of cocoon {:.2}",
            rounds.ratio(1)
        );
        println!(
            "  wasmtime run, in a loop  {run:8.2} s; speed of cocoon {:.0}",
            rounds.ratio(2)
        );
        println!(
            "  (extrapolated from {runs} runs of {:.1} ms)",
            run / instances as f64 * 1e3
        );
        Ok(())
    }

    /// Many instances of a large program.
    fn python(&self, programs: &Programs) -> anyhow::Result<()> {
        let file = self.example("python")?;
        let (instances, runs) = (self.python_instances, self.python_runs);
        let code = programs.precompile(&file)?;
        // Compiles.
        time(&mut many(programs, &file, 1))?;
        let mut rounds = Rounds::default();
        for _ in 0..=self.rounds {
            let exec = time(&mut many(programs, &file, instances))?;
            let run = time_runs(|| precompiled(programs, &[], &code), runs, PARALLEL)?;
            rounds.add([exec, scaled(run, instances, runs)]);
        }
        let [exec, run] = rounds.seconds();
        println!("{instances} instances of the program in Python");
        println!("  cocoon exec              {exec:8.2} s");
        println!(
            "  wasmtime run, two at once {run:7.2} s; speed of cocoon {:.2}",
            rounds.ratio(1)
        );
        println!("  (extrapolated from {runs} runs)");
        Ok(())
    }

    /// A long stream through one instance.
    fn stream(&self, programs: &Programs) -> anyhow::Result<()> {
        let file = copy_program()?;
        let code = programs.precompile(&file)?;
        let mut rounds = Rounds::default();
        let mut peaks = [0, 0];
        for _ in 0..=self.rounds {
            let exec = copy(programs.exec("shared").arg("-i").arg(&file), STREAM_BYTES)?;
            let mut run = programs.run(&["--allow-precompiled"]);
            let run = copy(run.arg(&code), STREAM_BYTES)?;
            let both = [exec, run];
            rounds.add(both.map(|Copied { time, .. }| time));
            for (peak, copied) in peaks.iter_mut().zip(both) {
                *peak = copied.peak_bytes.max(*peak);
            }
        }
        let [exec, run] = rounds.seconds();
        let [exec_mib, run_mib] = peaks.map(|bytes| bytes >> 20);
        println!("1 GB through one instance");
        println!("  cocoon exec              {exec:8.2} s, {exec_mib} MiB");
        println!(
            "  wasmtime run             {run:8.2} s, {run_mib} MiB; speed of cocoon {:.2}",
            rounds.ratio(1)
        );
        Ok(())
    }

    /// The time to start a program for the first time, and once it is compiled.
    fn starts(&self, programs: &Programs) {
        println!("starts, in ms: first (compiles) and later");
        println!("  program       cocoon exec          wasmtime run         later, of wasmtime's");
        for language in LANGUAGES {
            if let Err(error) = self.starts_of(programs, language) {
                println!("  {language:<12}  {error:#}");
            }
        }
    }

    fn starts_of(&self, programs: &Programs, language: &str) -> anyhow::Result<()> {
        let file = self.example(language)?;
        // This program imports it and calls it never.
        let options: &[&str] = if language == "javascript" {
            &["-Shttp"]
        } else {
            &[]
        };
        let exec = || {
            let mut command = programs.exec(language);
            command.arg(&file).args(["--", JOB]);
            command
        };
        let first = time(&mut exec())?;
        let run_first = time(programs.run(options).arg(&file).arg(JOB))?;
        let code = programs.precompile(&file)?;
        let mut rounds = Rounds::default();
        for _ in 0..=self.rounds.max(10) {
            rounds.add([
                time(&mut exec())?,
                time(&mut precompiled(programs, options, &code))?,
            ]);
        }
        let [later, run_later] = rounds.seconds().map(|seconds| seconds * 1e3);
        let [first, run_first] = [first, run_first].map(|time| time.as_secs_f64() * 1e3);
        println!(
            "  {language:<12}  {first:9.1} {later:8.1}  {run_first:9.1} {run_later:8.1}  {:8.2}",
            1.0 / rounds.ratio(1)
        );
        Ok(())
    }
}

/// `cocoon exec` of many instances.
fn many(programs: &Programs, file: &Path, instances: u64) -> Command {
    let mut command = programs.exec("shared");
    let count = format!("--instances={instances}");
    command.arg(count).arg(file).args(["--", JOB]);
    command
}

/// `wasmtime run` of compiled code.
fn precompiled(programs: &Programs, options: &[&str], code: &Path) -> Command {
    let mut command = programs.run(options);
    command.arg("--allow-precompiled").arg(code).arg(JOB);
    command
}

/// The time of `instances`, from the time of `runs`.
fn scaled(time: Duration, instances: u64, runs: u64) -> Duration {
    time.mul_f64(instances as f64 / runs as f64)
}

/// Builds the component that copies a stream.
fn copy_program() -> anyhow::Result<PathBuf> {
    let target = target()?.join("bench-copy");
    let built = cargo(concat!(env!("CARGO_MANIFEST_DIR"), "/copy"), "release")
        .args([
            "--locked",
            "--quiet",
            "--target",
            "wasm32-wasip2",
            "--target-dir",
        ])
        .arg(&target)
        .status()?;
    ensure!(built.success(), "benches/copy does not build");
    Ok(target.join("wasm32-wasip2/release/cocoon-bench-copy.wasm"))
}

/// Times of several programs by round, in seconds. The first program is Cocoon.
struct Rounds<const PROGRAMS: usize>(Vec<[f64; PROGRAMS]>);

impl<const PROGRAMS: usize> Default for Rounds<PROGRAMS> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const PROGRAMS: usize> Rounds<PROGRAMS> {
    fn add(&mut self, times: [Duration; PROGRAMS]) {
        self.0.push(times.map(|time| time.as_secs_f64()));
    }

    /// The rounds that count.
    fn counted(&self) -> impl Iterator<Item = &[f64; PROGRAMS]> {
        self.0.iter().skip(1)
    }

    /// Medians.
    fn seconds(&self) -> [f64; PROGRAMS] {
        std::array::from_fn(|program| {
            median(
                &mut self
                    .counted()
                    .map(|times| times[program])
                    .collect::<Vec<_>>(),
            )
        })
    }

    /// The median of the speeds of Cocoon relative to a program.
    fn ratio(&self, program: usize) -> f64 {
        let ratios = self.counted().map(|times| times[program] / times[0]);
        median(&mut ratios.collect::<Vec<_>>())
    }
}
