//! `cocoon-bench`: what sandboxes cost, and what comes out of them.
//!
//! These machines are shared and noisy. Every figure is a median over rounds,
//! and what is compared takes turns in one run.

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
mod http;
mod peers;
mod sandboxes;

use clap::{Parser, Subcommand};

/// Measures sandboxes, and what comes out of them.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Fresh sandboxes one after the other, beside the same on bare Wasmtime
    Sandboxes(sandboxes::Sandboxes),
    /// Sandboxes that are all suspended at once
    Density(density::Density),
    /// One factorial as a whole process, beside native libraries; writes the table
    /// and the plots
    Peers(peers::Peers),
    /// Calls in a sandbox that is already there, beside GMP
    Calls(calls::Calls),
    /// The service under load, beside a native handler and `wasmtime serve`; writes the
    /// table and the plot
    Http(http::Http),
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
        Bench::Http(bench) => bench.run(),
        Bench::NativeHandler => http::native::run(),
    }
}

/// The request that every measured sandbox answers, and its answer.
const N: u64 = 20;
const ANSWER: &str = "2432902008176640000";

/// The middle one of `values`.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
