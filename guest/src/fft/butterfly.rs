//! Radix-2 and radix-4 butterflies, and the products of the base case.
//!
//! A *split* reduces a polynomial modulo the factors of its modulus; a *join*
//! interpolates it again, as many times too large as there are factors.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use super::complex::Complex64x2;
use super::roots::{Root, sqrt_i};

/// Splits modulo x^2m − i to x^m − √i and x^m + √i.
pub(super) fn split_radix2(data: &mut [Complex64x2]) {
    let root = sqrt_i();
    let (low, high) = data.split_at_mut(data.len() / 2);
    for (a0, a1) in low.iter_mut().zip(high) {
        let product = a1.mul(root);
        (*a0, *a1) = (a0.add(product), a0.sub(product));
    }
}

/// Joins what [`split_radix2`] split, two times too large.
pub(super) fn join_radix2(data: &mut [Complex64x2]) {
    let root = sqrt_i();
    let (low, high) = data.split_at_mut(data.len() / 2);
    for (b0, b1) in low.iter_mut().zip(high) {
        (*b0, *b1) = (b0.add(*b1), b0.sub(*b1).mul_conj(root));
    }
}

/// Splits modulo x^4m − c⁴ to x^m − c, x^m + c, x^m − ic and x^m + ic.
pub(super) fn split_radix4(data: &mut [Complex64x2], root: Root) {
    let twiddles = Twiddles::new(root);
    for_each_quadruple(data, |block| twiddles.split(block));
}

/// Joins what [`split_radix4`] split, four times too large.
pub(super) fn join_radix4(data: &mut [Complex64x2], root: Root) {
    let twiddles = Twiddles::new(root);
    for_each_quadruple(data, |block| twiddles.join(block));
}

/// Replaces the elements at the same index of the four quarters.
#[inline(always)]
fn for_each_quadruple(
    data: &mut [Complex64x2],
    change: impl Fn([Complex64x2; 4]) -> [Complex64x2; 4],
) {
    let (low, high) = data.split_at_mut(data.len() / 2);
    let (a0, a1) = low.split_at_mut(low.len() / 2);
    let (a2, a3) = high.split_at_mut(high.len() / 2);
    for (((a0, a1), a2), a3) in a0.iter_mut().zip(a1).zip(a2).zip(a3) {
        [*a0, *a1, *a2, *a3] = change([*a0, *a1, *a2, *a3]);
    }
}

/// The twiddle factors of a radix-4 butterfly: c, c² and c³.
#[derive(Clone, Copy)]
pub(super) struct Twiddles {
    first: Complex64x2,
    second: Complex64x2,
    third: Complex64x2,
}

impl Twiddles {
    #[inline(always)]
    pub(super) fn new(root: Root) -> Self {
        let first = root.splat();
        let second = first.mul(first);
        Self {
            first,
            second,
            third: second.mul(first),
        }
    }

    /// Splits modulo x^4m − c⁴ to x^m − c, x^m + c, x^m − ic and x^m + ic.
    #[inline(always)]
    pub(super) fn split(&self, [a0, a1, a2, a3]: [Complex64x2; 4]) -> [Complex64x2; 4] {
        let a1 = a1.mul(self.first);
        let a2 = a2.mul(self.second);
        let a3 = a3.mul(self.third);
        let (even_sum, even_difference) = (a0.add(a2), a0.sub(a2));
        let (odd_sum, odd_difference) = (a1.add(a3), a1.sub(a3));
        [
            even_sum.add(odd_sum),
            even_sum.sub(odd_sum),
            even_difference.add_i(odd_difference),
            even_difference.sub_i(odd_difference),
        ]
    }

    /// Joins what [`Self::split`] split, four times too large.
    #[inline(always)]
    pub(super) fn join(&self, [b0, b1, b2, b3]: [Complex64x2; 4]) -> [Complex64x2; 4] {
        let (low_sum, low_difference) = (b0.add(b1), b0.sub(b1));
        let (high_sum, high_difference) = (b2.add(b3), b2.sub(b3));
        [
            low_sum.add(high_sum),
            low_difference.sub_i(high_difference).mul_conj(self.first),
            low_sum.sub(high_sum).mul_conj(self.second),
            low_difference.add_i(high_difference).mul_conj(self.third),
        ]
    }

    /// Multiplies modulo x² − c, x² + c, x² − ic and x² + ic. Each element holds the
    /// two coefficients of one polynomial.
    #[inline(always)]
    pub(super) fn multiply(
        &self,
        lhs: [Complex64x2; 4],
        rhs: [Complex64x2; 4],
    ) -> [Complex64x2; 4] {
        let one = Complex64x2::splat(1.0, 0.0);
        // (c, 1), (−c, 1), (ic, 1) and (−ic, 1)
        let c = self.first.unpack_low(one);
        let minus_c = Complex64x2 {
            re: self.first.re.neg(),
            im: self.first.im.neg(),
        }
        .unpack_low(one);
        let ic = Complex64x2 {
            re: minus_c.im,
            im: c.re,
        }
        .unpack_low(one);
        let minus_ic = Complex64x2 {
            re: c.im,
            im: minus_c.re,
        }
        .unpack_low(one);
        [
            multiply_linear(lhs[0], rhs[0], c),
            multiply_linear(lhs[1], rhs[1], minus_c),
            multiply_linear(lhs[2], rhs[2], ic),
            multiply_linear(lhs[3], rhs[3], minus_ic),
        ]
    }
}

/// Computes (a0 + a1 x)(b0 + b1 x) modulo x² − c, where `c_one` is (c, 1).
#[inline(always)]
fn multiply_linear(a: Complex64x2, b: Complex64x2, c_one: Complex64x2) -> Complex64x2 {
    // (a0 b0, a1 b1) and (a0 b1, a1 b0)
    let straight = a.mul(b);
    let crossed = a.mul(b.swap_lanes());
    let low = straight.unpack_low(crossed);
    let high = straight.unpack_high(crossed);
    low.add(high.mul(c_one))
}
