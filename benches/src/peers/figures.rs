//! Summaries of the measurements: a row for each n, program and mode.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::Mode;
use super::process::Run;
use super::programs::name_of;
use crate::median;

const HEAD: &str =
    "n,program,mode,rounds,median_s,min_s,max_s,cpu_s,peak_bytes,of_malachite,of_gmp,note,where";

pub(crate) struct Row {
    pub(crate) n: u64,
    pub(crate) peer: String,
    pub(crate) mode: Mode,
    /// `None` if there are no figures; `note` gives the reason.
    pub(crate) figures: Option<Figures>,
    pub(crate) note: String,
}

#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    /// Wall-clock time from start to exit.
    pub(crate) median_s: f64,
    pub(crate) min_s: f64,
    pub(crate) max_s: f64,
    /// Median of processor time.
    pub(crate) cpu_s: f64,
    /// Maximum over rounds of the peak resident memory.
    pub(crate) peak_bytes: u64,
    /// Medians of the ratios within a round.
    pub(crate) of_malachite: Option<f64>,
    pub(crate) of_gmp: Option<f64>,
}

impl Row {
    pub(crate) fn without(n: u64, peer: &str, mode: Mode, why: &str) -> Self {
        Self {
            n,
            peer: peer.to_owned(),
            mode,
            figures: None,
            // The note becomes a field between commas, on one line.
            note: why.replace([',', '\n'], ";").trim().to_owned(),
        }
    }

    pub(crate) fn of(
        n: u64,
        peer: &str,
        mode: Mode,
        runs: &[Run],
        malachite: &[f64],
        gmp: &[f64],
    ) -> Self {
        let mut walls: Vec<f64> = runs.iter().map(|run| run.wall_s).collect();
        let ratio_to = |others: &[f64]| {
            let mut ratios: Vec<f64> = walls.iter().zip(others).map(|(a, b)| a / b).collect();
            (!ratios.is_empty()).then(|| median(&mut ratios))
        };
        let (of_malachite, of_gmp) = (ratio_to(malachite), ratio_to(gmp));
        let mut cpus: Vec<f64> = runs.iter().map(|run| run.cpu_s).collect();
        let figures = Figures {
            rounds: runs.len(),
            median_s: median(&mut walls),
            min_s: walls.iter().copied().fold(f64::INFINITY, f64::min),
            max_s: walls.iter().copied().fold(0.0, f64::max),
            cpu_s: median(&mut cpus),
            peak_bytes: runs.iter().map(|run| run.peak_bytes).max().unwrap_or(0),
            of_malachite,
            of_gmp,
        };
        Self {
            figures: Some(figures),
            ..Self::without(n, peer, mode, "")
        }
    }

    /// A line for the terminal.
    pub(crate) fn line(&self) -> String {
        let (name, mode) = (name_of(&self.peer), self.mode.word());
        match self.figures {
            Some(figures) => format!(
                "  {mode:8} {name:20} {:>10}  {:>7} of malachite  {:>9}",
                seconds(figures.median_s),
                ratio(figures.of_malachite),
                mebibytes(figures.peak_bytes)
            ),
            None => format!("  {mode:8} {name:20} {}", self.note),
        }
    }
}

/// Writes all rows as comma-separated values, with the place and date of the measurement.
pub(crate) fn write(rows: &[Row], place: &str) -> String {
    let place = place.replace(',', "");
    let mut text = format!("{HEAD}\n");
    for row in rows {
        let (n, peer, mode, note) = (row.n, &row.peer, row.mode.word(), &row.note);
        let figures = row.figures.map_or_else(
            || ",,,,,,,".to_owned(),
            |figures| {
                let optional =
                    |ratio: Option<f64>| ratio.map_or(String::new(), |r| format!("{r:.4}"));
                format!(
                    "{},{:.6},{:.6},{:.6},{:.6},{},{},{}",
                    figures.rounds,
                    figures.median_s,
                    figures.min_s,
                    figures.max_s,
                    figures.cpu_s,
                    figures.peak_bytes,
                    optional(figures.of_malachite),
                    optional(figures.of_gmp)
                )
            },
        );
        // Writing to a string never fails.
        let _ = writeln!(text, "{n},{peer},{mode},{figures},{note},{place}");
    }
    text
}

/// Parses the output of [`write()`].
pub(crate) fn read(text: &str) -> anyhow::Result<(Vec<Row>, String)> {
    let mut place = "";
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let &[
            n,
            peer,
            mode,
            rounds,
            median,
            min,
            max,
            cpu,
            peak,
            malachite,
            gmp,
            note,
            at,
        ] = fields.as_slice()
        else {
            anyhow::bail!("{} fields instead of 13", fields.len());
        };
        place = at;
        let mode = match mode {
            "product" => Mode::Product,
            _ => Mode::Digits,
        };
        let optional = |text: &str| (!text.is_empty()).then(|| text.parse()).transpose();
        let figures = if rounds.is_empty() {
            None
        } else {
            Some(Figures {
                rounds: rounds.parse()?,
                median_s: median.parse()?,
                min_s: min.parse()?,
                max_s: max.parse()?,
                cpu_s: cpu.parse()?,
                peak_bytes: peak.parse()?,
                of_malachite: optional(malachite)?,
                of_gmp: optional(gmp)?,
            })
        };
        Ok(Row {
            figures,
            ..Row::without(n.parse()?, peer, mode, note)
        })
    });
    let rows = rows
        .enumerate()
        .map(|(at, row)| row.with_context(|| format!("line {} of the figures", at + 2)))
        .collect::<anyhow::Result<_>>()?;
    Ok((rows, place.to_owned()))
}

/// Formats a time with three significant digits, in a suitable unit.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{} µs", three_digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", three_digits(s * 1e3)),
        s => format!("{} s", three_digits(s)),
    }
}

pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), three_digits)
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", three_digits(bytes as f64 / f64::from(1 << 20)))
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}
