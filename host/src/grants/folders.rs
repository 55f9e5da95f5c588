//! The granted folders of a component. Those that all of its sandboxes have are opened once, and
//! those of one sandbox when it starts. By then another sandbox may have put links into their
//! paths, so links are not followed there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::filesystem::Dir as OpenDir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::GrantError;
use crate::blocking::BlockingThreads;
use crate::engine::Engine;
use crate::text::counted;

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

/// An open folder.
#[derive(Clone)]
pub(super) struct Folder {
    grant: Dir,
    pub(super) open: OpenDir,
}

/// Open folders. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Folders(pub(super) Arc<[Folder]>);

/// The folders of one sandbox, and what it holds for those that it opened itself.
#[derive(Default)]
pub(super) struct SandboxFolders {
    pub(super) folders: Folders,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) threads: Option<BlockingThreads>,
}

impl Folders {
    /// The same folders for the sandboxes of one thread, which share no count with others.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn for_thread(&self) -> Self {
        Self(self.0.iter().cloned().collect())
    }

    /// Opens `dirs`, each within `patience`, since a mount may never answer.
    ///
    /// # Errors
    ///
    /// [`GrantError::Dir`] for the first folder that cannot be opened.
    pub(crate) async fn open(dirs: &[Dir], patience: Duration) -> Result<Self, GrantError> {
        check_paths(dirs)?;
        let mut folders = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let host = dir.host.clone();
            let opening = tokio::task::spawn_blocking(move || open_folder(&host));
            let opened = match tokio::time::timeout(patience, opening).await {
                Ok(Ok(opened)) => opened.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("timed out after {patience:?}")),
            };
            folders.push(Folder::new(dir, opened)?);
        }
        Ok(Self(folders.into()))
    }

    /// The folders `dirs` of one sandbox: those that are open already, and others, which are
    /// opened on threads of the sandbox. These take descriptors of all sandboxes' files, so they
    /// wait while none are free.
    ///
    /// # Errors
    ///
    /// [`GrantError::Dir`] for the first folder that cannot be opened.
    pub(super) async fn of_sandbox(
        &self,
        dirs: &[Dir],
        engine: &Engine,
    ) -> Result<SandboxFolders, GrantError> {
        if self.0.iter().map(|folder| &folder.grant).eq(dirs) {
            return Ok(SandboxFolders {
                folders: self.clone(),
                ..SandboxFolders::default()
            });
        }
        check_paths(dirs)?;
        let known = |dir: &Dir| self.0.iter().find(|folder| folder.grant == *dir);
        let mut own = SandboxFolders::default();
        let mut folders = Vec::with_capacity(dirs.len());
        let Some(first) = dirs.iter().find(|dir| known(dir).is_none()) else {
            folders.extend(dirs.iter().filter_map(known).cloned());
            own.folders = Self(folders.into());
            return Ok(own);
        };
        let failed = |dir: &Dir, reason: String| GrantError::Dir {
            path: dir.host.clone(),
            reason,
        };
        // All at once: two sandboxes cannot wait for each other's.
        let count = dirs.iter().filter(|dir| known(dir).is_none()).count();
        let descriptors = Arc::clone(engine.open_files());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if u64::from(count) > engine.descriptors() {
            let reason = format!(
                "expected at most {} for folders with {{i}}, got {count}; raise the limit of open files (`ulimit -n`)",
                counted(engine.descriptors(), "descriptor", "descriptors")
            );
            return Err(failed(first, reason));
        }
        let permit = descriptors.acquire_many_owned(count).await;
        own.permit = Some(permit.map_err(|error| failed(first, error.to_string()))?);
        let threads = engine.blocking().threads().await;
        let threads = threads.map_err(|error| failed(first, error.to_string()))?;
        for dir in dirs {
            if let Some(folder) = known(dir) {
                folders.push(folder.clone());
                continue;
            }
            let host = dir.host.clone();
            let opening = threads.handle().spawn(move || open_without_links(&host));
            let opened = match opening.await {
                Ok(opened) => opened.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            folders.push(Folder::new(dir, opened)?);
        }
        own.folders = Self(folders.into());
        own.threads = Some(threads);
        Ok(own)
    }
}

impl Folder {
    fn new(dir: &Dir, opened: Result<File, String>) -> Result<Self, GrantError> {
        let file = opened.map_err(|reason| GrantError::Dir {
            path: dir.host.clone(),
            reason,
        })?;
        let (permissions, mode) = if dir.writable {
            (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
        } else {
            (FsPerms::ReadOnly, OpenMode::READ)
        };
        Ok(Self {
            grant: dir.clone(),
            open: OpenDir::new(file, permissions, mode, false),
        })
    }

    /// The path in the sandbox.
    pub(super) fn path(&self) -> &str {
        &self.grant.guest
    }
}

/// Checks that no two folders have the same path in the sandbox.
fn check_paths(dirs: &[Dir]) -> Result<(), GrantError> {
    let mut seen = BTreeSet::new();
    match dirs.iter().find(|dir| !seen.insert(&dir.guest)) {
        None => Ok(()),
        Some(dir) => Err(GrantError::Dir {
            path: dir.host.clone(),
            reason: format!(
                "expected another path in the sandbox than `{}`, which a folder has already",
                dir.guest
            ),
        }),
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = FOLDER | OFlags::RDONLY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens a folder whose path has no link in it.
fn open_without_links(path: &Path) -> io::Result<File> {
    let on_the_way = FOLDER | OFlags::PATH | OFlags::NOFOLLOW;
    let start = if path.is_absolute() { "/" } else { "." };
    let mut folder = rustix::fs::open(start, on_the_way, Mode::empty())?;
    let mut reached = PathBuf::new();
    for part in path.components() {
        reached.push(part);
        let (Component::Normal(_) | Component::ParentDir) = part else {
            continue;
        };
        let opened = rustix::fs::openat(&folder, part.as_os_str(), on_the_way, Mode::empty());
        folder = opened.map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => {
                let text = format!("expected a folder and no link, got {}", reached.display());
                io::Error::new(io::ErrorKind::NotADirectory, text)
            }
            error => error.into(),
        })?;
    }
    let flags = FOLDER | OFlags::RDONLY;
    Ok(rustix::fs::openat(&folder, ".", flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_refused_at_each_part_of_a_path() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("a path");
        std::fs::create_dir_all(root.join("a/b/c")).expect("folders");
        std::os::unix::fs::symlink("a", root.join("link")).expect("a link");
        std::os::unix::fs::symlink("b", root.join("a/link")).expect("a link");
        assert!(open_without_links(&root.join("a/b/c")).is_ok());
        assert!(open_without_links(&root.join("a/b/../b/./c")).is_ok());
        for path in ["link", "link/b", "a/link", "a/link/c", "a/link/.."] {
            let error = open_without_links(&root.join(path)).expect_err(path);
            assert!(error.to_string().contains("no link"), "{path}: {error}");
        }
    }
}
