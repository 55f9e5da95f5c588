//! The first bytes of a component.

/// Checks the header of a component. The error describes other kinds of files.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), &'static str> {
    // A magic number, then a version and a layer: 1 and 0 for a core module, 13
    // and 1 for a component.
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => Err(
            "a core module; use `wasm-tools component new` or the target wasm32-wasip2 to make a component",
        ),
        [] => Err("an empty file"),
        _ if bytes.starts_with(b"\x7fELF") => {
            Err("native code; use the target wasm32-wasip2 to build a component")
        }
        _ => Err("a file that does not start with `\\0asm`"),
    }
}
