//! How many decimal digits a number has, and which come first.
//!
//! Tiny numbers are counted themselves, small n in double precision with a
//! proven margin, all others with balls: where one straddles a power of ten, its
//! precision is raised.

use alloc::string::String;

use num_bigint::{BigInt, BigUint};

use crate::ball::{Ball, Precision};
use crate::cost::Count;
use crate::decimal::{digits_u128, push_u128};
use crate::logarithm::Logarithms;
use crate::request::Kind;
use crate::{fast, small};

/// Bits after the point, from the first attempt to the last. n² ln n has up to
/// 134 before it, and 20 digits take 67.
const PRECISION_BITS: [u64; 3] = [256, 320, 384];

/// Most leading digits that are told.
pub const LEADING_MAX: u32 = 20;

/// The digits of the number. Exact for every kind but the primorial.
pub fn count(kind: Kind, n: u64) -> Count {
    if let Some(value) = small::wide(kind, n) {
        return Count::Exact(digits_u128(value));
    }
    if kind == Kind::Primorial {
        return primorial(n);
    }
    if let Some(count) = fast::digits(kind, n) {
        return Count::Exact(count);
    }
    let mut bound = Count::Beyond;
    for bits in PRECISION_BITS {
        let Some(magnitude) = Magnitude::new(kind, n, bits) else {
            break;
        };
        if let Some(count) = magnitude.count() {
            return count;
        }
        bound = magnitude.bound();
    }
    // No such number is known: it would be within 10^−40 of a power of ten.
    bound
}

/// n# < e^(1.01624 n) for n > 0 (Rosser and Schoenfeld 1962, theorem 9), and
/// 1.01624 / ln 10 < 0.44135.
fn primorial(n: u64) -> Count {
    let digits = u128::from(n) * 44_135 / 100_000 + 1;
    u64::try_from(digits).map_or(Count::Beyond, Count::AtMost)
}

/// The first digits of the number, at most [`LEADING_MAX`], cut off.
pub fn leading(kind: Kind, n: u64) -> Option<String> {
    if let Some(value) = small::wide(kind, n) {
        let mut text = String::new();
        push_u128(&mut text, value);
        text.truncate(LEADING_MAX as usize);
        return Some(text);
    }
    let mut attempts = PRECISION_BITS.into_iter();
    attempts.find_map(|bits| Magnitude::new(kind, n, bits)?.leading())
}

/// ln of a number, set against ln 10.
struct Magnitude {
    precision: Precision,
    ln: Ball,
    ln_10: Ball,
}

impl Magnitude {
    fn new(kind: Kind, n: u64, bits: u64) -> Option<Self> {
        let precision = Precision { bits };
        let ln = Logarithms::new(precision).of(kind, n)?;
        Some(Self {
            precision,
            ln,
            ln_10: precision.ln_10(),
        })
    }

    /// The bounds of log10 of the number, cut off to integers.
    fn exponents(&self) -> (BigInt, BigInt) {
        let (low, high) = self.ln.bounds();
        let (ten_low, ten_high) = self.ln_10.bounds();
        (low / ten_high, high / ten_low)
    }

    fn count(&self) -> Option<Count> {
        let (low, high) = self.exponents();
        (low == high).then(
            || match u64::try_from(low).ok().and_then(|e| e.checked_add(1)) {
                Some(count) => Count::Exact(count),
                None => Count::Beyond,
            },
        )
    }

    fn bound(&self) -> Count {
        let (_, high) = self.exponents();
        match u64::try_from(high).ok().and_then(|e| e.checked_add(1)) {
            Some(count) => Count::AtMost(count),
            None => Count::Beyond,
        }
    }

    /// The number is longer than [`LEADING_MAX`] digits.
    fn leading(&self) -> Option<String> {
        let (exponent, high) = self.exponents();
        if exponent != high {
            return None;
        }
        // An exponent is below n² · 64, so that it fits into 136 bits at most;
        // where it leaves 128, there is no answer.
        let whole = self.ln_10.clone().times(u128::try_from(exponent).ok()?);
        let mantissa = self.precision.exp(&self.ln.clone().minus(&whole));
        let scale = BigUint::from(10_u32).pow(LEADING_MAX - 1);
        let (low, high) = mantissa.bounds();
        let cut = |value: BigInt| (value * BigInt::from(scale.clone())) >> self.precision.bits;
        let (low, high) = (cut(low), cut(high));
        let digits = u128::try_from(&low).ok()?;
        let mut text = String::new();
        push_u128(&mut text, digits);
        (low == high && text.len() == LEADING_MAX as usize).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::number;

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
        let text = BigUint::from(number(kind, n)).to_str_radix(10);
        let digits = text.len() as u64;
        if kind == Kind::Primorial {
            match count(kind, n) {
                Count::Exact(count) => assert_eq!(count, digits, "{kind:?} {n}"),
                Count::AtMost(count) => {
                    assert!(digits <= count && count <= digits * 2, "{kind:?} {n}");
                }
                Count::Beyond => panic!("{kind:?} {n}"),
            }
            return;
        }
        assert_eq!(count(kind, n), Count::Exact(digits), "{kind:?} {n}");
        if digits > 39 {
            let fast = fast::digits(kind, n);
            assert!(fast.is_none_or(|count| count == digits), "{kind:?} {n}");
            let certified = Magnitude::new(kind, n, 256).expect("a series");
            assert_eq!(
                certified.count(),
                Some(Count::Exact(digits)),
                "{kind:?} {n}"
            );
        }
        let first: String = text.chars().take(20).collect();
        assert_eq!(leading(kind, n), Some(first), "{kind:?} {n}");
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

    /// Known from OEIS A034886 (digits of n!) and A061010 (of (10^n)!).
    #[test]
    fn known_counts() {
        for (n, digits) in [
            (1_000_000, 5_565_709),
            (1_000_000_000, 8_565_705_523),
            (10_u64.pow(12), 11_565_705_518_104),
            (10_u64.pow(15), 14_565_705_518_096_757),
        ] {
            assert_eq!(count(Kind::Factorial, n), Count::Exact(digits), "{n}");
        }
        assert_eq!(count(Kind::Factorial, u64::MAX), Count::Beyond);
        assert_eq!(
            count(Kind::Primorial, u64::MAX),
            Count::AtMost(8_141_470_496_931_710_606)
        );
        for kind in KINDS {
            count(kind, u64::MAX);
            leading(kind, u64::MAX);
        }
    }
}
