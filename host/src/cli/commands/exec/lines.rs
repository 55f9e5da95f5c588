//! Lines of a file, each the input of one instance.
//!
//! A line ends with a newline or with the file. A line is read when an instance can start, and is
//! held until that instance ends. All lines longer than [`FREE_BYTES`] together hold
//! [`Limit::Input`] at most, and so does the line that is being read. Shorter lines count as the
//! buffers of their instances.

use std::sync::Arc;

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::FileInput;
use cocoon::limits::{CHUNK_BYTES, Limit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cli::failure::Failure;

/// The length of a line that holds nothing of the budget, and the unit of the budget.
const FREE_BYTES: usize = 4 << 10;

/// Reads lines of a file.
pub(in crate::cli::commands) struct Lines {
    input: FileInput,
    name: String,
    bytes_max: u64,
    budget: Arc<Semaphore>,
    budget_units: u32,
    /// The number of lines that were read.
    number: u64,
    /// Bytes that were read and not returned.
    rest: Bytes,
}

/// A line, or the reason why it cannot be read.
pub(in crate::cli::commands) struct Line {
    /// The bytes of the line with their newline, if there is one.
    pub(in crate::cli::commands) bytes: Result<Bytes, RunError>,
    _held: Option<OwnedSemaphorePermit>,
}

impl Lines {
    /// Reads `input`, which errors call `name`. A line has at most `bytes_max` bytes, its newline
    /// included.
    pub(in crate::cli::commands) fn new(input: FileInput, name: String, bytes_max: u64) -> Self {
        let units = bytes_max / FREE_BYTES as u64;
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let budget_units = u32::try_from(units).unwrap_or(most).min(most);
        let budget = Arc::new(Semaphore::new(budget_units as usize));
        Self {
            input,
            name,
            bytes_max,
            budget,
            budget_units,
            number: 0,
            rest: Bytes::new(),
        }
    }

    /// The number of the last line, from 1.
    pub(in crate::cli::commands) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next line, or `None` at the end of the file. Waits while the lines of running
    /// instances hold the budget.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the file cannot be read.
    pub(in crate::cli::commands) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        let mut line = Vec::new();
        let mut length = 0_u64;
        loop {
            if self.rest.is_empty() {
                self.rest = self.read().await?;
                if self.rest.is_empty() {
                    break;
                }
            }
            let newline = self.rest.iter().position(|&byte| byte == b'\n');
            let part = self
                .rest
                .split_to(newline.map_or(self.rest.len(), |at| at + 1));
            length += part.len() as u64;
            if length <= self.bytes_max {
                line.extend_from_slice(&part);
            } else {
                // The rest of the line is only counted.
                line = Vec::new();
            }
            if newline.is_some() {
                break;
            }
        }
        if length > 0 {
            self.number += 1;
        }
        Ok(match length {
            0 => None,
            length if length > self.bytes_max => Some(Line {
                bytes: Err(RunError::TooLarge {
                    limit: Limit::Input,
                    value: self.bytes_max,
                    needed: length,
                    needs: " in the line".into(),
                }),
                _held: None,
            }),
            _ => Some(Line {
                _held: self.hold(line.len()).await,
                bytes: Ok(line.into()),
            }),
        })
    }

    async fn read(&self) -> Result<Bytes, Failure> {
        // A file is always ready, and this command has to see a signal in between.
        tokio::task::consume_budget().await;
        let read = self.input.read(CHUNK_BYTES).await;
        read.map_err(|error| Failure::Io {
            what: format!("cannot read {}", self.name),
            error,
        })
    }

    async fn hold(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes / FREE_BYTES).unwrap_or(u32::MAX);
        if units == 0 {
            return None;
        }
        let budget = Arc::clone(&self.budget);
        let held = budget.acquire_many_owned(units.min(self.budget_units));
        // Nothing closes the semaphore.
        held.await.ok()
    }
}

impl Line {
    /// A line that holds nothing of the budget.
    #[cfg(feature = "queue")]
    pub(in crate::cli::commands) fn new(bytes: Result<Bytes, RunError>) -> Self {
        Self { bytes, _held: None }
    }

    /// The line without its newline, as an argument.
    ///
    /// # Errors
    ///
    /// [`RunError::Malformed`] for a line that is not UTF-8, or that has a NUL, which ends an
    /// argument in most programs.
    pub(in crate::cli::commands) fn argument(bytes: &[u8]) -> Result<&str, RunError> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let expected = "expected UTF-8 without a NUL character in a line for `{line}`";
        let advice = "use no `{line}` to pass lines as standard input";
        match str::from_utf8(bytes) {
            Ok(text) if text.contains('\0') => Err(RunError::Malformed(format!(
                "{expected}, got a NUL; {advice}"
            ))),
            Ok(text) => Ok(text),
            Err(_) => Err(RunError::Malformed(format!(
                "{expected}, got other bytes; {advice}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn lines(content: &[u8], bytes_max: u64) -> Lines {
        let mut file: File = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        file.rewind().expect("a file");
        Lines::new(FileInput::new(file), "x".to_owned(), bytes_max)
    }

    async fn all(content: &[u8], bytes_max: u64) -> Vec<Result<Bytes, u64>> {
        let mut lines = lines(content, bytes_max);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.expect("a line") {
            all.push(line.bytes.map_err(|error| match error {
                RunError::TooLarge { needed, .. } => needed,
                other => panic!("{other}"),
            }));
        }
        all
    }

    #[tokio::test]
    async fn a_line_ends_with_a_newline_or_the_file() {
        let ok = |bytes: &'static [u8]| Ok(Bytes::from_static(bytes));
        assert_eq!(all(b"", 9).await, []);
        assert_eq!(all(b"\n\n", 9).await, [ok(b"\n"), ok(b"\n")]);
        assert_eq!(
            all(b"a\r\n\xff\nlast", 9).await,
            [ok(b"a\r\n"), ok(b"\xff\n"), ok(b"last")]
        );
    }

    #[tokio::test]
    async fn a_longer_line_is_an_error_and_the_next_one_is_read() {
        let ok = |bytes: &'static [u8]| Ok(Bytes::from_static(bytes));
        assert_eq!(
            all(b"abc\nabcd\nabcde", 4).await,
            [ok(b"abc\n"), Err(5), Err(5)]
        );
        let long = vec![b'a'; 3 * CHUNK_BYTES];
        let content = [&long, &b"\nb\n"[..]].concat();
        let length = long.len() as u64 + 1;
        assert_eq!(all(&content, length - 1).await, [Err(length), ok(b"b\n")]);
    }

    #[tokio::test]
    async fn long_lines_share_a_budget() {
        let line = [&[b'a'; 2 * FREE_BYTES - 1][..], b"\n"].concat();
        let mut lines = lines(&line.repeat(3), 4 * FREE_BYTES as u64);
        let first = lines.next().await.expect("a line").expect("a line");
        let _second = lines.next().await.expect("a line");
        assert_eq!(lines.budget.available_permits(), 0);
        drop(first);
        assert!(lines.next().await.expect("a line").is_some());
    }

    #[test]
    fn an_argument_has_no_end_of_line() {
        for (line, argument) in [("a\n", "a"), ("a\r\n", "a"), ("\n", ""), ("a\rb", "a\rb")] {
            assert_eq!(Line::argument(line.as_bytes()), Ok(argument), "{line:?}");
        }
        assert!(Line::argument(b"\xff\n").is_err());
        assert!(Line::argument(b"a\0b").is_err());
    }
}
