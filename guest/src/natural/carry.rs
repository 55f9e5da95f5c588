//! Carry propagation: from the coefficients of a product to limbs.
//!
//! A carry can ripple through all limbs, but need not do so at once. Limbs are balanced
//! around zero and may exceed their base slightly, so two or three rounds are enough
//! in which each coefficient passes its own excess to the next. The rounds have no
//! data-dependent branches and handle two coefficients at a time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "limbs are below 2^31 and coefficients below 2^53"
)]
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use alloc::vec::Vec;

use crate::fft::simd::F64x2;

/// Largest coefficient that is carried exactly: sums with it stay integers.
pub(crate) const COEFFICIENT_MAX: f64 = (1_u64 << 51) as f64;

/// Most limbs by which a sum is longer than its terms.
pub(crate) const CARRY_LIMBS: usize = 4;

/// Digits of a limb from which on two rounds leave limbs short; shorter limbs need three.
pub(crate) const TWO_ROUNDS_DIGITS_MIN: u32 = 5;

/// Carries along a sequence of coefficients in `ROUNDS` rounds.
#[derive(Clone)]
pub(crate) struct Carry<const ROUNDS: usize> {
    base: F64x2,
    inverse: F64x2,
    /// Carries out of the last two coefficients, for each round.
    rounds: [F64x2; ROUNDS],
}

impl<const ROUNDS: usize> Carry<ROUNDS> {
    pub(crate) fn new(base: i64) -> Self {
        let base = base as f64;
        Self {
            base: F64x2::splat(base),
            inverse: F64x2::splat(1.0 / base),
            rounds: [F64x2::splat(0.0); ROUNDS],
        }
    }

    /// Reduces the next two coefficients to limbs.
    #[inline(always)]
    pub(crate) fn push(&mut self, coefficients: F64x2) -> F64x2 {
        let mut limbs = coefficients;
        for last in &mut self.rounds {
            let excess = limbs.mul(self.inverse).nearest();
            let rest = excess.relaxed_nmadd(self.base, limbs);
            limbs = rest.add(last.straddle(excess));
            *last = excess;
        }
        limbs
    }

    /// Returns the largest coefficient that leaves limbs of at most their base. Each
    /// round divides the carries by the base.
    pub(crate) fn short_max(base: i64) -> f64 {
        let base = base as f64;
        (0..ROUNDS).fold(base, |power, _| power * base) / 4.0
    }

    /// Returns the carry out of the last coefficient.
    pub(crate) fn carry_out(&self) -> f64 {
        self.rounds.iter().map(|round| round.lane1()).sum()
    }
}

/// Pairs of coefficients in a row of [`carry_rows`]. WebAssembly reloads loop invariants
/// in each iteration, so iterations are long.
pub(crate) const ROW: usize = 4;

/// Reduces coefficients to limbs. Returns the limbs and the carry out of the last.
pub(crate) fn carry_rows(
    coefficients: impl ExactSizeIterator<Item = [F64x2; ROW]>,
    base: i64,
) -> (Vec<i32>, f64) {
    let mut carry = Carry::<2>::new(base);
    let mut limbs = Vec::with_capacity(2 * ROW * coefficients.len() + CARRY_LIMBS);
    let mut largest = F64x2::splat(0.0);
    for pairs in coefficients {
        let mut row = [0; 2 * ROW];
        for (limbs, pair) in row.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
            largest = largest.pmax(pair.abs());
            *limbs = carry.push(pair).to_i32s();
        }
        limbs.extend_from_slice(&row);
    }
    let mut carry_out = carry.carry_out();
    if largest.lane0().max(largest.lane1()) > Carry::<2>::short_max(base) {
        carry_out += balance(&mut limbs, base);
    }
    (limbs, carry_out)
}

/// Most limbs that [`normalize_short`] normalizes at once.
const BLOCK: usize = 64;

/// Adds `carry` to the first limb and reduces every limb to 0 or more and below the
/// base. Returns the carry out of the last.
pub(crate) fn normalize(limbs: &mut [i32], carry: i64, base: i64) -> i64 {
    let mut carry = carry;
    for block in limbs.chunks_mut(BLOCK) {
        let largest = block.iter().map(|limb| limb.unsigned_abs()).max();
        let short = i64::from(largest.unwrap_or(0)) < base;
        carry = if short && (-1..=0).contains(&carry) {
            normalize_short(block, carry as i32, base as i32).into()
        } else {
            normalize_by_division(block, carry, base)
        };
    }
    carry
}

