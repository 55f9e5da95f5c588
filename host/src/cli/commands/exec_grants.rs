//! Parsers of the grants of `cocoon exec`.

use std::collections::BTreeSet;
use std::env::{self, VarError};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use cocoon::grants::{Dir, Grants};

use crate::cli::failure::Failure;
use crate::cli::paths::shown;

const DIR: &str = "expected HOST[:GUEST][:rw]";

/// A parser of `HOST[:GUEST][:rw]`. HOST is any path without `:`, and GUEST is UTF-8.
pub(super) fn dir() -> impl TypedValueParser<Value = Dir> {
    OsStringValueParser::new().try_map(|text: OsString| parse_dir(text.as_bytes()))
}

fn parse_dir(text: &[u8]) -> Result<Dir, String> {
    let (path, writable) = match (text.strip_suffix(b":rw"), text.strip_suffix(b":ro")) {
        (Some(path), _) => (path, true),
        (None, Some(path)) => (path, false),
        (None, None) => (text, false),
    };
    let as_path = |bytes| Path::new(OsStr::from_bytes(bytes));
    // The folder exists, and the `:` in its name ends HOST.
    let colon_in_name = || path.contains(&b':') && as_path(path).is_dir();
    let advice = || {
        if colon_in_name() {
            "; use a link to this folder without `:` in its path"
        } else {
            ""
        }
    };
    let mut parts = path.split(|&byte| byte == b':');
    let host = parts.next().unwrap_or_default();
    let guest = parts.next().unwrap_or(host);
    if host.is_empty() || guest.is_empty() || parts.next().is_some() {
        let text = shown(as_path(text));
        return Err(format!("{DIR}, got `{text}`{}", advice()));
    }
    let host = as_path(host);
    let named = shown(host);
    match host.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            return Err(format!(
                "expected a folder, got the file {named}{}",
                advice()
            ));
        }
        Err(error) => {
            return Err(format!(
                "expected a folder, got {named}: {error}{}",
                advice()
            ));
        }
    }
    match str::from_utf8(guest) {
        Ok(guest) if guest.contains('\0') => {
            Err("expected GUEST without a NUL character, got one with it".to_owned())
        }
        Ok(guest) => Ok(Dir {
            host: host.to_owned(),
            guest: guest.to_owned(),
            writable,
        }),
        Err(_) => Err(format!(
            "expected GUEST in UTF-8, got `{}`; use HOST:GUEST",
            shown(as_path(guest))
        )),
    }
}

/// Parses `NAME[=VALUE]`. The default of VALUE is the value in this environment.
pub(super) fn env(text: &str) -> Result<(String, String), String> {
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

/// Checks that no two grants have the same name.
pub(super) fn check(grants: &Grants) -> Result<(), Failure> {
    let env = repeated(grants.env.iter().map(|(name, _)| name));
    let dir = repeated(grants.dirs.iter().map(|dir| &dir.guest));
    let error = match (env, dir) {
        (Some(name), _) => {
            format!("expected one --env for each variable, got `{name}` twice; remove one")
        }
        (None, Some(guest)) => format!(
            "expected one --dir for each path in the sandbox, got `{guest}` twice; use HOST:GUEST with another GUEST"
        ),
        (None, None) => return Ok(()),
    };
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, error).into())
}

/// Returns the first name that occurs a second time.
fn repeated<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}
