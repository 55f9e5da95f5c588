//! The folder of a cache, and whether native code may be loaded from it.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Bits of a mode: writable for the group, writable for all others. An access control list
/// with more writers shows as the group's.
const OTHERS_WRITE: u32 = 0o022;
/// The bit of a folder whose entries only their owners can rename and delete.
const STICKY: u32 = 0o1000;

/// `$XDG_CACHE_HOME/cocoon`, or else `~/.cache/cocoon`. The XDG specification ignores relative
/// paths.
pub(crate) fn cache_home() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|caches| caches.join("cocoon"))
}

/// Creates the folder with `mode`, and missing ones above it.
pub(super) fn create(folder: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

/// Checks that only root and this user can change `folder` and put another in its place. Returns
/// its path without links.
///
/// All folders above it count, as for the keys of `sshd`: who can rename one of them chooses the
/// code. A folder that others may write to is harmless above the cache if it is sticky, as `/tmp`
/// is, since the next one below it is root's or this user's.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] where there is none, [`io::ErrorKind::PermissionDenied`] where others
/// can write.
pub(super) fn check(folder: &Path) -> io::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let user = rustix::process::geteuid().as_raw();
    for (above, each) in folder.ancestors().enumerate() {
        let found = fs::symlink_metadata(each)?;
        let refused = |expected: &str, got: String| {
            let text = format!("expected {expected}, got {}{got}", each.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
        };
        if !found.is_dir() {
            return refused("a folder", String::new());
        }
        if !is_own(found.uid(), user) {
            return refused(
                &format!("a folder of root or of user {user}"),
                format!(" of user {}", found.uid()),
            );
        }
        let is_open = found.mode() & OTHERS_WRITE != 0;
        if is_open && (above == 0 || found.mode() & STICKY == 0) {
            return refused(
                "a folder that only its owner can write to",
                format!(" with mode {:04o}", found.mode() & 0o7777),
            );
        }
    }
    Ok(folder)
}

/// Whether `owner` is root or `user`.
fn is_own(owner: u32, user: u32) -> bool {
    owner == 0 || owner == user
}

/// Whether `found` is a regular file that only root or this user can write to.
pub(super) fn is_private(found: &Metadata) -> bool {
    let user = rustix::process::geteuid().as_raw();
    found.is_file() && is_own(found.uid(), user) && found.mode() & OTHERS_WRITE == 0
}
