//! Outputs of commands: standard output, or a file that is complete or absent.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempPath;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};

use super::failure::Failure;
use super::paths::shown;
use super::stdout::Stdout;

enum Writer {
    Stdout(Stdout),
    File(BufWriter<Box<dyn AsyncWrite + Unpin + Send>>),
}

/// A writer of results.
pub(crate) struct Output {
    writer: Writer,
    name: String,
    /// The temporary file, and its path after [`Output::finish`].
    beside: Option<(TempPath, PathBuf)>,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self {
            writer: Writer::Stdout(Stdout::new()),
            name: "standard output".to_owned(),
            beside: None,
        }
    }

    /// Writes to the file at `path`, or to the target of a link there.
    ///
    /// [`Output::finish`] renames a temporary file in the same folder, so that a failed run leaves
    /// no partial file and keeps an old one.
    pub(crate) async fn file(path: &Path) -> Result<Self, Failure> {
        let name = shown(path);
        let failed = |error| Failure::Io {
            what: format!("cannot write {name}"),
            error,
        };
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let existing = path.metadata();
        // A device or a pipe must not be replaced by a file.
        if existing.as_ref().is_ok_and(|existing| !existing.is_file()) {
            let file = tokio::fs::OpenOptions::new().write(true).open(&path).await;
            let writer = Writer::File(BufWriter::new(Box::new(file.map_err(failed)?)));
            return Ok(Self {
                writer,
                name,
                beside: None,
            });
        }
        let permissions = match existing {
            Ok(existing) => existing.permissions(),
            Err(_) => Permissions::from_mode(0o666),
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Self::beside(folder, permissions, path.clone()).map_err(failed)
    }

    /// Writes to the file `name` in `folder`, as [`Output::file`] does, and replaces a link there.
    /// Errors call it `shown`.
    pub(crate) fn new_file(folder: &Path, name: &str, shown: String) -> Result<Self, Failure> {
        let created = Self::beside(folder, Permissions::from_mode(0o666), folder.join(name));
        match created {
            Ok(output) => Ok(Self {
                name: shown,
                ..output
            }),
            Err(error) => Err(Failure::Io {
                what: format!("cannot write {shown}"),
                error,
            }),
        }
    }

    /// Writes to a temporary file in `folder`, which [`Output::finish`] renames to `path`.
    fn beside(folder: &Path, permissions: Permissions, path: PathBuf) -> io::Result<Self> {
        let beside = tempfile::Builder::new()
            .prefix(".cocoon-")
            .permissions(permissions)
            .tempfile_in(folder)?;
        let (file, beside) = beside.into_parts();
        let file = tokio::fs::File::from_std(file);
        Ok(Self {
            writer: Writer::File(BufWriter::new(Box::new(file))),
            name: shown(&path),
            beside: Some((beside, path)),
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.writer {
            Writer::Stdout(stdout) => stdout.write(bytes).await,
            Writer::File(file) => file.write_all(bytes).await,
        };
        written.map_err(|error| self.failure(error))
    }

    /// Writes `chunk` without a copy.
    pub(crate) async fn write_chunk(&mut self, chunk: Bytes) -> Result<(), Failure> {
        let written = match &mut self.writer {
            Writer::Stdout(stdout) => stdout.write_chunk(chunk).await,
            Writer::File(file) => file.write_all(&chunk).await,
        };
        written.map_err(|error| self.failure(error))
    }

    /// Passes buffered bytes on, without a wait until they are written.
    pub(crate) async fn push(&mut self) -> Result<(), Failure> {
        let pushed = match &mut self.writer {
            Writer::Stdout(stdout) => stdout.push().await,
            Writer::File(file) => file.flush().await,
        };
        pushed.map_err(|error| self.failure(error))
    }

    /// Waits until everything is written.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        let flushed = match &mut self.writer {
            Writer::Stdout(stdout) => stdout.flush().await,
            Writer::File(file) => file.flush().await,
        };
        flushed.map_err(|error| self.failure(error))
    }

    /// Waits until everything is written, and renames the file to its path.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        self.flush().await?;
        if let Some((beside, path)) = self.beside.take() {
            beside
                .persist(&path)
                .map_err(|error| self.failure(error.error))?;
        }
        Ok(())
    }

    fn failure(&self, error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::ReaderGone
        } else {
            Failure::Io {
                what: format!("cannot write {}", self.name),
                error,
            }
        }
    }
}
