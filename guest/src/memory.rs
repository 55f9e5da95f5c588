//! How much linear memory a request needs: a promise that the host caps the
//! sandbox at.
//!
//! The last product has the peak for every kind alike: it holds its operands, the
//! complex points of one or two transforms, and the limbs that come of them. All
//! of these are proportional to the digits, and memory never shrinks; the heap
//! grows by a sixteenth at least. Proofs need shorter limbs, and more of them.
//! Measured in WebAssembly over all kinds, from 30 digits to 66 million, two pages
//! (64 KiB each) last for 9,000 digits. Then products of primes take 3.2 to 6.0
//! bytes a digit, multifactorials 4.7 to 7.8, sums of factorials 7.6 to 9.2 and
//! primorials 10.1, of which their primes are a part; with proofs up to 1.45 times
//! as much, and multifactorials up to 14. The model below is above all that was
//! measured, and never above 2 times of it, but for some proved numbers (2.5 times).
//!
//! What the sandboxes of a fan-out take depends on more: which shapes of transforms its
//! shares and their products happen to need, and what room the heap has between them.
//! Over 500 random numbers of all kinds that are dealt out, by 2 to 8 sandboxes, the
//! model is 1.04 to 3 times what was measured.
//!
//! A change of any algorithm or allocation in its way has to measure again; the
//! host logs what each sandbox used (`COCOON_LOG=cocoon=debug`).

use crate::cost::Count;
use crate::powers;
use crate::request::{Kind, Request};

/// Bytes of one page, by which memory grows.
const PAGE_BYTES: u64 = 64 * 1024;

/// Up to so many digits two pages are enough: one, with which a sandbox starts,
/// for stack, data and all of a tiny request, and one more. Primorials, with their
/// many primes, have half as many.
const TINY_DIGITS_MAX: u64 = 6_500;

/// What a longer number takes beside its digits: the pages of a tiny one, a
/// chunk of output among them.
const BASE_BYTES: u64 = 160 * 1024;

/// The largest memory with 32-bit addresses.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

/// The memory that a sandbox needs in all for a scientific notation by a series, in
/// bytes, whatever the number: that of a tiny request. The most is taken by the
/// tangent numbers of the longest series: 64,016 bytes are allocated at once, over
/// all kinds and 1 to 1000 digits.
pub(crate) const SERIES_BYTES: u64 = 2 * PAGE_BYTES;

/// The memory that a sandbox needs in all for a number of so many digits, in
/// bytes.
pub(crate) fn peak_bytes(digits: Count, request: Request) -> Option<u64> {
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
        Kind::Primorial => (95, powers::list_bytes(powers::count_max(n))),
        Kind::Multifactorial(2..) => (88, 0),
        Kind::Subfactorial | Kind::Alternating => (105, 0),
        _ => (62, 0),
    };
    in_pages(digits, tenths, request, primes)
}

/// What a share needs that has `digits` digits, and lists of so many bytes.
pub(crate) fn share_bytes(digits: u64, list_bytes: u64, request: Request) -> Option<u64> {
    let tenths = match request.kind {
        Kind::Primorial => 105,
        Kind::Multifactorial(3..) => 92,
        _ => 80,
    };
    in_pages(digits, tenths, request, list_bytes + TALK_BYTES)
}

/// What a product of parts needs that has `digits` digits.
pub(crate) fn product_bytes(digits: u64, request: Request) -> Option<u64> {
    in_pages(digits, PRODUCT_TENTHS, request, TALK_BYTES)
}

/// What either half of a product needs that has `digits` digits in all, also where both
/// are put together: one operand is given up before the limbs of the product are written.
pub(crate) fn half_bytes(digits: u64, request: Request) -> Option<u64> {
    in_pages(digits, HALF_TENTHS, request, TALK_BYTES)
}

/// What a sandbox takes that reads and writes chunks at the same time.
const TALK_BYTES: u64 = 192 * 1024;

/// Tenths of a byte for each digit of a product of two parts.
const PRODUCT_TENTHS: u64 = 90;

/// Tenths of a byte for each digit of a product that is computed by halves.
const HALF_TENTHS: u64 = 48;

/// Whole pages for so many digits, at so many tenths of a byte each.
fn in_pages(digits: u64, tenths: u64, request: Request, more_bytes: u64) -> Option<u64> {
    let proved_percent = match request.kind {
        Kind::Multifactorial(2..) => PROVED_PERCENT_MULTIFACTORIAL,
        _ => PROVED_PERCENT,
    };
    // Short numbers are proved in the limbs that they have anyway.
    let percent = if request.proved && digits > PROVED_DIGITS_MIN {
        proved_percent
    } else {
        100
    };
    let bytes = u128::from(digits) * u128::from(tenths * percent) / 1000;
    let bytes = u64::try_from(bytes).ok()?;
    let bytes = bytes.checked_add(BASE_BYTES)?.checked_add(more_bytes)?;
    let bytes = bytes.checked_next_multiple_of(PAGE_BYTES)?;
    (bytes <= MEMORY_BYTES_MAX).then_some(bytes)
}

/// What proofs take of what checks do, in percent.
const PROVED_PERCENT: u64 = 145;

/// The same for multifactorials, whose last product is the longest: where the proof of
/// it fails, it is begun anew in shorter limbs.
const PROVED_PERCENT_MULTIFACTORIAL: u64 = 170;

/// Up to so many digits they take no more.
const PROVED_DIGITS_MIN: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_whole_pages_within_32_bits() {
        let peak = |digits| peak_bytes(digits, Request::decimal(Kind::Factorial, 1));
        assert_eq!(peak(Count::Exact(1)), Some(131_072));
        assert_eq!(peak(Count::Exact(6_500)), Some(131_072));
        assert_eq!(peak(Count::AtMost(6_501)), Some(262_144));
        assert_eq!(peak(Count::Exact(5_565_709)), Some(34_734_080));
        assert_eq!(peak(Count::Exact(900_000_000)), None);
        assert_eq!(peak(Count::Exact(u64::MAX)), None);
        assert_eq!(peak(Count::Beyond), None);
    }
}
