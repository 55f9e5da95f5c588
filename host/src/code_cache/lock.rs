//! A lock between processes, with a bounded wait.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// The pause after the first attempt. It doubles with each one: a hundred processes that wait for
/// a compiler should leave the processors to it.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// A held lock. The kernel releases the lock of a process that ends in any way.
pub(crate) struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock for at most `patience`.
    ///
    /// # Errors
    ///
    /// Where there can be no such file, or it stays locked.
    pub(super) fn acquire(path: PathBuf, patience: Duration) -> io::Result<Self> {
        let start = Instant::now();
        let mut pause = PAUSE;
        let mut file = open(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => {
                    return Ok(Self { _file: file, path });
                }
                // The last holder deleted it.
                Ok(()) => file = open(&path)?,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("expected a regular file as lock"))
    }
}

/// Whether `path` still is the name of `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(locked), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (locked.dev(), locked.ino()) == (named.dev(), named.ino())
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked, so that the folder stays tidy.
        let _ = fs::remove_file(&self.path);
    }
}
