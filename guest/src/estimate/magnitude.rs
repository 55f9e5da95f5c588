//! The decimal exponent and first digits of a number, from a ball around its logarithm.
//!
//! A result holds for the whole ball. Where the ball is too wide there is none, and
//! callers raise the precision.

use alloc::string::String;
use alloc::vec::Vec;

use num_bigint::{BigInt, BigUint};

use super::ball::{Ball, Precision};
use super::logarithm::Logarithms;
use crate::request::decimal::{push_padded, push_u64};
use crate::request::{Count, Kind};

/// The number `digits` · 10^`exponent`, with a point after the first digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scientific {
    pub(crate) digits: String,
    pub(crate) exponent: String,
}

/// ln of a number, and ln 10 in the same precision.
pub(crate) struct Magnitude {
    precision: Precision,
    ln: Ball,
    ln_10: Ball,
}

impl Magnitude {
    /// Computes ln to `bits` bits after the point. `None` for the primorial, which has no
    /// series.
    pub(crate) fn new(kind: Kind, n: u64, bits: u64) -> Option<Self> {
        let precision = Precision { bits };
        let ln = Logarithms::new(precision).ln_number(kind, n)?;
        Some(Self {
            precision,
            ln,
            ln_10: precision.ln_10(),
        })
    }

    /// Returns bounds on log10 of the number, truncated to integers.
    fn exponents(&self) -> (BigInt, BigInt) {
        let (low, high) = self.ln.bounds();
        let (ten_low, ten_high) = self.ln_10.bounds();
        (low / ten_high, high / ten_low)
    }

    /// Counts the decimal digits. `None` if the ball contains a power of ten.
    pub(crate) fn count_digits(&self) -> Option<Count> {
        let (low, high) = self.exponents();
        (low == high).then(
            || match u64::try_from(low).ok().and_then(|e| e.checked_add(1)) {
                Some(count) => Count::Exact(count),
                None => Count::Beyond,
            },
        )
    }

    /// Returns an upper bound on the count of decimal digits.
    pub(crate) fn bound_digits(&self) -> Count {
        let (_, high) = self.exponents();
        match u64::try_from(high).ok().and_then(|e| e.checked_add(1)) {
            Some(count) => Count::AtMost(count),
            None => Count::Beyond,
        }
    }

    /// Returns the decimal exponent, and the number divided by that power of ten, from 1
    /// to 10. `None` if the ball contains a power of ten.
    fn mantissa(&self) -> Option<(BigUint, Ball)> {
        let (exponent, high) = self.exponents();
        if exponent != high {
            return None;
        }
        let exponent = BigUint::try_from(exponent).ok()?;
        let whole = self.ln_10.clone().mul(exponent.clone());
        let mantissa = self.precision.exp(&self.ln.clone().sub(&whole));
        Some((exponent, mantissa))
    }

    /// Returns the first `length` digits of a number with more, truncated. `None` if they
    /// differ within the ball.
    pub(crate) fn leading_digits(&self, length: u32) -> Option<String> {
        let (_, mantissa) = self.mantissa()?;
        let (low, high) = mantissa.bounds();
        let scale = BigInt::from(10_u32).pow(length.saturating_sub(1));
        let truncate = |value: BigInt| (value * &scale) >> self.precision.bits;
        let (low, high) = (truncate(low), truncate(high));
        let text = format_decimal(BigUint::try_from(low.clone()).ok()?);
        (low == high && text.len() == length as usize).then_some(text)
    }

    /// Rounds to `significant` digits. `None` if the ball contains a tie.
    pub(crate) fn round_digits(&self, significant: u32) -> Option<Scientific> {
        let (exponent, mantissa) = self.mantissa()?;
        let mut digits = format_decimal(round(self.precision, &mantissa, significant)?);
        let mut exponent = exponent;
        if digits.len() > significant as usize {
            // All nines were rounded up to a power of ten.
            digits.truncate(significant as usize);
            exponent += 1_u32;
        }
        Some(Scientific {
            digits,
            exponent: format_decimal(exponent),
        })
    }
}

/// Returns the integer nearest to the mantissa times 10^(significant − 1). `None` if the
/// ball contains a tie.
fn round(precision: Precision, mantissa: &Ball, significant: u32) -> Option<BigUint> {
    let scale = BigInt::from(10_u32).pow(significant.saturating_sub(1));
    let half = BigInt::from(1) << precision.bits.saturating_sub(1);
    let (low, high) = mantissa.bounds();
    // One unit less, since a tie is the lower end of its interval.
    let low = (low * &scale - 1 + &half) >> precision.bits;
    let high = (high * &scale + &half) >> precision.bits;
    if low == high {
        BigUint::try_from(low).ok()
    } else {
        None
    }
}

/// Formats a number of up to a few thousand digits, in quadratic time.
fn format_decimal(value: BigUint) -> String {
    const PIECE: u64 = 1_000_000_000;
    let mut pieces = Vec::new();
    let mut rest = value;
    while rest.bits() > 64 {
        let quotient = &rest / PIECE;
        let piece = &rest - &quotient * PIECE;
        pieces.push(u64::try_from(piece).unwrap_or(0));
        rest = quotient;
    }
    let mut text = String::with_capacity(20 + 9 * pieces.len());
    push_u64(&mut text, u64::try_from(rest).unwrap_or(0));
    for piece in pieces.into_iter().rev() {
        push_padded(&mut text, piece, 9);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball is rounded only if all of it rounds to the same integer.
    #[test]
    fn ties_are_not_rounded() {
        let precision = Precision { bits: 64 };
        let around = |quarters: u32, units: i64, radius: u32| {
            let middle = (BigInt::from(quarters) << 62) + units;
            round(precision, &Ball::from_units(middle, radius), 2)
        };
        let some = |value: u32| Some(BigUint::from(value));
        // 1.25
        assert_eq!(around(5, 0, 0), None);
        assert_eq!(around(5, 0, 1), None);
        assert_eq!(around(5, 1, 1), None);
        assert_eq!(around(5, 2, 1), some(13));
        assert_eq!(around(5, -1, 1), None);
        assert_eq!(around(5, -2, 1), some(12));
        // 1.5 is exact.
        assert_eq!(around(6, 0, 1), some(15));
        assert_eq!(around(5, 9, 10), None);
        // 9.75, and a number that rounds up to 10.
        assert_eq!(around(39, 5, 1), some(98));
        assert_eq!(around(40, -5, 1), some(100));
        let magnitude = Magnitude {
            precision,
            ln: precision
                .ln_10()
                .mul(7_u32)
                .sub(&Ball::from_units(BigInt::from(1_u64 << 40), 1)),
            ln_10: precision.ln_10(),
        };
        let rounded = magnitude.round_digits(3).expect("no tie");
        assert_eq!((&*rounded.digits, &*rounded.exponent), ("100", "7"));
    }

    #[test]
    fn long_integers_are_formatted() {
        for digits in [1, 9, 18, 19, 20, 27, 28, 300] {
            let power = BigUint::from(10_u32).pow(digits);
            for value in [&power - 1_u32, power.clone(), power + 1_u32] {
                assert_eq!(format_decimal(value.clone()), value.to_str_radix(10));
            }
        }
        assert_eq!(format_decimal(BigUint::ZERO), "0");
    }
}
