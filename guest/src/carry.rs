//! From the coefficients of a product to limbs: what is too much for one place
//! is carried to the next.
//!
//! A carry may run through all places, but need not at once: limbs are balanced
//! around zero and may be a little too large, so that two or three rounds in which
//! every place hands on its own excess are enough, and those are done for all
//! places alike, two at a time.

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

use crate::pair::Pair;

/// The largest coefficient that is carried exactly: sums with it stay integers.
pub(crate) const COEFFICIENT_MAX: f64 = (1_u64 << 51) as f64;

/// Limbs by which a sum may be longer than its terms.
pub(crate) const CARRY_LIMBS: usize = 4;

/// Carries from the places that were seen to those that follow, in some rounds.
#[derive(Clone)]
pub(crate) struct Carry<const ROUNDS: usize> {
    base: Pair,
    inverse: Pair,
    /// What the last two places hand on, in each round.
    rounds: [Pair; ROUNDS],
}

impl<const ROUNDS: usize> Carry<ROUNDS> {
    pub(crate) fn new(base: i64) -> Self {
        let base = base as f64;
        Self {
            base: Pair::both(base),
            inverse: Pair::both(1.0 / base),
            rounds: [Pair::both(0.0); ROUNDS],
        }
    }

    /// The limbs of the next two places.
    #[inline(always)]
    pub(crate) fn take(&mut self, coefficients: Pair) -> Pair {
        let mut limbs = coefficients;
        for last in &mut self.rounds {
            let excess = limbs.times(self.inverse).nearest();
            let rest = excess.times_from(self.base, limbs);
            limbs = rest.plus(last.between(excess));
            *last = excess;
        }
        limbs
    }

    /// The largest coefficient that leaves limbs of at most their base: each round
    /// divides what is handed on by it.
    pub(crate) fn short_max(base: i64) -> f64 {
        let base = base as f64;
        (0..ROUNDS).fold(base, |power, _| power * base) / 4.0
    }

    /// What is carried to the place after the last.
    pub(crate) fn rest(&self) -> f64 {
        self.rounds.iter().map(|round| round.second()).sum()
    }
}

/// Pairs of coefficients that are carried at once: in a sandbox what does not change
/// in a loop is fetched anew each time around.
pub(crate) const ROW_PAIRS: usize = 4;

/// The limbs of coefficients in a row, and what is carried out of the last.
pub(crate) fn limbs_of_row(
    coefficients: impl ExactSizeIterator<Item = [Pair; ROW_PAIRS]>,
    base: i64,
) -> (Vec<i32>, f64) {
    let mut carry = Carry::<2>::new(base);
    let mut limbs = Vec::with_capacity(2 * ROW_PAIRS * coefficients.len() + CARRY_LIMBS);
    let mut largest = Pair::both(0.0);
    for pairs in coefficients {
        let mut row = [0; 2 * ROW_PAIRS];
        for (limbs, pair) in row.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
            largest = largest.larger(pair.magnitude());
            *limbs = carry.take(pair).to_integers();
        }
        limbs.extend_from_slice(&row);
    }
    let mut rest = carry.rest();
    if largest.first().max(largest.second()) > Carry::<2>::short_max(base) {
        rest += shorten(&mut limbs, base);
    }
    (limbs, rest)
}

/// Limbs that are settled at once.
const SETTLED: usize = 64;

/// Adds `carry` to the first limb, makes every limb at least 0 and below the
/// base, and returns what is carried out of the last.
pub(crate) fn settle(limbs: &mut [i32], carry: i64, base: i64) -> i64 {
    let mut carry = carry;
    for block in limbs.chunks_mut(SETTLED) {
        let largest = block.iter().map(|limb| limb.unsigned_abs()).max();
        let short = i64::from(largest.unwrap_or(0)) < base;
        carry = if short && (-1..=0).contains(&carry) {
            settle_short(block, carry as i32, base as i32).into()
        } else {
            settle_one_by_one(block, carry, base)
        };
    }
    carry
}

/// The same for at most [`SETTLED`] limbs that are all within one base of 0, as nearly
/// all are: whether one is negative is what it takes from the next, but for the few that
/// are 0 where one is taken.
fn settle_short(limbs: &mut [i32], carry: i32, base: i32) -> i32 {
    let mut taken = [0; SETTLED + 1];
    taken[0] = carry;
    for (taken, &limb) in taken[1..].iter_mut().zip(limbs.iter()) {
        *taken = limb >> 31;
    }
    let mut least = 0;
    for (limb, pair) in limbs.iter_mut().zip(taken.windows(2)) {
        *limb += (base & pair[1]) + pair[0];
        least = least.min(*limb);
    }
    let mut carry = taken[limbs.len()];
    if least < 0 {
        let mut more = 0;
        for limb in limbs.iter_mut() {
            *limb += more;
            more = *limb >> 31;
            *limb += base & more;
        }
        carry += more;
    }
    carry
}

/// The same for any limbs.
fn settle_one_by_one(limbs: &mut [i32], carry: i64, base: i64) -> i64 {
    let mut carry = carry;
    for limb in limbs {
        let sum = i64::from(*limb) + carry;
        *limb = sum.rem_euclid(base) as i32;
        carry = sum.div_euclid(base);
    }
    carry
}

/// Makes limbs short that the rounds left too long, place by place. Returns
/// what is carried out of the last.
pub(crate) fn shorten(limbs: &mut [i32], base: i64) -> f64 {
    let mut carry = 0;
    for limb in limbs {
        let sum = i64::from(*limb) + carry;
        carry = (sum + base / 2).div_euclid(base);
        *limb = (sum - carry * base) as i32;
    }
    carry as f64
}

/// Adds `carry` to the limb at `place`, as far up as it goes.
pub(crate) fn add(limbs: &mut Vec<i32>, place: usize, carry: f64, base: i64) {
    let mut carry = carry as i64;
    let mut place = place;
    while carry != 0 {
        if place >= limbs.len() {
            limbs.resize(place + 1, 0);
        }
        let sum = i64::from(limbs[place]) + carry;
        carry = (sum + base / 2).div_euclid(base);
        limbs[place] = (sum - carry * base) as i32;
        place += 1;
    }
}

/// Adds `others` to the limbs from `place` on.
pub(crate) fn add_all(limbs: &mut Vec<i32>, place: usize, others: &[i32], base: i64) {
    if limbs.len() < place {
        limbs.resize(place, 0);
    }
    let overlap = limbs.len().saturating_sub(place).min(others.len());
    let (over, beyond) = others.split_at(overlap);
    let mut carry = 0;
    for (limb, &other) in limbs.iter_mut().skip(place).zip(over) {
        // Two balanced limbs are seldom more than one base from 0: no branch.
        let sum = i64::from(*limb) + i64::from(other) + carry;
        carry = i64::from(2 * sum > base) - i64::from(2 * sum < -base);
        *limb = (sum - carry * base) as i32;
    }
    limbs.extend_from_slice(beyond);
    add(limbs, place + overlap, carry as f64, base);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limbs about 0 and about the base, in rows that end in the middle of a block.
    #[test]
    fn settled_limbs_are_those_of_division() {
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
                        let (mut settled, mut plain) = (limbs.clone(), limbs.clone());
                        let rest = settle(&mut settled, carry, base);
                        assert_eq!(rest, settle_one_by_one(&mut plain, carry, base));
                        assert_eq!(settled, plain, "{limbs:?} and {carry}");
                    }
                }
            }
        }
    }
}
