//! Rounding errors of real products against their bounds.
//!
//! Products of polynomials are compared with exact ones, coefficient by coefficient, so
//! that errors above a half are seen as well.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "lengths and limbs are small, and doubles are integers here"
)]

use alloc::vec;
use alloc::vec::Vec;

use super::exactness::estimate_square_error;
use super::half_product::{self, Half};
use super::joiner::Joiner;
use super::points::load;
use super::rounding::Rounder;
use crate::fft::complex::Complex64x2;
use crate::fft::error_bound;
use crate::fft::roots::sqrt_i;
use crate::fft::shape::Shape;
use crate::fft::simd::F64x2;
use crate::fft::transform::{Rhs, Transform};
use crate::natural::limb::{LIMB_DIGITS_MIN, base};

/// Complex points of the longest transform in the comparison. The exact product takes
/// quadratic time.
const POINTS_MAX: usize = 2000;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Draws an integer from −`most` to `most`.
    fn within(&mut self, most: i32) -> i32 {
        (self.word() % (2 * most as u64 + 1)) as i32 - most
    }
}

/// Returns random and extreme operands of `length` limbs, of magnitude at most `most`.
fn operands(length: usize, most: i32, random: &mut Random) -> Vec<Vec<i32>> {
    let wave = |period: f64| -> Vec<i32> {
        let limb =
            |index: usize| f64::from(most) * (core::f64::consts::TAU * index as f64 / period).cos();
        (0..length)
            .map(|index| limb(index).round() as i32)
            .collect()
    };
    let mut lone = vec![0; length];
    lone[length / 3] = most;
    vec![
        (0..length).map(|_| random.within(most)).collect(),
        vec![most; length],
        (0..length)
            .map(|index| if index % 2 == 0 { most } else { -most })
            .collect(),
        (0..length)
            .map(|_| {
                if random.word().is_multiple_of(2) {
                    most
                } else {
                    -most
                }
            })
            .collect(),
        wave(2.0 * length as f64),
        wave(5.03),
        // A chirp: all frequencies at once.
        (0..length)
            .map(|index| {
                let turn = (index * index) as f64 / (2 * length) as f64;
                (f64::from(most) * (core::f64::consts::TAU * turn).sin()).round() as i32
            })
            .collect(),
        lone,
        vec![1; length],
    ]
}

/// Multiplies in the ring of `shape`. Returns the points without rounding, and the
/// bound on their error.
fn transform_product(lhs: &[i32], rhs: &[i32], shape: Shape) -> (Vec<Complex64x2>, f64) {
    let (mut lhs_points, mut rhs_points) = (Vec::new(), Vec::new());
    let lhs_square = load(&mut lhs_points, shape.points(), lhs);
    let square = lhs_square * load(&mut rhs_points, shape.points(), rhs);
    let rhs = Rhs::Coefficients(&mut rhs_points);
    Transform::default().multiply(&mut lhs_points, rhs, shape);
    let bound = error_bound::bound_product_error(shape, error_bound::sqrt_above(square));
    (lhs_points, bound)
}

/// Multiplies by two halves. Returns the points without rounding, the limbs, and the
/// bound on the error of the points.
fn half_products(lhs: &[i32], rhs: &[i32], shape: Shape) -> (Vec<Complex64x2>, Vec<i32>, f64) {
    let [first, second] = [Half::First, Half::Second].map(|half| {
        let operands = [lhs.to_vec(), rhs.to_vec()];
        half_product::multiply_limbs(&mut Transform::default(), operands, shape, half)
    });
    let root = sqrt_i();
    let both = || first.points.iter().zip(&second.points);
    let low = both().map(|(first, second)| first.add(*second));
    let high = both().map(|(first, second)| first.sub(*second).mul_conj(root));
    let data = low.chain(high).collect();
    let mut joiner = Joiner::new(second.points.clone(), LIMB_DIGITS_MIN);
    // In chunks of any length.
    for points in first.points.chunks(7) {
        joiner.push(points.iter().copied());
    }
    let limbs = joiner.finish().expect("a product");
    (data, limbs, first.error_max)
}

/// Multiplies by the schoolbook method in 64 bits.
fn exact(lhs: &[i32], rhs: &[i32], length: usize) -> Vec<i64> {
    let mut sums = vec![0_i64; length];
    for (place, &factor) in lhs.iter().enumerate() {
        for (sum, &limb) in sums[place..].iter_mut().zip(rhs) {
            // Below 2^12 · 2^38 in the end.
            *sum += i64::from(factor) * i64::from(limb);
        }
    }
    sums
}

/// Returns the largest error of the computed product.
fn error(data: &[Complex64x2], exact: &[i64]) -> f64 {
    let scale = F64x2::splat(1.0 / data.len() as f64);
    let (low, high) = exact.split_at(exact.len() / 2);
    let mut largest = 0.0_f64;
    for ((element, low), high) in data.iter().zip(low.chunks(2)).zip(high.chunks(2)) {
        for (pair, exact) in [(element.re, low), (element.im, high)] {
            let found = pair.mul(scale);
            for (found, &exact) in [found.lane0(), found.lane1()].into_iter().zip(exact) {
                // Both parts of the difference are exact, since |found| < 2^53.
                let whole = found.trunc();
                let difference = (whole as i64 - exact) as f64 + (found - whole);
                largest = largest.max(difference.abs());
            }
        }
    }
    largest
}

