//! The folder of `--output-dir`: its files are complete or absent, and never elsewhere.
//!
//! Programs may be able to write there and above. So the folder is opened once, and a link in it is
//! replaced and not followed.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::output::Output;
use super::paths::shown;

/// An open folder for outputs.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    path: PathBuf,
    open: File,
}

impl OutputFolder {
    /// Opens the folder at `path`, which is created if it is missing.
    pub(crate) fn create(path: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&path).map_err(|error| {
            if path.exists() {
                Failure::Io {
                    what: format!("expected a folder for --output-dir, got {}", shown(&path)),
                    error: io::ErrorKind::NotADirectory.into(),
                }
            } else {
                Failure::Io {
                    what: format!("cannot create the folder {}", shown(&path)),
                    error,
                }
            }
        })?;
        match File::open(&path) {
            Ok(open) => Ok(Self { path, open }),
            Err(error) => Err(Failure::Io {
                what: format!("cannot open the folder {}", shown(&path)),
                error,
            }),
        }
    }

    /// Removes the files and links whose names `is_output` selects.
    pub(crate) fn remove(&self, is_output: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let removed = || -> io::Result<()> {
            for entry in fs::read_dir(self.inside())? {
                let entry = entry?;
                let is_output = entry.file_name().to_str().is_some_and(&is_output);
                if is_output && !entry.file_type()?.is_dir() {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        removed().map_err(|error| Failure::Io {
            what: format!("cannot remove earlier outputs from {}", shown(&self.path)),
            error,
        })
    }

    /// An output that becomes the file `name`.
    pub(crate) fn file(&self, name: &str) -> Result<Output, Failure> {
        Output::new_file(&self.inside(), name, shown(&self.path.join(name)))
    }

    /// The path of the open folder, wherever it was moved.
    fn inside(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.open.as_raw_fd().to_string())
    }
}
