//! The granted folders of a component, opened once for all of its sandboxes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use wasmtime_wasi::filesystem::Dir as OpenDir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::GrantError;

/// A folder that a component may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    /// The folder on this machine.
    pub host: PathBuf,
    /// Its path as the component sees it.
    pub guest: String,
    /// Whether the component may change anything in it.
    pub writable: bool,
}

/// The open folders of a component, with their paths in the sandbox.
#[derive(Clone, Default)]
pub(crate) struct Folders(pub(super) Arc<[(OpenDir, String)]>);

impl Folders {
    /// Opens `dirs`, each within `patience`, since a mount may never answer.
    ///
    /// # Errors
    ///
    /// [`GrantError::Dir`] for the first folder that cannot be opened.
    pub(crate) async fn open(dirs: &[Dir], patience: Duration) -> Result<Self, GrantError> {
        let mut folders = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let host = dir.host.clone();
            let opening = tokio::task::spawn_blocking(move || open_folder(&host));
            let opened = match tokio::time::timeout(patience, opening).await {
                Ok(Ok(opened)) => opened.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("timed out after {patience:?}")),
            };
            let file = opened.map_err(|reason| GrantError::Dir {
                path: dir.host.clone(),
                reason,
            })?;
            let (permissions, mode) = if dir.writable {
                (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
            } else {
                (FsPerms::ReadOnly, OpenMode::READ)
            };
            let folder = OpenDir::new(file, permissions, mode, false);
            folders.push((folder, dir.guest.clone()));
        }
        Ok(Self(folders.into()))
    }
}

fn open_folder(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}
