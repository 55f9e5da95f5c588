//! The heap, the canonical ABI's allocation and the panic handler, in place of `std`.
//!
//! A sandbox starts with one page (64 KiB) for stack, data and a small heap. The heap grows
//! by whole pages, up to the host's cap, and never shrinks.
#![expect(unsafe_code, reason = "allocators deal in untyped memory")]

use alloc::alloc::{alloc, realloc};
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};
use core::panic::PanicInfo;
use core::ptr;

use dlmalloc::Dlmalloc;

/// Bytes by which linear memory grows.
const PAGE_BYTES: usize = 64 * 1024;

/// Granularity of the allocator's requests; small, so that a small heap touches few pages.
const GRANULARITY_BYTES: usize = 1024;

/// Memory grows by at least one part in this many. Each growth costs the host a system
/// call, which may wait for other sandboxes of the process.
const GROWTH: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// The heap: Doug Lea's allocator, which `std` uses too.
struct Heap(UnsafeCell<Dlmalloc<Memory>>);

// SAFETY: one thread at a time calls a component.
unsafe impl Sync for Heap {}

impl Heap {
    const fn new() -> Self {
        let mut heap = Dlmalloc::new_with_allocator(Memory { end: Cell::new(0) });
        heap.set_granularity(GRANULARITY_BYTES);
        Self(UnsafeCell::new(heap))
    }
}

// SAFETY: `Dlmalloc` upholds the contract. Calls never nest, so that each has the only
// reference.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(block, layout.size(), layout.align(), bytes) }
    }
}

/// Linear memory above the data.
struct Memory {
    /// End of the memory that the allocator has; 0 before its first request.
    end: Cell<usize>,
}

fn grow(pages: usize) -> bool {
    wasm32::memory_grow(0, pages) != usize::MAX
}

// `memcpy` and similar functions, which compilers call implicitly, are in WASI's libc.
#[link(name = "c")]
unsafe extern "C" {
    /// End of the static data, set by the linker.
    safe static __heap_base: u8;
}

// SAFETY: the returned block lies above all data and below the end of memory, and no other
// code grows memory.
unsafe impl dlmalloc::Allocator for Memory {
    /// Returns exactly the requested size. The allocator writes to the end of its memory,
    /// and would touch another 4 KiB there in every sandbox.
    fn alloc(&self, bytes: usize) -> (*mut u8, usize, u32) {
        let start = match self.end.get() {
            0 => (&raw const __heap_base).addr(),
            end => end,
        };
        // The end of 4 GiB would wrap around to 0.
        let Some(end) = start.checked_add(bytes) else {
            return (ptr::null_mut(), 0, 0);
        };
        let pages = wasm32::memory_size(0);
        let needed = end
            .saturating_sub(pages.saturating_mul(PAGE_BYTES))
            .div_ceil(PAGE_BYTES);
        if needed > 0 && !grow(needed.max(pages / GROWTH)) && !grow(needed) {
            return (ptr::null_mut(), 0, 0);
        }
        self.end.set(end);
        (ptr::with_exposed_provenance_mut(start), bytes, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}

/// Allocates memory for an argument, as the canonical ABI requires.
///
/// # Safety
///
/// As for [`realloc`], if `old_bytes` is not zero.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_bytes: usize,
    align: usize,
    bytes: usize,
) -> *mut u8 {
    if bytes == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: alignments are those of the contract's types, and no size is zero.
    let block = unsafe {
        if old_bytes == 0 {
            alloc(Layout::from_size_align_unchecked(bytes, align))
        } else {
            let layout = Layout::from_size_align_unchecked(old_bytes, align);
            realloc(old, layout, bytes)
        }
    };
    if block.is_null() {
        wasm32::unreachable();
    }
    block
}

/// Traps. The message is not formatted, so that the component contains no panic texts.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
