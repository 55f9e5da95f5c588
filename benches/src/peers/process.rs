//! One run of one program: its output read and thrown away, and what it took.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

const READ_BYTES: usize = 64 << 10;

/// Starts programs by way of `measured` (`benches/peers`).
pub(crate) struct Launcher {
    pub(crate) measured: PathBuf,
    pub(crate) seconds_max: u64,
}

/// What one run took.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_bytes: u64,
    /// What it printed, but for line ends.
    pub(crate) printed: Printed,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Printed {
    pub(crate) bytes: u64,
    /// Only where the run was to be checked: hashing takes time beside it.
    hash: Option<u64>,
}

pub(crate) enum Outcome {
    Done(Run),
    /// It was stopped at the limit.
    Late,
    /// Why it has no figure.
    Failed(String),
}

impl Launcher {
    pub(crate) fn run(&self, command: &[OsString], check: bool) -> anyhow::Result<Outcome> {
        let mut child = Command::new(&self.measured)
            .arg(self.seconds_max.to_string())
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.measured.display()))?;
        let (Some(mut digits), Some(mut words)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("no pipes");
        };
        // FNV-1a: it has to tell digits apart, and nobody attacks it.
        let (mut bytes, mut hash) = (0_u64, 0xcbf2_9ce4_8422_2325_u64);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = digits.read(&mut buffer)?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
                break;
            };
            // Line ends come last.
            let piece = piece.trim_ascii_end();
            bytes += piece.len() as u64;
            if check {
                for byte in piece {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        let mut told = String::new();
        words.read_to_string(&mut told)?;
        ensure!(child.wait()?.success(), "measured: {}", told.trim_end());
        let mut lines: Vec<&str> = told.lines().collect();
        let figures = lines.pop().unwrap_or_default();
        let [how, wall_ns, cpu_ns, peak_bytes] = figures.split(' ').collect::<Vec<_>>()[..] else {
            bail!("measured told no figures: {figures:?}");
        };
        Ok(match how {
            "done" => Outcome::Done(Run {
                wall_s: wall_ns.parse::<f64>()? / 1e9,
                cpu_s: cpu_ns.parse::<f64>()? / 1e9,
                peak_bytes: peak_bytes.parse()?,
                printed: Printed {
                    bytes,
                    hash: check.then_some(hash),
                },
            }),
            "late" => Outcome::Late,
            how => Outcome::Failed(format!("{how} {}", lines.pop().unwrap_or_default())),
        })
    }
}
