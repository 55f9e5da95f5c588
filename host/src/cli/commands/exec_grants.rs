//! The flags of `cocoon exec` that grant capabilities.

#[cfg(feature = "queue")]
use std::collections::BTreeMap;
#[cfg(feature = "queue")]
use std::path::Path;

use clap::Args;
#[cfg(feature = "queue")]
use cocoon::grants::GrantError;
#[cfg(feature = "compiler")]
use cocoon::grants::HttpDestination;
use cocoon::grants::{Destination, Determinism, Grants, Network};
#[cfg(feature = "queue")]
use cocoon::queue::Asked;

#[cfg(feature = "queue")]
use crate::cli::dir_grant::parse_dir;
use crate::cli::dir_grant::{DirGrant, dir};
use crate::cli::env_grant::variable;
use crate::cli::failure::Failure;
use crate::cli::grant_values::{check_dirs, check_names};
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
    /// Grant HTTP and HTTPS requests to HOST, in the form of --allow-net, or to every public
    /// address with `*`
    #[cfg(feature = "compiler")]
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',')]
    allow_http: Vec<HttpDestination>,
    /// Withdraw clocks and randomness: random numbers follow from SEED and the number of the
    /// instance, and clocks advance only by sleeps, which take no time [default of SEED: 0]
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "0", value_parser = number)]
    deterministic: Option<u64>,
}

impl GrantArgs {
    /// Checks that the folders are there, and that no two grants have the same name.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_dirs(&self.dirs)?;
        self.check_names()
    }

    /// Checks that no two grants have the same name.
    pub(super) fn check_names(&self) -> Result<(), Failure> {
        check_names(&self.env, &self.dirs)
    }

    /// The grants and limits that a batch asks of its workers.
    #[cfg(feature = "queue")]
    pub(super) fn asked(&self) -> Asked {
        Asked {
            dirs: self.dirs.iter().map(|dir| dir.text.clone()).collect(),
            env: self.env.clone(),
            network: self.network,
            allow_net: self.allow_net.iter().map(ToString::to_string).collect(),
            allow_http: self.allow_http.iter().map(ToString::to_string).collect(),
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
            let dir = parse_dir(text.as_bytes(), Path::new(""))?;
            dir.check()?;
            Ok(dir)
        });
        let as_text = |error: GrantError| error.to_string();
        let allow_net = asked.allow_net.iter();
        let allow_net = allow_net.map(|text| text.parse().map_err(as_text));
        let allow_http = asked.allow_http.iter();
        let allow_http = allow_http.map(|text| text.parse().map_err(as_text));
        Ok(Self {
            dirs: dirs.collect::<Result<_, String>>()?,
            env: env.chain(own).cloned().collect(),
            network: asked.network,
            allow_net: allow_net.collect::<Result<_, String>>()?,
            allow_http: allow_http.collect::<Result<_, String>>()?,
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

    /// The destinations of HTTP requests of all instances.
    #[cfg(feature = "queue")]
    pub(super) fn http_destinations(&self) -> &[HttpDestination] {
        &self.allow_http
    }

    /// Whether all instances compute the same in each run.
    pub(super) fn is_deterministic(&self) -> bool {
        self.deterministic.is_some()
    }

    /// Whether instances share neither folders nor a network.
    #[cfg(feature = "queue")]
    pub(super) fn shares_nothing(&self) -> bool {
        let shared = self.shared();
        shared.dirs.is_empty() && shared.network.is_none() && self.allow_http.is_empty()
    }

    /// The grants that all instances share.
    pub(super) fn shared(&self) -> Grants {
        let shared = self.dirs.iter().filter(|dir| !dir.is_numbered);
        Grants {
            dirs: shared.map(DirGrant::dir).cloned().collect(),
            network: self.network(),
            #[cfg(feature = "compiler")]
            http: self.allow_http.clone(),
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
            #[cfg(feature = "compiler")]
            http: self.allow_http.clone(),
            #[cfg(not(feature = "compiler"))]
            http: Vec::new(),
            determinism: self
                .deterministic
                .map(|seed| Determinism { seed, instance }),
        }
    }
}
