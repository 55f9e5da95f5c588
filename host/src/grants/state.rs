//! The data of a store: the memory cap, and the WASI state of a component that uses it.
//!
//! It lives as long as the store of one sandbox.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::cli::Cli;
use super::denials::Denials;
use super::determinism::Determinism;
use super::folders::{Folders, SandboxFolders};
#[cfg(all(feature = "service", feature = "compiler"))]
use super::http_client::HttpClient;
#[cfg(feature = "service")]
use super::http_state::Http;
use super::memory_cap::MemoryCap;
use super::network::{Network, SandboxNetwork};
use super::stream_buffers::StreamBuffers;
use super::virtual_clock::VirtualClock;
use super::wasi::Wasi;
use crate::blocking::{BlockingHandle, BlockingThreads};
use crate::engine::{Engine, Shared};
use crate::error::RunError;
use crate::limits::Limit;

/// The data of one sandbox's store.
pub struct State {
    pub(crate) memory: MemoryCap,
    /// `None` until it is first used. A component that only computes never does.
    cli: Option<Box<Cli>>,
    /// `None` until a call needs it, for random numbers, clocks, sockets and `wasi:cli` of WASI 0.3.
    context: Option<Box<WasiCtx>>,
    pub(super) resources: ResourceTable,
    pub(super) buffers: StreamBuffers,
    pub(super) folders: SandboxFolders,
    determinism: Option<(Determinism, VirtualClock)>,
    random_bytes_max: u64,
    /// Whether the host gave arguments, streams and grants.
    has_grants: bool,
    pub(super) network: Arc<SandboxNetwork>,
    /// Calls that no flag granted.
    pub(super) denials: Denials,
    #[cfg(feature = "service")]
    pub(super) http: Http,
    /// The files that are open, by their index in `resources`, each with its descriptor.
    pub(super) open_files: HashMap<u32, OwnedSemaphorePermit>,
    pub(super) files_max: usize,
    /// Folders whose entries are being read.
    pub(super) listings: usize,
    /// A reference for each stream of a folder's entries, and one of this state.
    pub(super) folder_streams: Arc<()>,
    pub(super) engine: Arc<Shared>,
    threads: Option<BlockingThreads>,
    span: Span,
}

impl State {
    /// State under `memory` and the engine's limits. Without `wasi` the sandbox has the
    /// component's `folders`, and no arguments, no environment and closed streams. `span` is the
    /// sandbox's.
    pub(crate) fn new(
        memory: MemoryCap,
        engine: &Engine,
        folders: &Folders,
        denials: &Denials,
        #[cfg(all(feature = "service", feature = "compiler"))] client: Option<HttpClient>,
        wasi: Option<Wasi>,
        span: Span,
    ) -> Self {
        let limits = engine.limits();
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(limits.count(Limit::Resources));
        let has_grants = wasi.is_some();
        let (cli, mut folders, determinism, network) = if let Some(wasi) = wasi {
            (Some(wasi.cli), wasi.folders, wasi.determinism, wasi.network)
        } else {
            let folders = SandboxFolders {
                folders: folders.clone(),
                ..SandboxFolders::default()
            };
            let network = SandboxNetwork::new(Network::default(), denials.clone());
            (None, folders, None, Arc::new(network))
        };
        let threads = folders.threads.take();
        Self {
            memory,
            cli,
            context: None,
            resources,
            buffers: StreamBuffers::default(),
            folders,
            determinism,
            random_bytes_max: limits.bytes(Limit::HostCall),
            has_grants,
            network,
            denials: denials.clone(),
            #[cfg(feature = "service")]
            http: Http::new(
                denials.clone(),
                #[cfg(feature = "compiler")]
                client,
            ),
            open_files: HashMap::new(),
            files_max: limits.count(Limit::Files),
            listings: 0,
            folder_streams: Arc::new(()),
            engine: Arc::clone(engine.shared()),
            threads,
            span,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Sets the span of the sandbox, and ends the last one.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn set_span(&mut self, span: Span) {
        self.record_memory();
        self.span = span;
    }

    fn record_memory(&self) {
        if !self.span.is_disabled() {
            let used_bytes = self.memory.used_bytes();
            self.span
                .record("cocoon.memory_used_bytes", used_bytes.cast_signed());
        }
    }

    /// The clock of a deterministic sandbox.
    pub(super) fn virtual_clock(&self) -> Option<VirtualClock> {
        self.determinism.as_ref().map(|(_, clock)| clock.clone())
    }

    /// The threads for calls that block, which start with the first of these.
    ///
    /// # Errors
    ///
    /// As [`BlockingPool::threads`].
    pub(super) async fn blocking(&mut self) -> Result<BlockingHandle, RunError> {
        if let Some(threads) = &self.threads {
            return Ok(threads.handle());
        }
        let threads = self.engine.blocking.threads().await?;
        Ok(self.threads.insert(threads).handle())
    }

    /// As [`State::blocking`], without a wait.
    ///
    /// # Errors
    ///
    /// As [`State::blocking`].
    pub(super) fn blocking_now(&mut self) -> Result<BlockingHandle, RunError> {
        if let Some(threads) = &self.threads {
            return Ok(threads.handle());
        }
        let threads = self.engine.blocking.threads_now()?;
        Ok(self.threads.insert(threads).handle())
    }
}

impl State {
    /// The arguments, variables and streams.
    pub(super) fn cli(&mut self) -> &Cli {
        self.cli.get_or_insert_default()
    }

    fn make_context(&mut self) -> WasiCtx {
        let mut wasi = WasiCtx::builder();
        if self.has_grants {
            self.cli().apply(&mut wasi);
            let network = Arc::clone(&self.network);
            wasi.max_random_size(self.random_bytes_max)
                // Wasmtime's own look-up knows no names.
                .allow_ip_name_lookup(network.is_everything())
                .allow_tcp(true)
                .allow_udp(true)
                .socket_addr_check(move |address, usage| {
                    let is_granted = network.permits(address, usage);
                    Box::pin(std::future::ready(is_granted))
                });
        }
        if let Some((numbers, clock)) = &self.determinism {
            numbers.apply(clock, &mut wasi);
        }
        wasi.build()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.context.is_none() {
            self.context = Some(Box::new(self.make_context()));
        }
        WasiCtxView {
            ctx: self.context.get_or_insert_default(),
            table: &mut self.resources,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Closing a file may block for ever. Where a thread is left, it does that; where
        // none is, the file stays open as long as the threads are stuck.
        if let Some(threads) = &self.threads {
            let files = (
                std::mem::take(&mut self.resources),
                std::mem::take(&mut self.open_files),
                std::mem::take(&mut self.folders),
            );
            threads.handle().spawn(move || drop(files));
        }
        let (used_bytes, cap_bytes) = (self.memory.used_bytes(), self.memory.cap_bytes);
        tracing::debug!(used_bytes, cap_bytes, "sandbox dropped");
        self.record_memory();
    }
}
