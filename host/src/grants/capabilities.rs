//! The capabilities that flags grant to a component.

use std::sync::Arc;

use super::GrantError;
use super::cli::Cli;
use super::denials::Denials;
use super::determinism::Determinism;
use super::folders::{Dir, Folders};
use super::http_destination::HttpDestination;
use super::network::{Network, SandboxNetwork};
use super::virtual_clock::VirtualClock;
use super::wasi::Wasi;
use crate::engine::Engine;

/// The capabilities of a component. The default is clocks and randomness of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders.
    pub dirs: Vec<Dir>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Sockets and name look-up.
    pub network: Network,
    /// Destinations of HTTP requests, which `wasi:http` sends.
    pub http: Vec<HttpDestination>,
    /// Clocks and randomness that are the same in each run, in place of those of the host.
    pub determinism: Option<Determinism>,
}

impl Grants {
    /// Adds the grants to `cli`, for one sandbox of a component on `engine` that has `folders`
    /// open and reports its `denials`.
    ///
    /// # Errors
    ///
    /// [`GrantError::Dir`] for a folder that cannot be opened.
    pub(crate) async fn of_sandbox(
        &self,
        mut cli: Cli,
        folders: &Folders,
        denials: &Denials,
        engine: &Engine,
    ) -> Result<Wasi, GrantError> {
        let folders = folders.of_sandbox(&self.dirs, engine).await?;
        let network = Arc::new(SandboxNetwork::new(self.network.clone(), denials.clone()));
        cli.environment.extend_from_slice(&self.env);
        Ok(Wasi {
            cli: Box::new(cli),
            folders,
            determinism: self
                .determinism
                .map(|numbers| (numbers, VirtualClock::default())),
            network,
        })
    }
}
