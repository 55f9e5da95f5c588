//! The table in GitHub's Markdown.

use std::fmt::Write as _;

use super::Mode;
use super::figures::{Figures, Row, mebibytes, ratio, seconds};
use super::programs::{COCOON, COCOON_ONE, Programs, WASMTIME, name_of, place_of};
use crate::calls;

pub(crate) struct Report<'a> {
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) programs: &'a Programs,
    pub(crate) rows: &'a [Row],
    pub(crate) rounds: u64,
    pub(crate) seconds_max: u64,
    pub(crate) calls: &'a [calls::Figures],
}

/// A target value: program, n, figure, its name, and the maximum.
type Aim = (
    &'static str,
    u64,
    fn(&Figures) -> Option<f64>,
    &'static str,
    f64,
);

const AIMS: [Aim; 4] = [
    (COCOON, 1_000_000, |f| f.of_malachite, "of malachite", 0.55),
    (COCOON, 1_000_000, |f| f.of_gmp, "of GMP", 0.33),
    (COCOON, 10_000_000, |f| f.of_malachite, "of malachite", 0.45),
    (
        WASMTIME,
        1_000_000,
        |f| f.of_malachite,
        "of malachite",
        0.85,
    ),
];
const AIM_PEAK_GIB: f64 = 1.5;
const AIM_FAN_OUT: f64 = 1.4;
const AIM_CALL: f64 = 1.5;

impl Report<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# n! in decimal, as whole processes\n")?;
        writeln!(
            out,
            "Written by `cargo run --release -p cocoon-bench -- peers`; do not edit.\n\
             [The folder's page](../README.md) describes the method and each line.\n\
             The figures are also in [factorials.csv](factorials.csv).\n"
        )?;
        writeln!(
            out,
            "![Seconds by n, one line for each program](factorials.svg)\n"
        )?;
        writeln!(
            out,
            "![Time of each program relative to malachite's](factorials-ratio.svg)\n"
        )?;
        writeln!(out, "| machine and date | |\n| --- | --- |")?;
        for (name, value) in &self.facts {
            writeln!(out, "| {name} | {value} |")?;
        }
        writeln!(
            out,
            "| rounds | {}, all programs in turn in each |",
            self.rounds
        )?;
        writeln!(out, "| skipped | runs over {} s |", self.seconds_max)?;
        writeln!(out, "\n| program | version |\n| --- | --- |")?;
        let mut peers: Vec<_> = self.programs.peers.iter().collect();
        peers.sort_by_key(|peer| place_of(peer.id));
        for peer in peers {
            writeln!(out, "| {} | {} |", name_of(peer.id), peer.version)?;
        }
        for (id, why) in &self.programs.missing {
            writeln!(
                out,
                "| {} | left out: {} |",
                name_of(id),
                why.replace('\n', " ")
            )?;
        }
        let mut ns: Vec<u64> = self.rows.iter().map(|row| row.n).collect();
        ns.dedup();
        for n in ns {
            self.write_n(out, n)?;
        }
        if !self.calls.is_empty() {
            writeln!(out, "\n## One call in an existing sandbox\n")?;
            out.push_str(&calls::table(self.calls));
        }
        self.write_aims(out)
    }

    fn write_n(&self, out: &mut String, n: u64) -> std::fmt::Result {
        writeln!(out, "\n## n = {}\n", with_commas(n))?;
        writeln!(
            out,
            "| program | product alone | with digits | of malachite | of GMP | processor time | peak memory |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        let with_digits = self
            .rows
            .iter()
            .filter(|row| row.n == n && row.mode == Mode::Digits);
        for row in with_digits {
            let bold = if row.peer.starts_with(COCOON) {
                "**"
            } else {
                ""
            };
            let name = name_of(&row.peer);
            let product = self
                .rows
                .iter()
                .find(|other| other.n == n && other.peer == row.peer && other.mode == Mode::Product)
                .and_then(|other| other.figures)
                .map_or_else(|| "–".to_owned(), |figures| seconds(figures.median_s));
            match row.figures {
                Some(figures) => writeln!(
                    out,
                    "| {bold}{name}{bold} | {product} | {bold}{}{bold} | {} | {} | {} | {} |",
                    seconds(figures.median_s),
                    ratio(figures.of_malachite),
                    ratio(figures.of_gmp),
                    seconds(figures.cpu_s),
                    mebibytes(figures.peak_bytes)
                )?,
                None => writeln!(
                    out,
                    "| {bold}{name}{bold} | {product} | {} | | | | |",
                    row.note
                )?,
            }
        }
        Ok(())
    }

    fn figures(&self, peer: &str, n: u64) -> Option<Figures> {
        let row = self
            .rows
            .iter()
            .find(|row| row.n == n && row.peer == peer && row.mode == Mode::Digits)?;
        row.figures
    }

    /// Writes the targets for which this run has figures.
    fn write_aims(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n## Targets\n\n| figure | measured | target | |\n| --- | ---: | ---: | --- |"
        )?;
        let reached = |yes: bool| if yes { "reached" } else { "**not reached**" };
        for (peer, n, look, what, aim) in AIMS {
            if let Some(value) = self.figures(peer, n).as_ref().and_then(look) {
                let (name, n) = (name_of(peer), with_commas(n));
                let is = reached(value <= aim);
                writeln!(
                    out,
                    "| {name}, n = {n}, {what} | {value:.2} | at most {aim} | {is} |"
                )?;
            }
        }
        if let Some(figures) = self.figures(COCOON, 10_000_000) {
            let gib = figures.peak_bytes as f64 / f64::from(1 << 30);
            let is = reached(gib < AIM_PEAK_GIB);
            writeln!(
                out,
                "| {}, n = 10,000,000, peak memory of the process | {gib:.2} GiB | under {AIM_PEAK_GIB} GiB | {is} |",
                name_of(COCOON)
            )?;
        }
        for n in [1_000_000, 10_000_000] {
            if let (Some(one), Some(more)) = (self.figures(COCOON_ONE, n), self.figures(COCOON, n))
            {
                let times = one.median_s / more.median_s;
                let (n, is) = (with_commas(n), reached(times >= AIM_FAN_OUT));
                writeln!(
                    out,
                    "| fan-out against one sandbox, n = {n} | {times:.2} times faster | at least {AIM_FAN_OUT} | {is} |"
                )?;
            }
        }
        for call in self.calls {
            let (n, value) = (with_commas(call.n), call.ratio_to_gmp);
            let is = reached(value <= AIM_CALL);
            writeln!(
                out,
                "| one call in a sandbox, n = {n}, of GMP | {value:.2} | at most {AIM_CALL} | {is} |"
            )?;
        }
        Ok(())
    }
}

pub(crate) fn with_commas(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
