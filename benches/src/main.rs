//! `cocoon-bench`: the costs of sandboxes, and the resulting performance.
//!
//! Benchmarks run on shared and noisy machines. Every figure is a median over rounds, and
//! compared programs take turns in one run.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are what this program is for, and they have few digits"
)]

mod bare;
mod calls;
mod density;
mod exec;
mod http;
mod peers;
mod queue;
mod sandboxes;

use clap::{Parser, Subcommand};

/// Measures the costs of sandboxes, and the resulting performance.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Fresh sandboxes one after the other, compared with bare Wasmtime
    Sandboxes(sandboxes::Sandboxes),
    /// Sandboxes that are all suspended at once
    Density(density::Density),
    /// One factorial as a whole process, compared with native libraries; writes the table and
    /// the plots
    Peers(peers::Peers),
    /// Calls in an existing sandbox, compared with GMP
    Calls(calls::Calls),
    /// `cocoon exec`, compared with bare Wasmtime and with `wasmtime run`
    Exec(exec::Exec),
    /// The service under load, compared with a native handler and `wasmtime serve`; writes the
    /// table and the plot
    Http(http::Http),
    /// A batch through two workers and Redis, compared with one local `cocoon exec`
    Queue(queue::Queue),
    /// The native handler that `http` compares with
    #[command(hide = true)]
    NativeHandler,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().bench {
        Bench::Sandboxes(bench) => bench.run(),
        Bench::Density(bench) => bench.run(),
        Bench::Peers(bench) => bench.run(),
        Bench::Calls(bench) => bench.run(),
        Bench::Exec(bench) => bench.run(),
        Bench::Http(bench) => bench.run(),
        Bench::Queue(bench) => bench.run(),
        Bench::NativeHandler => http::native::run(),
    }
}

/// The request that every measured sandbox answers, and its answer.
const N: u64 = 20;
const ANSWER: &str = "2432902008176640000";

/// Returns the median of `values`.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
