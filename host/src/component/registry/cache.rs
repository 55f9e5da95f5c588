//! What was pulled, on disk, by its digest: `blobs/sha256/DIGEST`, as an OCI image
//! layout has it.
//!
//! A file appears whole or not at all, and is checked whenever it is read, so that
//! it does not matter who wrote it or whether a disk lost a part of it. What cannot
//! be read is pulled again, and what cannot be written is done without: a cache
//! saves time, and is never needed. It only grows; whoever wants the room back may
//! delete it at any time.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::NamedTempFile;

use crate::component::digest::Digest;

/// Bytes that are written at once.
const PIECE_BYTES: usize = 1 << 20;

/// The cache, if there is a place for it.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
    /// Whether somebody named the folder, and wants to know if it is of no use.
    named: bool,
}

impl Cache {
    /// A cache in `folder`, or where the XDG specification has the caches of
    /// programs.
    pub(super) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_owned).or_else(usual_folder),
            named: folder.is_some(),
        }
    }

    /// What has this digest, if it is here and no longer than `most` bytes.
    pub(super) async fn read(&self, digest: Digest, most: u64) -> Option<Bytes> {
        let path = self.path(digest)?;
        let read = tokio::task::spawn_blocking(move || match read(&path, most) {
            Ok(content) if Digest::of(&content) == digest => Some(Bytes::from(content)),
            Ok(_) => {
                tracing::debug!(
                    "{} is not what its name says, and is pulled again",
                    path.display()
                );
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::debug!("cannot read {}: {error}", path.display());
                None
            }
        });
        read.await.ok().flatten()
    }

    /// Keeps `content`, which has this digest, if it can.
    pub(super) async fn keep(&self, digest: Digest, content: &[u8]) {
        let Some(path) = self.path(digest) else {
            return;
        };
        match write(&path, content).await {
            Ok(()) => {}
            Err(error) if self.named => {
                tracing::warn!("cannot keep {}: {error}", path.display());
            }
            Err(error) => tracing::debug!("cannot keep {}: {error}", path.display()),
        }
    }

    fn path(&self, digest: Digest) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join("blobs/sha256").join(digest.hex()))
    }
}

/// `$XDG_CACHE_HOME/cocoon`, or else `~/.cache/cocoon`. Relative paths are no places,
/// says the XDG specification.
fn usual_folder() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|caches| caches.join("cocoon"))
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Some of what is no file would have to be waited for, already to be opened.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = File::open(path)?;
    let mut content = Vec::new();
    // A byte more gives what is too long another digest.
    file.take(most.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}

/// On the task itself, piece by piece: where that is dropped, as by Ctrl-C, the half file
/// goes with it. A thread would be left behind in the middle of it.
async fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    for piece in content.chunks(PIECE_BYTES) {
        file.write_all(piece)?;
        tokio::task::yield_now().await;
    }
    file.persist(path)?;
    Ok(())
}
