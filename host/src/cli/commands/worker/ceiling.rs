//! The grants and limits that batches may ask of this worker: never more than its own flags allow.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use cocoon::grants::{Destination, HttpDestination};
use cocoon::limits::{Limit, Limits};
use cocoon::queue::Batch;

use crate::cli::commands::exec::OF_INSTANCES;
use crate::cli::commands::exec_grants::GrantArgs;
use crate::cli::dir_grant::{DirGrant, dir};
use crate::cli::env_grant::variable;

/// The flags that allow capabilities.
#[derive(Debug, Args)]
#[command(next_help_heading = "Allowed grants")]
pub(super) struct Ceiling {
    /// Allow batches to grant HOST of this machine and the folders in it, read-only without `:rw`
    #[arg(long = "dir", value_name = "HOST[:rw]", value_parser = dir())]
    dirs: Vec<DirGrant>,
    /// Grant an environment variable to all instances; it takes precedence over that of a batch, and its value is not stored in Redis; without VALUE, it has the value of this environment
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Allow batches to grant all destinations
    #[arg(long)]
    network: bool,
    /// Allow batches to grant connections to HOST
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',')]
    allow_net: Vec<Destination>,
    /// Allow batches to grant HTTP and HTTPS requests to HOST
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',')]
    allow_http: Vec<HttpDestination>,
    /// Run only components with this SHA-256, or whose reference starts with this prefix, such as `sha256:…` or `oci://ghcr.io/owner/`
    #[arg(long = "only", value_name = "DIGEST|PREFIX", value_delimiter = ',')]
    components: Vec<String>,
}

impl Ceiling {
    /// The grants of `batch`.
    ///
    /// # Errors
    ///
    /// What the batch asks for in excess.
    pub(super) fn grants(&self, batch: &Batch) -> Result<GrantArgs, String> {
        let asked = &batch.asked;
        if asked.network && !self.network {
            return Err("expected a worker with --network, got one without it".to_owned());
        }
        let grants = GrantArgs::of_asked(asked, &self.env)?;
        for destination in grants.destinations() {
            if !self.network && !self.allow_net.contains(destination) {
                return Err(format!(
                    "expected a worker with --allow-net {destination}, got one without it"
                ));
            }
        }
        for destination in grants.http_destinations() {
            if !self.allow_http.contains(destination) {
                return Err(format!(
                    "expected a worker with --allow-http {destination}, got one without it"
                ));
            }
        }
        for dir in grants.dirs() {
            self.check(dir)?;
        }
        Ok(grants)
    }

    fn check(&self, asked: &DirGrant) -> Result<(), String> {
        let host = real(&asked.dir().host, asked.is_numbered)?;
        let is_allowed = |own: &&DirGrant| {
            let root = own.dir().host.canonicalize();
            root.is_ok_and(|root| host.starts_with(root))
        };
        let needs_rw = asked.dir().writable;
        if self
            .dirs
            .iter()
            .filter(is_allowed)
            .any(|own| own.dir().writable || !needs_rw)
        {
            return Ok(());
        }
        Err(format!(
            "expected a worker with --dir for {}, got one without it",
            asked.text
        ))
    }

    /// Checks that this worker may run the component.
    pub(super) fn check_component(&self, component: &str) -> Result<(), String> {
        let digest = component.rsplit_once('@').map_or_else(
            || format!("sha256:{component}"),
            |(_, digest)| digest.to_owned(),
        );
        let is_listed = |own: &String| {
            *own == digest || (own.starts_with("oci://") && component.starts_with(own))
        };
        if self.components.is_empty() || self.components.iter().any(is_listed) {
            return Ok(());
        }
        Err(format!(
            "expected a worker with --only {digest}, got one with others"
        ))
    }
}

/// The path of a folder without links, as far as it is the same for all instances.
fn real(host: &Path, is_numbered: bool) -> Result<PathBuf, String> {
    let failed = |error| format!("expected a folder, got {}: {error}", host.display());
    if !is_numbered {
        return host.canonicalize().map_err(failed);
    }
    let is_fixed = |part: &&OsStr| !part.to_string_lossy().contains("{i}");
    let fixed: PathBuf = host.iter().take_while(is_fixed).collect();
    let numbered: PathBuf = host.iter().skip_while(is_fixed).collect();
    if numbered
        .components()
        .any(|part| part == Component::ParentDir)
    {
        return Err(format!(
            "expected a folder without `..` after `{{i}}`, got {}",
            host.display()
        ));
    }
    Ok(fixed.canonicalize().map_err(failed)?.join(numbered))
}

/// The limits of the instances of `batch`: what it asks for, and otherwise the worker's `own`.
///
/// # Errors
///
/// The limit that it asks for in excess.
pub(super) fn limits(batch: &Batch, own: &Limits) -> Result<Limits, String> {
    let mut limits = own.clone();
    for (flag, &value) in &batch.asked.limits {
        let limit = OF_INSTANCES
            .into_iter()
            .find(|limit| limit.spec().flag == flag);
        let limit =
            limit.ok_or_else(|| "expected limits of instances, got another one".to_owned())?;
        if value > own.get(limit) {
            return Err(format!(
                "{limit}: expected at most {}, got {}; use --{flag} of the worker to raise it",
                limit.format(own.get(limit)),
                limit.format(value)
            ));
        }
        limits = limits.with(limit, value.max(limit.spec().range.0));
    }
    Ok(limits)
}

/// The limits under which an output fits the results of `batch`, and whether they are lower.
pub(super) fn within_results(batch: &Batch, limits: Limits) -> (Limits, bool) {
    let most = batch.results_bytes.max(1);
    if limits.get(Limit::Output) <= most {
        return (limits, false);
    }
    (limits.with(Limit::Output, most), true)
}
