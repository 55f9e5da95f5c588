//! `cocoon serve`: serves factorials, or a handler, over HTTP.

mod admin;
mod factorial;
#[cfg(feature = "compiler")]
mod handler;
#[cfg(feature = "compiler")]
mod routes;

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use bytesize::ByteSize;
#[cfg(feature = "compiler")]
use clap::error::ErrorKind;
use clap::{Args, Command, ValueHint};
use cocoon::component::Location;
use cocoon::engine::Engine;
use cocoon::http::server::{Access, Admin, End, Probes, ServerState, serve};
use cocoon::limits::{Limit, Limits};
use cocoon::machine::Machine;
use cocoon::text::counted;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::announce;
use crate::cli::code_args::CodeArgs;
use crate::cli::component_args::RegistryArgs;
use crate::cli::config::Settings;
use crate::cli::failure::Failure;
use crate::cli::limits::{self, LimitArgs};
use crate::cli::output::Output;
use crate::cli::signals::Signals;
use crate::cli::values::{address, location};
use admin::{AdminSocket, no_threads};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on: IP:PORT, localhost:PORT, :PORT for all IPv4 addresses, or PORT for 127.0.0.1; port 0 is any free port
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        value_parser = address,
        env = "COCOON_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,
    /// Address for /healthz, /readyz and /metrics, and for the page of handlers, in the form of --listen, without a token and unaffected by the load of --listen [default: that of --listen]
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        env = "COCOON_ADMIN_LISTEN",
        hide_env_values = true
    )]
    admin_listen: Option<SocketAddr>,
    /// Component of the factorial world: a file or `oci://REFERENCE` [default: the built-in one]
    #[arg(
        long,
        value_name = "FILE",
        env = "COCOON_COMPONENT",
        hide_env_values = true,
        value_parser = location(),
        value_hint = ValueHint::FilePath
    )]
    component: Option<Location>,
    /// Require the bearer token in the first line of FILE, except for /healthz, /readyz and the files of the web page; changes of FILE are applied while the service runs
    #[arg(
        long,
        value_name = "FILE",
        env = "COCOON_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,
    /// Log one line for each request, with its method, path, status, size and duration
    #[arg(long, env = "COCOON_ACCESS_LOG", hide_env_values = true)]
    access_log: bool,
    /// Trace requests for /healthz, /readyz and /metrics
    #[arg(long, env = "COCOON_TRACE_PROBES", hide_env_values = true)]
    trace_probes: bool,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    handler: handler::HandlerArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<limits::Service>,
}

