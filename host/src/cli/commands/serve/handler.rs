//! The service of a handler.

use std::sync::Arc;

use clap::{Args, ValueHint};
use cocoon::component::{Component, Location, Source};
use cocoon::engine::Engine;
use cocoon::grants::{Destination, Grants, HttpDestination, Network};
use cocoon::http::handler::{Handlers, Pattern, RouteParts, admin_page, app};
use cocoon::http::server::{Access, Admin};
use cocoon::limits::{Limit, Limits, SANDBOX_IDLE_PAUSE};
use cocoon::span::spawn;
use cocoon::worlds::handler::{Places, Settings};
use tokio::time::sleep;

use super::admin::AdminSocket;
use super::routes::{Loader, RouteFile};
use super::{Prepared, Serve};
use crate::cli::code_args::show_compiling;
use crate::cli::denied::log_denied;
use crate::cli::dir_grant::{DirGrant, dir};
use crate::cli::env_grant::variable;
use crate::cli::failure::Failure;
use crate::cli::grant_values::{check_dirs, check_names};
use crate::cli::values::location;

/// The handler, and the grants of each of its sandboxes.
#[derive(Debug, Args)]
pub(super) struct HandlerArgs {
    /// Component that exports `wasi:http/incoming-handler` of WASI 0.2 or `wasi:http/handler` of 0.3: a file or `oci://REFERENCE`; it gets every request [default: the service of factorials]
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
        check_dirs(&self.dirs)?;
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
        admin: Option<AdminSocket>,
    ) -> Result<Prepared, Failure> {
        let grants = self.handler.grants()?;
        let (engine, places) = self.places()?;
        let limits = engine.limits();
        let source = self.registries.source(Some(file), limits).await?;
        // A pipe can be read once, for the digest and for the compiler.
        let most = limits.bytes(Limit::ComponentSize);
        let wasm = source.bytes(most).await?;
        let source = Source::Bytes(wasm);
        let digest = source.digest(most).await?;
        let handlers = Handlers::new(limits, engine.meter(), digest.clone(), !access.is_open());
        let admin = self.begin_loading(admin, &handlers)?;
        let loading = Component::load(&engine, &source, &grants);
        let component = show_compiling(&engine, loading).await?;
        log_denied(&component);
        let limits = component.engine().limits().clone();
        let settings = Settings {
            name: Arc::from("/"),
            grants,
            limits: limits.clone(),
            concurrency: None,
            reuse: 1,
        };
        let endpoint = places.endpoint(component, settings);
        let sandboxes = places
            .most(endpoint.need())
            .min(endpoint.concurrency.into());
        let route = handlers.route(RouteParts {
            pattern: Pattern::all(),
            endpoint,
            location: file.name(),
            digest,
            rate: None,
        });
        let replaced = handlers.replace(&[route]);
        replaced.map_err(|duplicate| Failure::Programs(duplicate.to_string()))?;
        Ok(prepared(engine, &handlers, admin, sandboxes, limits, None))
    }

    /// Loads the routes of `file`.
    pub(super) async fn prepare_routes(
        &self,
        file: RouteFile,
        access: &Access,
        admin: Option<AdminSocket>,
    ) -> Result<Prepared, Failure> {
        let (engine, places) = self.places()?;
        let limits = engine.limits().clone();
        let handlers = Handlers::new(&limits, engine.meter(), String::new(), !access.is_open());
        let mut loader = Loader {
            file,
            engine: engine.clone(),
            registries: self.registries.clone(),
            limits: limits.clone(),
            places: places.clone(),
            handlers: handlers.clone(),
            loaded: Vec::new(),
        };
        let admin = self.begin_loading(admin, &handlers)?;
        loader.load().await?;
        let idle = limits.duration(Limit::SandboxIdle);
        let pause = (idle / 4).max(SANDBOX_IDLE_PAUSE);
        spawn(async move {
            loop {
                sleep(pause).await;
                places.expire(idle);
            }
        });
        let sandboxes = loader.places.most(loader.need());
        Ok(prepared(
            engine,
            &handlers,
            admin,
            sandboxes,
            limits,
            Some(loader),
        ))
    }

    /// Serves the health of `handlers`, which are unready until they are loaded.
    fn begin_loading(
        &self,
        socket: Option<AdminSocket>,
        handlers: &Handlers,
    ) -> Result<Option<Admin>, Failure> {
        handlers.server().begin_loading();
        self.start_admin(socket, handlers.server(), Some(admin_page(handlers)))
    }

    /// The engine of handlers, and its places.
    fn places(&self) -> Result<(Engine, Places), Failure> {
        // Handlers promise nothing.
        let memory = Limits::HANDLERS.get(Limit::SandboxMemory);
        let limits = self.limits.or_default(Limit::SandboxMemory, memory);
        let engine = self.code.engine_for_handlers(&limits)?;
        let places = Places::new(&engine);
        Ok((engine, places))
    }
}

fn prepared(
    engine: Engine,
    handlers: &Handlers,
    admin: Option<Admin>,
    sandboxes: u64,
    limits: Limits,
    loader: Option<Loader>,
) -> Prepared {
    let service = handlers.clone();
    Prepared {
        engine,
        server: handlers.server().clone(),
        router: Box::new(move |probes, access| app(&service, probes, access)),
        admin,
        sandboxes,
        limits,
        loader,
    }
}
