//! Standard output and standard error of this command, which all instances share.
//!
//! Lines of several instances interleave, and each piece of a line is printed at once.

use std::io;
use std::sync::PoisonError;

use bytes::Bytes;
use cocoon::limits::CHUNK_BYTES;
use cocoon::worlds::command::Stream;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Mutex, MutexGuard};

use super::outcome::Outcome;
use super::pieces::{Piece, Pieces};
use super::record::{EndRecord, LineRecord};
use super::shard::Shard;
use crate::cli::commands::lines::json_line;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::output_folder::OutputFolder;

/// The format of outputs.
#[derive(Debug)]
pub(in crate::cli::commands) enum Style {
    /// Unchanged bytes.
    Plain,
    /// `[I] ` before each line of instance I, and `[I]+ ` before the rest of a cut line. A newline
    /// is added to a last line without one.
    Prefixed,
    /// A [`LineRecord`] for each piece of a line.
    Json,
    /// Unchanged bytes in the files `I.out` and `I.err` of a folder.
    Files(OutputFolder),
}

/// The printer that all instances share.
pub(in crate::cli::commands) struct Printer {
    style: Style,
    /// Whether each instance has an [`EndRecord`].
    has_records: bool,
    /// Text on its way to `stdout`. A lock that waits would suspend instances, and move their tasks to
    /// the thread of the one that holds it.
    joined: std::sync::Mutex<Vec<u8>>,
    stdout: Mutex<Output>,
    stderr: Mutex<Stderr>,
}

struct Stderr {
    stream: tokio::io::Stderr,
    /// Whether the last line is the progress.
    has_progress: bool,
}

/// The longest lines that are printed together, and about the length of these lines.
const JOINED_BYTES: usize = 4 << 10;
/// Erases the line of the cursor on a terminal.
const ERASE: &[u8] = b"\r\x1b[K";

impl Printer {
    /// Prints in `style`. Earlier outputs of `shard` are removed from a folder.
    pub(in crate::cli::commands) fn new(
        style: Style,
        shard: Option<Shard>,
        has_records: bool,
    ) -> Result<Self, Failure> {
        if let (Style::Files(dir), Some(shard)) = (&style, shard) {
            // Each file is one of this run, or of another share.
            dir.remove(|name| instance_of(name).is_some_and(|instance| shard.has(instance)))?;
        }
        Ok(Self {
            style,
            has_records,
            joined: std::sync::Mutex::default(),
            stdout: Mutex::new(Output::stdout()),
            stderr: Mutex::new(Stderr {
                stream: tokio::io::stderr(),
                has_progress: false,
            }),
        })
    }

    pub(in crate::cli::commands) fn style(&self) -> &Style {
        &self.style
    }

    /// Prints bytes of the only instance.
    pub(in crate::cli::commands) async fn plain(
        &self,
        stream: Stream,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        match stream {
            Stream::Out => self.stdout().await?.write_chunk(bytes).await,
            Stream::Err => {
                // On a terminal, the two outputs keep their order.
                self.stdout().await?.flush().await?;
                self.stderr.lock().await.write(&bytes, false).await
            }
        }
    }

    /// Sends buffered bytes to standard output: a person may watch it.
    pub(in crate::cli::commands) async fn push(&self) -> Result<(), Failure> {
        self.stdout().await?.push().await
    }

    /// Prints the lines of `bytes`, whose last one may be unfinished. Short ones are printed together:
    /// another instance that waits for the lock suspends.
    pub(in crate::cli::commands) async fn lines(
        &self,
        instance: u64,
        stream: Stream,
        pieces: &mut Pieces,
        mut bytes: &[u8],
    ) -> Result<(), Failure> {
        let number = format!("[{instance}]");
        let mut text = Vec::with_capacity(2 * bytes.len().min(JOINED_BYTES));
        while let Some(piece) = pieces.next(&mut bytes) {
            let is_short = piece.bytes.len() <= JOINED_BYTES;
            if is_short && matches!(self.style, Style::Json) {
                text.extend(json_line(&LineRecord::new(instance, stream, piece))?);
            } else if is_short {
                let [number, mark] = prefix(&number, piece);
                for part in [number, mark, piece.bytes, b"\n"] {
                    text.extend_from_slice(part);
                }
            }
            if !is_short || text.len() >= JOINED_BYTES {
                self.text(stream, &text).await?;
                text.clear();
            }
            if !is_short {
                self.piece(instance, stream, piece).await?;
            }
        }
        self.text(stream, &text).await
    }

