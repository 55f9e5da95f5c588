//! Sums of factorials by binary splitting: subfactorials and alternating factorials.
//!
//! Each step combines two steps of the recurrence, so that no intermediate is negative.
//! Recursion halves the range: its depth is the logarithm of n. The time is that of a few
//! balanced products as long as n!.

use crate::mul::Multiplier;
use crate::natural::Natural;

/// Computes !n (A000166), by D(m) = m · D(m−1) + (−1)^m from D(0) = 1.
pub(super) fn compute_subfactorial(n: u64, multiplier: &mut Multiplier) -> Natural {
    // Two steps, with even m = 2j: D(m) = m(m−1) · D(m−2) − (m−1). They compose
    // to D(2j) = P · D(0) − Q.
    let (mut number, minus) = subfactorial_block(0, n / 2, multiplier);
    number.subtract(&minus);
    if !n.is_multiple_of(2) {
        number = multiplier.multiply(&number, &Natural::from(n));
        number.subtract(&Natural::one());
    }
    number
}

/// Computes P and Q of the map x → P · x − Q that the pairs of steps from `from` + 1 to
/// `to` compose to.
fn subfactorial_block(from: u64, to: u64, multiplier: &mut Multiplier) -> (Natural, Natural) {
    if to == from {
        return (Natural::one(), Natural::from(0));
    }
    if to - from > 1 {
        let middle = from + (to - from) / 2;
        let (scale_low, minus_low) = subfactorial_block(from, middle, multiplier);
        let (scale_high, minus_high) = subfactorial_block(middle, to, multiplier);
        let mut minus = multiplier.multiply(&minus_low, &scale_high);
        minus.add(&minus_high);
        return (multiplier.multiply(&scale_low, &scale_high), minus);
    }
    let even = 2 * to;
    (multiply_pair(even, multiplier), Natural::from(even - 1))
}

/// Computes m (m−1) for an even m.
fn multiply_pair(even: u64, multiplier: &mut Multiplier) -> Natural {
    match even.checked_mul(even - 1) {
        Some(word) => Natural::from(word),
        None => multiplier.multiply(&Natural::from(even), &Natural::from(even - 1)),
    }
}

/// Computes af(n) (A005165), by af(m) = m! − af(m−1) from af(0) = 0.
pub(super) fn compute_alternating(n: u64, multiplier: &mut Multiplier) -> Natural {
    // Pairs of terms from below, with even m = 2j: m! − (m−1)! is (m−2)! · (m−1)². They
    // compose to af(2j) = S and (2j)! = P.
    let (product, sum) = alternating_block(0, n / 2, multiplier);
    if n.is_multiple_of(2) {
        return sum;
    }
    let mut number = multiplier.multiply(&product, &Natural::from(n));
    number.subtract(&sum);
    number
}

/// Computes (2·`to`)! / (2·`from`)!, and the sum of the terms above (2·`from`)! divided by
/// (2·`from`)!.
fn alternating_block(from: u64, to: u64, multiplier: &mut Multiplier) -> (Natural, Natural) {
    if to == from {
        return (Natural::one(), Natural::from(0));
    }
    if to - from > 1 {
        let middle = from + (to - from) / 2;
        let (product_low, sum_low) = alternating_block(from, middle, multiplier);
        let (product_high, sum_high) = alternating_block(middle, to, multiplier);
        let mut sum = multiplier.multiply(&sum_high, &product_low);
        sum.add(&sum_low);
        return (multiplier.multiply(&product_low, &product_high), sum);
    }
    let odd = Natural::from(2 * to - 1);
    (multiply_pair(2 * to, multiplier), multiplier.square(&odd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn agree_with_the_recurrences() {
        let mut derangements = BigUint::from(1_u32);
        let mut factorial = BigUint::from(1_u32);
        let mut alternating = BigUint::ZERO;
        for n in 0..400_u64 {
            if n > 0 {
                derangements *= n;
                if n % 2 == 0 {
                    derangements += 1_u32;
                } else {
                    derangements -= 1_u32;
                }
                factorial *= n;
                alternating = &factorial - alternating;
            }
            let mut multiplier = Multiplier::proved();
            let number = compute_subfactorial(n, &mut multiplier);
            assert_eq!(number.to_big(), derangements, "!{n}");
            let number = compute_alternating(n, &mut multiplier);
            assert_eq!(number.to_big(), alternating, "af({n})");
        }
    }
}
