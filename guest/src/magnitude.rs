//! How large a number is: its decimal exponent and first digits, as far as a ball
//! around its logarithm tells them.
//!
//! Nothing is told that does not hold for all of the ball: callers raise the
//! precision until it is narrow enough.

use alloc::string::String;
use alloc::vec::Vec;

use num_bigint::{BigInt, BigUint};

use crate::ball::{Ball, Precision};
use crate::cost::Count;
use crate::decimal::{push_padded, push_u64};
use crate::logarithm::Logarithms;
use crate::request::Kind;

/// `digits`, all of them significant, with a point after the first, times
/// 10^`exponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rounded {
    pub(crate) digits: String,
    pub(crate) exponent: String,
}

/// ln of a number, set against ln 10.
pub(crate) struct Magnitude {
    precision: Precision,
    ln: Ball,
    ln_10: Ball,
}

impl Magnitude {
    /// To so many bits after the point. `None` where no series is known.
    pub(crate) fn new(kind: Kind, n: u64, bits: u64) -> Option<Self> {
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

    /// The decimal digits, where the ball tells.
    pub(crate) fn count(&self) -> Option<Count> {
        let (low, high) = self.exponents();
        (low == high).then(
            || match u64::try_from(low).ok().and_then(|e| e.checked_add(1)) {
                Some(count) => Count::Exact(count),
                None => Count::Beyond,
            },
        )
    }

    /// No fewer than the decimal digits.
    pub(crate) fn bound(&self) -> Count {
        let (_, high) = self.exponents();
        match u64::try_from(high).ok().and_then(|e| e.checked_add(1)) {
            Some(count) => Count::AtMost(count),
            None => Count::Beyond,
        }
    }

    /// The decimal exponent, and the number divided by that power of ten: from 1
    /// to 10.
    fn mantissa(&self) -> Option<(BigUint, Ball)> {
        let (exponent, high) = self.exponents();
        if exponent != high {
            return None;
        }
        let exponent = BigUint::try_from(exponent).ok()?;
        let whole = self.ln_10.clone().times(exponent.clone());
        let mantissa = self.precision.exp(&self.ln.clone().minus(&whole));
        Some((exponent, mantissa))
    }

    /// The first digits, of more than so many, cut off.
    pub(crate) fn leading(&self, length: u32) -> Option<String> {
        let (_, mantissa) = self.mantissa()?;
        let (low, high) = mantissa.bounds();
        let scale = BigInt::from(10_u32).pow(length.saturating_sub(1));
        let cut = |value: BigInt| (value * &scale) >> self.precision.bits;
        let (low, high) = (cut(low), cut(high));
        let text = decimal(BigUint::try_from(low.clone()).ok()?);
        (low == high && text.len() == length as usize).then_some(text)
    }

    /// The first digits, rounded, where the ball tells.
    pub(crate) fn rounded(&self, significant: u32) -> Option<Rounded> {
        let (exponent, mantissa) = self.mantissa()?;
        let mut digits = decimal(round(self.precision, &mantissa, significant)?);
        let mut exponent = exponent;
        if digits.len() > significant as usize {
            // All nines were rounded up, and made one more zero.
            digits.truncate(significant as usize);
            exponent += 1_u32;
        }
        Some(Rounded {
            digits,
            exponent: decimal(exponent),
        })
    }
}

/// The integer nearest to the mantissa times 10^(significant − 1), where no tie
/// is within the ball.
fn round(precision: Precision, mantissa: &Ball, significant: u32) -> Option<BigUint> {
    let scale = BigInt::from(10_u32).pow(significant.saturating_sub(1));
    let half = BigInt::from(1) << precision.bits.saturating_sub(1);
    let (low, high) = mantissa.bounds();
    // A unit less, since the lower end of what is cut to an integer is a tie.
    let low = (low * &scale - 1 + &half) >> precision.bits;
    let high = (high * &scale + &half) >> precision.bits;
    if low == high {
        BigUint::try_from(low).ok()
    } else {
        None
    }
}

/// The digits of a number of up to a few thousand of them.
fn decimal(value: BigUint) -> String {
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

    /// A ball is rounded where all of it goes to one side, and not otherwise.
    #[test]
    fn ties_are_left_alone() {
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
        // 1.5 is written as it is.
        assert_eq!(around(6, 0, 1), some(15));
        assert_eq!(around(5, 9, 10), None);
        // 9.75, and what is rounded up to 10.
        assert_eq!(around(39, 5, 1), some(98));
        assert_eq!(around(40, -5, 1), some(100));
        let magnitude = Magnitude {
            precision,
            ln: precision
                .ln_10()
                .times(7_u32)
                .minus(&Ball::from_units(BigInt::from(1_u64 << 40), 1)),
            ln_10: precision.ln_10(),
        };
        let rounded = magnitude.rounded(3).expect("no tie");
        assert_eq!((&*rounded.digits, &*rounded.exponent), ("100", "7"));
    }

    #[test]
    fn long_integers_are_written() {
        for digits in [1, 9, 18, 19, 20, 27, 28, 300] {
            let power = BigUint::from(10_u32).pow(digits);
            for value in [&power - 1_u32, power.clone(), power + 1_u32] {
                assert_eq!(decimal(value.clone()), value.to_str_radix(10));
            }
        }
        assert_eq!(decimal(BigUint::ZERO), "0");
    }
}
