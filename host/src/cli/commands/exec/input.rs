//! The standard input of the instances.
//!
//! A single instance reads a file as far as it asks, so its input has any length. Several
//! instances share bytes in memory, which [`Limit::Input`] bounds.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::FileInput;
use cocoon::limits::{CHUNK_BYTES, Limit};
use cocoon::worlds::command;

use crate::cli::failure::Failure;
use crate::cli::paths::shown;

/// The name of this command's standard input in errors.
pub(in crate::cli::commands) const STDIN: &str = "standard input";

/// The standard input of the instances that have no line.
pub(in crate::cli::commands) enum Input {
    /// Each instance reads these bytes.
    Bytes(Bytes),
    /// The only instance reads this command's standard input.
    Stdin(FileInput),
    /// The only instance reads this file, from its start in each attempt.
    File(PathBuf),
}

impl Default for Input {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl Input {
    /// The input of one attempt.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the file cannot be opened.
    pub(in crate::cli::commands) async fn open(&self) -> Result<command::Input, Failure> {
        Ok(match self {
            Self::Bytes(bytes) => command::Input::Bytes(bytes.clone()),
            Self::Stdin(input) => command::Input::File(input.clone()),
            Self::File(path) => command::Input::File(open(path).await?),
        })
    }

    /// Whether another attempt would miss what an earlier one has read.
    pub(in crate::cli::commands) fn is_spent(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Stdin(input) => input.was_read(),
            Self::File(path) => !path.is_file(),
        }
    }
}

/// Opens this command's standard input.
pub(in crate::cli::commands) fn stdin() -> Result<FileInput, Failure> {
    let file = io::stdin().as_fd().try_clone_to_owned();
    let file = file.map_err(|error| unreadable(STDIN, error))?;
    Ok(FileInput::new(File::from(file)))
}

/// Opens a file. This waits for the writer of a FIFO.
pub(in crate::cli::commands) async fn open(path: &Path) -> Result<FileInput, Failure> {
    match tokio::fs::File::open(path).await {
        Ok(file) => Ok(FileInput::new(file.into_std().await)),
        Err(error) => Err(unreadable(&shown(path), error)),
    }
}

/// Reads all of `input`, which errors call `name`.
pub(in crate::cli::commands) async fn read_whole(
    input: FileInput,
    name: &str,
    bytes_max: u64,
) -> Result<Bytes, Failure> {
    let mut whole = Vec::new();
    loop {
        let read = input.read(CHUNK_BYTES).await;
        let bytes = read.map_err(|error| unreadable(name, error))?;
        if bytes.is_empty() {
            return Ok(whole.into());
        }
        whole.extend_from_slice(&bytes);
        if whole.len() as u64 > bytes_max {
            return Err(RunError::TooLarge {
                limit: Limit::Input,
                value: bytes_max,
                needed: whole.len() as u64,
                needs: " or more".into(),
            }
            .into());
        }
    }
}

fn unreadable(name: &str, error: io::Error) -> Failure {
    let what = format!("cannot read {name}");
    Failure::Io { what, error }
}
