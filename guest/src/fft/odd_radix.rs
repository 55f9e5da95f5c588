//! Radix-3 and radix-5 steps, and the substitution after them.
//!
//! x^3m − i factors into x^m − c for the three cube roots c of i. In each factor
//! x = d · y with d^m = c/i leads back to y^m − i, so that all further levels have
//! the same roots for every length. Radix 5 works likewise.
#![expect(
    clippy::inline_always,
    reason = "a few instructions in innermost loops"
)]

use super::complex::Complex64x2;
use super::roots::PreciseRoot;
use super::shape::OddFactor;
use super::simd::F64x2;
use super::twiddles::PowerTable;

/// A radix-3 or radix-5 step with its twiddle factors.
pub(super) struct OddRadix {
    factor: OddFactor,
    /// Powers of the roots of order 6m and 2m for radix 3, of order 5m and 5m/2 for
    /// radix 5.
    tables: [PowerTable; 2],
}

impl OddRadix {
    /// Prepares a step that splits into parts of `points` points.
    pub(super) fn new(factor: OddFactor, points: usize) -> Self {
        let m = points as u64;
        let orders = match factor {
            OddFactor::Three => [6 * m, 2 * m],
            OddFactor::Five => [5 * m, 5 * m / 2],
        };
        Self {
            factor,
            tables: orders.map(|order| PowerTable::new(PreciseRoot::of_order(order), points)),
        }
    }

    /// Splits modulo x^3m − i or x^5m − i into three or five parts modulo y^m − i.
    pub(super) fn split(&self, data: &mut [Complex64x2]) {
        match self.factor {
            OddFactor::Three => self.for_each_tuple(data, |[a0, a1, a2], one, two| {
                // The cube roots of i are −iω^j, with ω^3 = 1.
                let (b1, b2) = (Complex64x2::zero().sub_i(a1), Complex64x2::zero().sub(a2));
                let [c0, c1, c2] = dft3(a0, b1, b2, Complex64x2::add_i, Complex64x2::sub_i);
                [c0.mul(two), c1.mul_conj(one), c2.mul(one)]
            }),
            OddFactor::Five => self.for_each_tuple(data, |[a0, a1, a2, a3, a4], one, two| {
                // The fifth roots of i are iω^j, with ω^5 = 1.
                let zero = Complex64x2::zero();
                let inputs = [a0, a1.mul_i(), zero.sub(a2), zero.sub_i(a3), a4];
                let [c0, c1, c2, c3, c4] = dft5(inputs, Complex64x2::add_i, Complex64x2::sub_i);
                [
                    c0,
                    c1.mul(one),
                    c2.mul(two),
                    c3.mul_conj(two),
                    c4.mul_conj(one),
                ]
            }),
        }
    }

    /// Joins what [`Self::split`] split, three or five times too large.
    pub(super) fn join(&self, data: &mut [Complex64x2]) {
        match self.factor {
            OddFactor::Three => self.for_each_tuple(data, |[c0, c1, c2], one, two| {
                let (c0, c1, c2) = (c0.mul_conj(two), c1.mul(one), c2.mul_conj(one));
                let [b0, b1, b2] = dft3(c0, c1, c2, Complex64x2::sub_i, Complex64x2::add_i);
                [b0, b1.mul_i(), Complex64x2::zero().sub(b2)]
            }),
            OddFactor::Five => self.for_each_tuple(data, |[c0, c1, c2, c3, c4], one, two| {
                let inputs = [
                    c0,
                    c1.mul_conj(one),
                    c2.mul_conj(two),
                    c3.mul(two),
                    c4.mul(one),
                ];
                let [b0, b1, b2, b3, b4] = dft5(inputs, Complex64x2::sub_i, Complex64x2::add_i);
                let zero = Complex64x2::zero();
                [b0, zero.sub_i(b1), zero.sub(b2), b3.mul_i(), b4]
            }),
        }
    }

