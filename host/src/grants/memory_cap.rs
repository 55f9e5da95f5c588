//! The memory cap of one sandbox.

use wasmtime::ResourceLimiter;

use crate::limits::{Limit, TABLES_FREE_BYTES};

/// The cap on all memories, tables, garbage-collected heaps and instance data of a sandbox
/// together. Wasmtime's `StoreLimits` caps each of them.
pub(crate) struct MemoryCap {
    pub(crate) cap_bytes: u64,
    used_bytes: u64,
    /// Bytes of tables that still do not count: a component promises linear memory, and does
    /// not know its toolchain's tables.
    tables_free_bytes: u64,
    table_elements_max: usize,
    /// The limit that refused the last growth, or `None` if that succeeded. A program that
    /// gets no memory ends with `unreachable`.
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

    /// Bytes of all memories, and of tables beyond [`TABLES_FREE_BYTES`]. Memories never shrink,
    /// so this is also the peak.
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
        // A program that was refused a reserve may still get the memory that it needs.
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
        // The cap does not override a memory's own maximum.
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
