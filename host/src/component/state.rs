//! What a store holds beside its instance: the memory cap, and the WASI state
//! if the component ever asks for it.
//!
//! It lives and dies with the store of one sandbox.

use tracing::Span;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::limits::{HOST_OBJECTS, TABLES_FREE_BYTES};

/// The data of one sandbox's store.
pub struct State {
    pub(crate) memory: MemoryCap,
    /// Made when the component first calls WASI, which a component that only
    /// computes never does.
    wasi: Option<Box<WasiCtx>>,
    resources: ResourceTable,
    span: Span,
}

impl State {
    /// State whose memory is capped at `cap_bytes`. Without `wasi` the sandbox
    /// is handed nothing: no arguments, no environment, closed streams. `span` is
    /// the sandbox's, and lives as long as the state.
    pub(crate) fn new(cap_bytes: u64, wasi: Option<WasiCtx>, span: Span) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(HOST_OBJECTS);
        Self {
            memory: MemoryCap {
                cap_bytes,
                used_bytes: 0,
                tables_free_bytes: TABLES_FREE_BYTES,
                refused: false,
            },
            wasi: wasi.map(Box::new),
            resources,
            span,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
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

/// The cap of one sandbox: all its memories and tables together, unlike
/// `StoreLimits`, which caps each of them.
pub(crate) struct MemoryCap {
    pub(crate) cap_bytes: u64,
    used_bytes: u64,
    /// What tables may still take without counting: a component promises linear
    /// memory, and knows nothing of the tables that its toolchain made.
    tables_free_bytes: u64,
    /// Whether growth was ever refused. An `unreachable` after that is how a
    /// program ends that could not get memory.
    pub(crate) refused: bool,
}

impl MemoryCap {
    /// Bytes of all memories, and of tables beyond [`TABLES_FREE_BYTES`]. Memories
    /// never shrink, so that this is the peak as well.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    fn grow(&mut self, more: u64) -> bool {
        let used_bytes = self.used_bytes.saturating_add(more);
        if used_bytes > self.cap_bytes {
            self.refused = true;
            return false;
        }
        self.used_bytes = used_bytes;
        // Who was refused more than it needs may still get that.
        self.refused = false;
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
