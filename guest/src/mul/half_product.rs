//! Half products, one for each of two sandboxes.
//!
//! A product of up to 4m limbs lies in the ring x^2m − i of complex polynomials (see
//! [`transform`](crate::fft::transform)), and x^2m − i = (x^m − c)(x^m + c) with
//! c = √i. In each half, x = e · y with e^m = c/i or −c/i leads to y^m − i, the ring of
//! a transform half as long. So each half takes half of the work and half of the
//! memory.
//!
//! Halves are exchanged without rounding. Joined by
//! [`joiner`](crate::mul::joiner), they have the error bound of the whole transform.

use alloc::vec::Vec;

use super::exactness::{Exactness, estimate_random_square};
use crate::fft::complex::Complex64x2;
use crate::fft::error_bound;
use crate::fft::roots::{PreciseRoot, sqrt_i};
use crate::fft::shape::Shape;
use crate::fft::simd::F64x2;
use crate::fft::transform::{Rhs, Transform};
use crate::fft::twiddles::{PowerTable, ROW_MAX};
use crate::natural::Natural;
use crate::natural::limb::{LIMB_DIGITS_MAX, LIMB_DIGITS_MIN};
use crate::natural::norms::norm_square;

/// One of the two halves of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Modulo x^m − c.
    First,
    /// Modulo x^m + c.
    Second,
}

impl Half {
    /// Returns e, where m is the number of points of `shape`.
    fn substitution_root(self, shape: Shape) -> PreciseRoot {
        let root = PreciseRoot::of_order(8 * shape.points() as u64);
        match self {
            Self::First => root.conj(),
            Self::Second => root.mul(root).mul(root),
        }
    }

    /// Returns the residue of x^m: c or −c.
    fn split_root(self) -> Complex64x2 {
        let root = sqrt_i();
        match self {
            Self::First => root,
            Self::Second => Complex64x2::zero().sub(root),
        }
    }
}

/// One half of a product.
pub(crate) struct HalfProduct {
    /// The half's m coefficients, m/2 times too large, two in each element.
    pub(crate) points: Vec<Complex64x2>,
    /// Bound on the error of each coefficient of the whole product.
    pub(crate) error_max: f64,
}

/// Computes half of a product, and the digits of its limbs.
///
/// `square` is the product of the operands' [`norm_square`]s.
pub(super) fn multiply(
    transform: &mut Transform,
    [mut lhs, mut rhs]: [Natural; 2],
    mut square: f64,
    half: Half,
    exactness: Exactness,
) -> (HalfProduct, u32) {
    let limb_digits = lhs.limb_digits().min(rhs.limb_digits());
    if lhs.limb_digits() != rhs.limb_digits() {
        (lhs, rhs) = (
            lhs.into_limb_digits(limb_digits),
            rhs.into_limb_digits(limb_digits),
        );
        square = norm_square(lhs.limbs()) * norm_square(rhs.limbs());
    }
    loop {
        let shape = half_shape([&lhs, &rhs].map(|number| number.limbs().len() as u64));
        let limb_digits = lhs.limb_digits();
        if limb_digits == LIMB_DIGITS_MIN || exactness.admits_halves(shape, square) {
            let limbs = [lhs, rhs].map(Natural::into_limbs);
            return (multiply_limbs(transform, limbs, shape, half), limb_digits);
        }
        (lhs, rhs) = (lhs.regroup(limb_digits - 1), rhs.regroup(limb_digits - 1));
        square = norm_square(lhs.limbs()) * norm_square(rhs.limbs());
    }
}

/// Estimates the digits of a limb in the halves of a product of about `digits` digits.
pub(super) fn estimate_limb_digits(digits: u64, exactness: Exactness) -> u32 {
    let mut limb_digits = LIMB_DIGITS_MAX;
    loop {
        let limbs = digits / u64::from(2 * limb_digits) + 1;
        let square = estimate_random_square(limbs, limbs, limb_digits);
        let shape = half_shape([limbs; 2]);
        if limb_digits == LIMB_DIGITS_MIN || exactness.admits_halves(shape, square) {
            return limb_digits;
        }
        limb_digits -= 1;
    }
}

/// Returns the shape of the halves of a product of numbers with this many limbs.
fn half_shape([lhs, rhs]: [u64; 2]) -> Shape {
    let points = (lhs + rhs).div_ceil(4);
    Shape::of_at_least(usize::try_from(points).unwrap_or(usize::MAX / 4))
}

