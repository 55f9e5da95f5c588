//! Digit counts in double precision, with a proven margin.
//!
//! The sums below use nothing but IEEE 754 additions, multiplications and
//! divisions, each correct to one unit of 2^−53, so that their errors can be
//! bounded without trusting a library's logarithm. Where a result is too near
//! to an integer to tell, or n is not small, [`digits`](crate::digits) takes the
//! exact path.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "exact for the arguments that are let in; the margin is proven"
)]

use crate::request::Kind;

/// Bound on the relative error of [`log10_factorial`], with a wide margin; see
/// there.
const RELATIVE_ERROR: f64 = 1.0 / (1_u64 << 44) as f64;

/// Where n and its sums are exact enough to be of use.
const N_MAX: u64 = 1 << 36;

/// The digits of the number, where double precision can tell them.
pub(crate) fn digits(kind: Kind, n: u64) -> Option<u64> {
    if !(35..N_MAX).contains(&n) {
        return None;
    }
    let log10 = match kind {
        Kind::Factorial | Kind::Multifactorial(1) => log10_factorial(n),
        // !n is n!/e, rounded to an integer: for n ≥ 35 that changes the
        // logarithm by less than 10^−39.
        Kind::Subfactorial => log10_factorial(n) - core::f64::consts::LOG10_E,
        _ => return None,
    };
    let error = log10 * RELATIVE_ERROR;
    let below = (log10 - error).floor();
    let above = (log10 + error).floor();
    // Below 2^53, and not negative: the cast is exact.
    (below == above).then_some(below as u64 + 1)
}

/// log10 n! for 35 ≤ n < [`N_MAX`], by Stirling's series.
///
/// ln n! = (n + ½) ln n − n + ½ ln 2π + 1/12n − 1/360n³ + r with 0 < r <
/// 1/1260n⁵ < 2·10^−11, of a sum above 90: less than 2^−42 of it, and the term is
/// taken in too, which leaves less than 1/1680n⁷ < 2^−52 of the sum.
/// (n + ½) ln n has the error of [`ln`] and two roundings, 2^−48.5 in all, and is
/// less than 1.5 times the result; the further terms add five roundings, and
/// the last multiplication two. In all that is below 2^−47.
fn log10_factorial(n: u64) -> f64 {
    const HALF_LN_2_PI: f64 = 0.918_938_533_204_672_7;
    let x = n as f64;
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let tail = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0));
    ((x + 0.5) * ln(x) - x + HALF_LN_2_PI + tail) * core::f64::consts::LOG10_E
}

/// ln x for x ≥ 1, with a relative error below 2^−49.
///
/// With x = m · 2^e, √½ < m ≤ √2, and s = (m−1)/(m+1), ln x = e ln 2 + 2 atanh s.
/// m − 1 is exact; |s| < 0.1716, so that the series cut off after s^25 is good
/// to 2^−70; its terms fall so fast that Horner's rule adds two roundings, and s,
/// s² and the products six. |e ln 2| is at least twice |2 atanh s|, so that the
/// sum at worst doubles the error.
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
    exponent * core::f64::consts::LN_2 + 2.0 * s * sum
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
    fn counts_agree_with_the_numbers() {
        assert_eq!(digits(Kind::Factorial, 1_000_000), Some(5_565_709));
        assert_eq!(digits(Kind::Factorial, 1_000_000_000), Some(8_565_705_523));
    }
}
