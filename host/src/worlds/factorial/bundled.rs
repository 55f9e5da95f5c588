//! The component in this program, and its precompiled code.

use crate::component::{Source, unpack};

/// The component in this program.
pub const BUNDLED: Source = Source::Bundled {
    gzip: if cfg!(feature = "compiler") {
        &GZIP
    } else {
        &[]
    },
    digest: env!("COCOON_DIGEST"),
    code: &CODE,
};

/// Unpacks the bytes of the component in this program.
///
/// # Errors
///
/// In a build without a compiler, which has the component's code alone.
pub fn bundled_wasm() -> std::io::Result<Vec<u8>> {
    match BUNDLED {
        Source::Bundled { gzip, .. } => unpack(gzip),
        Source::Bytes(_) | Source::File(_) => Err(std::io::ErrorKind::NotFound.into()),
    }
}

// The program has a static once, and the bytes of a constant wherever it is used.
static GZIP: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm.gz"));
static CODE: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/factorial.code"));

/// The processor of the bundled component's precompiled code.
pub const BUNDLED_FOR: &str = env!("COCOON_CODE_FOR");
