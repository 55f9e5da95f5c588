//! The bound on the bytes of a cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::path_of;
use super::lock::Lock;
use super::{CODE, COMPILING, KEY_DIGITS, Key, PARTIAL};
use crate::limits::Limit;

/// Deletes the entries that were not used for the longest time, until another with `needed` bytes
/// fits into `bytes_max`. The caller is the only writer.
///
/// # Errors
///
/// Where it never fits, or entries cannot be deleted.
pub(super) fn make_room(folder: &Path, key: Key, needed: u64, bytes_max: u64) -> io::Result<()> {
    if needed > bytes_max {
        let (limit, spec) = (Limit::CodeCache, Limit::CodeCache.spec());
        return Err(io::Error::other(format!(
            "{limit}: expected at most {}, got {needed} B; use --{} or {} to raise it",
            limit.format(bytes_max),
            spec.flag,
            spec.env
        )));
    }
    let replaced = path_of(folder, key);
    let mut entries = Vec::new();
    for each in fs::read_dir(folder)? {
        let path = each?.path();
        let Some(extension) = extension_of(&path) else {
            continue;
        };
        let found = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => found,
            // Deleted meanwhile, or not of a cache.
            _ => continue,
        };
        match extension {
            CODE if path == replaced => remove(&path)?,
            CODE => entries.push((found.modified()?, found.len(), path)),
            // There is no other writer, so this one was killed.
            PARTIAL => remove(&path)?,
            // A lock without a holder is deleted when it is released.
            COMPILING => drop(Lock::acquire(path, Duration::ZERO)),
            _ => {}
        }
    }
    evict(entries, needed, bytes_max)
}

fn evict(
    mut entries: Vec<(SystemTime, u64, PathBuf)>,
    needed: u64,
    bytes_max: u64,
) -> io::Result<()> {
    entries.sort();
    let mut total = needed;
    for (_, bytes, _) in &entries {
        total = total.saturating_add(*bytes);
    }
    for (_, bytes, path) in entries {
        if total <= bytes_max {
            break;
        }
        remove(&path)?;
        tracing::debug!(entry = %path.display(), bytes, "cached code evicted");
        total -= bytes;
    }
    Ok(())
}

/// The extension of a file whose name is a key, as all names of a cache are. Other files belong to
/// the user.
fn extension_of(path: &Path) -> Option<&str> {
    let (key, extension) = path.file_name()?.to_str()?.split_once('.')?;
    let is_key = key.len() == KEY_DIGITS && key.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_key.then_some(extension)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
