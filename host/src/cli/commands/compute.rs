//! `cocoon compute`: one number, streamed.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use cocoon::channel::channel;
use cocoon::factorial::{FORMATS, Format, KINDS, Kind, Request};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{FactorialArgs, number};

#[derive(Debug, Args)]
pub(crate) struct Compute {
    /// The number whose factorial is computed
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Which factorial: {KINDS}"))]
    kind: Kind,
    #[arg(long, default_value = "decimal", value_name = "FORMAT", help = format!("How it is written: {FORMATS}"))]
    format: Format,
    /// Write to FILE, which appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    common: FactorialArgs,
}

impl Compute {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        let request = Request {
            kind: self.kind,
            n: self.n,
            format: self.format,
        };
        let factorial = self.common.load().await?;
        let admitted = factorial.admit(request).await?;
        let progress = progress(admitted.cost().output_bytes.most());
        let mut output = match &self.out {
            Some(path) => Output::file(path).await?,
            None => Output::stdout(),
        };
        let (sender, mut digits) = channel();
        tokio::spawn(admitted.send_to(sender));
        let mut value = Vec::new();
        while let Some(chunk) = digits.recv().await? {
            progress.inc(chunk.len() as u64);
            if self.common.json {
                value.extend_from_slice(&chunk);
            } else {
                output.write(&chunk).await?;
            }
        }
        progress.finish_and_clear();
        if self.common.json {
            output
                .write(&lines::record(request, &value, started)?)
                .await?;
        } else {
            output.write(b"\n").await?;
        }
        output.finish().await
    }
}

/// Digits written, on standard error if that is a terminal.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{elapsed} {bar:40} {human_pos} of {human_len} digits");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
