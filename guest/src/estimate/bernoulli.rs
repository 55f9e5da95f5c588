//! The sums over Bernoulli numbers in the asymptotic series of
//! [`logarithm`](crate::estimate::logarithm).
//!
//! Bernoulli numbers follow from tangent numbers, which are integers, so that nothing is
//! rounded: tan x = `Σ T_j` x^(2j−1) / (2j−1)!, with `T_j` = 1, 2, 16, 272, … (OEIS
//! A000182), and `B_2j` = (−1)^(j−1) · 2j · `T_j` / (4^j (4^j − 1)). A thousand digits need
//! about two hundred of them, some tens of KiB.

use alloc::vec::Vec;

use num_bigint::{BigInt, BigUint};

use super::ball::{Ball, Precision};

/// Tangent numbers for sums over Bernoulli numbers.
pub(crate) struct BernoulliSum {
    tangents: Vec<BigUint>,
    /// Bits of the largest tangent number: additional precision of the powers that they
    /// multiply.
    bits: u64,
}

impl BernoulliSum {
    pub(crate) fn new(terms: u32) -> Self {
        let tangents = compute_tangent_numbers(terms);
        let bits = tangents.last().map_or(0, BigUint::bits);
        Self { tangents, bits }
    }

    /// Computes Σ `B_2j` / (2j (2j−1) x^(2j−1)) for x = a/k.
    pub(crate) fn for_gamma(&self, precision: Precision, a: u128, k: u64) -> Ball {
        let one = BigUint::from(k) << (precision.bits + self.bits);
        self.sum(one / a, a, k, 1, |j| 2 * j - 1)
    }

    /// Computes −Σ `B_2j` / ((2j−2) (2j−1) 2j x^(2j−2)), j from 2.
    pub(crate) fn for_hyperfactorial(&self, precision: Precision, x: u64) -> Ball {
        let one = BigUint::from(1_u32) << (precision.bits + self.bits);
        self.sum(one / x / x, x.into(), 1, 2, |j| (2 * j - 2) * (2 * j - 1))
    }

    /// Computes Σ ± p · `T_j` / (4^j (4^j − 1) · `divisor(j)`) from j = `first` on, with
    /// alternating signs, the first positive. p starts as `power` and is multiplied by
    /// k²/a² in each step.
    ///
    /// A power is truncated by less than two of its units, since k < a/2; times
    /// `T_j` / (4^j (4^j − 1)) that is less than one unit of 2^−bits. Truncating the term
    /// costs less than one more. The last term is not added: it bounds the remainder.
    fn sum(
        &self,
        mut power: BigUint,
        a: u128,
        k: u64,
        first: u32,
        divisor: impl Fn(u32) -> u32,
    ) -> Ball {
        let (mut sum, mut last) = (BigInt::ZERO, BigInt::ZERO);
        let mut units = 2_u32;
        let mut numbers = (1_u32..).zip(&self.tangents);
        // Skips those below `first`.
        numbers.by_ref().take(first as usize - 1).for_each(drop);
        for (j, tangent) in numbers {
            sum += &last;
            units += 2;
            let less_one = (BigUint::from(1_u32) << (2 * j)) - 1_u32;
            let term = (&power * tangent) >> (self.bits + u64::from(2 * j));
            let term = BigInt::from(term / less_one / divisor(j));
            let negative = (j - first) % 2 == 1;
            last = if negative { -term } else { term };
            if last == BigInt::ZERO {
                break;
            }
            power = power * k / a * k / a;
        }
        Ball::from_units(sum, units).widen(last.magnitude().clone())
    }
}

/// Estimates the number of terms until they are below 2^−bits, or start to grow.
///
/// `B_2j` is about 2 (2j)! / (2π)^2j, so that the quotient of successive terms is about
/// (2j)(2j−1) / (2πx)². An estimate is enough: the last term bounds the error in any case.
pub(crate) fn count_terms(bits: u64, argument: u64) -> u32 {
    const STEP_BITS: u64 = 64;
    const STEP: f64 = 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let around = 2.0 * core::f64::consts::PI * argument as f64;
    let (mut size, mut reached) = (1.0, 0);
    // Both series have at least one term.
    let mut count = 2_u32;
    while reached < bits {
        let even = f64::from(2 * count);
        let quotient = even * (even - 1.0) / (around * around);
        if quotient >= 1.0 {
            break;
        }
        size *= quotient;
        count += 1;
        while size * STEP < 1.0 {
            size *= STEP;
            reached += STEP_BITS;
        }
    }
    count
}

/// Computes the first `count` tangent numbers by O(count²) products with small numbers
/// (Brent and Harvey, "Fast computation of Bernoulli, tangent and secant numbers",
/// 2013, algorithm `TangentNumbers`).
fn compute_tangent_numbers(count: u32) -> Vec<BigUint> {
    let mut numbers = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut factorial = BigUint::from(1_u32);
    for index in 1..=count {
        numbers.push(factorial.clone());
        factorial *= index;
    }
    for first in 1..numbers.len() {
        let mut previous = BigUint::ZERO;
        for (step, number) in (0_u32..).zip(numbers.iter_mut().skip(first)) {
            *number *= step + 2;
            if step > 0 {
                previous *= step;
                *number += &previous;
            }
            previous.clone_from(number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_terms() {
        let expected = [
            1_u64,
            2,
            16,
            272,
            7936,
            353_792,
            22_368_256,
            1_903_757_312,
            209_865_342_976,
            29_088_885_112_832,
        ];
        for count in 0..=10 {
            let expected: Vec<BigUint> = expected.iter().copied().map(BigUint::from).collect();
            assert_eq!(compute_tangent_numbers(count), expected[..count as usize]);
        }
        // Numbers do not depend on the count.
        assert_eq!(
            compute_tangent_numbers(60)[..40],
            compute_tangent_numbers(40)[..]
        );
    }

    #[test]
    fn terms_are_enough() {
        assert_eq!(count_terms(256, u64::MAX), 4);
        assert_eq!(count_terms(3500, 1750), 322);
        assert_eq!(count_terms(3500, 12_000), 199);
    }
}
