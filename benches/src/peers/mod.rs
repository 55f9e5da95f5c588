//! `peers`: n! as whole processes, by this project and by native libraries, in turn.

mod figures;
pub(crate) mod machine;
pub(crate) mod plots;
mod process;
pub(crate) mod programs;
pub(crate) mod report;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::calls::{self, Calls};
use figures::Row;
use process::{Launcher, Outcome, Printed, Run};
use programs::{GMP, MALACHITE, Peer, Programs, name_of, place_of};

/// The minimum exponent of the assumed growth of time with n.
const EXPONENT_MIN: f64 = 1.0;
/// No program here is much slower than quadratic.
const EXPONENT_MAX: f64 = 2.5;

#[derive(Debug, Args)]
pub(crate) struct Peers {
    /// The numbers whose factorials are computed, in ascending order
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,10000,100000,1000000,10000000"
    )]
    n: Vec<u64>,
    /// Counted runs of each; one more comes first and checks the digits
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Time limit of a run, in seconds; runs that exceed it, or are expected to, are skipped
    #[arg(long, default_value_t = 60)]
    seconds_max: u64,
    /// Folder for the table and the plots
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    out: PathBuf,
    /// A cocoon to measure, instead of one built from these sources
    #[arg(long)]
    cocoon: Option<PathBuf>,
    /// Measure nothing; redraw the plots from the figures in the folder
    #[arg(long)]
    redraw: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Mode {
    Product,
    Digits,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Digits => "digits",
        }
    }
}

/// One line of measurements: a program, and its mode.
type Line = (&'static str, Mode);

impl Peers {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let csv = self.out.join("factorials.csv");
        if self.redraw {
            let text = fs::read_to_string(&csv)
                .with_context(|| format!("{} has no figures", csv.display()))?;
            let (rows, place) = figures::read(&text)?;
            return plots::write(&self.out, &rows, &place);
        }
        ensure!(self.n.is_sorted(), "--n takes numbers in ascending order");
        fs::create_dir_all(&self.out)?;
        let (facts, place) = (machine::facts(), machine::place());
        let programs = Programs::prepare(self.cocoon.clone())?;
        for (id, why) in &programs.missing {
            println!("{} is left out: {why}", name_of(id));
        }
        let rows = self.measure(&programs)?;
        fs::write(&csv, figures::write(&rows, &place))?;
        plots::write(&self.out, &rows, &place)?;
        // Last, since a sandbox in this process increases its memory.
        let calls = Calls::default().measure();
        if let Err(error) = &calls {
            println!("calls inside a sandbox are left out: {error:#}");
        }
        let report = report::Report {
            facts,
            programs: &programs,
            rows: &rows,
            rounds: self.rounds,
            seconds_max: self.seconds_max,
            calls: calls.as_deref().unwrap_or_default(),
        };
        fs::write(self.out.join("factorials.md"), report.text())?;
        print!("{}", calls::table(report.calls));
        println!("written to {}", self.out.display());
        Ok(())
    }

    fn measure(&self, programs: &Programs) -> anyhow::Result<Vec<Row>> {
        let launcher = Launcher {
            measured: programs.measured.clone(),
            seconds_max: self.seconds_max,
        };
        let mut history: HashMap<Line, Vec<(u64, f64)>> = HashMap::new();
        let mut rows = Vec::new();
        for &n in &self.n {
            println!("n = {n}");
            let mut of_n = self.measure_one(n, &launcher, &programs.peers, &mut history)?;
            of_n.sort_by_key(|row: &Row| (row.mode.word(), place_of(&row.peer)));
            for row in &of_n {
                println!("{}", row.line());
            }
            rows.append(&mut of_n);
        }
        Ok(rows)
    }

    fn measure_one(
        &self,
        n: u64,
        launcher: &Launcher,
        peers: &[Peer],
        history: &mut HashMap<Line, Vec<(u64, f64)>>,
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut racing: Vec<(&Peer, Mode, Vec<Run>)> = Vec::new();
        let mut printed: HashMap<Mode, (&str, Printed)> = HashMap::new();
        let lines = peers
            .iter()
            .flat_map(|peer| peer.modes().iter().map(move |mode| (peer, *mode)));
        // The first round checks digits and warms caches.
        for (peer, mode) in lines {
            let earlier = history.entry((peer.id, mode)).or_default();
            let expected_s = expected_s(earlier, n);
            if expected_s > self.seconds_max as f64 {
                let why = format!("skipped: would take about {expected_s:.0} s");
                rows.push(Row::without(n, peer.id, mode, &why));
                continue;
            }
            match launcher.run(&peer.command(n, mode), true)? {
                Outcome::Done(run) => {
                    let (other, first) = *printed.entry(mode).or_insert((peer.id, run.printed));
                    ensure!(
                        first == run.printed,
                        "{} and {other} disagree on {n}!",
                        peer.id
                    );
                    earlier.push((n, run.wall_s));
                    racing.push((peer, mode, Vec::new()));
                }
                Outcome::Late => {
                    earlier.push((n, self.seconds_max as f64));
                    let why = format!("skipped: took over {} s", self.seconds_max);
                    rows.push(Row::without(n, peer.id, mode, &why));
                }
                Outcome::Failed(why) => {
                    rows.push(Row::without(n, peer.id, mode, &format!("failed: {why}")));
                }
            }
        }
        for _ in 0..self.rounds {
            // The order rotates with each round, so that no program always follows the same
            // neighbour's heat.
            for (peer, mode, runs) in &mut racing {
                let Outcome::Done(run) = launcher.run(&peer.command(n, *mode), false)? else {
                    anyhow::bail!("{} computed {n}! once, and then failed", peer.id);
                };
                let checked = printed.get(mode).map(|(_, printed)| printed.bytes);
                ensure!(
                    checked == Some(run.printed.bytes),
                    "{} printed another length than before",
                    peer.id
                );
                runs.push(run);
            }
            if !racing.is_empty() {
                racing.rotate_left(1);
            }
        }
        let reference = |id: &str, mode: Mode| -> Vec<f64> {
            let found = racing.iter().find(|line| line.0.id == id && line.1 == mode);
            found.map_or_else(Vec::new, |line| {
                line.2.iter().map(|run| run.wall_s).collect()
            })
        };
        for (peer, mode, runs) in &racing {
            rows.push(Row::of(
                n,
                peer.id,
                *mode,
                runs,
                &reference(MALACHITE, *mode),
                &reference(GMP, *mode),
            ));
        }
        Ok(rows)
    }
}

/// Extrapolates the time for n from the last two n. The estimate is too low where the start of
/// the program dominated; the time limit of the run still holds.
fn expected_s(earlier: &[(u64, f64)], n: u64) -> f64 {
    let Some(&(last_n, last_s)) = earlier.last() else {
        return 0.0;
    };
    let before = earlier.len().checked_sub(2).and_then(|at| earlier.get(at));
    let exponent = before.map_or(EXPONENT_MIN, |&(n, s)| {
        let exponent = (last_s / s).ln() / (last_n as f64 / n as f64).ln();
        exponent.clamp(EXPONENT_MIN, EXPONENT_MAX)
    });
    last_s * (n as f64 / last_n as f64).powf(exponent)
}

/// Writes a file in the folder of results.
pub(crate) fn write_file(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
