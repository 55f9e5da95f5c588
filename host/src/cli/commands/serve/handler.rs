//! The service of a handler.

use std::sync::Arc;

use clap::{Args, ValueHint};
use cocoon::component::{Component, Location};
use cocoon::grants::{Destination, Grants, HttpDestination, Network};
use cocoon::http::handler::{Handlers, Route, Routes, app};
use cocoon::http::server::Access;
use cocoon::limits::{Limit, Limits};
use cocoon::pool::Pool;
use cocoon::worlds::handler::Endpoint;

use super::{Prepared, Serve};
use crate::cli::code_args::show_compiling;
use crate::cli::denied::log_denied;
use crate::cli::dir_grant::{DirGrant, dir};
use crate::cli::failure::Failure;
use crate::cli::grant_values::{check_names, variable};
use crate::cli::values::location;

/// The handler, and the grants of each of its sandboxes.
#[derive(Debug, Args)]
pub(super) struct HandlerArgs {
    /// Component that exports `wasi:http/incoming-handler`: a file or `oci://REFERENCE`; it gets every request [default: the service of factorials]
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath, conflicts_with = "component")]
    pub(super) file: Option<Location>,
    /// Grant a folder, read-only without `:rw`; GUEST, or else HOST, is its path in the sandbox
    #[arg(long = "dir", value_name = "HOST[:GUEST][:rw]", value_parser = dir(), requires = "file", help_heading = "Grants of FILE")]
    dirs: Vec<DirGrant>,
    /// Grant an environment variable; without VALUE, it has the value of this environment
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable, requires = "file", help_heading = "Grants of FILE")]
    env: Vec<(String, String)>,
    /// Grant all destinations, except link-local and metadata addresses, and listening
    #[arg(long, requires = "file", help_heading = "Grants of FILE")]
    network: bool,
    /// Grant connections to HOST: a name, `*.` with a domain, an address or a network in CIDR
    /// notation
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        requires = "file",
        help_heading = "Grants of FILE"
    )]
    allow_net: Vec<Destination>,
    /// Grant HTTP and HTTPS requests to HOST, in the form of --allow-net, or to every public address with `*`
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        requires = "file",
        help_heading = "Grants of FILE"
    )]
    allow_http: Vec<HttpDestination>,
}

impl HandlerArgs {
    fn grants(&self) -> Result<Grants, Failure> {
        check_names(&self.env, &self.dirs)?;
        Ok(Grants {
            dirs: self.dirs.iter().map(DirGrant::dir).cloned().collect(),
            env: self.env.clone(),
            network: Network {
                everything: self.network,
                destinations: self.allow_net.clone(),
            },
            http: self.allow_http.clone(),
            ..Grants::default()
        })
    }
}

impl Serve {
    /// Loads the handler at `file`.
    pub(super) async fn prepare_handler(
        &self,
        file: &Location,
        access: &Access,
    ) -> Result<Prepared, Failure> {
        let grants = self.handler.grants()?;
        // Handlers promise nothing.
        let memory = Limits::HANDLERS.get(Limit::SandboxMemory);
        let limits = self.limits.or_default(Limit::SandboxMemory, memory);
        let engine = self.code.engine_for_programs(&limits, u64::MAX, false)?;
        let source = self.registries.source(Some(file), &limits).await?;
        let loading = Component::load(&engine, &source, &grants);
        let component = show_compiling(&engine, loading).await?;
        log_denied(&component);
        let digest = source.digest().await?;
        let limits = component.engine().limits().clone();
        let pool = Pool::new(&engine, component.sandboxes());
        let endpoint = Endpoint {
            name: Arc::from("/"),
            component,
            grants,
            pool,
            limits: limits.clone(),
        };
        let places = endpoint.pool.places(endpoint.need());
        let sandboxes = places.min(endpoint.component.sandboxes().into());
        let routes = Routes::all(Route {
            endpoint: Arc::new(endpoint),
            digest: digest.clone(),
        });
        let handlers = Handlers::new(routes, &limits, engine.meter(), digest, !access.is_open());
        Ok(Prepared {
            engine,
            server: handlers.server().clone(),
            router: Box::new(move |probes, access| app(&handlers, probes, access)),
            sandboxes,
            limits,
        })
    }
}
