//! Products of many small factors by balanced product trees, which multiply operands of
//! equal length.
//!
//! Recursion halves the factors, so that its depth is the logarithm of their number.

use alloc::vec::Vec;

use crate::mul::Multiplier;
use crate::natural::Natural;

/// Base in which leaves are multiplied.
const BILLION: u64 = 1_000_000_000;

/// Bound on words with two limbs of that base.
const WORD_MAX: u64 = BILLION * BILLION;

/// Most words of a leaf, which are multiplied one by one.
const LEAF_WORDS: usize = 16;

/// Small factors, packed into words.
#[derive(Debug)]
pub struct Factors {
    words: Vec<u64>,
    /// The word to which factors are added.
    last: u64,
}

impl Factors {
    /// Creates an empty list with capacity for `words_max` words.
    pub fn with_capacity(words_max: usize) -> Self {
        Self {
            words: Vec::with_capacity(words_max),
            last: 1,
        }
    }

    /// Adds one factor.
    pub fn push(&mut self, factor: u64) {
        // If so, the product is below 2^64; otherwise it is at least 2^63.
        let fits = self.last.leading_zeros() + factor.leading_zeros() >= u64::BITS;
        let word = self.last.wrapping_mul(factor);
        if fits && word < WORD_MAX {
            self.last = word;
        } else {
            self.words.push(self.last);
            self.last = factor;
        }
    }

    /// Multiplies all factors.
    pub fn multiply(mut self, multiplier: &mut Multiplier) -> Natural {
        self.words.push(self.last);
        multiply_tree(&self.words, multiplier)
    }
}

fn multiply_tree(words: &[u64], multiplier: &mut Multiplier) -> Natural {
    if words.len() > LEAF_WORDS {
        let (low, high) = words.split_at(words.len() / 2);
        let low = multiply_tree(low, multiplier);
        let high = multiply_tree(high, multiplier);
        return multiplier.multiply(&low, &high);
    }
    multiply_leaf(words)
}

/// Multiplies a few words by the schoolbook method.
fn multiply_leaf(words: &[u64]) -> Natural {
    let mut product: Vec<u64> = Vec::with_capacity(2 * words.len() + 1);
    product.push(1);
    for &word in words {
        if word >= WORD_MAX {
            return multiply_large_leaf(words);
        }
        let (low, high) = (word % BILLION, word / BILLION);
        let (mut previous, mut carry) = (0, 0);
        for limb in &mut product {
            // Below 2 · 10^18 plus a carry below 2^31 + 1.
            let sum = *limb * low + previous * high + carry;
            previous = *limb;
            carry = sum / BILLION;
            *limb = sum % BILLION;
        }
        let last = previous * high + carry;
        product.extend([last % BILLION, last / BILLION]);
        while product.last() == Some(&0) {
            product.pop();
        }
    }
    Natural::from_billions(&product)
}

/// Multiplies a few words of any size.
fn multiply_large_leaf(words: &[u64]) -> Natural {
    let mut multiplier = Multiplier::proved();
    words.iter().fold(Natural::one(), |product, &word| {
        multiplier.multiply(&product, &Natural::from(word))
    })
}

/// Computes last · (last − step) · (last − 2·step) · …, `count` factors in all. Every
/// factor must be positive.
pub fn multiply_progression(
    last: u64,
    step: u64,
    count: u64,
    multiplier: &mut Multiplier,
) -> Natural {
    const LEAF_FACTORS: u64 = 2 * LEAF_WORDS as u64;
    if count > LEAF_FACTORS {
        let upper = count / 2;
        // Factors are positive, so that nothing overflows.
        let split = last.saturating_sub(step.saturating_mul(upper));
        let high = multiply_progression(last, step, upper, multiplier);
        let low = multiply_progression(split, step, count - upper, multiplier);
        return multiplier.multiply(&high, &low);
    }
    let mut factors = Factors::with_capacity(LEAF_WORDS);
    let mut factor = last;
    for _ in 0..count {
        factors.push(factor);
        factor = factor.saturating_sub(step);
    }
    factors.multiply(multiplier)
}

/// Returns the number of factors of n!(k), where k is `step`.
pub fn count_progression(n: u64, step: u64) -> u64 {
    n.div_ceil(step.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn factors_of_any_number_are_multiplied() {
        for count in 0..200_u64 {
            let mut factors = Factors::with_capacity(0);
            let mut naive = BigUint::from(1_u32);
            for factor in (0..count).map(|i| i * i * 1_000_003 + 7) {
                factors.push(factor);
                naive *= factor;
            }
            let product = factors.multiply(&mut Multiplier::proved());
            assert_eq!(product.to_big(), naive);
        }
    }

    #[test]
    fn progressions_are_products() {
        let mut multiplier = Multiplier::proved();
        for step in 1..9 {
            for n in 0..300_u64 {
                let mut naive = BigUint::from(1_u32);
                let mut factor = n;
                while factor > 0 {
                    naive *= factor;
                    factor = factor.saturating_sub(step);
                }
                assert_eq!(
                    multiply_progression(n, step, count_progression(n, step), &mut multiplier)
                        .to_big(),
                    naive,
                    "{n} {step}"
                );
            }
        }
        let end = u64::MAX;
        assert_eq!(
            multiply_progression(end, end - 1, 2, &mut multiplier).to_big(),
            BigUint::from(end)
        );
    }
}
