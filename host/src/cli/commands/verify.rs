//! `cocoon verify`: checks the digits of a number in a file.
//!
//! The file is streamed into the sandbox as far as the component reads. The host never holds all
//! of it, so `--input` does not bound its length.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use clap::Args;
use cocoon::channel::{Sender, channel};
use cocoon::limits::CHUNK_BYTES;
use cocoon::text::counted;
use cocoon::worlds::factorial::{KINDS, Kind, Verdict, miss_probability, random_seed};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::lines;
use crate::cli::component_args::FactorialArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::paths::shown;
use crate::cli::trace;
use crate::cli::values::number;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Number whose factorial FILE should have
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    /// File with the digits; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Kind of factorial: {KINDS}"))]
    kind: Kind,
    /// Seed of the primes, to repeat a check [default: random]
    #[arg(long, allow_negative_numbers = true, value_parser = number, value_name = "SEED")]
    seed: Option<u64>,
    #[command(flatten)]
    common: FactorialArgs,
}

#[derive(Serialize)]
struct Record<'a> {
    n: u64,
    kind: String,
    right: bool,
    /// Number of digits read.
    digits: u64,
    /// The probability that an error is missed, such as `2^-88`. `None` if one was found.
    miss_probability: Option<String>,
    /// The error. `None` if none was found.
    wrong: Option<&'a str>,
}

impl Verify {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let file = open(&self.file).await?;
        let seed = self.seed.map_or_else(random_seed, Ok)?;
        trace::instances(1);
        let factorial = self.common.load(1).await?;
        let (sender, digits) = channel();
        let (read, verdict) = tokio::join!(
            feed(file, sender, &self.file),
            factorial.verify(self.kind, self.n, digits, seed)
        );
        // An unreadable file is the cause of a failed check.
        let count = read?;
        let verdict = verdict?;
        let mut output = Output::stdout();
        let text = if self.common.json {
            lines::json_line(&self.record(count, &verdict))?
        } else {
            match &verdict {
                Verdict::Right(exponent) => format!(
                    "right: {}, probability of a missed error below {}\n",
                    counted(count, "digit", "digits"),
                    miss_probability(*exponent)
                ),
                Verdict::Wrong(text) => format!("wrong: {text}\n"),
            }
            .into_bytes()
        };
        let output_result = match output.write(&text).await {
            Ok(()) => output.finish().await,
            failed => failed,
        };
        match (verdict, output_result) {
            // The exit code reports wrong digits even if the output has no reader.
            (Verdict::Wrong(_), Ok(()) | Err(Failure::ReaderGone)) => Err(Failure::Wrong),
            (_, output_result) => output_result,
        }
    }

    fn record<'a>(&self, digits: u64, verdict: &'a Verdict) -> Record<'a> {
        let (right, wrong) = match verdict {
            Verdict::Right(exponent) => (Some(miss_probability(*exponent)), None),
            Verdict::Wrong(text) => (None, Some(text.as_str())),
        };
        Record {
            n: self.n,
            kind: self.kind.to_string(),
            right: wrong.is_none(),
            digits,
            miss_probability: right,
            wrong,
        }
    }
}

type File = Box<dyn AsyncRead + Send + Unpin>;

async fn open(path: &Path) -> Result<File, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(tokio::io::stdin()));
    }
    let file = tokio::fs::File::open(path).await;
    Ok(Box::new(file.map_err(|error| cannot_read(path, error))?))
}

/// Sends the file to its end, or until the component stops reading, and returns the number of
/// digits.
async fn feed(mut file: File, digits: Sender<Bytes>, path: &Path) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        tokio::select! {
            read = file.read_buf(&mut chunk) => match read {
                Ok(0) => break,
                Ok(_) => {}
                // Dropping the sender fails the channel.
                Err(error) => return Err(cannot_read(path, error)),
            },
            () = digits.reader_gone() => return Ok(count),
        }
        count += chunk.iter().filter(|byte| byte.is_ascii_digit()).count() as u64;
        if digits.send(chunk.freeze()).await.is_err() {
            return Ok(count);
        }
    }
    digits.finish();
    Ok(count)
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::Io {
        what: format!("cannot read {}", shown(path)),
        error,
    }
}