/// Normalizes at most [`BLOCK`] limbs that are all less than one base from 0, as nearly
/// all are. A negative limb borrows one from the next; only where that is 0 does the
/// borrow go further.
fn normalize_short(limbs: &mut [i32], carry: i32, base: i32) -> i32 {
    debug_assert!(limbs.len() <= BLOCK, "the caller splits into blocks");
    // 0 or −1 for each limb.
    let mut borrows = [0; BLOCK + 1];
    borrows[0] = carry;
    for (borrow, &limb) in borrows[1..].iter_mut().zip(limbs.iter()) {
        *borrow = limb >> 31;
    }
    let mut least = 0;
    for (limb, pair) in limbs.iter_mut().zip(borrows.windows(2)) {
        *limb += (base & pair[1]) + pair[0];
        least = least.min(*limb);
    }
    let mut carry = borrows[limbs.len()];
    if least < 0 {
        let mut borrow = 0;
        for limb in limbs.iter_mut() {
            *limb += borrow;
            borrow = *limb >> 31;
            *limb += base & borrow;
        }
        carry += borrow;
    }
    carry
}

/// Normalizes any limbs.
fn normalize_by_division(limbs: &mut [i32], carry: i64, base: i64) -> i64 {
    let mut carry = carry;
    for limb in limbs {
        let sum = i64::from(*limb) + carry;
        *limb = sum.rem_euclid(base) as i32;
        carry = sum.div_euclid(base);
    }
    carry
}

/// Balances limbs that the rounds left too long, one by one. Returns the carry out of
/// the last.
pub(crate) fn balance(limbs: &mut [i32], base: i64) -> f64 {
    let mut carry = 0;
    for limb in limbs {
        let sum = i64::from(*limb) + carry;
        carry = (sum + base / 2).div_euclid(base);
        *limb = (sum - carry * base) as i32;
    }
    carry as f64
}

/// Adds `carry` to the limb at `index` and lets it ripple as far as it goes.
pub(crate) fn add(limbs: &mut Vec<i32>, index: usize, carry: f64, base: i64) {
    let mut carry = carry as i64;
    let mut index = index;
    while carry != 0 {
        if index >= limbs.len() {
            limbs.resize(index + 1, 0);
        }
        let sum = i64::from(limbs[index]) + carry;
        carry = (sum + base / 2).div_euclid(base);
        limbs[index] = (sum - carry * base) as i32;
        index += 1;
    }
}

/// Adds `others` to the limbs from `index` on.
pub(crate) fn add_limbs(limbs: &mut Vec<i32>, index: usize, others: &[i32], base: i64) {
    if limbs.len() < index {
        limbs.resize(index, 0);
    }
    let overlap = limbs.len().saturating_sub(index).min(others.len());
    let (over, beyond) = others.split_at(overlap);
    let mut carry = 0;
    for (limb, &other) in limbs.iter_mut().skip(index).zip(over) {
        // The sum of two balanced limbs rarely exceeds one base: no branch.
        let sum = i64::from(*limb) + i64::from(other) + carry;
        carry = i64::from(2 * sum > base) - i64::from(2 * sum < -base);
        *limb = (sum - carry * base) as i32;
    }
    limbs.extend_from_slice(beyond);
    add(limbs, index + overlap, carry as f64, base);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limbs around 0 and around the base, in rows that end inside a block.
    #[test]
    fn normalization_equals_division() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for places in 2..=6 {
            let base = 10_i64.pow(places);
            let edge = base as i32;
            for length in [0, 1, 2, 63, 64, 65, 128, 200] {
                for most in [1, 3, 7, 9] {
                    let near = [
                        0,
                        -1,
                        1,
                        1 - edge,
                        edge - 1,
                        edge / 2,
                        -edge,
                        edge,
                        3 * edge + 1,
                    ];
                    let limbs: Vec<i32> = (0..length).map(|_| near[random(most)]).collect();
                    for carry in [-2, -1, 0, 1] {
                        let (mut fast, mut plain) = (limbs.clone(), limbs.clone());
                        let carry_out = normalize(&mut fast, carry, base);
                        assert_eq!(carry_out, normalize_by_division(&mut plain, carry, base));
                        assert_eq!(fast, plain, "{limbs:?} and {carry}");
                    }
                }
            }
        }
    }
}
