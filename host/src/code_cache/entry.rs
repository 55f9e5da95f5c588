//! One entry of the cache: native code as Wasmtime makes it, then a trailer with its length, its
//! key, and what is known of the component.
//!
//! The trailer is the last that is written, and the file gets its name after that, when its bytes
//! are on the disk. So neither a kill nor a power failure leaves an entry that looks whole and is
//! not. Hashing all of the code at each start would find damaged disks, too, but would take longer
//! than the start does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};

use super::folder::is_private;
use super::{CODE, Key, PARTIAL};

/// The first bytes of a trailer: a name, and the version of its format.
const MAGIC: [u8; 8] = *b"cocoon\0\x01";
/// Magic, length, instance data, heaps, and the key.
const TRAILER_BYTES: usize = 8 + 8 + 8 + 8 + 32;

/// Facts about a component that the compiler finds besides its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Instance data of one sandbox that counts as its memory.
    pub(crate) instance_bytes: u64,
    /// Linear memories of one sandbox besides those of its modules.
    pub(crate) heaps: u32,
}

/// An entry that was checked.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) facts: Facts,
}

impl Entry {
    /// Opens the entry of `key` in a checked folder.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] without an entry, others for one that cannot be used.
    pub(super) fn open(folder: &Path, key: Key) -> io::Result<Self> {
        let path = path_of(folder, key);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&path)?;
        let facts = check(&file, key)?;
        // The time of access is often not kept. A cache that is read-only has no order.
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let now = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let _ = futimens(&file, &now);
        Ok(Self { path, facts })
    }
}

/// The size of an entry with `code`.
pub(super) fn bytes_of(code: &[u8]) -> u64 {
    (code.len() + TRAILER_BYTES) as u64
}

/// The path of the entry of `key`.
pub(super) fn path_of(folder: &Path, key: Key) -> PathBuf {
    folder.join(format!("{key}.{CODE}"))
}

/// Writes an entry. The caller is the only writer.
pub(super) fn write(folder: &Path, key: Key, facts: Facts, code: &[u8]) -> io::Result<PathBuf> {
    // Who may list the folder may read its entries.
    let mode = 0o600 | fs::metadata(folder)?.mode() & 0o044;
    let partial = folder.join(format!("{key}.{PARTIAL}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| {
            file.write_all(code)?;
            file.write_all(&trailer(key, facts, code.len() as u64))?;
            file.sync_data()
        });
    let path = path_of(folder, key);
    let written = written.and_then(|()| fs::rename(&partial, &path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.map(|()| path)
}

/// Checks that only root and this user can have written `file`, and that all of it is there.
fn check(file: &File, key: Key) -> io::Result<Facts> {
    let unusable = |text| Err(io::Error::new(io::ErrorKind::InvalidData, text));
    let found = file.metadata()?;
    if !is_private(&found) {
        return unusable(
            "expected a regular file as entry that only root or this user can write to",
        );
    }
    let mut bytes = [0; TRAILER_BYTES];
    let Some(code_bytes) = found.len().checked_sub(TRAILER_BYTES as u64) else {
        return unusable("expected an entry with a trailer, got less");
    };
    file.read_exact_at(&mut bytes, code_bytes)?;
    let number = |at: usize| {
        let digits = bytes[at..].first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(digits)
    };
    let facts = Facts {
        instance_bytes: number(16),
        heaps: u32::try_from(number(24)).unwrap_or(u32::MAX),
    };
    if bytes == trailer(key, facts, code_bytes) {
        Ok(facts)
    } else {
        unusable("expected a whole entry of this key, got another trailer")
    }
}

fn trailer(key: Key, facts: Facts, code_bytes: u64) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&code_bytes.to_le_bytes());
    bytes[16..24].copy_from_slice(&facts.instance_bytes.to_le_bytes());
    bytes[24..32].copy_from_slice(&u64::from(facts.heaps).to_le_bytes());
    bytes[32..].copy_from_slice(&key.0);
    bytes
}
