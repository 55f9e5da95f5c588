//! The output of components that `cocoon exec` runs: printed unchanged, printed with a prefix for
//! each line, printed as JSON, or written to two files for each instance.
//!
//! Lines of several instances interleave, and each piece of a line is printed at once. A line
//! longer than [`CHUNK_BYTES`] is printed in pieces, which the prefix and JSON mark. An instance
//! holds at most one piece for each of its two outputs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::Receiver;
use cocoon::limits::CHUNK_BYTES;
use cocoon::worlds::command::{Exit, Stream};
use serde::{Serialize, Serializer};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

use super::exec_lines::{Lines, Piece};
use super::lines::json_line;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::paths::shown;

/// The format of outputs.
pub(super) enum Style {
    /// Unchanged bytes.
    Plain,
    /// `[I] ` before each line of instance I, and `[I]+ ` before the rest of a cut line. A newline
    /// is added to a last line without one.
    Prefixed,
    /// A [`Record`] for each piece of a line, and one for each exit.
    Json,
    /// Unchanged bytes in the files `I.out` and `I.err` of a folder.
    Files(PathBuf),
}

/// The printer that all instances share.
pub(super) struct Printer {
    style: Style,
    stdout: Mutex<Output>,
    stderr: Mutex<tokio::io::Stderr>,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Record<'a> {
    /// A line without its newline, or a piece of one.
    Line {
        instance: u64,
        stream: &'static str,
        /// The bytes if they are UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// The bytes if they are not UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<Base64<'a>>,
        /// No newline follows: the line is cut here, or the output ends here.
        #[serde(skip_serializing_if = "is_false")]
        partial: bool,
    },
    /// The exit of a program.
    Exit {
        instance: u64,
        exit: i32,
        memory_bytes: u64,
    },
    /// The error of a program that was refused or stopped.
    Error { instance: u64, error: String },
}

impl<'a> Record<'a> {
    fn line(instance: u64, stream: Stream, piece: Piece<'a>) -> Self {
        let text = str::from_utf8(piece.bytes).ok();
        Self::Line {
            instance,
            stream: match stream {
                Stream::Out => "stdout",
                Stream::Err => "stderr",
            },
            text,
            base64: text.is_none().then_some(Base64(piece.bytes)),
            partial: piece.partial,
        }
    }
}