    /// Prints a piece of a line.
    pub(in crate::cli::commands) async fn piece(
        &self,
        instance: u64,
        stream: Stream,
        piece: Piece<'_>,
    ) -> Result<(), Failure> {
        if matches!(self.style, Style::Json) {
            return self.record(&LineRecord::new(instance, stream, piece)).await;
        }
        let number = format!("[{instance}]");
        let [number, mark] = prefix(&number, piece);
        // In one write: an instance may end while it waits for the reader.
        let line = [number, mark, piece.bytes, b"\n"].concat();
        match stream {
            Stream::Out => self.stdout().await?.write(&line).await,
            Stream::Err => self.stderr.lock().await.write(&line, false).await,
        }
    }

    /// Prints whole lines of text, or records.
    async fn text(&self, stream: Stream, text: &[u8]) -> Result<(), Failure> {
        match stream {
            _ if text.is_empty() => Ok(()),
            Stream::Err if !matches!(self.style, Style::Json) => {
                self.stderr.lock().await.write(text, false).await
            }
            Stream::Out | Stream::Err => self.join(text).await,
        }
    }

    /// Prints the end of an instance, if there are records.
    pub(in crate::cli::commands) async fn end(&self, outcome: &Outcome) -> Result<(), Failure> {
        if !self.has_records {
            return Ok(());
        }
        self.join(&json_line(&EndRecord::new(outcome))?).await
    }

    /// Shows the progress on the last line of the terminal, or erases it.
    pub(in crate::cli::commands) async fn show_progress(&self, text: &str) -> Result<(), Failure> {
        let mut stderr = self.stderr.lock().await;
        if text.is_empty() && !stderr.has_progress {
            return Ok(());
        }
        stderr.write(text.as_bytes(), !text.is_empty()).await
    }

    /// Waits until everything is written, so that the summary follows the output on standard
    /// error.
    pub(in crate::cli::commands) async fn finish(&self) -> Result<(), Failure> {
        self.show_progress("").await?;
        self.stdout().await?.flush().await
    }

    async fn record(&self, record: &impl Serialize) -> Result<(), Failure> {
        // The record is made under the lock: escaped, it is up to six times as long as the
        // piece.
        let mut stdout = self.stdout().await?;
        stdout.write(&json_line(record)?).await
    }

    /// Joins `text` with that of other instances, and writes them when they have the length of a chunk.
    async fn join(&self, text: &[u8]) -> Result<(), Failure> {
        loop {
            let (is_full, is_joined) = {
                let mut joined = self.joined();
                let was_full = joined.len() >= CHUNK_BYTES;
                if !was_full {
                    joined.extend_from_slice(text);
                }
                (joined.len() >= CHUNK_BYTES, !was_full)
            };
            if is_full {
                drop(self.stdout().await?);
            }
            if is_joined {
                return Ok(());
            }
        }
    }

    /// Standard output behind all text that was joined.
    async fn stdout(&self) -> Result<MutexGuard<'_, Output>, Failure> {
        let mut stdout = self.stdout.lock().await;
        let joined = std::mem::take(&mut *self.joined());
        if !joined.is_empty() {
            stdout.write(&joined).await?;
        }
        Ok(stdout)
    }

    /// A thread that panics leaves the text whole.
    fn joined(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stderr {
    /// Writes `bytes`, which may be the progress, in place of the last one, and waits until they are
    /// written.
    async fn write(&mut self, bytes: &[u8], is_progress: bool) -> Result<(), Failure> {
        // The wait may be dropped.
        let has_progress = std::mem::replace(&mut self.has_progress, is_progress);
        let written = async {
            if has_progress {
                self.stream.write_all(ERASE).await?;
            }
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match written.await {
            // Without a reader of its errors the program continues.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Io {
                what: "cannot write standard error".to_owned(),
                error,
            }),
            _ => Ok(()),
        }
    }
}

/// The text before a piece of a line of `instance`, which is in brackets.
fn prefix<'a>(instance: &'a str, piece: Piece<'_>) -> [&'a [u8]; 2] {
    let mark: &[u8] = if piece.continues { b"+ " } else { b" " };
    [instance.as_bytes(), mark]
}

/// The instance I of the name `I.out` or `I.err`.
fn instance_of(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(".out").or(name.strip_suffix(".err"))?;
    let instance = stem.parse::<u64>().ok()?;
    (instance > 0 && stem == instance.to_string()).then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_outputs_are_removed() {
        for name in ["1.out", "20.err", "18446744073709551615.out"] {
            assert!(instance_of(name).is_some(), "{name}");
        }
        for name in [
            "0.out",
            "01.out",
            "+1.out",
            "1.txt",
            ".out",
            "a.err",
            "1",
            "1.out.err",
        ] {
            assert!(instance_of(name).is_none(), "{name}");
        }
    }
}
