//! The routes of a service, from the configuration file.
//!
//! SIGHUP reads the file again. Routes that changed are compiled while the others run on, and all
//! routes are replaced at once. A mistake changes nothing.

use std::sync::Arc;

use clap::Command;
use cocoon::component::{Component, Location};
use cocoon::engine::Engine;
use cocoon::grants::{Grants, Network};
use cocoon::http::handler::{Handlers, Route, RouteParts};
use cocoon::limits::{Limit, Limits};
use cocoon::pool::Need;
use cocoon::worlds::handler::{Endpoint, Places, Settings as HandlerSettings};
use tracing::{info, warn};

use crate::cli::code_args::show_compiling;
use crate::cli::component_args::RegistryArgs;
use crate::cli::config::{ConfigError, RouteSettings, Settings};
use crate::cli::denied::log_denied;
use crate::cli::failure::Failure;

/// The configuration file with the routes.
#[derive(Debug)]
pub(crate) struct RouteFile {
    settings: Settings,
    /// The command line, whose flags are keys of the file.
    commands: fn() -> Command,
}

/// The routes of a running service.
pub(super) struct Loader {
    pub(super) file: RouteFile,
    pub(super) engine: Engine,
    pub(super) registries: RegistryArgs,
    /// The limits of routes without their own.
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(super) handlers: Handlers,
    /// What is served, as the file had it.
    pub(super) loaded: Vec<(RouteSettings, Arc<Route>)>,
}

impl RouteFile {
    pub(crate) fn new(settings: Settings, commands: fn() -> Command) -> Self {
        Self { settings, commands }
    }

    /// Whether the file has routes.
    pub(crate) fn has_routes(&self) -> bool {
        !self.settings.routes().is_empty()
    }

    /// The error of a route in the file.
    fn wrong(&self, route: &RouteSettings, what: String) -> Failure {
        Failure::Config(ConfigError::Wrong {
            file: self.settings.file(),
            line: route.line,
            what,
        })
    }
}

