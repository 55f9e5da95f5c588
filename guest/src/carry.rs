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

/// Adds `carry` to the first limb, makes every limb at least 0 and below the
/// base, and returns what is carried out of the last.
pub(crate) fn settle(limbs: &mut [i32], carry: i64, base: i64) -> i64 {
    // Bases are below 2^20. Nearly all limbs are within one base of 0, and their
    // signs are random: no branch, which would be guessed wrong every other time.
    let mut carry = carry;
    for limb in limbs {
        let sum = i64::from(*limb) + carry;
        let negative = sum >> 63;
        let raised = sum + (base & negative);
        if (0..base).contains(&raised) {
            *limb = raised as i32;
            carry = negative;
        } else {
            *limb = sum.rem_euclid(base) as i32;
            carry = sum.div_euclid(base);
        }
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
