//! Digit counts from logarithms in double precision, with a proven margin.
//!
//! Only IEEE 754 additions, multiplications and divisions are used, each correct to one
//! unit of 2^−53, so that the error bound relies on no library's logarithm. If a result
//! is too close to an integer, or n is large,
//! [`digit_count`](crate::estimate::digit_count) uses ball arithmetic.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "exact for n below the limit; the margin is proven"
)]

use core::f64::consts::{LN_2, LOG10_E};

use crate::request::Kind;

/// Bound on the error of a logarithm, relative to the largest term of its sum: four times
/// the proven bound of [`Sum`].
const RELATIVE_ERROR: f64 = 1.0 / (1_u64 << 44) as f64;

/// Bound on n for which the margin is small enough.
const N_MAX: u64 = 1 << 36;

/// Bound on decimal exponents, above which the margin always exceeds one.
const EXPONENT_MAX: f64 = (1_u64 << 46) as f64;

/// A logarithm, and the largest term of its sum.
///
/// A largest term has a relative error below 2^−48, the others are far smaller, and each
/// of the few additions adds 2^−53. So the error of a sum is below 2^−47 of its largest
/// term, and that of a difference of two below 2^−46.
#[derive(Clone, Copy)]
struct Sum {
    value: f64,
    largest: f64,
}

impl Sum {
    fn add(self, term: f64) -> Self {
        Self {
            value: self.value + term,
            largest: self.largest.max(term.abs()),
        }
    }

    fn sub(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            largest: self.largest.max(other.largest),
        }
    }
}

/// Counts the digits of a number above 2^128. `None` if double precision does not suffice.
pub(crate) fn count_digits(kind: Kind, n: u64) -> Option<u64> {
    if n >= N_MAX {
        return None;
    }
    let sum = match kind {
        Kind::Factorial | Kind::Multifactorial(1) => ln_factorial(n),
        Kind::Multifactorial(2) => ln_double_factorial(n),
        // !n is n!/e rounded to an integer, which changes the logarithm of so large a
        // number by less than 10^−38.
        Kind::Subfactorial => ln_factorial(n).add(-1.0),
        Kind::Superfactorial => {
            // sf(n) = n!^(n+1) / H(n)
            let Sum { value, largest } = ln_factorial(n);
            let times = n as f64 + 1.0;
            Sum {
                value: value * times,
                largest: largest * times,
            }
            .sub(ln_hyperfactorial(n))
        }
        Kind::Hyperfactorial => ln_hyperfactorial(n),
        Kind::Alternating => ln_factorial(n).add(-ln(1.0 / alternating_quotient(n))),
        Kind::Multifactorial(_) | Kind::Primorial => return None,
    };
    let error = sum.largest * RELATIVE_ERROR;
    let low = (sum.value - error) * LOG10_E * (1.0 - RELATIVE_ERROR);
    let high = (sum.value + error) * LOG10_E * (1.0 + RELATIVE_ERROR);
    if high >= EXPONENT_MAX {
        return None;
    }
    // Both fit into a u64: the casts only truncate the fractions.
    let (low, high) = (low as u64, high as u64);
    (low == high).then_some(low + 1)
}

/// Computes ln n! by Stirling's series, for n ≥ 12.
///
/// ln n! = (n + ½) ln n − n + ½ ln 2π + 1/12n − 1/360n³ + 1/1260n⁵ − 1/1680n⁷ + r
/// with |r| < 1/1188n⁹ < 2·10^−13, relative to a largest term above 31. (n + ½) ln n has
/// the error of [`ln`] and two rounding errors.
fn ln_factorial(n: u64) -> Sum {
    const HALF_LN_2_PI: f64 = 0.918_938_533_204_672_7;
    let x = n as f64;
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let tail = 1.0 / 1260.0 - square / 1680.0;
    let tail = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * tail));
    let largest = (x + 0.5) * ln(x);
    Sum {
        value: largest - x + HALF_LN_2_PI + tail,
        largest,
    }
}

/// Computes ln n!! by (2m)!! = 2^m · m! and (2m+1)!! = (2m+1)! / (2m)!!, for n ≥ 24.
fn ln_double_factorial(n: u64) -> Sum {
    let half = n / 2;
    let even = ln_factorial(half).add(half as f64 * LN_2);
    if n.is_multiple_of(2) {
        even
    } else {
        ln_factorial(n).sub(even)
    }
}

/// Computes ln H(n) by the series of [`logarithm`](crate::estimate::logarithm), for
/// n ≥ 10.
///
/// The remainder is below 1/9504n⁸ < 2·10^−12, relative to a largest term above 127.
fn ln_hyperfactorial(n: u64) -> Sum {
    const LN_GLAISHER: f64 = 0.248_754_477_033_784_26;
    let x = n as f64;
    let square = 1.0 / (x * x);
    let tail = 1.0 / 720.0 - square * (1.0 / 5040.0 - square / 10080.0);
    let largest = (x * (x + 1.0) / 2.0 + 1.0 / 12.0) * ln(x);
    Sum {
        value: largest - x * x / 4.0 + LN_GLAISHER + square * tail,
        largest,
    }
}

/// Computes af(n) / n! = 1 − 1/n + 1/n(n−1) − …, between ½ and 1, for n ≥ 34.
///
/// Its error, a few units of 2^−53, is negligible relative to ln n!.
fn alternating_quotient(n: u64) -> f64 {
    let mut quotient = 1.0;
    let mut term = 1.0_f64;
    let mut divisor = n as f64;
    // Each term that matters is less than a twentieth of the one before.
    while term.abs() > 1e-18 {
        term = -term / divisor;
        quotient += term;
        divisor -= 1.0;
    }
    quotient
}

/// Computes ln x for x ≥ 1, with a relative error below 2^−49.
///
/// With x = m · 2^e, √½ < m ≤ √2, and s = (m−1)/(m+1), ln x = e ln 2 + 2 atanh s.
/// m − 1 is exact; |s| < 0.1716, so that the series truncated after s^25 is correct to
/// 2^−70. Its terms fall so fast that Horner's rule adds two rounding errors, and s, s² and
/// the products six. |e ln 2| is at least twice |2 atanh s|, so that the sum at most
/// doubles the error.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as f64 - 1023.0;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    let mut odd = 25.0;
    while odd > 0.0 {
        sum = sum * square + 1.0 / odd;
        odd -= 2.0;
    }
    exponent * LN_2 + 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_agree_with_the_library() {
        for n in (1..100_000_u64).chain((1..36).map(|e| (1 << e) - 1)) {
            let x = n as f64;
            assert!((ln(x) - x.ln()).abs() <= x.ln() * 1e-14, "{n}");
        }
    }

    #[test]
    fn known_counts() {
        assert_eq!(count_digits(Kind::Factorial, 1_000_000), Some(5_565_709));
        assert_eq!(
            count_digits(Kind::Factorial, 1_000_000_000),
            Some(8_565_705_523)
        );
        assert_eq!(count_digits(Kind::Factorial, N_MAX), None);
        assert_eq!(count_digits(Kind::Hyperfactorial, N_MAX - 1), None);
    }
}
