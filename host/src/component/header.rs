//! The first bytes of a component or core module.

/// Checks the header of a component or core module. The error describes other kinds of files.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), &'static str> {
    // A magic number, then a version and a layer: 1 and 0 for a core module, 13 and 1 for a
    // component.
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 0 | 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => {
            Err("a file that ends or has another version after `\\0asm`")
        }
        [] => Err("an empty file"),
        _ if bytes.starts_with(b"\x7fELF") => {
            Err("native code; use the target wasm32-wasip2 to build a component")
        }
        _ => Err("a file that does not start with `\\0asm`"),
    }
}

/// Whether `bytes` start as a core module does.
#[cfg(any(feature = "cli", feature = "compiler"))]
pub(super) fn is_core_module(bytes: &[u8]) -> bool {
    matches!(bytes, [b'\0', b'a', b's', b'm', _, _, 0, 0, ..])
}
