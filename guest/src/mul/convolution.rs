//! Products and squares by transforms.
//!
//! Limbs start as long as the operands' and become one digit shorter until rounding
//! errors are small enough.

use alloc::vec::Vec;

use super::division::{Division, product_shape};
use super::exactness::{Exactness, estimate_random_square};
use super::points;
use crate::fft::complex::Complex64x2;
use crate::fft::transform::{Rhs, Transform};
use crate::natural::Natural;
use crate::natural::carry::{self, CARRY_LIMBS};
use crate::natural::limb::{LIMB_DIGITS_MIN, base};

/// A product by transforms.
pub(super) struct Unchecked {
    pub(super) product: Natural,
    /// Whether a bound proves the product exact.
    pub(super) proved: bool,
    /// Whether all coefficients were close to integers.
    pub(super) plausible: bool,
}

/// Multiplies by transforms. Keeps twiddle factors and buffers for further products.
#[derive(Default)]
pub(super) struct Convolver {
    pub(super) transform: Transform,
    lhs: Vec<Complex64x2>,
    rhs: Vec<Complex64x2>,
}

impl Convolver {
    /// Multiplies part by part of the longer operand. Neither operand is 0.
    pub(super) fn multiply(
        &mut self,
        long: &Natural,
        short: &Natural,
        exactness: Exactness,
    ) -> Unchecked {
        let mut limb_digits = long.limb_digits().min(short.limb_digits());
        while limb_digits > LIMB_DIGITS_MIN {
            let (long, short) = (long.limbs_max(limb_digits), short.limbs_max(limb_digits));
            let division = Division::new(long, short);
            let square = estimate_random_square(division.part_limbs as u64, short, limb_digits);
            if exactness.admits(division.shape, square) {
                break;
            }
            limb_digits -= 1;
        }
        loop {
            let (long_copy, short_copy) = (
                regroup_unless(long, limb_digits),
                regroup_unless(short, limb_digits),
            );
            let long = long_copy.as_ref().unwrap_or(long);
            let short = short_copy.as_ref().unwrap_or(short);
            match self.try_multiply(long, short, exactness) {
                Some(unchecked) => return unchecked,
                None => limb_digits -= 1,
            }
        }
    }

    /// Multiplies operands whose limbs have the same number of digits. `None` if the
    /// limbs are too long.
    fn try_multiply(
        &mut self,
        long: &Natural,
        short: &Natural,
        exactness: Exactness,
    ) -> Option<Unchecked> {
        let limb_digits = long.limb_digits();
        debug_assert_eq!(limb_digits, short.limb_digits());
        let (long_limbs, short_limbs) = (long.limbs().len(), short.limbs().len());
        let Division { part_limbs, shape } = Division::new(long_limbs as u64, short_limbs as u64);
        let points = shape.points();
        let short_square = points::load(&mut self.rhs, points, short.limbs());
        let mut limbs = Vec::new();
        let (mut proved, mut plausible) = (true, true);
        for (index, part) in long.limbs().chunks(part_limbs).enumerate() {
            let square = short_square * points::load(&mut self.lhs, points, part);
            proved &= exactness.try_proof(shape, square, limb_digits)?;
            let rhs = if index == 0 {
                Rhs::Coefficients(&mut self.rhs)
            } else {
                Rhs::Transformed(&self.rhs)
            };
            self.transform.multiply(&mut self.lhs, rhs, shape);
            let (mut product, rounding) = points::to_limbs(&self.lhs, limb_digits);
            plausible &= rounding.is_plausible();
            if part.len() == long_limbs {
                limbs = product;
                break;
            }
            product.truncate(part.len() + short_limbs);
            if index == 0 {
                limbs.reserve_exact(long_limbs + short_limbs + CARRY_LIMBS);
            }
            carry::add_limbs(&mut limbs, index * part_limbs, &product, base(limb_digits));
        }
        Some(Unchecked {
            product: Natural::from_limbs(limb_digits, limbs),
            proved,
            plausible,
        })
    }

    /// Squares a number.
    pub(super) fn square(&mut self, number: &Natural, exactness: Exactness) -> Unchecked {
        let mut limb_digits = number.limb_digits();
        while limb_digits > LIMB_DIGITS_MIN {
            let limbs = number.limbs_max(limb_digits);
            let shape = product_shape(2 * limbs);
            if exactness.admits(shape, estimate_random_square(limbs, limbs, limb_digits)) {
                break;
            }
            limb_digits -= 1;
        }
        loop {
            let copy = regroup_unless(number, limb_digits);
            match self.try_square(copy.as_ref().unwrap_or(number), exactness) {
                Some(unchecked) => return unchecked,
                None => limb_digits -= 1,
            }
        }
    }

    /// Squares a number. `None` if its limbs are too long.
    fn try_square(&mut self, number: &Natural, exactness: Exactness) -> Option<Unchecked> {
        let limb_digits = number.limb_digits();
        let shape = product_shape(2 * number.limbs().len() as u64);
        let norm_square = points::load(&mut self.lhs, shape.points(), number.limbs());
        let proved = exactness.try_proof(shape, norm_square * norm_square, limb_digits)?;
        self.transform.multiply(&mut self.lhs, Rhs::Same, shape);
        let (limbs, rounding) = points::to_limbs(&self.lhs, limb_digits);
        Some(Unchecked {
            product: Natural::from_limbs(limb_digits, limbs),
            proved,
            plausible: rounding.is_plausible(),
        })
    }

    /// Frees the buffers.
    pub(super) fn free_buffers(&mut self) {
        self.lhs = Vec::new();
        self.rhs = Vec::new();
    }
}

/// Copies the number into limbs of `limb_digits` digits. `None` if it has those.
fn regroup_unless(number: &Natural, limb_digits: u32) -> Option<Natural> {
    (number.limb_digits() != limb_digits).then(|| number.regroup(limb_digits))
}
