//! Values of the flags that grant capabilities.

use std::collections::BTreeSet;

use clap::error::ErrorKind;

use super::dir_grant::DirGrant;
use super::failure::Failure;

/// Checks that all folders are there.
pub(super) fn check_dirs(dirs: &[DirGrant]) -> Result<(), Failure> {
    for dir in dirs {
        dir.check().map_err(|error| {
            let error = format!(
                "invalid value '{}' for '--dir <HOST[:GUEST][:rw]>': {error}",
                dir.text
            );
            clap::Error::raw(ErrorKind::ValueValidation, error)
        })?;
    }
    Ok(())
}

/// Checks that no two grants have the same name.
pub(super) fn check_names(env: &[(String, String)], dirs: &[DirGrant]) -> Result<(), Failure> {
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
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, error).into())
}

/// Returns the first name that occurs a second time.
fn repeated<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}
