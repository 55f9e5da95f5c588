//! A copy of a large component whose places stay resident.
//!
//! Between two sandboxes of a place, Wasmtime copies the image over the pages that were written, in up
//! to 32 runs, and returns all others to the kernel. Interpreters write to hundreds of pages, and each
//! of these costs the next sandbox a page fault, which interrupts the other processors: two
//! thirds of a request to a handler in Python. Copying the whole image costs a tenth of that. To a
//! program with a large image that writes to few pages it would be a loss, so the system time of
//! some sandboxes decides. The copy lives as long as the component.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::thread_copies::Places;
use crate::limits::{COPIED_PER_MS, SANDBOXES_BEFORE_COPIES, SANDBOXES_MEASURED};
use crate::machine::system_time;

/// The copy of a component `C`, if it is worth its memory.
pub(super) struct ResidentCopy<C> {
    /// Sandboxes so far, up to the last one that is measured.
    sandboxes: AtomicU64,
    /// The system time of the process before the first one that is measured.
    before: OnceLock<Option<Duration>>,
    copy: OnceLock<Option<Box<Resident<C>>>>,
}

/// A copy, and the memory that is reserved for its places.
struct Resident<C> {
    places: Places<C>,
    _idle_memory: OwnedSemaphorePermit,
}

impl<C> ResidentCopy<C> {
    pub(super) fn new() -> Self {
        Self {
            sandboxes: AtomicU64::new(0),
            before: OnceLock::new(),
            copy: OnceLock::new(),
        }
    }

    /// The copy with a place in it, which `copy` makes with the memory that it reserves, if copying
    /// `image_bytes` for each sandbox costs less than its page faults. `None` for the first sandboxes,
    /// where all places are taken, and where it is not worth it or cannot be made.
    pub(super) fn take(
        &self,
        image_bytes: u64,
        copy: impl FnOnce() -> Option<(Places<C>, OwnedSemaphorePermit)>,
    ) -> Option<(&C, OwnedSemaphorePermit)> {
        // The counter is read-only once it is reached, so threads do not contend for it.
        if self.sandboxes.load(Ordering::Relaxed) < SANDBOXES_BEFORE_COPIES + SANDBOXES_MEASURED {
            if self.sandboxes.fetch_add(1, Ordering::Relaxed) == SANDBOXES_BEFORE_COPIES {
                self.before.get_or_init(system_time);
            }
            return None;
        }
        let copy = self.copy.get_or_init(|| {
            let before = self.before.get().copied().flatten();
            let taken = system_time()?.saturating_sub(before?);
            if !is_worth(taken, image_bytes) {
                return None;
            }
            let (places, idle_memory) = copy()?;
            Some(Box::new(Resident {
                places,
                _idle_memory: idle_memory,
            }))
        });
        copy.as_ref()?.places.take()
    }
}

/// Whether `taken`, the system time of [`SANDBOXES_MEASURED`] sandboxes, exceeds the time in which their
/// images of `image_bytes` each are copied.
fn is_worth(taken: Duration, image_bytes: u64) -> bool {
    let copied_bytes = image_bytes.saturating_mul(SANDBOXES_MEASURED);
    let copying = Duration::from_millis(copied_bytes / COPIED_PER_MS);
    tracing::debug!(?taken, ?copying, "system time measured");
    taken > copying
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_is_worth_less_time_than_faults() {
        let (taken, image_bytes) = (Duration::from_millis(64), 8 << 20);
        assert!(is_worth(taken + Duration::from_millis(1), image_bytes));
        assert!(!is_worth(taken, image_bytes));
        assert!(!is_worth(taken, u64::MAX));
    }
}
