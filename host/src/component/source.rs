//! The bytes of a component.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::header::check_header;
use super::{ComponentError, Digest};
#[cfg(feature = "compiler")]
use crate::code_cache::{CodeCache, FileState};

/// The source of a component's bytes.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file: binary, not text.
    File(PathBuf),
    /// Bytes that the caller has read, or pulled from a registry.
    Bytes(Bytes),
    /// A component in this program, and its precompiled code.
    Bundled(Bundled),
}

/// A component in this program, and its precompiled code. Only this crate makes one: loading
/// code of another origin would run anything.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Unpacks the component, for a processor that cannot run the code.
    wasm: fn() -> io::Result<Vec<u8>>,
    /// Its SHA-256, in hexadecimal digits.
    digest: &'static str,
    /// Its precompiled code.
    code: &'static [u8],
}

impl Bundled {
    #[cfg_attr(
        not(feature = "bundled"),
        expect(dead_code, reason = "this build has no component")
    )]
    pub(crate) const fn new(
        wasm: fn() -> io::Result<Vec<u8>>,
        digest: &'static str,
        code: &'static [u8],
    ) -> Self {
        Self { wasm, digest, code }
    }

    /// Its precompiled code.
    pub(super) const fn code(&self) -> &'static [u8] {
        self.code
    }
}

impl Source {
    /// The first 16 hexadecimal digits of the component's SHA-256.
    ///
    /// # Errors
    ///
    /// [`ComponentError`] for a file that cannot be read, or has more than `most` bytes.
    pub async fn digest(&self, most: u64) -> Result<String, ComponentError> {
        let digest = match self {
            Self::Bundled(bundled) => bundled.digest.to_owned(),
            Self::Bytes(wasm) => Digest::of(wasm).hex(),
            Self::File(path) => {
                let path = path.clone();
                let hashing = tokio::task::spawn_blocking(move || hash_file(path, most));
                let digest = hashing
                    .await
                    .unwrap_or_else(|error| Err(ComponentError::Invalid(error.to_string())));
                digest?.hex()
            }
        };
        Ok(digest.chars().take(16).collect())
    }
}

impl Source {
    /// All bytes, at most `most` of a file.
    ///
    /// # Errors
    ///
    /// [`ComponentError`] for a file that cannot be read, is larger, or is no component.
    pub async fn bytes(&self, most: u64) -> Result<Bytes, ComponentError> {
        let source = self.clone();
        let reading = tokio::task::spawn_blocking(move || source.read(most));
        reading
            .await
            .unwrap_or_else(|error| Err(ComponentError::Invalid(error.to_string())))
    }
}

/// Bytes of a file that are read at once for its digest: small, so that they stay in the cache
/// of the processor.
const PIECE_BYTES: usize = 128 << 10;

impl Source {
    /// Reads all bytes, at most `most` of a file.
    pub(super) fn read(&self, most: u64) -> Result<Bytes, ComponentError> {
        match self {
            Self::Bundled(bundled) => (bundled.wasm)()
                .map(Bytes::from)
                .map_err(|error| ComponentError::Invalid(error.to_string())),
            Self::Bytes(wasm) => {
                check_header(wasm).map_err(ComponentError::NotAComponent)?;
                Ok(wasm.clone())
            }
            Self::File(path) => read_file(path, most).map(Bytes::from),
        }
    }

    /// The SHA-256 of a file, without its bytes in memory: `cache` has it if the file is unchanged.
    /// `None` where the bytes are needed anyhow: for pipes, which can be read once, and for
    /// everything that [`Source::read`] refuses.
    #[cfg(feature = "compiler")]
    pub(super) fn file_digest(&self, most: u64, cache: &CodeCache) -> Option<[u8; 32]> {
        let Self::File(path) = self else { return None };
        // Opening a pipe could block, and would lose its bytes.
        let found = std::fs::metadata(path).ok()?;
        if !found.is_file() || found.len() > most {
            return None;
        }
        let file = std::fs::File::open(path).ok()?;
        let state = FileState::of(&file).ok()?;
        if let Some(digest) = cache.digest(&state) {
            return Some(digest);
        }
        let digest = digest_of(&file, most).ok()??;
        tracing::debug!(bytes = found.len(), "component hashed");
        if FileState::of(&file).is_ok_and(|after| after == state) {
            cache.keep_digest(&state, &digest);
        }
        Some(digest)
    }
}

/// The SHA-256 of the file at `path`, of at most `most` bytes.
fn hash_file(path: PathBuf, most: u64) -> Result<Digest, ComponentError> {
    let digest = std::fs::File::open(&path).and_then(|file| digest_of(&file, most));
    match digest {
        Ok(Some(digest)) => Ok(digest.into()),
        Ok(None) => Err(ComponentError::TooLarge { path, value: most }),
        Err(error) => Err(ComponentError::Unreadable {
            path,
            reason: error.to_string(),
        }),
    }
}

/// The SHA-256 of a file, or `None` if it has more than `most` bytes.
fn digest_of(file: &std::fs::File, most: u64) -> io::Result<Option<[u8; 32]>> {
    use sha2::Digest as _;

    let mut file = file.take(most.saturating_add(1));
    let mut sha = sha2::Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        sha.update(&piece[..read]);
    }
    Ok((bytes <= most).then(|| sha.finalize().into()))
}

/// Reads a component's file of at most `most` bytes.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, ComponentError> {
    let unreadable = |error: io::Error| ComponentError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Not more than there is to read: a sparse file may have any length.
    let expected = file.metadata().map_or(0, |found| found.len().min(most));
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(ComponentError::TooLarge {
            path: path.to_owned(),
            value: most,
        });
    }
    check_header(&bytes).map_err(ComponentError::NotAComponent)?;
    Ok(bytes)
}
