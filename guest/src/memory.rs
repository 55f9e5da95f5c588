//! How much linear memory a request needs.

use crate::cost::Count;
use crate::request::Request;

/// Bytes of the memory that a sandbox has when it starts.
const INITIAL_BYTES: u64 = 3 * 64 * 1024;

/// Bytes of one page, by which memory grows.
const PAGE_BYTES: u64 = 64 * 1024;

/// The largest memory with 32-bit addresses.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

/// The memory that a sandbox needs in all.
pub(crate) fn peak_bytes(_request: Request, digits: Count) -> Option<u64> {
    let (Count::Exact(digits) | Count::AtMost(digits)) = digits else {
        return None;
    };
    let bytes = digits.checked_mul(6)?.checked_add(INITIAL_BYTES)?.div_ceil(PAGE_BYTES) * PAGE_BYTES;
    (bytes <= MEMORY_BYTES_MAX).then_some(bytes)
}
