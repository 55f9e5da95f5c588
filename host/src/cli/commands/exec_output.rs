//! What the programs of `cocoon exec` write, as it comes: unchanged, with a
//! prefix for each line, as JSON, or into a file each.
//!
//! Lines of different instances interleave, but never within a line of up to
//! [`CHUNK_BYTES`]; a longer one is cut.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use cocoon::channel::Receiver;
use cocoon::command::{Exit, ProgramError, Stream};
use cocoon::limits::CHUNK_BYTES;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

use super::lines::json_line;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// How output is shown.
pub(super) enum Style {
    Plain,
    Prefixed,
    Json,
    Files(PathBuf),
}

/// Where the outputs of all instances come together.
pub(super) struct Printer {
    style: Style,
    stdout: Mutex<Output>,
    stderr: Mutex<tokio::io::Stderr>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event<'a> {
    Line {
        instance: u64,
        stream: &'static str,
        line: &'a str,
    },
    Exit {
        instance: u64,
        exit: i32,
        memory_bytes: u64,
    },
    Error {
        instance: u64,
        error: String,
    },
}

impl Printer {
    pub(super) fn new(style: Style) -> Result<Self, Failure> {
        if let Style::Files(dir) = &style {
            fs::create_dir_all(dir).map_err(|error| Failure::Io {
                what: format!("cannot make the folder {}", dir.display()),
                error,
            })?;
        }
        Ok(Self {
            style,
            stdout: Mutex::new(Output::stdout()),
            stderr: Mutex::new(tokio::io::stderr()),
        })
    }

    /// Prints what one instance writes until it ends, well or not: how it ended
    /// is told by whoever runs it.
    pub(super) async fn print(
        &self,
        instance: u64,
        mut output: Receiver<(Stream, Bytes)>,
    ) -> Result<(), Failure> {
        let mut sinks = match &self.style {
            Style::Files(dir) => {
                let file = async |kind| Output::file(&dir.join(format!("{instance}.{kind}"))).await;
                Sinks::Files(Box::new([file("out").await?, file("err").await?]))
            }
            _ => Sinks::Lines([Vec::new(), Vec::new()]),
        };
        while let Ok(Some((stream, bytes))) = output.recv().await {
            match &mut sinks {
                Sinks::Files(files) => files[stream as usize].write(&bytes).await?,
                Sinks::Lines(_) if matches!(self.style, Style::Plain) => {
                    self.write(stream, &bytes).await?;
                }
                Sinks::Lines(rests) => {
                    self.lines(instance, stream, &mut rests[stream as usize], &bytes)
                        .await?;
                }
            }
        }
        match sinks {
            Sinks::Files(files) => {
                for file in *files {
                    file.finish().await?;
                }
            }
            Sinks::Lines(rests) => {
                for (stream, rest) in [Stream::Out, Stream::Err].into_iter().zip(rests) {
                    if !rest.is_empty() {
                        self.line(instance, stream, &rest).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells how an instance ended, where that is part of the output.
    pub(super) async fn exited(
        &self,
        instance: u64,
        ran: &Result<Exit, ProgramError>,
    ) -> Result<(), Failure> {
        if !matches!(self.style, Style::Json) {
            return Ok(());
        }
        let event = match ran {
            Ok(Exit { code, memory_bytes }) => Event::Exit {
                instance,
                exit: *code,
                memory_bytes: *memory_bytes,
            },
            Err(error) => Event::Error {
                instance,
                error: error.to_string(),
            },
        };
        self.write(Stream::Out, &json_line(&event)?).await
    }

    pub(super) async fn finish(&self) -> Result<(), Failure> {
        // What is told next on standard error comes after what they wrote there,
        // which is still on its way. Where it is closed, nothing can be told.
        let _ = self.stderr.lock().await.flush().await;
        self.stdout.lock().await.flush().await
    }

    /// Prints the lines that are complete with `bytes`, and keeps the rest.
    async fn lines(
        &self,
        instance: u64,
        stream: Stream,
        rest: &mut Vec<u8>,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || rest.len() >= CHUNK_BYTES {
                self.line(instance, stream, rest).await?;
                rest.clear();
            }
        }
        Ok(())
    }

    async fn line(&self, instance: u64, stream: Stream, line: &[u8]) -> Result<(), Failure> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = match (&self.style, stream) {
            (Style::Json, stream) => {
                let stream = if stream == Stream::Out {
                    "stdout"
                } else {
                    "stderr"
                };
                let line = &String::from_utf8_lossy(line);
                return self
                    .write(
                        Stream::Out,
                        &json_line(&Event::Line {
                            instance,
                            stream,
                            line,
                        })?,
                    )
                    .await;
            }
            _ => [format!("[{instance}] ").as_bytes(), line, b"\n"].concat(),
        };
        self.write(stream, &text).await
    }

    async fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
        match stream {
            Stream::Out => {
                let mut stdout = self.stdout.lock().await;
                stdout.write(bytes).await?;
                // A person watches one instance; of many the buffer makes pages.
                if matches!(self.style, Style::Plain) {
                    stdout.flush().await
                } else {
                    Ok(())
                }
            }
            Stream::Err => {
                // Where standard error is closed there is nowhere to say so.
                let _ = self.stderr.lock().await.write_all(bytes).await;
                Ok(())
            }
        }
    }
}

/// Where one instance's two streams go.
enum Sinks {
    Files(Box<[Output; 2]>),
    /// The lines that are not complete yet.
    Lines([Vec<u8>; 2]),
}
