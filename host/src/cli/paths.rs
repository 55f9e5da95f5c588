//! Paths as text.

use std::path::Path;

/// Returns `path` as text with escapes for bytes that are not UTF-8, so that no byte is lost.
pub(crate) fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => path
            .as_os_str()
            .as_encoded_bytes()
            .utf8_chunks()
            .fold(String::new(), |text, chunk| {
                text + chunk.valid() + &chunk.invalid().escape_ascii().to_string()
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_with_all_its_bytes() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let shown_of = |bytes: &[u8]| shown(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(shown_of("/tmp/a é".as_bytes()), "/tmp/a é");
        assert_eq!(shown_of(b"/\xffa\xc3\xa9/\xe2\x82"), "/\\xffaé/\\xe2\\x82");
    }
}
