//! `cocoon verify`: whether a file has the digits of a number.
//!
//! The file is streamed into the sandbox, and no further than the component
//! reads. It may be as long as the number is: `--input`, which bounds what a
//! program is handed and the host holds, has no say in it.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use clap::Args;
use cocoon::channel::{Sender, channel};
use cocoon::factorial::{KINDS, Kind, Verdict, miss_probability, random_seed};
use cocoon::limits::CHUNK_BYTES;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::lines;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{FactorialArgs, number, seed};

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The number whose factorial the digits are said to be
    #[arg(allow_negative_numbers = true, value_parser = number, value_name = "N")]
    n: u64,
    /// The digits; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, default_value = "factorial", value_name = "KIND", help = format!("Which factorial: {KINDS}"))]
    kind: Kind,
    /// The seed of the primes, to have the same check again [default: drawn at random]
    #[arg(long, allow_negative_numbers = true, value_parser = seed, value_name = "SEED")]
    seed: Option<u64>,
    #[command(flatten)]
    common: FactorialArgs,
}

#[derive(Serialize)]
struct Record<'a> {
    n: u64,
    kind: String,
    right: bool,
    /// Digits that were read.
    digits: u64,
    /// That a mistake was missed, as `2^-88`, if none was found.
    miss_probability: Option<String>,
    /// What is wrong, if something is.
    wrong: Option<&'a str>,
}

impl Verify {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let file = open(&self.file).await?;
        let seed = self.seed.map_or_else(random_seed, Ok)?;
        let factorial = self.common.load(1).await?;
        let (sender, digits) = channel();
        let (read, verdict) = tokio::join!(
            feed(file, sender, &self.file),
            factorial.verify(self.kind, self.n, digits, seed)
        );
        // A file that breaks off is why the check did.
        let count = read?;
        let verdict = verdict?;
        let mut output = Output::stdout();
        let text = if self.common.json {
            lines::json_line(&self.record(count, &verdict))?
        } else {
            match &verdict {
                Verdict::Right(exponent) => format!(
                    "right: {count} digits, a mistake would be missed with probability below {}\n",
                    miss_probability(*exponent)
                ),
                Verdict::Wrong(text) => format!("wrong: {text}\n"),
            }
            .into_bytes()
        };
        let told = match output.write(&text).await {
            Ok(()) => output.finish().await,
            failed => failed,
        };
        match (verdict, told) {
            // So it ends even if nobody wants to read it.
            (Verdict::Wrong(_), Ok(()) | Err(Failure::ReaderGone)) => Err(Failure::Wrong),
            (_, told) => told,
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

/// Sends the file until its end, or until nobody reads any more, and counts the
/// digits.
async fn feed(mut file: File, digits: Sender<Bytes>, path: &Path) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        tokio::select! {
            read = file.read_buf(&mut chunk) => match read {
                Ok(0) => break,
                Ok(_) => {}
                // Dropped without a word, the channel has failed.
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
        what: format!("cannot read {}", path.display()),
        error,
    }
}
