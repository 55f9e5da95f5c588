//! `cocoon serve`: factorials over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use cocoon::component::Location;
use cocoon::factorial::Factorial;
use cocoon::http::access::Access;
use cocoon::http::server::{End, serve};
use cocoon::http::{Service, app};
use cocoon::limits::Limit;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::Failure;
use crate::cli::limits::{self, LimitArgs};
use crate::cli::output::Output;
use crate::cli::{RegistryArgs, Signals, engine, location};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address and port to listen on; port 0 is any that is free
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        env = "COCOON_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,
    /// A component of the factorial world, in a file or at `oci://REFERENCE`, instead of the one that is built in
    #[arg(
        long,
        value_name = "FILE",
        env = "COCOON_COMPONENT",
        hide_env_values = true,
        value_parser = location(),
        value_hint = ValueHint::FilePath
    )]
    component: Option<Location>,
    /// Ask for the bearer token in the first line of FILE, which may change meanwhile, everywhere but at /healthz and /readyz
    #[arg(
        long,
        value_name = "FILE",
        env = "COCOON_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    limits: LimitArgs<limits::Service>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        // Whoever cannot be asked for a token is not told that all is well.
        let access = match &self.token_file {
            Some(file) => Access::from_file(file)?,
            None => Access::open(),
        };
        // Before anybody is told that it serves.
        let mut signals = Signals::listen()?;
        let engine = engine(&self.limits.limits, u64::MAX)?;
        let component = self.component.as_ref();
        let source = self
            .registries
            .source(component, &self.limits.limits)
            .await?;
        let factorial = Factorial::load(&engine, &source).await?;
        let component = source.digest().await?;
        let failed = |error| Failure::Io {
            what: format!("cannot listen on {}", self.listen),
            error,
        };
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let limits = engine.limits();
        let told = |limit: Limit| limit.format(limits.get(limit));
        let started = format!(
            "cocoon serves http://{address} with {} sandboxes ({} each, {} in all), {} queued jobs, deadline {}\n",
            factorial.sandboxes(),
            told(Limit::SandboxMemory),
            ByteSize::b(engine.total_memory_bytes()).display().iec(),
            told(Limit::Queue),
            told(Limit::Deadline),
        );
        let mut output = Output::stdout();
        output.write(started.as_bytes()).await?;
        output.finish().await?;
        if access.is_open() && !address.ip().is_loopback() {
            tracing::warn!("anybody who reaches {address} may ask; --token-file asks for a token");
        }
        let service = Service::new(factorial, component, !access.is_open());
        let app = access.guard(app(&service));
        let ending = CancellationToken::new();
        let ended = tokio::select! {
            ended = serve(listener, app, &service, ending.cancelled()) => ended,
            // The second signal does not wait.
            () = async {
                signals.next().await;
                ending.cancel();
                signals.next().await;
            } => return Err(Failure::Interrupted),
        };
        let ended = ended.map_err(|error| Failure::Io {
            what: "cannot start threads".to_owned(),
            error,
        })?;
        match ended {
            End::Drained => Ok(()),
            End::GivenUp(count) => Err(Failure::Programs(format!(
                "{count} connections were given up after the drain timeout ({}); --{} raises it",
                told(Limit::DrainTimeout),
                Limit::DrainTimeout.spec().flag
            ))),
        }
    }
}
