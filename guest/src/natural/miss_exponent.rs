//! The probability that a check modulo random primes misses a wrong number.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the top bits of a wide ratio fit a word"
)]

use super::modular::widening_mul;

/// Returns e such that a check misses a wrong number with a probability of at most 2^−e.
///
/// A check misses if all of `checks` independent random primes divide the difference of
/// two different numbers of up to `digits` digits.
///
/// A number below 10^D other than 0 has at most D · log2(10) / 60 prime factors
/// above 2^60. There are more than 2.7 · 10^16 primes of 61 bits to draw from:
/// x/ln x · (1 + 1/ln x) ≤ π(x) for x ≥ 599 and π(x) ≤ x/ln x · (1 + 1.2762/ln x)
/// for x > 1 (Dusart, "Estimates of some functions over primes without R.H.",
/// 2010, theorem 6.9) make π(2^61) > 5.582 · 10^16 and π(2^60) < 2.858 · 10^16.
/// So one prime misses with a probability of at most D / (2.7 · 10^16 · 60 / log2(10)).
pub(crate) fn miss_exponent(digits: u64, checks: u32) -> u32 {
    /// 2.7 · 10^16 · 60 / 3.3219281, rounded down.
    const LENGTHS: u64 = 487_668_590_000_000_000;
    const FRACTION_BITS: u32 = 16;
    let ratio = (u128::from(LENGTHS) << 64) / u128::from(digits.max(1));
    let Some(whole) = ratio.checked_ilog2().and_then(|log| log.checked_sub(64)) else {
        return 0;
    };
    // The binary logarithm, bit by bit: a square of 2 or more sets the next bit. Each
    // truncation makes the result smaller. `ratio` is normalized to [2^63, 2^64).
    let mut rest = (ratio >> (whole + 1)) as u64;
    let mut log = u64::from(whole);
    for _ in 0..FRACTION_BITS {
        let (high, low) = widening_mul(rest, rest);
        let carry = high >> 63;
        rest = if carry == 1 {
            high
        } else {
            high << 1 | low >> 63
        };
        log = log << 1 | carry;
    }
    let bits = (u128::from(log) * u128::from(checks)) >> FRACTION_BITS;
    u32::try_from(bits).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_rounded_down() {
        // log2(4.87668590e17 / D)
        assert_eq!(miss_exponent(1, 1), 58);
        assert_eq!(miss_exponent(0, 1), 58);
        assert_eq!(miss_exponent(1_000_000, 1), 38);
        assert_eq!(miss_exponent(1_000_000, 3), 116);
        assert_eq!(miss_exponent(5_565_709, 3), 109);
        assert_eq!(miss_exponent(1 << 58, 1), 0);
        assert_eq!(miss_exponent(u64::MAX, 3), 0);
        assert_eq!(miss_exponent(10, 0), 0);
        assert_eq!(miss_exponent(1, u32::MAX), u32::MAX);
    }
}
