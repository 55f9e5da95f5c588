//! The component in this program, and its precompiled code.

use std::io::{self, Read as _};

use flate2::read::GzDecoder;

use crate::component::{Bundled, Source};

/// The component in this program.
pub const BUNDLED: Source =
    Source::Bundled(Bundled::new(bundled_wasm, env!("COCOON_DIGEST"), &CODE));

/// Unpacks the bytes of the component in this program.
///
/// # Errors
///
/// In a build without a compiler, which has the component's code alone.
pub fn bundled_wasm() -> io::Result<Vec<u8>> {
    if cfg!(feature = "compiler") {
        unpack(&GZIP)
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Unpacks bytes that the build compressed.
pub(super) fn unpack(gzip: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes)?;
    Ok(bytes)
}

// The program has a static once, and the bytes of a constant wherever it is used.
static GZIP: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz"));
static CODE: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code"));

/// The processor of the bundled component's precompiled code.
pub const BUNDLED_FOR: &str = env!("COCOON_CODE_FOR");
