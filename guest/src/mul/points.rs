//! Limbs to the complex points of a transform, and back.
//!
//! A product of up to 2M limbs takes M points. Point t holds limb t in its real part and
//! limb M + t in its imaginary part.
#![expect(clippy::cast_precision_loss, reason = "lengths are below 2^32")]

use alloc::vec;
use alloc::vec::Vec;

use super::rounding::{Rounder, Rounding};
use crate::fft::complex::Complex64x2;
use crate::fft::simd::F64x2;
use crate::natural::carry::{self, Carry, TWO_ROUNDS_DIGITS_MIN};
use crate::natural::limb::base;

/// Loads limbs into `points` points and returns the sum of their squares.
pub(super) fn load(data: &mut Vec<Complex64x2>, points: usize, limbs: &[i32]) -> f64 {
    debug_assert!(limbs.len() <= 2 * points, "the ring holds all limbs");
    let length = points / 2;
    data.clear();
    if data.capacity() < length {
        // A new allocation copies nothing.
        *data = Vec::new();
        data.reserve_exact(length);
    }
    let (low, high) = limbs.split_at(limbs.len().min(points));
    let (low, low_rest) = low.as_chunks::<2>();
    let (high, high_rest) = high.as_chunks::<2>();
    let mut sum = F64x2::splat(0.0);
    let mut push = |re: F64x2, im: F64x2| {
        sum = re.relaxed_madd(re, sum);
        sum = im.relaxed_madd(im, sum);
        data.push(Complex64x2 { re, im });
    };
    let pair = |&[first, second]: &[i32; 2]| F64x2::from_i32s(first, second);
    let rest = |rest: &[i32]| {
        rest.first()
            .map_or(F64x2::splat(0.0), |&limb| F64x2::from_i32s(limb, 0))
    };
    let zero = F64x2::splat(0.0);
    for (low, high) in low.iter().zip(high) {
        push(pair(low), pair(high));
    }
    // Either the low half is full, or the high half is empty.
    let both = low.len().min(high.len());
    if both < low.len() {
        push(pair(&low[both]), rest(high_rest));
        for low in &low[both + 1..] {
            push(pair(low), zero);
        }
    }
    if !low_rest.is_empty() {
        push(rest(low_rest), zero);
    }
    data.resize(length, Complex64x2::zero());
    sum.lane0() + sum.lane1()
}

/// Rounds and carries the points of a product, which are M/2 times too large.
pub(super) fn to_limbs(data: &[Complex64x2], limb_digits: u32) -> (Vec<i32>, Rounding) {
    if limb_digits >= TWO_ROUNDS_DIGITS_MIN {
        // Only operands that are chosen for it have coefficients too large for two
        // rounds.
        to_limbs_in_rounds::<2>(data, limb_digits)
    } else {
        to_limbs_in_rounds::<3>(data, limb_digits)
    }
}

/// Elements of an iteration, whose overhead is about that of one element.
const ROW: usize = 2;

fn to_limbs_in_rounds<const ROUNDS: usize>(
    data: &[Complex64x2],
    limb_digits: u32,
) -> (Vec<i32>, Rounding) {
    let points = 2 * data.len();
    let base = base(limb_digits);
    let mut low = Carry::<ROUNDS>::new(base);
    let mut high = low.clone();
    let mut limbs = vec![0; 2 * points];
    let (low_limbs, high_limbs) = limbs.split_at_mut(points);
    let (low_rows, low_rest) = low_limbs.as_chunks_mut::<{ 2 * ROW }>();
    let (high_rows, high_rest) = high_limbs.as_chunks_mut::<{ 2 * ROW }>();
    let (rows, rest) = data.as_chunks::<ROW>();
    let mut rounder = Rounder::new(1.0 / data.len() as f64);
    let mut reduce = |elements: &[Complex64x2], low_limbs: &mut [i32], high_limbs: &mut [i32]| {
        let low_limbs = low_limbs.as_chunks_mut::<2>().0;
        let high_limbs = high_limbs.as_chunks_mut::<2>().0;
        for ((element, low_limbs), high_limbs) in elements.iter().zip(low_limbs).zip(high_limbs) {
            *low_limbs = low.push(rounder.round(element.re)).to_i32s();
            *high_limbs = high.push(rounder.round(element.im)).to_i32s();
        }
    };
    for ((row, low_limbs), high_limbs) in rows.iter().zip(low_rows).zip(high_rows) {
        reduce(row, low_limbs, high_limbs);
    }
    reduce(rest, low_rest, high_rest);
    let rounding = rounder.rounding();
    let mut high = high.carry_out();
    if rounding.largest > Carry::<ROUNDS>::short_max(base) {
        high += carry::balance(&mut limbs, base);
    }
    carry::add(&mut limbs, points, low.carry_out(), base);
    carry::add(&mut limbs, 2 * points, high, base);
    (limbs, rounding)
}
