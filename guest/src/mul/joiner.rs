//! Both halves of a product joined while the first half arrives.
#![expect(clippy::cast_precision_loss, reason = "lengths are below 2^32")]

use alloc::vec;
use alloc::vec::Vec;

use super::rounding::Rounder;
use crate::fft::complex::Complex64x2;
use crate::fft::roots::sqrt_i;
use crate::fft::simd::F64x2;
use crate::natural::carry::{self, Carry, TWO_ROUNDS_DIGITS_MIN};
use crate::natural::limb::base;

/// Carries of the four quarters of a product, in as many rounds as its limbs need.
#[derive(Clone)]
enum Carries {
    Two([Carry<2>; 4]),
    Three([Carry<3>; 4]),
}

/// Joins both halves of a product, rounds and carries it, as the points of the first
/// half arrive.
pub(crate) struct Joiner {
    /// Points of the second half, two in each element.
    second: Vec<Complex64x2>,
    limb_digits: u32,
    /// Elements of the first half that have arrived.
    joined: usize,
    /// Limbs of the product, quarter by quarter.
    limbs: Vec<i32>,
    carries: Carries,
    rounder: Rounder,
    /// 0, or NaN once a point was infinite or NaN.
    finite: F64x2,
}

impl Joiner {
    /// Creates a joiner that owns the points of the second half.
    pub(crate) fn new(second: Vec<Complex64x2>, limb_digits: u32) -> Self {
        // The sum of two halves, each m/2 times too large.
        let rounder = Rounder::new(1.0 / (2 * second.len()) as f64);
        let base = base(limb_digits);
        Self {
            limb_digits,
            joined: 0,
            limbs: vec![0; 8 * second.len()],
            carries: if limb_digits >= TWO_ROUNDS_DIGITS_MIN {
                Carries::Two([(); 4].map(|()| Carry::new(base)))
            } else {
                Carries::Three([(); 4].map(|()| Carry::new(base)))
            },
            rounder,
            finite: F64x2::splat(0.0),
            second,
        }
    }

    /// Decimal digits of a limb.
    pub(crate) fn limb_digits(&self) -> u32 {
        self.limb_digits
    }

    /// Elements (pairs of points) of a half.
    pub(crate) fn elements(&self) -> usize {
        self.second.len()
    }

    /// Joins the next points of the first half. Ignores points beyond its end.
    pub(crate) fn push(&mut self, points: impl Iterator<Item = Complex64x2>) {
        // Locals, which the loop keeps in registers.
        let mut carries = self.carries.clone();
        match &mut carries {
            Carries::Two(carries) => self.push_in_rounds(points, carries),
            Carries::Three(carries) => self.push_in_rounds(points, carries),
        }
        self.carries = carries;
    }

    fn push_in_rounds<const ROUNDS: usize>(
        &mut self,
        points: impl Iterator<Item = Complex64x2>,
        carries: &mut [Carry<ROUNDS>; 4],
    ) {
        let root = sqrt_i();
        let quarter = self.limbs.len() / 4;
        let from = self.joined;
        let (low, high) = self.limbs.split_at_mut(2 * quarter);
        let (first, second) = low.split_at_mut(quarter);
        let (third, fourth) = high.split_at_mut(quarter);
        let mut quarters = [first, second, third, fourth]
            .map(|limbs| limbs.as_chunks_mut::<2>().0[from..].iter_mut());
        let mut local_carries = carries.clone();
        let mut rounder = self.rounder;
        let mut finite = self.finite;
        for (first, &second) in points.zip(&self.second[from..]) {
            let low = first.add(second);
            let high = first.sub(second).mul_conj(root);
            for sum in [low.re, low.im] {
                finite = finite.add(sum.sub(sum));
            }
            let integers = [low.re, high.re, low.im, high.im].map(|pair| rounder.round(pair));
            for ((limbs, carry), integers) in
                quarters.iter_mut().zip(&mut local_carries).zip(integers)
            {
                if let Some(limbs) = limbs.next() {
                    *limbs = carry.push(integers).to_i32s();
                }
            }
            self.joined += 1;
        }
        *carries = local_carries;
        self.rounder = rounder;
        self.finite = finite;
    }

    /// Returns the limbs of the product. `None` if points are missing, not finite, or
    /// too far from integers.
    pub(crate) fn finish(self) -> Option<Vec<i32>> {
        let base = base(self.limb_digits);
        let quarter = self.limbs.len() / 4;
        let mut limbs = self.limbs;
        let rounding = self.rounder.rounding();
        let finite = self.finite.lane0() + self.finite.lane1();
        if self.joined < self.second.len() || finite.is_nan() || !rounding.is_plausible() {
            return None;
        }
        drop(self.second);
        let (carries, short_max) = match &self.carries {
            Carries::Two(carries) => (
                carries.each_ref().map(Carry::carry_out),
                Carry::<2>::short_max(base),
            ),
            Carries::Three(carries) => (
                carries.each_ref().map(Carry::carry_out),
                Carry::<3>::short_max(base),
            ),
        };
        for (index, carry) in carries.into_iter().enumerate() {
            carry::add(&mut limbs, (index + 1) * quarter, carry, base);
        }
        if rounding.largest > short_max {
            let carry = carry::balance(&mut limbs, base);
            let length = limbs.len();
            carry::add(&mut limbs, length, carry, base);
        }
        Some(limbs)
    }
}