/// Neither the error nor the distance from the nearest integer exceeds its bound.
/// Random operands have the expected errors.
#[test]
fn errors_are_within_their_bounds() {
    let mut random = Random(1);
    let mut shapes: Vec<Shape> = Vec::new();
    for points in (8..POINTS_MAX).step_by(5) {
        let shape = Shape::of_at_least(points);
        if shape.points() <= POINTS_MAX && !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    // All odd factors, with an odd and an even number of twos.
    assert!(shapes.len() > 25, "{shapes:?}");
    let (mut closest, mut unexpected) = (0.0_f64, 0.0_f64);
    for shape in shapes {
        for most in [500_001, 50] {
            // Balanced and unbalanced.
            let lengths = [shape.points(), shape.points() / 3];
            for lhs_length in lengths.into_iter().take(if most == 50 { 1 } else { 2 }) {
                let rhs_length = 2 * shape.points() - lhs_length;
                let lhs_operands = operands(lhs_length, most, &mut random);
                let twos = operands(rhs_length, most, &mut random);
                for (index, lhs) in lhs_operands.iter().enumerate() {
                    let rhs = &twos[(index + random.word() as usize % 2) % twos.len()];
                    let exact = exact(lhs, rhs, 2 * shape.points());
                    let (data, bound) = transform_product(lhs, rhs, shape);
                    let whole = error(&data, &exact);
                    let mut rounder = Rounder::new(1.0 / data.len() as f64);
                    for element in &data {
                        rounder.round(element.re);
                        rounder.round(element.im);
                    }
                    assert!(
                        whole <= bound,
                        "{shape:?} {most} {index}: {whole} above {bound}"
                    );
                    let distance = rounder.rounding().distance;
                    assert!(distance <= bound, "{shape:?} {most} {index}");
                    closest = closest.max(whole / bound);
                    if shape.twos > 3 {
                        let half = Shape {
                            twos: shape.twos - 1,
                            ..shape
                        };
                        let (data, _, bound) = half_products(lhs, rhs, half);
                        let halves = error(&data, &exact);
                        assert!(
                            halves <= bound,
                            "{half:?} {most} {index}: {halves} above {bound}"
                        );
                    }
                    if index == 0 {
                        let square: f64 = [lhs, rhs]
                            .map(|limbs| {
                                limbs
                                    .iter()
                                    .map(|&limb| f64::from(limb).powi(2))
                                    .sum::<f64>()
                            })
                            .iter()
                            .product();
                        let expected = estimate_square_error(shape.points(), shape.steps(), square);
                        unexpected = unexpected.max(whole / expected.sqrt());
                    }
                }
            }
        }
    }
    // Much smaller errors would mean that the test or the bound is useless.
    assert!(closest > 0.001, "{closest}");
    assert!(unexpected < 1.0, "{unexpected} of the expected error");
}

/// Long transforms, with operands whose products are known: all limbs equal, or with
/// alternating signs.
#[test]
fn errors_of_long_products_are_within_their_bounds() {
    for (twos, threes, fives) in [
        (15, 0, 0),
        (16, 0, 0),
        (13, 2, 0),
        (14, 0, 1),
        (11, 2, 1),
        (15, 1, 0),
        (11, 0, 2),
        (11, 3, 0),
        (13, 1, 1),
    ] {
        let shape = Shape {
            twos,
            threes,
            fives,
        };
        let points = shape.points();
        for (most, alternating) in [(1000, false), (31_623, true), (500, true), (7, false)] {
            let sign = |index: usize| if alternating && index % 2 == 1 { -1 } else { 1 };
            let limbs: Vec<i32> = (0..points).map(|index| sign(index) * most).collect();
            let exact: Vec<i64> = (0..2 * points)
                .map(|index| {
                    let terms = (index + 1).min(2 * points - 1 - index) as i64;
                    i64::from(sign(index)) * terms * i64::from(most).pow(2)
                })
                .collect();
            let (data, bound) = transform_product(&limbs, &limbs, shape);
            let error = error(&data, &exact);
            assert!(error <= bound, "{shape:?} {most}: {error} above {bound}");
        }
    }
}

/// Limbs of two digits are short enough for any product that a memory of 4 GiB can hold,
/// even if each limb were as large as its base.
#[test]
fn two_digits_are_short_enough_for_any_memory() {
    // The points of a transform take eight bytes for each limb of the product.
    let limbs_max: u64 = (1 << 32) / 8;
    let half = limbs_max as f64 / 2.0;
    let norm = half.sqrt() * base(LIMB_DIGITS_MIN) as f64;
    let most = usize::try_from(limbs_max / 2).expect("it fits");
    for points in [
        most,
        most * 15 / 16,
        most * 9 / 10,
        most * 3 / 4,
        most * 5 / 8,
        most / 3,
    ] {
        let shape = Shape::of_at_least(points);
        let bound = error_bound::bound_product_error(shape, norm * norm);
        assert!(bound < 0.5, "{shape:?}: {bound}");
        let half = Shape {
            twos: shape.twos - 1,
            ..shape
        };
        let bound = error_bound::bound_half_product_error(half, norm * norm);
        assert!(bound < 0.5, "halves of {shape:?}: {bound}");
    }
}
