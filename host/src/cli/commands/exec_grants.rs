//! The flags of `cocoon exec` that grant capabilities.

#[cfg(feature = "queue")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env::{self, VarError};
use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;
#[cfg(feature = "queue")]
use cocoon::grants::GrantError;
use cocoon::grants::{Destination, Determinism, Grants, Network};
#[cfg(feature = "queue")]
use cocoon::queue::Asked;

#[cfg(feature = "queue")]
use super::exec_dir::parse_dir;
use super::exec_dir::{DirGrant, dir};
use crate::cli::failure::Failure;
use crate::cli::paths::shown;
use crate::cli::values::number;

/// The grants of all instances. `{i}` stands for the number of an instance.
#[derive(Debug, Args)]
#[command(next_help_heading = "Grants")]
pub(super) struct GrantArgs {
    /// Grant a folder, read-only without `:rw`; GUEST, or else HOST, is its path in the sandbox;
    /// `{i}` is the number of the instance
    #[arg(long = "dir", value_name = "HOST[:GUEST][:rw]", value_parser = dir())]
    dirs: Vec<DirGrant>,
    /// Grant an environment variable; without VALUE, it has the value of this environment; `{i}` in
    /// VALUE is the number of the instance
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Grant all destinations, except link-local and metadata addresses, and listening
    #[arg(long)]
    network: bool,
    /// Grant connections to HOST: a name, `*.` with a domain, an address or a network in CIDR
    /// notation
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',')]
    allow_net: Vec<Destination>,
    /// Withdraw clocks and randomness: random numbers follow from SEED and the number of the
    /// instance, and clocks advance only by sleeps, which take no time [default of SEED: 0]
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "0", value_parser = number)]
    deterministic: Option<u64>,
}

impl GrantArgs {
    /// Checks that the folders are there, and that no two grants have the same name.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for dir in &self.dirs {
            dir.check().map_err(|error| {
                let error = format!(
                    "invalid value '{}' for '--dir <HOST[:GUEST][:rw]>': {error}",
                    dir.text
                );
                clap::Error::raw(ErrorKind::ValueValidation, error)
            })?;
        }
        self.check_names()
    }

    /// Checks that no two grants have the same name.
    pub(super) fn check_names(&self) -> Result<(), Failure> {
        let env = repeated(self.env.iter().map(|(name, _)| name));
        let dir = repeated(self.dirs.iter().map(DirGrant::guest));
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

    /// What a batch in a queue asks of its workers.
    #[cfg(feature = "queue")]
    pub(super) fn asked(&self) -> Asked {
        Asked {
            dirs: self.dirs.iter().map(|dir| dir.text.clone()).collect(),
            env: self.env.clone(),
            network: self.network,
            allow_net: self.allow_net.iter().map(ToString::to_string).collect(),
            deterministic: self.deterministic,
            limits: BTreeMap::new(),
        }
    }

    /// The grants that a batch asks for, with variables of the worker's own, which take precedence.
    ///
    /// # Errors
    ///
    /// What is expected.
    #[cfg(feature = "queue")]
    pub(super) fn of_asked(asked: &Asked, own: &[(String, String)]) -> Result<Self, String> {
        let is_own = |name: &String| own.iter().any(|(own, _)| own == name);
        let env = asked.env.iter().filter(|(name, _)| !is_own(name));
        let dirs = asked.dirs.iter().map(|text| {
            let dir = parse_dir(text.as_bytes())?;
            dir.check().map_err(Clone::clone)?;
            Ok(dir)
        });
        let allow_net = asked.allow_net.iter();
        let allow_net =
            allow_net.map(|text| text.parse().map_err(|error: GrantError| error.to_string()));
        Ok(Self {
            dirs: dirs.collect::<Result<_, String>>()?,
            env: env.chain(own).cloned().collect(),
            network: asked.network,
            allow_net: allow_net.collect::<Result<_, String>>()?,
            deterministic: asked.deterministic,
        })
    }

    /// The folders of all instances, as their flags name them.
    #[cfg(feature = "queue")]
    pub(super) fn dirs(&self) -> &[DirGrant] {
        &self.dirs
    }

    /// The destinations of all instances.
    #[cfg(feature = "queue")]
    pub(super) fn destinations(&self) -> &[Destination] {
        &self.allow_net
    }

    /// Whether all instances compute the same in each run.
    pub(super) fn is_deterministic(&self) -> bool {
        self.deterministic.is_some()
    }

    /// The grants that all instances share.
    pub(super) fn shared(&self) -> Grants {
        let shared = self.dirs.iter().filter(|dir| !dir.is_numbered);
        Grants {
            dirs: shared.map(DirGrant::dir).cloned().collect(),
            network: self.network(),
            ..Grants::default()
        }
    }

    fn network(&self) -> Network {
        Network {
            everything: self.network,
            destinations: self.allow_net.clone(),
        }
    }

    /// The grants of one instance.
    pub(super) fn of(&self, instance: u64) -> Grants {
        let number = instance.to_string();
        let env = self.env.iter();
        let env = env.map(|(name, value)| (name.clone(), value.replace("{i}", &number)));
        Grants {
            dirs: self.dirs.iter().map(|dir| dir.of(&number)).collect(),
            env: env.collect(),
            network: self.network(),
            determinism: self
                .deterministic
                .map(|seed| Determinism { seed, instance }),
        }
    }
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
