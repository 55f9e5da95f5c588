//! The capabilities that flags grant to a component.

use std::sync::Arc;

use wasmtime_wasi::WasiCtxBuilder;

use super::GrantError;
use super::denials::Denials;
use super::determinism::Determinism;
use super::folders::{Dir, Folders};
use super::http_destination::HttpDestination;
use super::network::{Network, SandboxNetwork};
use super::wasi::Wasi;
use crate::engine::Engine;
use crate::limits::Limit;

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
    /// Adds the grants to `wasi`, for one sandbox of a component on `engine` that has `folders`
    /// open and reports its `denials`.
    ///
    /// # Errors
    ///
    /// [`GrantError::Dir`] for a folder that cannot be opened.
    pub(crate) async fn of_sandbox(
        &self,
        mut wasi: WasiCtxBuilder,
        folders: &Folders,
        denials: &Denials,
        engine: &Engine,
    ) -> Result<Wasi, GrantError> {
        let folders = folders.of_sandbox(&self.dirs, engine).await?;
        let network = Arc::new(SandboxNetwork::new(self.network.clone(), denials.clone()));
        let checked = Arc::clone(&network);
        wasi.envs(&self.env)
            .max_random_size(engine.limits().bytes(Limit::HostCall))
            .socket_addr_check(move |address, usage| {
                let is_granted = checked.permits(address, usage);
                Box::pin(std::future::ready(is_granted))
            })
            .allow_tcp(true)
            .allow_udp(true)
            // Wasmtime's own look-up knows no names.
            .allow_ip_name_lookup(self.network.everything);
        let clock = self.determinism.map(|numbers| numbers.apply(&mut wasi));
        Ok(Wasi {
            context: wasi.build(),
            folders,
            clock,
            network,
        })
    }
}
