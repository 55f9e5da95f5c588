//! The cache of compiled code on disk: one file for each component, engine and processor.
//!
//! Native code does whatever it likes, so a folder is used only if no user but root and this one
//! can write to it (`folder.rs`), and an entry only if it is theirs, whole and of the right key
//! (`entry.rs`). Entries appear whole, under a lock that also bounds their bytes (`eviction.rs`).
//! A cache that cannot be read or written costs time and never fails a job: a folder of another
//! user, a full disk and a layer of an image are all the same to the caller.
//!
//! The digests of files are kept beside the code (`digests.rs`), so that a later start reads
//! nothing of a file that has not changed.
//!
//! Where several processes need the same code, one of them compiles it and the others wait
//! (`lock.rs`).

mod digests;
mod entry;
mod eviction;
mod folder;
mod lock;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use digests::FileState;
pub(crate) use entry::{Entry, Facts};
pub(crate) use folder::cache_home;
pub(crate) use lock::Lock;

use crate::limits::CODE_CACHE_PATIENCE;

/// The key of an entry: a SHA-256 of everything that the code depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) [u8; 32]);

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A cache of compiled code in one folder. Nothing is checked or created before it is used.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
    /// The mode of a folder that the cache creates.
    mode: u32,
    /// Whether the user named the folder, and should see a warning if it cannot be used.
    named: bool,
}

impl CodeCache {
    /// A cache in `folder`, which is created for this user alone when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            mode: 0o700,
            named: true,
        }
    }

    /// The cache of this user: `cocoon/code` in the folder for caches of the XDG specification.
    /// `None` without such a folder.
    pub fn of_user() -> Option<Self> {
        Some(Self {
            named: false,
            ..Self::new(cache_home()?.join("code"))
        })
    }

    /// The same cache, whose folder is created so that all users can read it: for a layer of
    /// an image.
    #[must_use]
    pub fn readable_by_all(self) -> Self {
        Self {
            mode: 0o755,
            ..self
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The entry of `key`, if the cache has a usable one. It becomes the most recently used.
    pub(crate) fn find(&self, key: Key) -> Option<Entry> {
        let found = folder::check(&self.folder).and_then(|folder| Entry::open(&folder, key));
        match found {
            Ok(entry) => Some(entry),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::debug!(folder = %self.folder.display(), %error, "code cache unread");
                None
            }
        }
    }

    /// The digest of a file in `state`, if the cache has it.
    pub(crate) fn digest(&self, state: &FileState) -> Option<[u8; 32]> {
        let found = folder::check(&self.folder).and_then(|folder| digests::find(&folder, state));
        found.ok().flatten()
    }

    /// Keeps the digest of a file that was read in `state`. Without it the file is read again.
    pub(crate) fn keep_digest(&self, state: &FileState, digest: &[u8; 32]) {
        let kept = self
            .create()
            .and_then(|folder| digests::keep(&folder, state, digest));
        if let Err(error) = kept {
            tracing::debug!(folder = %self.folder.display(), %error, "digest not cached");
        }
    }

    /// Waits until no other process compiles the code of `key`, for at most `patience`. As long
    /// as the lock lives, other processes wait. `None` where there can be no lock, and after that
    /// time.
    pub(crate) fn lock(&self, key: Key, patience: Duration) -> Option<Lock> {
        let folder = match self.create() {
            Ok(folder) => folder,
            Err(error) => {
                self.report(&error);
                return None;
            }
        };
        // A cache in a layer of an image is read-only.
        Lock::acquire(folder.join(format!("{key}.{COMPILING}")), patience)
            .inspect_err(|error| tracing::debug!(%error, "compiling without a lock"))
            .ok()
    }

    /// Keeps `code`, in a cache of at most `bytes_max`. Returns the path of the entry.
    ///
    /// # Errors
    ///
    /// Why it cannot be kept. The cache is as usable as before.
    pub(crate) fn keep(
        &self,
        key: Key,
        facts: Facts,
        code: &[u8],
        bytes_max: u64,
    ) -> io::Result<PathBuf> {
        // Reported by the lock of compiling.
        let folder = self.create()?;
        // The holder of this lock is the only writer.
        let kept = Lock::acquire(folder.join(WRITING), CODE_CACHE_PATIENCE).and_then(|_lock| {
            eviction::make_room(&folder, key, entry::bytes_of(code), bytes_max)?;
            entry::write(&folder, key, facts, code)
        });
        kept.inspect_err(|error| match error.kind() {
            // A cache in a layer of an image.
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {}
            _ => self.report(error),
        })
    }

    /// Reports why no code is kept: in a warning to a user who named the folder.
    fn report(&self, error: &io::Error) {
        let folder = self.folder.display();
        if self.named {
            tracing::warn!(%folder, %error, "code cache unusable");
        } else {
            tracing::debug!(%folder, %error, "code cache unusable");
        }
    }

    /// The checked folder, which is created if it is missing.
    fn create(&self) -> io::Result<PathBuf> {
        folder::create(&self.folder, self.mode)?;
        folder::check(&self.folder)
    }
}

/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;
/// The extension of entries.
const CODE: &str = "code";
/// The extension of entries that are being written.
const PARTIAL: &str = "partial";
/// The extension of locks that a process holds while it compiles.
const COMPILING: &str = "compiling";
/// The name of the lock that a process holds while it writes.
const WRITING: &str = "writing";
