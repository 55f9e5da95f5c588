//! Products of many small factors, balanced so that the multiplications are of
//! equal operands and the fast ones apply.
//!
//! Recursion halves the factors, so that its depth is the logarithm of their
//! number.

use alloc::vec::Vec;

use num_bigint::BigUint;

/// Factors that are multiplied one after the other rather than split again.
const LEAF_FACTORS: usize = 16;

/// Small factors, packed into as few words as they fit.
#[derive(Debug)]
pub struct Factors {
    words: Vec<u64>,
    last: u64,
}

impl Factors {
    /// No factors, with room for `words_max` packed words.
    pub fn with_capacity(words_max: usize) -> Self {
        Self {
            words: Vec::with_capacity(words_max),
            last: 1,
        }
    }

    /// Adds one factor.
    pub fn push(&mut self, factor: u64) {
        if let Some(word) = self.last.checked_mul(factor) {
            self.last = word;
        } else {
            self.words.push(self.last);
            self.last = factor;
        }
    }

    /// The product of all factors.
    pub fn product(mut self) -> BigUint {
        self.words.push(self.last);
        balanced(&self.words)
    }
}

fn balanced(words: &[u64]) -> BigUint {
    if words.len() > LEAF_FACTORS {
        let (low, high) = words.split_at(words.len() / 2);
        let low = balanced(low);
        return low * balanced(high);
    }
    let mut product = BigUint::from(1_u32);
    for &word in words {
        product *= word;
    }
    product
}

/// last · (last − step) · (last − 2·step) · …, `count` factors in all.
///
/// The caller sees to it that every factor is positive.
pub fn progression(last: u64, step: u64, count: u64) -> BigUint {
    if count > LEAF_FACTORS as u64 {
        let upper = count / 2;
        // The factors are positive, so that no term leaves the range of `last`.
        let split = last.saturating_sub(step.saturating_mul(upper));
        let high = progression(last, step, upper);
        return high * progression(split, step, count - upper);
    }
    let mut factors = Factors::with_capacity(LEAF_FACTORS);
    let mut factor = last;
    for _ in 0..count {
        factors.push(factor);
        factor = factor.saturating_sub(step);
    }
    factors.product()
}

/// How many factors n!(k) has.
pub fn progression_count(n: u64, step: u64) -> u64 {
    n.div_ceil(step.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_splitting_lose_nothing() {
        for count in 0..200_u64 {
            let mut factors = Factors::with_capacity(0);
            let mut naive = BigUint::from(1_u32);
            for factor in (0..count).map(|i| i * i * 1_000_003 + 7) {
                factors.push(factor);
                naive *= factor;
            }
            assert_eq!(factors.product(), naive);
        }
    }

    #[test]
    fn progressions_are_products() {
        for step in 1..9 {
            for n in 0..300_u64 {
                let mut naive = BigUint::from(1_u32);
                let mut factor = n;
                while factor > 0 {
                    naive *= factor;
                    factor = factor.saturating_sub(step);
                }
                assert_eq!(
                    progression(n, step, progression_count(n, step)),
                    naive,
                    "{n} {step}"
                );
            }
        }
        let end = u64::MAX;
        assert_eq!(progression(end, end - 1, 2), BigUint::from(end));
    }
}
