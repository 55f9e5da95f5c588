//! Subfactorials and alternating factorials: sums of factorials, by binary
//! splitting.
//!
//! Both recurrences are taken two steps at a time, so that no intermediate is
//! negative. Recursion halves the range, so that its depth is the logarithm of
//! n; the work is that of a few balanced products of the size of n!.

use num_bigint::BigUint;

/// Pairs of steps that are taken one after the other rather than split again.
const LEAF_PAIRS: u64 = 8;

/// !n (A000166), by D(m) = m · D(m−1) + (−1)^m from D(0) = 1.
pub fn subfactorial(n: u64) -> BigUint {
    // Two steps, with even m = 2j: D(m) = m(m−1) · D(m−2) − (m−1). They compose
    // to D(2j) = P · D(0) − Q.
    let (scale, minus) = subfactorial_block(0, n / 2);
    let even = scale - minus;
    if n.is_multiple_of(2) {
        even
    } else {
        even * n - 1_u32
    }
}

/// The pairs from `from` + 1 to `to` as x → P · x − Q.
fn subfactorial_block(from: u64, to: u64) -> (BigUint, BigUint) {
    if to - from > LEAF_PAIRS {
        let middle = from + (to - from) / 2;
        let (scale_low, minus_low) = subfactorial_block(from, middle);
        let (scale_high, minus_high) = subfactorial_block(middle, to);
        let mut minus = minus_low * &scale_high;
        minus += minus_high;
        return (scale_low * scale_high, minus);
    }
    let mut scale = BigUint::from(1_u32);
    let mut minus = BigUint::ZERO;
    for even in (from + 1..=to).map(|pair| 2 * pair) {
        scale = scale * even * (even - 1);
        minus = minus * even * (even - 1) + (even - 1);
    }
    (scale, minus)
}

/// af(n) (A005165), by af(m) = m! − af(m−1) from af(0) = 0.
pub fn alternating(n: u64) -> BigUint {
    // Pairs of terms from below, with even m = 2j: m! − (m−1)! is
    // (m−2)! · (m−1)². They compose to af(2j) = S beside (2j)! = P.
    let (product, sum) = alternating_block(0, n / 2);
    if n.is_multiple_of(2) {
        sum
    } else {
        product * n - sum
    }
}

/// (2·`to`)! / (2·`from`)!, and the sum of the terms above (2·`from`)! divided
/// by it.
fn alternating_block(from: u64, to: u64) -> (BigUint, BigUint) {
    if to - from > LEAF_PAIRS {
        let middle = from + (to - from) / 2;
        let (product_low, sum_low) = alternating_block(from, middle);
        let (product_high, sum_high) = alternating_block(middle, to);
        let mut sum = sum_high * &product_low;
        sum += sum_low;
        return (product_low * product_high, sum);
    }
    let mut product = BigUint::from(1_u32);
    let mut sum = BigUint::ZERO;
    for even in (from + 1..=to).map(|pair| 2 * pair) {
        sum += &product * (even - 1) * (even - 1);
        product = product * even * (even - 1);
    }
    (product, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_the_recurrences() {
        let mut derangements = BigUint::from(1_u32);
        let mut factorial = BigUint::from(1_u32);
        let mut alternated = BigUint::ZERO;
        for n in 0..400_u64 {
            if n > 0 {
                derangements *= n;
                if n % 2 == 0 {
                    derangements += 1_u32;
                } else {
                    derangements -= 1_u32;
                }
                factorial *= n;
                alternated = &factorial - alternated;
            }
            assert_eq!(subfactorial(n), derangements, "!{n}");
            assert_eq!(alternating(n), alternated, "af({n})");
        }
    }
}
