//! What a store holds beside its instance: the memory cap, and the WASI state
//! if the component ever asks for it.
//!
//! It lives and dies with the store of one sandbox.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::files::Folders;
use super::streams::StreamBuffers;
use crate::blocking::{BlockingHandle, BlockingPool, BlockingThreads};
use crate::engine::Engine;
use crate::error::RunError;
use crate::limits::{Limit, TABLES_FREE_BYTES, things};

/// The data of one sandbox's store.
pub struct State {
    pub(crate) memory: MemoryCap,
    /// Made when the component first calls WASI, which a component that only
    /// computes never does.
    wasi: Option<Box<WasiCtx>>,
    pub(super) resources: ResourceTable,
    pub(super) buffers: StreamBuffers,
    pub(super) folders: Folders,
    /// The files that are open, by their index in `resources`, each with its descriptor.
    pub(super) open_files: HashMap<u32, OwnedSemaphorePermit>,
    pub(super) files_max: u64,
    /// Descriptors that are left for the files of all sandboxes.
    pub(super) descriptors: Arc<Semaphore>,
    /// Folders whose entries are being read.
    pub(super) listings: usize,
    blocking: BlockingPool,
    threads: Option<BlockingThreads>,
    span: Span,
}

impl State {
    /// State under `memory` and the engine's limits. Without `wasi` the sandbox is handed nothing: no arguments, no environment, closed
    /// streams. `span` is the sandbox's, and lives as long as the state.
    pub(crate) fn new(
        memory: MemoryCap,
        engine: &Engine,
        folders: &Folders,
        wasi: Option<WasiCtx>,
        span: Span,
    ) -> Self {
        let limits = engine.limits();
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(things(limits, Limit::Resources));
        Self {
            memory,
            wasi: wasi.map(Box::new),
            resources,
            buffers: StreamBuffers::default(),
            folders: folders.clone(),
            open_files: HashMap::new(),
            files_max: limits.get(Limit::Files),
            descriptors: Arc::clone(engine.open_files()),
            listings: 0,
            blocking: engine.blocking().clone(),
            threads: None,
            span,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
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

/// The cap of one sandbox: all its memories, tables, heaps of collected objects and
/// instance data together, unlike `StoreLimits`, which caps each of them.
pub(crate) struct MemoryCap {
    pub(crate) cap_bytes: u64,
    used_bytes: u64,
    /// What tables may still take without counting: a component promises linear
    /// memory, and knows nothing of the tables that its toolchain made.
    tables_free_bytes: u64,
    table_elements_max: usize,
    /// The limit that refused growth last. An `unreachable` after that is how a
    /// program ends that could not get memory.
    pub(crate) refused: Option<Limit>,
}

impl MemoryCap {
    /// A cap of `cap_bytes`, of which `instance_bytes` are used. A table has at most
    /// `table_elements_max` elements.
    pub(crate) fn new(cap_bytes: u64, instance_bytes: u64, table_elements_max: usize) -> Self {
        Self {
            cap_bytes,
            used_bytes: instance_bytes,
            tables_free_bytes: TABLES_FREE_BYTES,
            table_elements_max,
            refused: None,
        }
    }

    /// Bytes of all memories, and of tables beyond [`TABLES_FREE_BYTES`]. Memories
    /// never shrink, so that this is the peak as well.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Whether the instance data alone, which nothing can grow, is over the cap.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used_bytes > self.cap_bytes
    }

    fn grow(&mut self, more: u64) -> bool {
        let used_bytes = self.used_bytes.saturating_add(more);
        if used_bytes > self.cap_bytes {
            self.refused = Some(Limit::SandboxMemory);
            return false;
        }
        self.used_bytes = used_bytes;
        // Who was refused more than it needs may still get that.
        self.refused = None;
        true
    }
}

impl ResourceLimiter for MemoryCap {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum a memory does not grow, whatever the cap says.
        let more = desired.saturating_sub(current) as u64;
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(more))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements_max {
            self.refused = Some(Limit::TableElements);
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let element_bytes = size_of::<usize>() as u64;
        let more = (desired.saturating_sub(current) as u64).saturating_mul(element_bytes);
        let free = more.min(self.tables_free_bytes);
        self.tables_free_bytes -= free;
        Ok(self.grow(more - free))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Closing a file may block for ever. Where a thread is left, it does that; where
        // none is, the file stays open as long as the threads are stuck.
        if let Some(threads) = &self.threads {
            let (resources, permits) = (
                std::mem::take(&mut self.resources),
                std::mem::take(&mut self.open_files),
            );
            threads.handle().spawn(move || drop((resources, permits)));
        }
        let MemoryCap {
            used_bytes,
            cap_bytes,
            ..
        } = self.memory;
        tracing::debug!(used_bytes, cap_bytes, "a sandbox's memory");
        if !self.span.is_disabled() {
            self.span
                .record("cocoon.memory_used_bytes", used_bytes.cast_signed());
        }
    }
}
