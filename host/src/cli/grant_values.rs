//! Values of the flags that grant capabilities.

use std::collections::BTreeSet;
use std::env::{self, VarError};
use std::path::Path;

use clap::error::ErrorKind;

use super::dir_grant::DirGrant;
use super::paths::shown;

/// Checks that no two grants have the same name.
pub(super) fn check_names(env: &[(String, String)], dirs: &[DirGrant]) -> Result<(), clap::Error> {
    let env = repeated(env.iter().map(|(name, _)| name));
    let dir = repeated(dirs.iter().map(DirGrant::guest));
    let error = match (env, dir) {
        (Some(name), _) => {
            format!("expected one --env for each variable, got `{name}` twice; remove one")
        }
        (None, Some(guest)) => format!(
            "expected one --dir for each path in the sandbox, got `{guest}` twice; use HOST:GUEST with another GUEST"
        ),
        (None, None) => return Ok(()),
    };
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, error))
}

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

/// Returns the first name that occurs a second time.
fn repeated<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}
