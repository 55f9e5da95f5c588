//! The one function that makes the `wasmtime::Config`.
//!
//! The build script includes this file too: precompiled code loads only into an
//! engine with the same settings, so there must be one place that makes them.
//! For the same reason the file leans on nothing but Wasmtime.

#![allow(
    unreachable_pub,
    reason = "the build script includes this file as its own"
)]

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How the memories of sandboxes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Slots for so many sandboxes reserved ahead, 4 GiB of address space each:
    /// no bounds checks, and a slot is reused without the kernel's help.
    Pooled {
        /// Sandboxes that exist at once.
        sandboxes: u32,
    },
    /// Each memory mapped when it is needed, compiled with the same settings as
    /// `Pooled`: for the build, which runs nothing.
    #[allow(dead_code, reason = "the build script makes this one")]
    OnDemand,
    /// Nothing reserved ahead, for where address space is scarce (`ulimit -v`).
    /// Memories have bounds checks, so that code has to be compiled anew.
    Unreserved,
}

/// What components may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Stream, and go on while they are called.
    Concurrent,
    /// Answer. Without what streams need, a sandbox took 4.8 µs from start to end where
    /// it takes 7.2 µs with it.
    Plain,
}

/// Core instances, memories and tables that one component may have. What
/// `wasm32-wasip2` toolchains make has three to five instances and one memory.
pub const INSTANCES_PER_COMPONENT: u32 = 64;
/// See [`INSTANCES_PER_COMPONENT`].
pub const MEMORIES_PER_COMPONENT: u32 = 4;
/// See [`INSTANCES_PER_COMPONENT`].
pub const TABLES_PER_COMPONENT: u32 = 16;
/// Tables that there are slots for, for each sandbox: a component of the usual
/// toolchains has its own table and one for its lowered imports.
pub const TABLES_PER_SANDBOX: u32 = 2;

/// Memory of a slot that is cleared by `memset` instead of being given back to
/// the kernel. It covers the whole initial memory of a compact component, whose
/// pages then stay mapped: page faults and `madvise` take the process's memory
/// map for themselves, and two threads ran slower than one before this.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// What a host function may use of a fiber's stack, beyond the wasm stack.
const HOST_STACK_BYTES: usize = 256 << 10;

/// The settings of every engine.
pub fn config(layout: Layout, calls: Calls, stack_bytes: usize) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .concurrency_support(calls == Calls::Concurrent)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + HOST_STACK_BYTES)
        // One line names what went wrong; a trace of addresses helps nobody. What it
        // would be read by is a sixth of the code.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    match layout {
        Layout::Pooled { sandboxes } => {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(sandboxes)));
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

/// Tables that there are slots for.
pub fn table_slots(sandboxes: u32) -> u32 {
    sandboxes
        .saturating_mul(TABLES_PER_SANDBOX)
        .max(TABLES_PER_COMPONENT)
}

fn pool(sandboxes: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_core_instances(sandboxes.saturating_mul(INSTANCES_PER_COMPONENT))
        .total_memories(sandboxes.max(MEMORIES_PER_COMPONENT))
        .total_tables(table_slots(sandboxes))
        .total_stacks(sandboxes)
        .max_core_instances_per_component(INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