    /// Replaces the elements at the same index of all parts. `change` also receives
    /// the two twiddle factors of that index.
    #[inline(always)]
    fn for_each_tuple<const PARTS: usize>(
        &self,
        data: &mut [Complex64x2],
        change: impl Fn([Complex64x2; PARTS], Complex64x2, Complex64x2) -> [Complex64x2; PARTS],
    ) {
        let part_length = data.len() / PARTS;
        let [ones, twos] = &self.tables;
        let mut index = 0;
        let mut change_next = |one, two| {
            let elements = core::array::from_fn(|part| data[index + part * part_length]);
            let elements = change(elements, one, two);
            for (part, element) in elements.into_iter().enumerate() {
                data[index + part * part_length] = element;
            }
            index += 1;
        };
        if ones.coarse.len() == 1 {
            for (&one, &two) in ones.fine.iter().zip(&twos.fine) {
                change_next(one, two);
            }
            return;
        }
        for (one, two) in ones.coarse.iter().zip(&twos.coarse) {
            let (one, two) = (one.splat(), two.splat());
            for (fine_one, fine_two) in ones.fine.iter().zip(&twos.fine) {
                change_next(fine_one.mul(one), fine_two.mul(two));
            }
        }
    }
}

/// Computes the sums of b0, b1 ω^j and b2 ω^2j for j = 0, 1, 2, where ω is a cube
/// root of unity. With `add_i` and `sub_i` exchanged, ω is its conjugate.
#[inline(always)]
fn dft3(
    b0: Complex64x2,
    b1: Complex64x2,
    b2: Complex64x2,
    add_i: impl Fn(Complex64x2, Complex64x2) -> Complex64x2,
    sub_i: impl Fn(Complex64x2, Complex64x2) -> Complex64x2,
) -> [Complex64x2; 3] {
    // √3/2
    const SINE: f64 = 0.866_025_403_784_438_6;
    let (sum, difference) = (b1.add(b2), b1.sub(b2));
    let real = b0.sub(sum.scale(F64x2::splat(0.5)));
    let imaginary = difference.scale(F64x2::splat(SINE));
    [b0.add(sum), add_i(real, imaginary), sub_i(real, imaginary)]
}

/// Computes the sums of b0, b1 ω^j, …, b4 ω^4j for j = 0 to 4, where ω is a fifth root
/// of unity. With `add_i` and `sub_i` exchanged, ω is its conjugate.
#[inline(always)]
fn dft5(
    [b0, b1, b2, b3, b4]: [Complex64x2; 5],
    add_i: impl Fn(Complex64x2, Complex64x2) -> Complex64x2,
    sub_i: impl Fn(Complex64x2, Complex64x2) -> Complex64x2,
) -> [Complex64x2; 5] {
    // Cosines and sines of 2π/5 and 4π/5.
    const COSINES: [f64; 2] = [0.309_016_994_374_947_45, -0.809_016_994_374_947_5];
    const SINES: [f64; 2] = [0.951_056_516_295_153_5, 0.587_785_252_292_473_1];
    let [cosine1, cosine2] = COSINES.map(F64x2::splat);
    let [sine1, sine2] = SINES.map(F64x2::splat);
    let (sum14, sum23) = (b1.add(b4), b2.add(b3));
    let (difference14, difference23) = (b1.sub(b4), b2.sub(b3));
    let real1 = b0.add(sum14.scale(cosine1)).add(sum23.scale(cosine2));
    let real2 = b0.add(sum14.scale(cosine2)).add(sum23.scale(cosine1));
    let imaginary1 = difference14.scale(sine1).add(difference23.scale(sine2));
    let imaginary2 = difference14.scale(sine2).sub(difference23.scale(sine1));
    [
        b0.add(sum14).add(sum23),
        add_i(real1, imaginary1),
        add_i(real2, imaginary2),
        sub_i(real2, imaginary2),
        sub_i(real1, imaginary1),
    ]
}
