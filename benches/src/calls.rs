//! `calls`: one reply of an existing sandbox against the same computation by GMP in a loop, in
//! turn.

use std::process::Command;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use serde::Serialize;

use crate::bare::Bare;
use crate::median;
use crate::peers::programs::{first_line, gmp_program};

/// Their digits fit in one reply.
const NUMBERS: [u64; 2] = [1_000, 10_000];
/// The duration of a turn, long enough to hide the clock's resolution and the start.
const TURN_US: f64 = 200_000.0;

#[derive(Debug, Args)]
pub(crate) struct Calls {
    /// Counted turns of each
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            rounds: 9,
            json: false,
        }
    }
}

/// One call, medians over rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) n: u64,
    pub(crate) sandbox_us: f64,
    pub(crate) gmp_us: f64,
    /// Median of the ratios of neighbouring rounds.
    pub(crate) ratio_to_gmp: f64,
}

impl Calls {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let figures = self.measure()?;
        if self.json {
            println!("{}", serde_json::to_string(&figures)?);
        } else {
            print!("{}", table(&figures));
        }
        Ok(())
    }

    pub(crate) fn measure(&self) -> anyhow::Result<Vec<Figures>> {
        let program = gmp_program()?;
        let gmp = |n: u64, count: u64| -> anyhow::Result<(f64, usize)> {
            let (n, count) = (n.to_string(), count.to_string());
            let line = first_line(Command::new(&program).args(["calls", &n, &count]))?;
            let (each_ns, digits) = line.split_once(' ').context("gmp calls said little")?;
            Ok((each_ns.parse::<f64>()? / 1e3, digits.parse()?))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let failed = |error: wasmtime::Error| anyhow!("bare Wasmtime: {error:#}");
        let bare = Bare::new().map_err(failed)?;
        let sandbox = |n: u64, count: u64| -> anyhow::Result<(f64, usize)> {
            let (took, digits) = runtime.block_on(bare.calls(n, count)).map_err(failed)?;
            Ok((took.as_secs_f64() * 1e6 / count as f64, digits))
        };
        let mut figures = Vec::new();
        for n in NUMBERS {
            // The first turns determine how many calls fill a turn.
            let count = |first: f64| (TURN_US / first).ceil().max(1.0) as u64;
            let gmp_count = count(gmp(n, 10)?.0);
            let sandbox_count = count(sandbox(n, 10)?.0);
            let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
            for _ in 0..self.rounds {
                let (sandbox_us, digits) = sandbox(n, sandbox_count)?;
                let (gmp_us, wanted) = gmp(n, gmp_count)?;
                ensure!(digits == wanted, "{digits} digits of {n}!, not {wanted}");
                ours.push(sandbox_us);
                theirs.push(gmp_us);
                ratios.push(sandbox_us / gmp_us);
            }
            figures.push(Figures {
                n,
                sandbox_us: median(&mut ours),
                gmp_us: median(&mut theirs),
                ratio_to_gmp: median(&mut ratios),
            });
        }
        Ok(figures)
    }
}

/// The table in GitHub's Markdown.
pub(crate) fn table(figures: &[Figures]) -> String {
    let head = "| n | `compute` in a sandbox | GMP, product and digits | of GMP |\n| ---: | ---: | ---: | ---: |\n";
    let rows = figures.iter().map(|row| {
        format!(
            "| {} | {:.1} µs | {:.1} µs | {:.2} |\n",
            row.n, row.sandbox_us, row.gmp_us, row.ratio_to_gmp
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}
