//! What `std` would do on WebAssembly: the heap, the canonical ABI's allocation,
//! and the end after a panic.
//!
//! All three live as long as the sandbox. It starts with one page (64 KiB) for
//! stack, data and a heap of what they leave; that grows by whole pages, to the
//! cap that the host has set, and never shrinks.
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

/// Bytes of which the allocator asks for a multiple; few, so that a small heap
/// touches little.
const STEP_BYTES: usize = 1024;

/// Memory grows by a part of itself at least, one in so many: each time costs the
/// host a call to its kernel, and waits for what its other sandboxes do there.
const GROWTH: usize = 16;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// One thread's heap, by Doug Lea's allocator, which `std` has as well.
struct Heap(UnsafeCell<Dlmalloc<Memory>>);

// SAFETY: a component is called by one thread at a time.
unsafe impl Sync for Heap {}

impl Heap {
    const fn new() -> Self {
        let mut heap = Dlmalloc::new_with_allocator(Memory { end: Cell::new(0) });
        heap.set_granularity(STEP_BYTES);
        Self(UnsafeCell::new(heap))
    }
}

// SAFETY: `Dlmalloc` keeps the contract; no call is made within another, so that
// each has the only reference.
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
    /// Where what was given to the allocator ends; 0 before the first time.
    end: Cell<usize>,
}

fn grow(pages: usize) -> bool {
    wasm32::memory_grow(0, pages) != usize::MAX
}

// `memcpy` and its like, which compilers take for granted, come from WASI's libc.
#[link(name = "c")]
unsafe extern "C" {
    /// Where the data end, by the linker.
    safe static __heap_base: u8;
}

// SAFETY: what is returned lies above all data and below the end of memory, and
// nothing but this grows it.
unsafe impl dlmalloc::Allocator for Memory {
    /// Gives no more than is asked for: the allocator writes to the end of what
    /// it has, and would touch another 4 KiB there in every sandbox.
    fn alloc(&self, bytes: usize) -> (*mut u8, usize, u32) {
        let start = match self.end.get() {
            0 => (&raw const __heap_base).addr(),
            end => end,
        };
        // All of 4 GiB cannot be given: its end would wrap around to 0.
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

/// How the canonical ABI asks for room for an argument.
///
/// # Safety
///
/// As [`realloc`]'s, where `old_bytes` is not zero.
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
    // SAFETY: alignments come from types of the contract, and no size is zero.
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

/// Ends the sandbox. What the panic would say is not put together, so that none
/// of its texts is part of the component.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
