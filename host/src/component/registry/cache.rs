//! The cache of pulled contents on disk, by their digests: `blobs/sha256/DIGEST`, as in an OCI
//! image layout.
//!
//! A file appears whole or not at all. Its digest is checked whenever it is read, so another
//! writer or a damaged disk does no harm. A content that cannot be read is pulled again, and one
//! that cannot be written is not cached. The cache only grows; its user may delete it at any time.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::NamedTempFile;

use crate::code_cache::cache_home;
use crate::component::digest::Digest;

/// Bytes that are written at once.
const PIECE_BYTES: usize = 1 << 20;

/// The cache, if there is a place for it.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
    /// Whether the user named the folder, and should see a warning if it cannot be used.
    named: bool,
}

impl Cache {
    /// A cache in `folder`, or where the XDG specification has the caches of
    /// programs.
    pub(super) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_owned).or_else(cache_home),
            named: folder.is_some(),
        }
    }

    /// The content with this digest, if the cache has it with at most `most` bytes.
    pub(super) async fn read(&self, digest: Digest, most: u64) -> Option<Bytes> {
        let path = self.path(digest)?;
        let read = tokio::task::spawn_blocking(move || match read(&path, most) {
            Ok(content) if Digest::of(&content) == digest => Some(Bytes::from(content)),
            Ok(_) => {
                tracing::debug!(path = %path.display(), "cached content corrupt");
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "cache read failed");
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
                tracing::warn!(path = %path.display(), %error, "cache write failed");
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "cache write failed");
            }
        }
    }

    fn path(&self, digest: Digest) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join("blobs/sha256").join(digest.hex()))
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe or a device may block.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("expected a regular file"));
    }
    let file = File::open(path)?;
    let mut content = Vec::new();
    // One byte more changes the digest of a content that is too long.
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
