//! The bound on the bytes of a cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::path_of;
use super::{CODE, COMPILING, Key, PARTIAL};
use crate::limits::Limit;

/// The age of a lock that a killed process left behind.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

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
        let Ok(found) = fs::symlink_metadata(&path) else {
            // Deleted meanwhile.
            continue;
        };
        let used = found.modified()?;
        match path.extension().and_then(|it| it.to_str()) {
            Some(CODE) if path == replaced => remove(&path)?,
            Some(CODE) => entries.push((used, found.len(), path)),
            // There is no other writer, so this one was killed.
            Some(PARTIAL) => remove(&path)?,
            Some(COMPILING) if age(used) > LEFT_BEHIND => remove(&path)?,
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

fn age(of: SystemTime) -> Duration {
    SystemTime::now().duration_since(of).unwrap_or_default()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