impl Serve {
    /// Whether handlers are served, whose output is logged.
    #[cfg_attr(
        not(feature = "compiler"),
        expect(clippy::unused_self, reason = "handlers need the compiler")
    )]
    pub(crate) fn logs_handlers(&self) -> bool {
        #[cfg(feature = "compiler")]
        return self.handler.file.is_some();
        #[cfg(not(feature = "compiler"))]
        false
    }

    /// Whether requests are logged.
    pub(crate) fn logs_requests(&self) -> bool {
        self.access_log
    }

    /// Serves factorials, FILE, or the routes of `settings`. The flags of `commands` are the keys of
    /// their file.
    pub(crate) async fn run(
        self,
        settings: Settings,
        commands: fn() -> Command,
    ) -> Result<(), Failure> {
        // Before the service is ready, so that it never runs without its token.
        let access = match &self.token_file {
            Some(file) => Access::from_file(file)?,
            None => Access::open(),
        };
        // Before the announcement, so that no signal is lost.
        let mut signals = Signals::listen()?;
        let admin_socket = self.admin_listen.map(AdminSocket::bind).transpose()?;
        let admin_address = admin_socket.as_ref().map(|socket| socket.address);
        let prepared = tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            prepared = self.prepare(&access, admin_socket, settings, commands) => prepared?,
        };
        let failed = |address| {
            move |error| Failure::Io {
                what: format!("cannot listen on {address}"),
                error,
            }
        };
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(failed(self.listen))?;
        let address = listener.local_addr().map_err(failed(self.listen))?;
        // Connections wait from now on.
        prepared.server.finish_loading();
        self.limits.warn_of_lowered(&Machine::detect());
        let announcement = announcement(address, admin_address, &prepared);
        let mut output = Output::stdout();
        output.write(announcement.as_bytes()).await?;
        output.finish().await?;
        if access.is_open() && !address.ip().is_loopback() {
            tracing::warn!(%address, fix = "--token-file", "service without a token");
        }
        let Prepared {
            server,
            router,
            // It lives until the end, and reports the drain from the first signal on.
            admin: _admin,
            engine,
            #[cfg(feature = "compiler")]
            mut loader,
            ..
        } = prepared;
        let probes = match admin_address {
            Some(_) => Probes::Apart,
            None => Probes::Here,
        };
        let app = router(probes, access);
        let ending = CancellationToken::new();
        let end = tokio::select! {
            end = serve(listener, app, &server, ending.cancelled()) => end,
            // The second signal ends the command at once.
            () = async {
                #[cfg(feature = "compiler")]
                match &mut loader {
                    Some(loader) => {
                        signals.next_end(async || loader.reload().await).await;
                        ending.cancel();
                        return signals.next_end(async || ()).await;
                    }
                    None => signals.next().await,
                }
                #[cfg(not(feature = "compiler"))]
                signals.next().await;
                ending.cancel();
                signals.next().await;
            } => return Err(Failure::Interrupted),
        };
        let end = end.map_err(no_threads)?;
        let (verb, left) = match end {
            End::Drained => return Ok(()),
            End::GivenUp(count) => ("closed", counted(count as u64, "connection", "connections")),
            End::Abandoned(count) => ("stopped", counted(count as u64, "handler", "handlers")),
        };
        Err(Failure::Programs(format!(
            "{verb} {left} after the drain timeout ({}); use --{} to raise it",
            Limit::DrainTimeout.format(engine.limits().get(Limit::DrainTimeout)),
            Limit::DrainTimeout.spec().flag
        )))
    }

    /// Loads the components of the service.
    #[cfg(feature = "compiler")]
    async fn prepare(
        &self,
        access: &Access,
        admin: Option<AdminSocket>,
        settings: Settings,
        commands: fn() -> Command,
    ) -> Result<Prepared, Failure> {
        let file = routes::RouteFile::new(settings, commands);
        let other = match (&self.handler.file, &self.component) {
            (Some(_), _) => "FILE",
            (None, Some(_)) => "--component",
            (None, None) if file.has_routes() => {
                return self.prepare_routes(file, access, admin).await;
            }
            (None, None) => return self.prepare_factorial(access, admin).await,
        };
        if file.has_routes() {
            let error = format!(
                "expected {other} or [[serve.route]] in the configuration, got both; remove one"
            );
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, error).into());
        }
        match &self.handler.file {
            Some(file) => self.prepare_handler(file, access, admin).await,
            None => self.prepare_factorial(access, admin).await,
        }
    }

    /// Loads the component of the service.
    #[cfg(not(feature = "compiler"))]
    async fn prepare(
        &self,
        access: &Access,
        admin: Option<AdminSocket>,
        _: Settings,
        _: fn() -> Command,
    ) -> Result<Prepared, Failure> {
        self.prepare_factorial(access, admin).await
    }
}

/// A service that has its component.
struct Prepared {
    engine: Engine,
    server: ServerState,
    /// Makes its router.
    router: Box<dyn FnOnce(Probes, Access) -> Router>,
    /// Health and metrics at the address of --admin-listen.
    admin: Option<Admin>,
    /// Sandboxes that exist at once.
    sandboxes: u64,
    limits: Limits,
    /// Loads the routes again.
    #[cfg(feature = "compiler")]
    loader: Option<routes::Loader>,
}

/// Returns the announcement of a service that accepts connections at `address` and `admin`.
fn announcement(address: SocketAddr, admin: Option<SocketAddr>, prepared: &Prepared) -> String {
    let Prepared {
        engine,
        sandboxes,
        limits,
        ..
    } = prepared;
    if announce::is_json() {
        let deadline = limits.duration(Limit::Deadline);
        let fields = json!({
            "url": format!("http://{address}"),
            "admin_url": admin.map(|admin| format!("http://{admin}")),
            "sandboxes": sandboxes,
            "sandbox_memory_bytes": limits.get(Limit::SandboxMemory),
            "total_memory_bytes": engine.total_memory_bytes(),
            "queued_jobs_max": limits.get(Limit::Queue),
            "connections_max": limits.get(Limit::Connections),
            "deadline_seconds": deadline.as_secs_f64(),
        });
        let fields = fields.as_object().cloned().unwrap_or_default();
        return announce::json_line("INFO", "serving", fields);
    }
    let value = |limit: Limit| limit.format(limits.get(limit));
    format!(
        "cocoon serves http://{address} with {} ({} each, {} in all), {}, {}, deadline {}{}\n",
        counted(*sandboxes, "sandbox", "sandboxes"),
        value(Limit::SandboxMemory),
        ByteSize::b(engine.total_memory_bytes()).display().iec(),
        counted(limits.get(Limit::Queue), "queued job", "queued jobs"),
        counted(limits.get(Limit::Connections), "connection", "connections"),
        value(Limit::Deadline),
        match admin {
            Some(admin) => format!("; health and metrics at http://{admin}"),
            None => String::new(),
        },
    )
}
