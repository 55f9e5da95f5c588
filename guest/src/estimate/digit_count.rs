//! The number of decimal digits, and the leading digits, truncated or rounded.
//!
//! Numbers of 128 bits are computed. For others logarithms suffice: in double precision
//! with a proven margin for small n, else by ball arithmetic. If a ball contains a power
//! of ten, the precision is raised.

use alloc::string::String;

use super::log_f64;
use super::magnitude::{Magnitude, Scientific};
use crate::number::small;
use crate::request::decimal::{count_digits_u128, push_u128};
use crate::request::{Count, Kind};

/// Bits after the point in successive attempts. n² ln n has up to 134 bits before the
/// point, and 20 digits take 67.
const PRECISION_BITS: [u64; 3] = [256, 320, 384];

/// Most leading digits of [`leading_digits`].
pub const LEADING_MAX: u32 = 20;

/// Counts the digits of the number. Exact for every kind but the primorial.
pub fn count_digits(kind: Kind, n: u64) -> Count {
    if let Some(value) = small::compute_u128(kind, n) {
        return Count::Exact(count_digits_u128(value));
    }
    if kind == Kind::Primorial {
        return count_primorial_digits(n);
    }
    if let Some(count) = log_f64::count_digits(kind, n) {
        return Count::Exact(count);
    }
    let mut bound = Count::Beyond;
    for bits in PRECISION_BITS {
        let Some(magnitude) = Magnitude::new(kind, n, bits) else {
            break;
        };
        if let Some(count) = magnitude.count_digits() {
            return count;
        }
        bound = magnitude.bound_digits();
    }
    // No such number is known. It would be within a factor of 1 ± 10^−40 of a power of
    // ten.
    bound
}

/// Bounds the digits of a primorial.
///
/// n# < e^(1.01624 n) for n > 0 (Rosser and Schoenfeld 1962, theorem 9), and
/// 1.01624 / ln 10 < 0.44135.
fn count_primorial_digits(n: u64) -> Count {
    let digits = u128::from(n) * 44_135 / 100_000 + 1;
    u64::try_from(digits).map_or(Count::Beyond, Count::AtMost)
}

/// Returns a close lower bound on the number of digits.
///
/// n# > e^(0.84 n) for n ≥ 101 (Rosser and Schoenfeld 1962, theorem 10), and
/// 0.84 / ln 10 > 0.3648. Smaller primorials are counted exactly.
pub fn least_digits(kind: Kind, n: u64) -> u64 {
    match count_digits(kind, n) {
        Count::Exact(count) => count,
        Count::Beyond => u64::MAX,
        Count::AtMost(_) if kind == Kind::Primorial => {
            let digits = u128::from(n) * 3648 / 10_000 + 1;
            u64::try_from(digits).unwrap_or(u64::MAX)
        }
        // The ball contains a power of ten.
        Count::AtMost(count) => count.saturating_sub(1),
    }
}

/// Returns the first digits of the number, at most [`LEADING_MAX`], truncated. `None` if
/// they are unknown.
pub fn leading_digits(kind: Kind, n: u64) -> Option<String> {
    if let Some(value) = small::compute_u128(kind, n) {
        let mut text = String::new();
        push_u128(&mut text, value);
        text.truncate(LEADING_MAX as usize);
        return Some(text);
    }
    let mut attempts = PRECISION_BITS.into_iter();
    attempts.find_map(|bits| Magnitude::new(kind, n, bits)?.leading_digits(LEADING_MAX))
}

/// Rounds a number above 2^128 with many more digits to `significant` digits.
///
/// `None` for a primorial, and for a number that is a tie or too close to one.
pub(crate) fn round_digits(kind: Kind, n: u64, significant: u32) -> Option<Scientific> {
    /// Covers the errors of a sum, besides the factor n or n² of its largest term.
    const GUARD_BITS: u64 = 64;
    // log2(10) < 3.322.
    let digits_bits = u64::from(significant) * 3322 / 1000 + 1;
    let factor_bits = 2 * u64::from(n.checked_ilog2().unwrap_or(0) + 1);
    let bits = digits_bits + factor_bits + GUARD_BITS;
    [bits, bits + 64, bits + 256]
        .into_iter()
        .find_map(|bits| Magnitude::new(kind, n, bits)?.round_digits(significant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mul::Multiplier;
    use crate::number;

    const KINDS: [Kind; 11] = [
        Kind::Factorial,
        Kind::Multifactorial(1),
        Kind::Multifactorial(2),
        Kind::Multifactorial(3),
        Kind::Multifactorial(7),
        Kind::Multifactorial(1000),
        Kind::Subfactorial,
        Kind::Primorial,
        Kind::Superfactorial,
        Kind::Hyperfactorial,
        Kind::Alternating,
    ];

    fn agrees(kind: Kind, n: u64) {
        let text = number::compute(kind, n, &mut Multiplier::proved()).to_text();
        let digits = text.len() as u64;
        if kind == Kind::Primorial {
            match count_digits(kind, n) {
                Count::Exact(count) => assert_eq!(count, digits, "{kind:?} {n}"),
                Count::AtMost(count) => {
                    assert!(digits <= count && count <= digits * 2, "{kind:?} {n}");
                    let least = least_digits(kind, n);
                    assert!(least <= digits && digits <= least * 2, "{kind:?} {n}");
                }
                Count::Beyond => panic!("{kind:?} {n}"),
            }
            return;
        }
        assert_eq!(count_digits(kind, n), Count::Exact(digits), "{kind:?} {n}");
        if digits > 39 {
            let double = log_f64::count_digits(kind, n);
            assert!(double.is_none_or(|count| count == digits), "{kind:?} {n}");
            let certified = Magnitude::new(kind, n, 256).expect("a series");
            assert_eq!(
                certified.count_digits(),
                Some(Count::Exact(digits)),
                "{kind:?} {n}"
            );
        }
        let first: String = text.chars().take(20).collect();
        assert_eq!(leading_digits(kind, n), Some(first), "{kind:?} {n}");
    }

    #[test]
    fn counts_and_leading_digits_agree_with_the_numbers() {
        for kind in KINDS {
            for n in (0..150).chain((150..420).step_by(31)).chain([1000, 1023]) {
                agrees(kind, n);
            }
        }
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(2),
            Kind::Multifactorial(3),
        ] {
            for n in [2999, 4096, 10_000] {
                agrees(kind, n);
            }
        }
    }

    /// From OEIS A034886 (digits of n!) and A061010 (of (10^n)!).
    #[test]
    fn known_counts() {
        for (n, digits) in [
            (1_000_000, 5_565_709),
            (1_000_000_000, 8_565_705_523),
            (10_u64.pow(12), 11_565_705_518_104),
            (10_u64.pow(15), 14_565_705_518_096_757),
        ] {
            assert_eq!(
                count_digits(Kind::Factorial, n),
                Count::Exact(digits),
                "{n}"
            );
        }
        assert_eq!(count_digits(Kind::Factorial, u64::MAX), Count::Beyond);
        assert_eq!(
            count_digits(Kind::Primorial, u64::MAX),
            Count::AtMost(8_141_470_496_931_710_606)
        );
        for kind in KINDS {
            count_digits(kind, u64::MAX);
            leading_digits(kind, u64::MAX);
        }
    }
}
