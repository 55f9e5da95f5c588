//! The data of a store: the memory cap, and the WASI state of a component that uses it.
//!
//! It lives as long as the store of one sandbox.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::denials::Denials;
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
use crate::blocking::{BlockingHandle, BlockingPool, BlockingThreads};
use crate::engine::Engine;
use crate::error::RunError;
use crate::limits::Limit;

/// The data of one sandbox's store.
pub struct State {
    pub(crate) memory: MemoryCap,
    /// `None` until the component first calls WASI. One that only computes never does.
    wasi: Option<Box<WasiCtx>>,
    pub(super) resources: ResourceTable,
    pub(super) buffers: StreamBuffers,
    pub(super) folders: SandboxFolders,
    clock: Option<VirtualClock>,
    pub(super) network: Arc<SandboxNetwork>,
    /// Calls that no flag granted.
    pub(super) denials: Denials,
    #[cfg(feature = "service")]
    pub(super) http: Http,
    /// The files that are open, by their index in `resources`, each with its descriptor.
    pub(super) open_files: HashMap<u32, OwnedSemaphorePermit>,
    pub(super) files_max: usize,
    /// Descriptors that are left for the files of all sandboxes.
    pub(super) descriptors: Arc<Semaphore>,
    /// Folders whose entries are being read.
    pub(super) listings: usize,
    /// A reference for each stream of a folder's entries, and one of this state.
    pub(super) folder_streams: Arc<()>,
    blocking: BlockingPool,
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
        let (wasi, mut folders, clock, network) = if let Some(wasi) = wasi {
            let context = Some(Box::new(wasi.context));
            (context, wasi.folders, wasi.clock, wasi.network)
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
            wasi,
            resources,
            buffers: StreamBuffers::default(),
            folders,
            clock,
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
            descriptors: Arc::clone(engine.open_files()),
            listings: 0,
            folder_streams: Arc::new(()),
            blocking: engine.blocking().clone(),
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
        self.clock.clone()
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
        let threads = self.blocking.threads().await?;
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
        let threads = self.blocking.threads_now()?;
        Ok(self.threads.insert(threads).handle())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_default(),
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
