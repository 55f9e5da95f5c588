//! The parser of `--dir`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use cocoon::grants::Dir;

use super::paths::shown;

const DIR: &str = "expected HOST[:GUEST][:rw]";
/// Stands for the number of an instance.
const NUMBER: &str = "{i}";

/// A folder, whose paths may contain the number of an instance.
#[derive(Clone, Debug)]
pub(super) struct DirGrant {
    dir: Dir,
    /// Whether each instance has another folder, or another path.
    pub(super) is_numbered: bool,
    /// The flag's value.
    pub(super) text: String,
    /// Why there is no such folder on this machine.
    missing: Option<String>,
}

impl DirGrant {
    /// The path in the sandbox, as the flag has it.
    pub(super) fn guest(&self) -> &String {
        &self.dir.guest
    }

    /// Checks that the folder is there.
    ///
    /// # Errors
    ///
    /// What is expected.
    pub(super) fn check(&self) -> Result<(), String> {
        self.missing.clone().map_or(Ok(()), Err)
    }

    /// The folder of all instances.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The folder of instance `number`.
    pub(super) fn of(&self, number: &str) -> Dir {
        if !self.is_numbered {
            return self.dir.clone();
        }
        let host = self.dir.host.as_os_str().as_bytes();
        Dir {
            host: OsString::from_vec(replace(host, number)).into(),
            guest: self.dir.guest.replace(NUMBER, number),
            writable: self.dir.writable,
        }
    }
}

/// `text` with `number` for each [`NUMBER`].
fn replace(mut text: &[u8], number: &str) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    while let Some(at) = position(text) {
        replaced.extend_from_slice(&text[..at]);
        replaced.extend_from_slice(number.as_bytes());
        text = &text[at + NUMBER.len()..];
    }
    replaced.extend_from_slice(text);
    replaced
}

fn position(text: &[u8]) -> Option<usize> {
    let mut windows = text.windows(NUMBER.len());
    windows.position(|window| window == NUMBER.as_bytes())
}

/// A parser of `HOST[:GUEST][:rw]`. HOST is any path without `:`, and GUEST is UTF-8.
pub(super) fn dir() -> impl TypedValueParser<Value = DirGrant> {
    OsStringValueParser::new().try_map(|text: OsString| parse_dir(text.as_bytes(), Path::new("")))
}

/// Parses `HOST[:GUEST][:rw]` of a configuration file in the folder `base`, to which HOST is
/// relative.
#[cfg(feature = "compiler")]
pub(crate) fn dir_within(base: &Path, text: &str) -> Result<Dir, String> {
    let grant = parse_dir(text.as_bytes(), base)?;
    grant.check()?;
    Ok(grant.dir)
}

/// Parses `HOST[:GUEST][:rw]`, where HOST is relative to `base`.
pub(super) fn parse_dir(text: &[u8], base: &Path) -> Result<DirGrant, String> {
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
    let within = base.join(as_path(host));
    let found = if position(host).is_none() {
        let found = check_folder(&within).map_err(|error| format!("{error}{}", advice()));
        found.map(|()| within.clone())
    } else {
        without_links(&within)
    };
    let (host, missing) = match found {
        Ok(host) => (host, None),
        Err(error) => (within, Some(error)),
    };
    match str::from_utf8(guest) {
        Ok(guest) if guest.contains('\0') => {
            Err("expected GUEST without a NUL character, got one with it".to_owned())
        }
        Ok(guest) => Ok(DirGrant {
            is_numbered: position(path).is_some(),
            text: shown(as_path(text)),
            missing,
            dir: Dir {
                host,
                guest: guest.to_owned(),
                writable,
            },
        }),
        Err(_) => Err(format!(
            "expected GUEST in UTF-8, got `{}`; use HOST:GUEST",
            shown(as_path(guest))
        )),
    }
}

/// HOST with a number, whose part before the number has no links. Those after it are refused when an
/// instance opens its own folder: another instance may have put them there.
fn without_links(host: &Path) -> Result<PathBuf, String> {
    let parts = host.iter();
    let is_fixed = |part: &&OsStr| position(part.as_bytes()).is_none();
    let fixed: PathBuf = parts.clone().take_while(is_fixed).collect();
    let numbered: PathBuf = parts.skip_while(is_fixed).collect();
    let fixed = if fixed == Path::new("") {
        Path::new(".")
    } else {
        &fixed
    };
    check_folder(fixed)?;
    let found = fixed.canonicalize();
    let found =
        found.map_err(|error| format!("expected a folder, got {}: {error}", shown(fixed)))?;
    Ok(found.join(numbered))
}

fn check_folder(host: &Path) -> Result<(), String> {
    let named = shown(host);
    match host.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("expected a folder, got the file {named}")),
        Err(error) => Err(format!("expected a folder, got {named}: {error}")),
    }
}
