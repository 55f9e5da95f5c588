//! Products of many small factors, balanced so that the multiplications are of
//! equal operands and the fast ones apply.
//!
//! Recursion halves the factors, so that its depth is the logarithm of their
//! number.

use alloc::vec::Vec;

use crate::multiply::Multiplier;
use crate::natural::Natural;

/// The base in which words are multiplied.
const BILLION: u64 = 1_000_000_000;

/// A word is below this: it has two limbs of that base.
const WORD_MAX: u64 = BILLION * BILLION;

/// Words that are multiplied one after the other rather than split again.
const LEAF_WORDS: usize = 16;

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
        // The product is below 2^64 then; it is 2^63 or more otherwise.
        let fits = self.last.leading_zeros() + factor.leading_zeros() >= u64::BITS;
        let word = self.last.wrapping_mul(factor);
        if fits && word < WORD_MAX {
            self.last = word;
        } else {
            self.words.push(self.last);
            self.last = factor;
        }
    }

    /// The product of all factors.
    pub fn product(mut self, multiplier: &mut Multiplier) -> Natural {
        self.words.push(self.last);
        balanced(&self.words, multiplier)
    }
}

fn balanced(words: &[u64], multiplier: &mut Multiplier) -> Natural {
    if words.len() > LEAF_WORDS {
        let (low, high) = words.split_at(words.len() / 2);
        let low = balanced(low, multiplier);
        let high = balanced(high, multiplier);
        return multiplier.product(&low, &high);
    }
    leaf(words)
}

/// The product of a few words.
fn leaf(words: &[u64]) -> Natural {
    // Limbs of nine digits, of which a word has two.
    let mut product: Vec<u64> = Vec::with_capacity(2 * words.len() + 1);
    product.push(1);
    for &word in words {
        if word >= WORD_MAX {
            return leaf_of_large(words);
        }
        let (low, high) = (word % BILLION, word / BILLION);
        let (mut before, mut carry) = (0, 0);
        for limb in &mut product {
            // Below 2 · 10^18 and what is carried, which is below 2^31 + 1.
            let sum = *limb * low + before * high + carry;
            before = *limb;
            carry = sum / BILLION;
            *limb = sum % BILLION;
        }
        let last = before * high + carry;
        product.extend([last % BILLION, last / BILLION]);
        while product.last() == Some(&0) {
            product.pop();
        }
    }
    Natural::from_billions(&product)
}

/// As [`leaf`], for words that are longer than its words may be.
fn leaf_of_large(words: &[u64]) -> Natural {
    let mut multiplier = Multiplier::proved();
    words.iter().fold(Natural::one(), |product, &word| {
        multiplier.product(&product, &Natural::from(word))
    })
}

/// last · (last − step) · (last − 2·step) · …, `count` factors in all.
///
/// The caller sees to it that every factor is positive.
pub fn progression(last: u64, step: u64, count: u64, multiplier: &mut Multiplier) -> Natural {
    const LEAF_FACTORS: u64 = 2 * LEAF_WORDS as u64;
    if count > LEAF_FACTORS {
        let upper = count / 2;
        // The factors are positive, so that no term leaves the range of `last`.
        let split = last.saturating_sub(step.saturating_mul(upper));
        let high = progression(last, step, upper, multiplier);
        let low = progression(split, step, count - upper, multiplier);
        return multiplier.product(&high, &low);
    }
    let mut factors = Factors::with_capacity(LEAF_WORDS);
    let mut factor = last;
    for _ in 0..count {
        factors.push(factor);
        factor = factor.saturating_sub(step);
    }
    factors.product(multiplier)
}

/// How many factors n!(k) has.
pub fn progression_count(n: u64, step: u64) -> u64 {
    n.div_ceil(step.max(1))
}
#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn packing_and_splitting_lose_nothing() {
        for count in 0..200_u64 {
            let mut factors = Factors::with_capacity(0);
            let mut naive = BigUint::from(1_u32);
            for factor in (0..count).map(|i| i * i * 1_000_003 + 7) {
                factors.push(factor);
                naive *= factor;
            }
            let product = factors.product(&mut Multiplier::proved());
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
                    progression(n, step, progression_count(n, step), &mut multiplier).to_big(),
                    naive,
                    "{n} {step}"
                );
            }
        }
        let end = u64::MAX;
        assert_eq!(
            progression(end, end - 1, 2, &mut multiplier).to_big(),
            BigUint::from(end)
        );
    }
}
