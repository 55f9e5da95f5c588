//! `cocoon compute`: prints one number as a stream.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::fanout::{FanOut, Progress, Width};
use cocoon::limits::{FAN_OUT_MAX, Limit, parse_integer};
use cocoon::span::spawn;
use cocoon::worlds::factorial::{FORMATS, Format, Grade, KINDS, Kind, Request};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines;
use crate::cli::component_args::FactorialArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::trace;
use crate::cli::values::number;

#[derive(Debug, Args)]
pub(crate) struct Compute {
    /// Number whose factorial is computed
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Kind of factorial: {KINDS}"))]
    kind: Kind,
    #[arg(long, default_value = "decimal", value_name = "FORMAT", help = format!("Notation of the number: {FORMATS}"))]
    format: Format,
    /// Write to FILE, which is complete or absent
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, default_value = "auto", value_parser = width, value_name = "COUNT", env = "COCOON_FAN_OUT", hide_env_values = true, help = format!("Number of sandboxes that share the work, from 1 to {FAN_OUT_MAX}; auto is one for each processor, or fewer for small numbers or little memory"))]
    fan_out: Width,
    /// Prove every product exact instead of checking some modulo a random prime, which is faster
    #[arg(long)]
    proved: bool,
    /// Seed of random checks, to repeat them [default: random]
    #[arg(long, allow_negative_numbers = true, value_parser = number, value_name = "SEED")]
    seed: Option<u64>,
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
            proved: self.proved,
        };
        let work = self.prepare(request).await?;
        let mut parts = work.progress();
        trace::instances(parts.borrow().all as u64);
        let progress = progress(work.cost().output_bytes.most());
        show_parts(&progress, *parts.borrow_and_update());
        let mut output = match &self.out {
            Some(path) => Output::file(path).await?,
            None => Output::stdout(),
        };
        let (sender, mut digits) = channel();
        let working = spawn(work.send_to(sender, self.seed));
        let mut value = Vec::new();
        loop {
            tokio::select! {
                biased;
                Ok(()) = parts.changed() => show_parts(&progress, *parts.borrow_and_update()),
                chunk = digits.recv() => {
                    let Some(chunk) = chunk? else { break };
                    progress.inc(chunk.len() as u64);
                    if self.common.json {
                        value.extend_from_slice(&chunk);
                    } else {
                        output.write_chunk(chunk).await?;
                    }
                }
            }
        }
        progress.finish_and_clear();
        let grade = working.await.map_err(|_| RunError::WriterGone)??;
        warn_of_repeated(&grade);
        if self.common.json {
            let record = lines::record(request, &value, started, &grade)?;
            output.write(&record).await?;
        } else {
            output.write(b"\n").await?;
        }
        output.finish().await
    }

    /// Reserves memory for the request. Where several sandboxes do not fit, an engine for one may
    /// have enough memory: it reserves memory for one small job only.
    async fn prepare(&self, request: Request) -> Result<FanOut, Failure> {
        let width = self.fan_out;
        let refused = match self.prepare_as(request, width).await {
            Err(Failure::Run(error)) => error,
            prepared => return prepared,
        };
        if width.may_narrow(&refused) && refused.limit() == Some(Limit::TotalMemory) {
            let alone = self.prepare_as(request, Width::UpTo(1)).await;
            // A component from a pipe cannot be read again.
            return alone.map_err(|_| refused.into());
        }
        Err(refused.into())
    }

    async fn prepare_as(&self, request: Request, width: Width) -> Result<FanOut, Failure> {
        let factorial = self.common.load(width.sandboxes().into()).await?;
        Ok(FanOut::prepare(&factorial, request, width).await?)
    }
}

/// Parses `auto` or a count.
fn width(text: &str) -> Result<Width, String> {
    match (text, parse_integer(text)) {
        ("auto", _) => Ok(Width::Auto),
        (_, Some(count @ 1..=FAN_OUT_MAX)) => Ok(Width::UpTo(count)),
        _ => Err(format!(
            "expected auto or an integer from 1 to {FAN_OUT_MAX}"
        )),
    }
}

/// Warns of wrong products. They were computed again, and hint at a fault of the machine.
fn warn_of_repeated(grade: &Grade) {
    if let Grade::Verified(verification) = grade
        && verification.repeated > 0
    {
        tracing::warn!(
            repeated = verification.repeated,
            products = verification.products,
            "wrong products repeated"
        );
    }
}

fn show_parts(progress: &ProgressBar, parts: Progress) {
    if parts.all > 1 {
        progress.set_message(format!("parts {}/{}, ", parts.done, parts.all));
    }
}

/// A progress bar of written digits, on standard error if that is a terminal.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{elapsed} {bar:40} {msg}{human_pos} of {human_len} digits");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
