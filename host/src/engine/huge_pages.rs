//! Huge pages for the memories of sandboxes.
//!
//! A page of 4 KiB costs a fault of some two microseconds when it is first touched,
//! and large transforms miss the processor's table of pages all the time. Where the
//! kernel leaves the choice to programs (`madvise` in
//! `/sys/kernel/mm/transparent_hugepage/enabled`), one of 2 MiB takes their place
//! wherever it fits into the memory that a sandbox has: small sandboxes have none,
//! and no sandbox uses more than its memory. Wasmtime has no setting for this, so the
//! address space that it reserved is looked up.
#![expect(unsafe_code, reason = "advice on memory; see the safety comment")]

use std::fs;

use rustix::mm::{Advice, madvise};

use crate::limits::LINEAR_MEMORY_BYTES;

/// Asks for huge pages in all address space that is reserved for memories.
pub(super) fn advise() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, length) in maps.lines().filter_map(reserved) {
        // SAFETY: this advice changes how memory is backed, never what it holds or
        // whether it may be used.
        let advised = unsafe { madvise(start as *mut _, length, Advice::LinuxHugepage) };
        if let Err(error) = advised {
            tracing::debug!(%error, "sandboxes have no huge pages");
        }
    }
}

/// Start and length of a line of `/proc/self/maps`, if it is of address space that
/// nobody may touch yet, and large enough for a memory.
fn reserved(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_reserved = fields.next()? == "---p" && fields.nth(2)? == "0";
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    let length = end.checked_sub(start)?;
    (is_reserved && length as u64 >= LINEAR_MEMORY_BYTES).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_are_told_from_other_mappings() {
        for (line, found) in [
            (
                "10000-200010000 ---p 00000000 00:00 0 ",
                Some((0x1_0000, 2 << 32)),
            ),
            ("10000-20000 ---p 00000000 00:00 0 ", None),
            ("10000-200010000 rw-p 00000000 00:00 0 ", None),
            ("10000-200010000 ---p 00000000 fe:00 11 /a b", None),
            ("20000-10000 ---p 00000000 00:00 0", None),
            (
                "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(reserved(line), found, "{line}");
        }
    }
}
