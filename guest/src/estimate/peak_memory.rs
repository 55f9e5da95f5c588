//! The peak of linear memory of a request, at which the host caps the sandbox.
//!
//! For every kind the last product sets the peak: it holds its operands, the complex
//! points of one or two transforms, and the limbs of the product. All of these are
//! proportional to the digits. Memory never shrinks, and grows by at least a sixteenth.
//! Proofs need shorter limbs, and more of them.
//!
//! Measured in WebAssembly over all kinds, from 30 digits to 66 million: two pages (64 KiB
//! each) suffice for 9,000 digits. For longer numbers, products of primes take 3.2 to 6.0
//! bytes a digit, multifactorials 4.7 to 7.8, sums of factorials 7.6 to 9.2 and
//! primorials 10.1 with their primes; with proofs up to 1.45 times as much, and
//! multifactorials up to 14. The model is above every measurement, and at most 2 times it
//! (2.5 times for some proved numbers).
//!
//! The memory of a fan-out also depends on the shapes of the transforms of its shares, and
//! on fragmentation of the heap. Over 500 random numbers of all kinds, in 2 to 8
//! sandboxes, the model is 1.04 to 3 times the measurement.
//!
//! Measure again after a change of an algorithm or an allocation: the host logs the memory
//! of each sandbox (`COCOON_LOG=cocoon=debug`).

use crate::number::prime_powers;
use crate::request::{Count, Kind, Request};

/// Bytes of a page, by which memory grows.
const PAGE_BYTES: u64 = 64 * 1024;

/// Most digits for which two pages suffice: one, with which a sandbox starts, for stack,
/// data and a tiny request, and one more. Primorials, with their many primes, have half as
/// many digits.
const TINY_DIGITS_MAX: u64 = 6_500;

/// Bytes of a longer number besides its digits: the pages of a tiny one and a chunk of
/// output.
const BASE_BYTES: u64 = 160 * 1024;

/// Bytes of the largest memory with 32-bit addresses.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

/// Peak of a scientific notation by a series, for any number. The tangent numbers of the
/// longest series take most: 64,016 bytes, over all kinds and 1 to 1000 digits.
pub(crate) const SERIES_BYTES: u64 = 2 * PAGE_BYTES;

/// Estimates the peak of a number with this many digits, in bytes. `None` if more than a
/// 32-bit memory holds.
pub(crate) fn estimate_number(digits: Count, request: Request) -> Option<u64> {
    let (Count::Exact(digits) | Count::AtMost(digits)) = digits else {
        return None;
    };
    let Request { kind, n, .. } = request;
    let tiny_digits_max = match kind {
        Kind::Primorial => TINY_DIGITS_MAX / 2,
        _ => TINY_DIGITS_MAX,
    };
    if digits <= tiny_digits_max {
        return Some(2 * PAGE_BYTES);
    }
    let (tenths, primes) = match kind {
        Kind::Primorial => (
            95,
            prime_powers::prime_list_bytes(prime_powers::prime_count_max(n)),
        ),
        Kind::Multifactorial(2..) => (88, 0),
        Kind::Subfactorial | Kind::Alternating => (105, 0),
        _ => (62, 0),
    };
    round_to_pages(digits, tenths, request, primes)
}

/// Estimates the peak of a share of a fan-out with `digits` digits and lists of
/// `list_bytes` bytes. `None` as in [`estimate_number`].
pub(crate) fn estimate_share(digits: u64, list_bytes: u64, request: Request) -> Option<u64> {
    let tenths = match request.kind {
        Kind::Primorial => 105,
        Kind::Multifactorial(3..) => 92,
        _ => 80,
    };
    round_to_pages(digits, tenths, request, list_bytes + CHANNEL_BYTES)
}

/// Estimates the peak of a product of two shares with `digits` digits. `None` as in
/// [`estimate_number`].
pub(crate) fn estimate_product(digits: u64, request: Request) -> Option<u64> {
    round_to_pages(digits, PRODUCT_TENTHS, request, CHANNEL_BYTES)
}

/// Estimates the peak of half a product of `digits` digits, also in the sandbox that joins
/// both halves: it frees one operand before it writes the limbs of the product. `None` as
/// in [`estimate_number`].
pub(crate) fn estimate_half(digits: u64, request: Request) -> Option<u64> {
    round_to_pages(digits, HALF_TENTHS, request, CHANNEL_BYTES)
}

/// Bytes of the chunks of a sandbox that reads and writes at the same time.
const CHANNEL_BYTES: u64 = 192 * 1024;

/// Tenths of a byte for each digit of a product of two shares.
const PRODUCT_TENTHS: u64 = 90;

/// Tenths of a byte for each digit of a product that is computed by halves.
const HALF_TENTHS: u64 = 48;

/// Computes whole pages for `digits` digits of `tenths` tenths of a byte each.
fn round_to_pages(digits: u64, tenths: u64, request: Request, fixed_bytes: u64) -> Option<u64> {
    let proved_percent = match request.kind {
        Kind::Multifactorial(2..) => PROVED_PERCENT_MULTIFACTORIAL,
        _ => PROVED_PERCENT,
    };
    let percent = if request.proved && digits > UNPROVED_PEAK_DIGITS_MAX {
        proved_percent
    } else {
        100
    };
    let bytes = u128::from(digits) * u128::from(tenths * percent) / 1000;
    let bytes = u64::try_from(bytes).ok()?;
    let bytes = bytes.checked_add(BASE_BYTES)?.checked_add(fixed_bytes)?;
    let bytes = bytes.checked_next_multiple_of(PAGE_BYTES)?;
    (bytes <= MEMORY_BYTES_MAX).then_some(bytes)
}

/// Memory of a proved number in percent of a verified one.
const PROVED_PERCENT: u64 = 145;

/// The same for multifactorials, whose last product is the longest: if its proof fails, it
/// starts again in shorter limbs.
const PROVED_PERCENT_MULTIFACTORIAL: u64 = 170;

/// Most digits for which proofs take no additional memory. The shortest number found that exceeds the
/// promise without it has 66,000 digits: its proof starts again in shorter limbs.
const UNPROVED_PEAK_DIGITS_MAX: u64 = 50_000;

const _: () = assert!(
    TINY_DIGITS_MAX <= UNPROVED_PEAK_DIGITS_MAX && SERIES_BYTES <= BASE_BYTES,
    "tiny numbers and series need no more than the least estimate of others"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_whole_pages_within_32_bits() {
        let peak = |digits| estimate_number(digits, Request::decimal(Kind::Factorial, 1));
        assert_eq!(peak(Count::Exact(1)), Some(131_072));
        assert_eq!(peak(Count::Exact(6_500)), Some(131_072));
        assert_eq!(peak(Count::AtMost(6_501)), Some(262_144));
        assert_eq!(peak(Count::Exact(5_565_709)), Some(34_734_080));
        assert_eq!(peak(Count::Exact(900_000_000)), None);
        assert_eq!(peak(Count::Exact(u64::MAX)), None);
        assert_eq!(peak(Count::Beyond), None);
    }
}
