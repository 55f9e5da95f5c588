//! The digests of files that are as they were when they were read: reading and hashing a large
//! component took longer than the rest of its start.
//!
//! A file is known by its device and inode, and unchanged if its size and both its times are. The
//! kernel sets the time of change, and no program can choose it. Writes through a mapping show in the
//! times only after the kernel has written the page back, so the digest of a file that changed a
//! short time ago is not kept, nor that of a file on a system without such writing.
//!
//! The table is one file of fixed size. A slot is written at once and ends with a checksum; one that
//! is torn, or of another file, is as good as empty.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::folder::is_private;

/// The name of the table in the folder of a cache.
const TABLE: &str = "digests";
const SLOTS: u64 = 1024;
/// State, digest, checksum. No slot crosses a page.
const SLOT_BYTES: usize = 128;
const STATE_BYTES: usize = 56;
const DIGEST_BYTES: usize = 32;
const CHECKED_BYTES: usize = STATE_BYTES + DIGEST_BYTES;
const CHECKSUM_BYTES: usize = 8;
/// The first bytes under a checksum: a name, and the version of the format.
const MAGIC: [u8; 8] = *b"digests\x01";
/// The least age of a file's last change. By default, Linux writes changed pages back after 35 s at the
/// latest.
const SETTLED: Duration = Duration::from_mins(1);
/// File systems that keep times themselves and write pages back: ext4, XFS, Btrfs, overlayfs.
const LOCAL: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630];

/// The identity of a file, its size and its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    numbers: [u64; STATE_BYTES / 8],
    changed: SystemTime,
    is_local: bool,
}

impl FileState {
    /// The state of an open file.
    ///
    /// # Errors
    ///
    /// As the kernel reports it.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        let numbers = [
            found.dev(),
            found.ino(),
            found.len(),
            found.mtime().cast_unsigned(),
            found.mtime_nsec().cast_unsigned(),
            found.ctime().cast_unsigned(),
            found.ctime_nsec().cast_unsigned(),
        ];
        let changed = Duration::from_secs(found.ctime().try_into().unwrap_or(0));
        let system = rustix::fs::fstatfs(file)?.f_type;
        Ok(Self {
            numbers,
            changed: SystemTime::UNIX_EPOCH + changed,
            is_local: LOCAL.contains(&system.cast_unsigned()),
        })
    }

    /// Whether a later change shows in the times.
    fn is_settled(&self) -> bool {
        let age = SystemTime::now().duration_since(self.changed);
        self.is_local && age.is_ok_and(|age| age >= SETTLED)
    }

    fn bytes(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        for (bytes, number) in bytes.chunks_exact_mut(8).zip(self.numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Where the slot of the file begins.
    fn offset(&self) -> u64 {
        let hash = Sha256::digest(&self.bytes()[..16]);
        let hash = hash.first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(hash) % SLOTS * SLOT_BYTES as u64
    }
}

/// The digest of a file in `state`, if the table in a checked folder has it.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] without a table, others for one that cannot be used.
pub(super) fn find(folder: &Path, state: &FileState) -> io::Result<Option<[u8; DIGEST_BYTES]>> {
    let table = open(folder, OpenOptions::new().read(true))?;
    let mut found = [0; SLOT_BYTES];
    match table.read_exact_at(&mut found, state.offset()) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let digest = found[STATE_BYTES..].first_chunk().copied();
    Ok(digest.filter(|digest| found == slot(state, digest)))
}

/// Keeps the digest of a file that was read in `state`.
///
/// # Errors
///
/// Where the table cannot be written.
pub(super) fn keep(
    folder: &Path,
    state: &FileState,
    digest: &[u8; DIGEST_BYTES],
) -> io::Result<()> {
    if !state.is_settled() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    open(folder, &mut options)?.write_all_at(&slot(state, digest), state.offset())
}

/// Opens the table, which only root and this user can have written.
fn open(folder: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let table = options
        .custom_flags(flags.bits().cast_signed())
        .open(folder.join(TABLE))?;
    if is_private(&table.metadata()?) {
        Ok(table)
    } else {
        let text = "expected a table that only root or this user can write to";
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

fn slot(state: &FileState, digest: &[u8; DIGEST_BYTES]) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..STATE_BYTES].copy_from_slice(&state.bytes());
    bytes[STATE_BYTES..CHECKED_BYTES].copy_from_slice(digest);
    let checksum = Sha256::new_with_prefix(MAGIC)
        .chain_update(&bytes[..CHECKED_BYTES])
        .finalize();
    bytes[CHECKED_BYTES..][..CHECKSUM_BYTES].copy_from_slice(&checksum[..CHECKSUM_BYTES]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_kept_once_a_change_would_show() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = tempfile::tempfile().expect("a file");
        let mut state = FileState::of(&file).expect("a state");
        state.is_local = true;
        keep(folder.path(), &state, &[1; 32]).expect("nothing to write");
        assert!(find(folder.path(), &state).is_err(), "no table");
        state.changed -= SETTLED;
        let elsewhere = FileState {
            is_local: false,
            ..state
        };
        keep(folder.path(), &elsewhere, &[1; 32]).expect("nothing to write");
        assert!(find(folder.path(), &state).is_err(), "no table");
        keep(folder.path(), &state, &[1; 32]).expect("a table");
        assert_eq!(find(folder.path(), &state).ok(), Some(Some([1; 32])));
        let later = FileState {
            numbers: state.numbers.map(|number| number + 1),
            ..state
        };
        assert_eq!(find(folder.path(), &later).ok(), Some(None));
    }
}