impl Loader {
    /// Loads all routes of the file, and serves them.
    ///
    /// # Errors
    ///
    /// The mistake of a route. Then nothing changes.
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        let routes = self.file.settings.routes().to_vec();
        self.check(&self.file, &routes)?;
        self.loaded = self.load_changed(&self.file, routes).await?;
        self.serve()
    }

    /// Reads the file again, and serves its routes. Logs a mistake.
    pub(super) async fn reload(&mut self) {
        match self.read_again().await {
            Ok(unchanged) => {
                let routes = self.loaded.len();
                info!(routes, changed = routes - unchanged, "routes loaded");
            }
            Err(error) => {
                // Forgets what was loaded before the mistake.
                let _ = self.serve();
                let error = error.to_string();
                warn!(error, "routes not changed");
            }
        }
    }

    async fn read_again(&mut self) -> Result<usize, Failure> {
        let commands = self.file.commands;
        // A file that cannot be read at once delays no connection.
        let reading = tokio::task::spawn_blocking(self.file.settings.reload(commands));
        let settings = reading
            .await
            .map_err(|error| Failure::Programs(error.to_string()))??;
        let file = RouteFile { settings, commands };
        let routes = file.settings.routes().to_vec();
        if routes.is_empty() {
            return Err(Failure::Programs(format!(
                "expected at least one route in {}, got none",
                file.settings.file()
            )));
        }
        self.check(&file, &routes)?;
        let loaded = self.load_changed(&file, routes).await?;
        let others = file.settings.changes(&self.file.settings, "serve");
        if !others.is_empty() {
            let keys = others.join(", ");
            warn!(
                keys,
                "changes of other keys have no effect before a restart"
            );
        }
        let is_old =
            |route: &Arc<Route>| self.loaded.iter().any(|(_, old)| Arc::ptr_eq(old, route));
        let unchanged = loaded.iter().filter(|(_, route)| is_old(route)).count();
        self.file = file;
        self.loaded = loaded;
        self.serve()?;
        Ok(unchanged)
    }

    fn serve(&self) -> Result<(), Failure> {
        let routes = self.loaded.iter().map(|(_, route)| Arc::clone(route));
        let replaced = self.handlers.replace(&routes.collect::<Vec<_>>());
        // The file was checked for duplicates when it was read.
        replaced.map_err(|duplicate| Failure::Programs(duplicate.to_string()))
    }

    /// Checks that each route has a sandbox, and memory for it, of its own.
    fn check(&self, file: &RouteFile, routes: &[RouteSettings]) -> Result<(), Failure> {
        let sandboxes = self.engine.sandboxes() as usize;
        if let Some(first_beyond) = routes.get(sandboxes) {
            return Err(file.wrong(
                first_beyond,
                format!(
                    "expected at most {sandboxes} routes, one for each sandbox, got {}; use --sandboxes to raise it",
                    routes.len()
                ),
            ));
        }
        let most = self.limits.get(Limit::SandboxMemory);
        let mut needs = Vec::new();
        for route in routes {
            let memory = Limit::SandboxMemory;
            if let Some(wanted) = route.sandbox_memory_bytes.filter(|wanted| *wanted > most) {
                return Err(file.wrong(
                    route,
                    format!(
                        "expected a `sandbox-memory` of at most {}, that of the service, got {}; use --sandbox-memory to raise it",
                        memory.format(most),
                        memory.format(wanted)
                    ),
                ));
            }
            needs.push(Endpoint::need_of(&self.limits_of(route), &grants(route)));
            if !self.places.has_room_for_each(&needs) {
                return Err(file.wrong(
                    route,
                    format!(
                        "expected memory for a sandbox of each route, got {} in all; use `sandbox-memory` to lower the need, or --total-memory to raise it",
                        Limit::TotalMemory.format(self.engine.total_memory_bytes())
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Loads `routes`. One that is loaded with the same settings and the same component is kept.
    async fn load_changed(
        &self,
        file: &RouteFile,
        routes: Vec<RouteSettings>,
    ) -> Result<Vec<(RouteSettings, Arc<Route>)>, Failure> {
        let mut loaded = Vec::new();
        for settings in routes {
            let same = |(old, _): &&(RouteSettings, Arc<Route>)| old.is_same(&settings);
            let old = self.loaded.iter().find(same).map(|(_, route)| route);
            let route = self.load_one(&settings, old).await;
            let route = route.map_err(|error| match error {
                Failure::Interrupted => error,
                error => {
                    let what = format!("route `{}`: {error}", settings.name);
                    file.wrong(&settings, what)
                }
            })?;
            loaded.push((settings, route));
        }
        Ok(loaded)
    }

    async fn load_one(
        &self,
        settings: &RouteSettings,
        old: Option<&Arc<Route>>,
    ) -> Result<Arc<Route>, Failure> {
        let location = &settings.component;
        let source = self.registries.source(Some(location), &self.limits).await?;
        // Before it is compiled: if the file changes meanwhile, the next SIGHUP compiles it again.
        let most = self.limits.bytes(Limit::ComponentSize);
        let digest = source.digest(most).await?;
        if let Some(old) = old.filter(|old| old.digest == digest) {
            return Ok(Arc::clone(old));
        }
        let grants = grants(settings);
        let loading = Component::load(&self.engine, &source, &grants);
        let component = show_compiling(&self.engine, loading).await?;
        log_denied(&component);
        let endpoint = self.places.endpoint(
            component,
            HandlerSettings {
                name: settings.name.as_str().into(),
                grants,
                limits: self.limits_of(settings),
                concurrency: settings.concurrency,
                reuse: settings.reuse,
            },
        );
        Ok(self.handlers.route(RouteParts {
            pattern: settings.pattern.clone(),
            endpoint,
            location: shown(location),
            digest,
            rate: settings.rate,
        }))
    }

    /// The need of a sandbox of a route without its own `sandbox-memory`.
    pub(super) fn need(&self) -> Need {
        Endpoint::need_of(&self.limits, &Grants::default())
    }

    fn limits_of(&self, route: &RouteSettings) -> Limits {
        [
            (Limit::SandboxMemory, route.sandbox_memory_bytes),
            (Limit::Deadline, route.deadline_ms),
        ]
        .into_iter()
        .fold(self.limits.clone(), |limits, (limit, value)| match value {
            Some(value) => limits.with(limit, value),
            None => limits,
        })
    }
}

/// The grants of a route.
fn grants(settings: &RouteSettings) -> Grants {
    Grants {
        dirs: settings.dirs.clone(),
        env: settings.env.clone(),
        network: Network {
            everything: false,
            destinations: settings.allow_net.clone(),
        },
        http: settings.allow_http.clone(),
        ..Grants::default()
    }
}

/// A location, as the admin page shows it.
fn shown(location: &Location) -> String {
    match location {
        Location::File(path) => crate::cli::paths::shown(path),
        Location::Registry(reference) => format!("oci://{reference}"),
    }
}
