//! Products of many small factors, balanced so that the multiplications are of
//! equal operands and the fast ones apply.
//!
//! Recursion halves the factors, so that its depth is the logarithm of their
//! number.

use alloc::vec::Vec;

use crate::carry::Carry;
use crate::multiply::Multiplier;
use crate::natural::{Natural, PLACES_MAX, base};
use crate::pair::Pair;

/// Limbs of a word.
const WORD_LIMBS: usize = 3;

/// A word is below this, which has [`WORD_LIMBS`] limbs.
#[expect(clippy::cast_sign_loss, reason = "a base is positive")]
const WORD_MAX: u64 = (base(PLACES_MAX) as u64).pow(3);

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
        match self.last.checked_mul(factor) {
            Some(word) if word < WORD_MAX => self.last = word,
            _ => {
                self.words.push(self.last);
                self.last = factor;
            }
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
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limbs are below 2^31 and sums of their products below 2^53"
)]
fn leaf(words: &[u64]) -> Natural {
    let base = base(PLACES_MAX);
    let mut product: Vec<f64> = Vec::with_capacity(WORD_LIMBS * (words.len() + 1) + 2);
    product.push(1.0);
    for &word in words {
        if word >= WORD_MAX {
            return leaf_of_large(words);
        }
        let limb = |index: u32| (word / (base as u64).pow(index) % base as u64) as f64;
        let (low, middle, high) = (limb(0), limb(1), limb(2));
        // Places above those of the product, for what is carried there.
        product.resize(product.len() + WORD_LIMBS + 1, 0.0);
        product.resize(product.len().next_multiple_of(2), 0.0);
        let mut carry = Carry::new(base);
        let (mut before, mut long_before) = (0.0, 0.0);
        for limbs in product.as_chunks_mut::<2>().0 {
            let [first, second] = *limbs;
            let sums = Pair::new(
                first * low + before * middle + long_before * high,
                second * low + first * middle + before * high,
            );
            (before, long_before) = (second, first);
            let taken = carry.take(sums);
            *limbs = [taken.first(), taken.second()];
        }
        while product.last() == Some(&0.0) {
            product.pop();
        }
    }
    let limbs = product.iter().map(|&limb| limb as i32).collect();
    Natural::from_limbs(PLACES_MAX, limbs)
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
