//! How much linear memory a request needs: a promise that the host caps the
//! sandbox at.
//!
//! The conversion into decimal has the peak for every kind alike: at its first
//! split it holds the number, the largest power of ten with its reciprocal, the
//! smaller ones, and one multiplication of two halves with the temporaries of
//! num-bigint's Toom-3. All of these are proportional to the digits, and
//! memory never shrinks. Measured in WebAssembly, from 30 digits to 9.9 million
//! and over all kinds, one page (64 KiB) lasts for 6,300 digits and two for
//! 23,800; from there on a page comes for at least every 13,700 digits, and for
//! every 18,500 in the long run (3.5 bytes a digit), with steps of no more than
//! a page where allocations come to lie badly. The model below is a page or
//! more above all that was measured, and never above 2 times of it.
//!
//! A change of any algorithm or allocation in its way has to measure again.

use crate::cost::Count;

/// Bytes of one page, by which memory grows.
const PAGE_BYTES: u64 = 64 * 1024;

/// Up to so many digits two pages are enough: one, with which a sandbox starts,
/// for stack, data and all of a tiny request, and one more.
const TINY_DIGITS_MAX: u64 = 12_000;

/// What a longer number takes beside its digits: the pages of a tiny one, a
/// chunk of output among them.
const BASE_BYTES: u64 = 2 * PAGE_BYTES;

/// Bytes for each decimal digit.
const BYTES_PER_DIGIT: u64 = 5;

/// The largest memory with 32-bit addresses.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

/// The memory that a sandbox needs in all for a number of so many digits, in
/// bytes, whatever its kind and format.
pub(crate) fn peak_bytes(digits: Count) -> Option<u64> {
    let (Count::Exact(digits) | Count::AtMost(digits)) = digits else {
        return None;
    };
    if digits <= TINY_DIGITS_MAX {
        return Some(2 * PAGE_BYTES);
    }
    let bytes = digits
        .checked_mul(BYTES_PER_DIGIT)?
        .checked_add(BASE_BYTES)?;
    let bytes = bytes.checked_next_multiple_of(PAGE_BYTES)?;
    (bytes <= MEMORY_BYTES_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_whole_pages_within_32_bits() {
        assert_eq!(peak_bytes(Count::Exact(1)), Some(131_072));
        assert_eq!(peak_bytes(Count::Exact(12_000)), Some(131_072));
        assert_eq!(peak_bytes(Count::AtMost(12_001)), Some(196_608));
        assert_eq!(peak_bytes(Count::Exact(5_565_709)), Some(27_983_872));
        assert_eq!(peak_bytes(Count::Exact(900_000_000)), None);
        assert_eq!(peak_bytes(Count::Exact(u64::MAX)), None);
        assert_eq!(peak_bytes(Count::Beyond), None);
    }
}