/// Computes half of a product of at most four times `shape.points()` limbs.
///
/// Two sandboxes do this at once, so memory is scarce: each operand is freed as soon as
/// it is loaded.
pub(super) fn multiply_limbs(
    transform: &mut Transform,
    [lhs, rhs]: [Vec<i32>; 2],
    shape: Shape,
    half: Half,
) -> HalfProduct {
    let powers = PowerTable::new(half.substitution_root(shape), shape.points());
    let (mut points, lhs_square) = load_half(&lhs, shape, half, &powers);
    drop(lhs);
    let (mut other, rhs_square) = load_half(&rhs, shape, half, &powers);
    drop(rhs);
    transform.multiply(&mut points, Rhs::Coefficients(&mut other), shape);
    drop(other);
    powers.for_each_mut(&mut points, Complex64x2::mul_conj);
    let norms = error_bound::sqrt_above(lhs_square * rhs_square);
    HalfProduct {
        points,
        error_max: error_bound::bound_half_product_error(shape, norms),
    }
}

/// Reduces limbs to one half, and returns its points and the sum of the limbs' squares.
fn load_half(
    limbs: &[i32],
    shape: Shape,
    half: Half,
    powers: &PowerTable,
) -> (Vec<Complex64x2>, f64) {
    let length = shape.points();
    debug_assert!(limbs.len() <= 4 * length, "the ring holds all limbs");
    let mut quarters = limbs.chunks(length);
    let quarters: [&[i32]; 4] = core::array::from_fn(|_| quarters.next().unwrap_or_default());
    let root = half.split_root();
    let mut points = Vec::with_capacity(length / 2);
    let mut sum = F64x2::splat(0.0);
    let mut add_squares = |limbs: &[F64x2]| {
        for &limbs in limbs {
            sum = limbs.relaxed_madd(limbs, sum);
        }
    };
    let pair = |&[first, second]: &[i32; 2]| F64x2::from_i32s(first, second);
    let mut buffers = [[0; 2 * ROW_MAX]; 4];
    let mut start = 0;
    for row_powers in powers.rows() {
        let count = 2 * row_powers.len();
        let mut buffers = buffers.iter_mut();
        let [first, second, third, fourth] = quarters.map(|quarter| {
            let buffer = buffers
                .next()
                .map_or(&mut [][..], |buffer| &mut buffer[..count]);
            pad_row(quarter, start, buffer).as_chunks::<2>().0
        });
        start += count;
        let low_high = first.iter().zip(second);
        // The third and fourth quarter are the imaginary parts of the first and second.
        // Operands of equal length leave them empty.
        if quarters[2].is_empty() {
            for ((first, second), power) in low_high.zip(row_powers) {
                let (low, high) = (pair(first), pair(second));
                add_squares(&[low, high]);
                let residue = Complex64x2 {
                    re: high.relaxed_madd(root.re, low),
                    im: high.mul(root.im),
                };
                points.push(residue.mul(power));
            }
        } else {
            let imaginary = third.iter().zip(fourth);
            for (((first, second), (third, fourth)), power) in
                low_high.zip(imaginary).zip(row_powers)
            {
                let (low_re, high_re) = (pair(first), pair(second));
                let (low_im, high_im) = (pair(third), pair(fourth));
                add_squares(&[low_re, high_re, low_im, high_im]);
                let low = Complex64x2 {
                    re: low_re,
                    im: low_im,
                };
                let high = Complex64x2 {
                    re: high_re,
                    im: high_im,
                };
                points.push(low.add(high.mul(root)).mul(power));
            }
        }
    }
    (points, sum.lane0() + sum.lane1())
}

/// Returns as many limbs from `start` on as `buffer` is long. Where limbs are missing,
/// the buffer serves as a copy that is padded with zeros.
fn pad_row<'a>(limbs: &'a [i32], start: usize, buffer: &'a mut [i32]) -> &'a [i32] {
    if let Some(limbs) = limbs.get(start..start + buffer.len()) {
        return limbs;
    }
    let rest = limbs.get(start..).unwrap_or_default();
    let (copy, padding) = buffer.split_at_mut(rest.len());
    copy.copy_from_slice(rest);
    padding.fill(0);
    buffer
}
