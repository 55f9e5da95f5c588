//! The parser of `--env`.

use std::env::{self, VarError};
use std::path::Path;

use super::paths::shown;

/// Parses `NAME[=VALUE]`. The default of VALUE is the value in this environment.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if text.is_empty() {
        return Err("expected NAME or NAME=VALUE, got an empty string".to_owned());
    }
    if name.is_empty() {
        return Err(format!("expected NAME or NAME=VALUE, got `{text}`"));
    }
    // Programs read NUL as the end of the variable.
    if text.contains('\0') {
        return Err(
            "expected NAME or NAME=VALUE without a NUL character, got one with it".to_owned(),
        );
    }
    let value = match value {
        Some(value) => value.to_owned(),
        None => env::var(name).map_err(|error| match error {
            VarError::NotPresent => format!(
                "expected a variable that is set in this environment, got `{name}`; use {name}=VALUE to set it"
            ),
            VarError::NotUnicode(value) => format!(
                "expected UTF-8 in the variable {name}, got `{}`; use {name}=VALUE to set another value",
                shown(Path::new(&value))
            ),
        })?,
    };
    Ok((name.to_owned(), value))
}
