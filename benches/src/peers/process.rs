//! One run of one program: discards its output and returns its costs.

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

/// The costs of one run.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_bytes: u64,
    /// The output, without trailing line ends.
    pub(crate) printed: Printed,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Printed {
    pub(crate) bytes: u64,
    /// `None` unless the run is to be checked, because hashing takes time.
    hash: Option<u64>,
}

pub(crate) enum Outcome {
    Done(Run),
    /// The run was stopped at the time limit.
    Late,
    /// The reason why there is no figure.
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
        // FNV-1a distinguishes digits; resistance to attacks is unnecessary.
        let (mut bytes, mut hash) = (0_u64, 0xcbf2_9ce4_8422_2325_u64);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = digits.read(&mut buffer)?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
                break;
            };
            // Only the last piece ends with a line end.
            let piece = piece.trim_ascii_end();
            bytes += piece.len() as u64;
            if check {
                for byte in piece {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        let mut report = String::new();
        words.read_to_string(&mut report)?;
        ensure!(child.wait()?.success(), "measured: {}", report.trim_end());
        let mut lines: Vec<&str> = report.lines().collect();
        let figures = lines.pop().unwrap_or_default();
        let [how, wall_ns, cpu_ns, peak_bytes] = figures.split(' ').collect::<Vec<_>>()[..] else {
            bail!("expected figures from measured, got {figures:?}");
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
