//! The one function that makes the `wasmtime::Config`.
//!
//! The package `cocoon-bundle` includes this file too: precompiled code loads only into an
//! engine with the same settings, so there must be one place that makes them.
//! For the same reason the file leans on nothing but Wasmtime.

#![allow(
    unreachable_pub,
    reason = "`cocoon-bundle` includes this file as its own"
)]

use std::num::NonZeroUsize;

#[cfg(feature = "compiler")]
use wasmtime::Strategy;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The settings of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The layout of memories.
    pub layout: Layout,
    /// The kinds of calls.
    pub calls: Calls,
    /// The way to the written pages of a slot.
    pub reset: Reset,
    /// Stack for the wasm frames of one sandbox.
    pub stack_bytes: usize,
    /// The most frames in the backtrace of a trap. With 0 the code has no data for backtraces,
    /// which is a sixth of it: so the bundled component's is made. Code with such data and code
    /// without it load into the same engines.
    pub backtrace_frames: usize,
    /// The compiler.
    pub compiler: Compiler,
    /// Whether all instructions compute the same bits in each run: those of NaN, and the results
    /// of relaxed SIMD.
    pub is_deterministic: bool,
}

/// The compiler of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// Cranelift.
    #[default]
    Optimizing,
    /// Winch. It compiles several times as fast, and its code is slower. It has no garbage
    /// collection, exceptions or tail calls.
    #[allow(
        dead_code,
        reason = "`cocoon-bundle` and builds without a compiler lack it"
    )]
    Baseline,
}

/// The layout of the memories of sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Slots for `sandboxes` reserved ahead, 4 GiB of address space each: no bounds checks, and a
    /// slot is reused without the kernel's help.
    Pooled {
        /// Sandboxes that exist at once.
        sandboxes: u32,
        /// Elements that a slot for a table has.
        table_elements: usize,
    },
    /// Each memory mapped when it is needed, compiled with the same settings as
    /// `Pooled`: for components that fit no slot, and for the build, which runs nothing.
    #[allow(
        dead_code,
        reason = "`cocoon-bundle` and builds with a compiler make it"
    )]
    OnDemand,
    /// Nothing reserved ahead, for where address space is scarce (`ulimit -v`).
    /// Memories have bounds checks, so that code has to be compiled anew.
    Unreserved,
}

/// The kinds of calls that components may make and receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Calls with streams, and concurrent calls.
    Concurrent,
    /// Calls without streams. Without the state for streams, a sandbox took 4.8 µs from
    /// start to end, and 7.2 µs with it.
    Sync,
}

/// How the allocator resets a slot, so that no byte of a sandbox is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It clears the first [`KEEP_RESIDENT_BYTES`], and returns all pages behind them to the
    /// kernel: for compact components, which have none there.
    Whole,
    /// It asks the kernel, where the kernel can tell (`PAGEMAP_SCAN`, from Linux 6.7): for programs,
    /// whose shadow stack alone is larger. It clears up to [`KEEP_RESIDENT_BYTES`] in up to 32 runs
    /// of pages, and returns all behind them.
    #[allow(dead_code, reason = "`cocoon-bundle` runs no program")]
    Scanned,
    /// It copies the memory image over the first bytes, this many, and returns all pages behind them:
    /// for programs that write to pages everywhere.
    #[allow(dead_code, reason = "`cocoon-bundle` runs no program")]
    Copied(usize),
}

/// Tables that there are slots for, for each sandbox: a component of the usual
/// toolchains has its own table and one for its lowered imports.
pub const TABLES_PER_SANDBOX: u32 = 2;

/// Memory of a slot that is cleared by `memset`, and stays with the process. It covers the whole
/// initial memory of a compact component, whose pages stay mapped: page faults and `madvise` lock
/// the process's memory map, and made two threads slower than one.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Slots that there are at the least for memories, tables and stacks, so that one sandbox of
/// a large component fits where few sandboxes do.
const SLOTS_MIN: u32 = 16;
/// No bound here: instance data counts as memory of its sandbox.
const INSTANCE_BYTES_MAX: usize = 1 << 40;
/// Stack for host functions, on top of the wasm stack.
const HOST_STACK_BYTES: usize = 256 << 10;

/// The configuration of every engine.
pub fn config(settings: Settings) -> Config {
    let stack_bytes = settings.stack_bytes;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .concurrency_support(settings.calls == Calls::Concurrent)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(settings.backtrace_frames))
        .generate_address_map(settings.backtrace_frames > 0)
        .native_unwind_info(false);
    #[cfg(feature = "compiler")]
    config.strategy(match settings.compiler {
        Compiler::Optimizing => Strategy::Cranelift,
        Compiler::Baseline => Strategy::Winch,
    });
    if settings.is_deterministic {
        // Without a compiler, the engine loads only code that is made for both.
        #[cfg(feature = "compiler")]
        config.cranelift_nan_canonicalization(true);
        config.relaxed_simd_deterministic(true);
    }
    match settings.layout {
        Layout::Pooled {
            sandboxes,
            table_elements,
        } => {
            let pool = pool(sandboxes, table_elements, settings.reset);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Layout::OnDemand => {}
        Layout::Unreserved => {
            config
                .memory_reservation(0)
                .memory_guard_size(0)
                .memory_reservation_for_growth(1 << 20)
                .guard_before_linear_memory(false);
        }
    }
    config
}

/// Memories that there are slots for.
pub fn memory_slots(sandboxes: u32) -> u32 {
    sandboxes.max(SLOTS_MIN)
}

/// Tables that there are slots for.
pub fn table_slots(sandboxes: u32) -> u32 {
    sandboxes.saturating_mul(TABLES_PER_SANDBOX).max(SLOTS_MIN)
}

/// Stacks that there are slots for. A program of WASI 0.3 may need more than one.
pub fn stack_slots(sandboxes: u32) -> u32 {
    sandboxes.max(SLOTS_MIN)
}

fn pool(sandboxes: u32, table_elements: usize, reset: Reset) -> PoolingAllocationConfig {
    let (memories, tables) = (memory_slots(sandboxes), table_slots(sandboxes));
    let (scans, kept_bytes) = match reset {
        Reset::Whole => (Enabled::No, KEEP_RESIDENT_BYTES),
        Reset::Scanned => (Enabled::Auto, KEEP_RESIDENT_BYTES),
        Reset::Copied(bytes) => (Enabled::No, bytes),
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_memories(memories)
        .total_tables(tables)
        .total_stacks(stack_slots(sandboxes))
        .total_gc_heaps(sandboxes)
        // Any component may take any slots. Core instances have no slots: they use heap memory,
        // which counts as the sandbox's (`Footprint`).
        .total_core_instances(u32::MAX)
        .max_core_instances_per_component(u32::MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_memories_per_component(memories)
        .max_memories_per_module(memories)
        .max_tables_per_component(tables)
        .max_tables_per_module(tables)
        .table_elements(table_elements)
        .max_memory_size(4 << 30)
        .pagemap_scan(scans)
        .linear_memory_keep_resident(kept_bytes)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