/// Bytes as a base64 string in the standard alphabet with padding (RFC 4648, section 4).
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64_STANDARD))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Printer {
    pub(super) fn new(style: Style) -> Result<Self, Failure> {
        if let Style::Files(dir) = &style {
            create_folder(dir)?;
        }
        Ok(Self {
            style,
            stdout: Mutex::new(Output::stdout()),
            stderr: Mutex::new(tokio::io::stderr()),
        })
    }

    /// Prints the output of one instance until the channel ends or fails.
    pub(super) async fn print(
        &self,
        instance: u64,
        mut output: Receiver<(Stream, Bytes)>,
    ) -> Result<(), Failure> {
        let mut sinks = match &self.style {
            Style::Plain => Sinks::Plain,
            Style::Files(dir) => {
                let file = async |kind| Output::file(&dir.join(format!("{instance}.{kind}"))).await;
                Sinks::Files(Box::new([file("out").await?, file("err").await?]))
            }
            Style::Prefixed | Style::Json => {
                Sinks::Lines([(); 2].map(|()| Lines::new(CHUNK_BYTES)))
            }
        };
        while let Ok(Some((stream, bytes))) = output.recv().await {
            match &mut sinks {
                Sinks::Plain => self.write(stream, &[&bytes]).await?,
                Sinks::Files(files) => files[stream as usize].write(&bytes).await?,
                Sinks::Lines(lines) => {
                    let mut bytes = &bytes[..];
                    while let Some(piece) = lines[stream as usize].next(&mut bytes) {
                        self.piece(instance, stream, piece).await?;
                    }
                }
            }
        }
        match sinks {
            Sinks::Plain => {}
            Sinks::Files(files) => {
                for file in *files {
                    file.finish().await?;
                }
            }
            Sinks::Lines(lines) => {
                for (stream, mut lines) in [Stream::Out, Stream::Err].into_iter().zip(lines) {
                    if let Some(piece) = lines.finish() {
                        self.piece(instance, stream, piece).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Prints the end of an instance, if the style has records.
    pub(super) async fn exited(
        &self,
        instance: u64,
        result: &Result<Exit, RunError>,
    ) -> Result<(), Failure> {
        if !matches!(self.style, Style::Json) {
            return Ok(());
        }
        self.record(&match result {
            Ok(Exit { code, memory_bytes }) => Record::Exit {
                instance,
                exit: *code,
                memory_bytes: *memory_bytes,
            },
            Err(error) => Record::Error {
                instance,
                error: error.to_string(),
            },
        })
        .await
    }

    /// Waits until everything is written, so that the summary follows the output on standard
    /// error.
    pub(super) async fn finish(&self) -> Result<(), Failure> {
        stderr_written(self.stderr.lock().await.flush().await)?;
        self.stdout.lock().await.flush().await
    }

    async fn piece(&self, instance: u64, stream: Stream, piece: Piece<'_>) -> Result<(), Failure> {
        if matches!(self.style, Style::Json) {
            return self.record(&Record::line(instance, stream, piece)).await;
        }
        let mark = if piece.continues { "+" } else { "" };
        let prefix = format!("[{instance}]{mark} ");
        self.write(stream, &[prefix.as_bytes(), piece.bytes, b"\n"])
            .await
    }

    async fn record(&self, record: &Record<'_>) -> Result<(), Failure> {
        // The record is made under the lock: escaped, it is up to six times as long as the
        // piece.
        let mut stdout = self.stdout.lock().await;
        stdout.write(&json_line(record)?).await
    }

    /// Writes `parts` without bytes of other instances between them.
    async fn write(&self, stream: Stream, parts: &[&[u8]]) -> Result<(), Failure> {
        match stream {
            Stream::Out => {
                let mut stdout = self.stdout.lock().await;
                for part in parts {
                    stdout.write(part).await?;
                }
                // A person may watch one instance. The output of many is buffered.
                if matches!(self.style, Style::Plain) {
                    stdout.flush().await?;
                }
                Ok(())
            }
            Stream::Err => {
                let mut stderr = self.stderr.lock().await;
                stderr_written(stderr.write_all(&parts.concat()).await)
            }
        }
    }
}

/// Returns the error of a write to standard error, unless its reader is gone: the program
/// continues then.
fn stderr_written(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Io {
            what: "cannot write standard error".to_owned(),
            error,
        }),
        _ => Ok(()),
    }
}

fn create_folder(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| {
        if dir.exists() {
            Failure::Io {
                what: format!("expected a folder for --output-dir, got {}", shown(dir)),
                error: io::ErrorKind::NotADirectory.into(),
            }
        } else {
            Failure::Io {
                what: format!("cannot create the folder {}", shown(dir)),
                error,
            }
        }
    })
}

/// The destinations of the two outputs of one instance.
enum Sinks {
    Plain,
    Files(Box<[Output; 2]>),
    Lines([Lines; 2]),
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns the record of a piece as a reader of `--json` parses it.
    fn record(stream: Stream, bytes: &[u8], partial: bool) -> Value {
        let piece = Piece {
            bytes,
            partial,
            continues: false,
        };
        serde_json::to_value(Record::line(7, stream, piece)).expect("JSON")
    }

    #[test]
    fn a_record_has_text_or_base64_and_a_partial_flag() {
        assert_eq!(
            record(Stream::Out, "a\0\r é\u{2028}".as_bytes(), false),
            json!({"instance": 7, "stream": "stdout", "text": "a\0\r é\u{2028}"})
        );
        assert_eq!(
            record(Stream::Err, b"", true),
            json!({"instance": 7, "stream": "stderr", "text": "", "partial": true})
        );
        assert_eq!(
            record(Stream::Out, b"\xff\xfe?a", true),
            json!({"instance": 7, "stream": "stdout", "base64": "//4/YQ==", "partial": true})
        );
    }
}
