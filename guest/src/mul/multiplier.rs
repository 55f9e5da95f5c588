//! The one entry to products, with the check of those that are not proved.
//!
//! Rounding the coefficients of a transform gives the product for one of two reasons:
//!
//! - *proved*: `fft::error_bound` shows, from the norms of these
//!   operands, that every coefficient is off by less than a half;
//! - *verified*: limbs are as long as random operands allow, and the product equals
//!   that of the operands modulo a random prime. A wrong product is computed again,
//!   with proof.

use super::convolution::{Convolver, Unchecked};
use super::exactness::{self, Exactness};
use super::grade::{Checks, Grade};
use super::half_product::{self, Half, HalfProduct};
use super::schoolbook;
use crate::natural::Natural;
use crate::natural::limb::LIMB_DIGITS_MIN;
use crate::natural::modular::Modulus;
use crate::natural::residue::Reducer;

/// Multiplies long numbers. Keeps twiddle factors and buffers, and counts checks.
#[derive(Default)]
pub struct Multiplier {
    convolver: Convolver,
    /// Seed of the prime that checks products. `None` if all products are proved.
    seed: Option<u64>,
    /// Computes residues modulo that prime. `None` until the first check.
    reducer: Option<Reducer>,
    checks: Checks,
    /// Adds one to a limb of every checked product.
    #[cfg(test)]
    fault: bool,
}

impl Multiplier {
    /// Creates a multiplier that proves every product.
    pub fn proved() -> Self {
        Self::default()
    }

    /// Creates a multiplier that verifies long products modulo a prime drawn from
    /// `seed`.
    pub fn verified(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..Self::default()
        }
    }

    /// Creates a multiplier that proves products if `proved`, else verifies them.
    pub fn new(proved: bool, seed: u64) -> Self {
        if proved {
            Self::proved()
        } else {
            Self::verified(seed)
        }
    }

    /// Returns the certainty of the products so far.
    pub fn grade(&self) -> Grade {
        self.checks.grade()
    }

    /// Returns the counts of the checks so far.
    pub(crate) fn checks(&self) -> Checks {
        self.checks
    }

    /// Adds the checks of another sandbox.
    pub(crate) fn add_checks(&mut self, checks: Checks) {
        self.checks.add(checks);
    }

    /// Multiplies two numbers.
    pub fn multiply(&mut self, lhs: &Natural, rhs: &Natural) -> Natural {
        let (long, short) = if lhs.limbs().len() < rhs.limbs().len() {
            (rhs, lhs)
        } else {
            (lhs, rhs)
        };
        if short.limbs().is_empty() {
            return Natural::zero();
        }
        if schoolbook::is_faster(long, short) {
            return schoolbook::multiply(long, short);
        }
        self.check(
            |convolver, exactness| convolver.multiply(long, short, exactness),
            long,
            short,
        )
    }

    /// Squares a number.
    pub fn square(&mut self, number: &Natural) -> Natural {
        if schoolbook::is_faster(number, number) {
            return schoolbook::square(number);
        }
        self.check(
            |convolver, exactness| convolver.square(number, exactness),
            number,
            number,
        )
    }

    /// Computes lhs · rhs by `multiply`, and again with proof if a check fails.
    fn check(
        &mut self,
        multiply: impl Fn(&mut Convolver, Exactness) -> Unchecked,
        lhs: &Natural,
        rhs: &Natural,
    ) -> Natural {
        let exactness = self.exactness();
        let Unchecked {
            mut product,
            proved,
            plausible,
        } = multiply(&mut self.convolver, exactness);
        let Some(seed) = self.seed.filter(|_| !proved) else {
            return product;
        };
        #[cfg(test)]
        self.add_fault(&mut product);
        self.checks
            .count(product.limbs().len() as u64 * u64::from(product.limb_digits()));
        let reducer = self
            .reducer
            .get_or_insert_with(|| Reducer::new(Modulus::random(seed, 0)));
        let modulus = reducer.modulus();
        let residue = modulus.mul(reducer.reduce(lhs), reducer.reduce(rhs));
        if plausible && reducer.reduce(&product) == residue {
            product.store_residue(modulus, residue);
            return product;
        }
        self.checks.repeated += 1;
        // The next product takes its memory.
        drop(product);
        multiply(&mut self.convolver, Exactness::Proved).product
    }

    fn exactness(&self) -> Exactness {
        if self.seed.is_some() {
            Exactness::Verified
        } else {
            Exactness::Proved
        }
    }

    /// Frees the buffers that it keeps for further products.
    pub(crate) fn free_buffers(&mut self) {
        self.convolver.free_buffers();
    }

    /// Computes half of lhs · rhs. `square` is the product of the operands'
    /// [`norm_square`](crate::natural::norms::norm_square)s.
    ///
    /// Returns the half and the digits of its limbs. The other half has the same shape,
    /// which depends on the operands alone.
    pub(crate) fn multiply_half(
        &mut self,
        operands: [Natural; 2],
        square: f64,
        half: Half,
    ) -> (HalfProduct, u32) {
        self.free_buffers();
        let exactness = self.exactness();
        let transform = &mut self.convolver.transform;
        let (product, limb_digits) =
            half_product::multiply(transform, operands, square, half, exactness);
        // Limbs of two digits are always short enough.
        if limb_digits > LIMB_DIGITS_MIN && !exactness::is_half_proved(product.error_max) {
            let limbs = 4 * product.points.len() as u64;
            self.checks.count(limbs * u64::from(limb_digits));
        }
        (product, limb_digits)
    }

    /// Estimates the digits of a limb in the halves of a product of about `digits`
    /// digits.
    pub(crate) fn half_limb_digits(&self, digits: u64) -> u32 {
        half_product::estimate_limb_digits(digits, self.exactness())
    }
}

#[cfg(test)]
impl Multiplier {
    /// Makes every checked product wrong.
    pub(super) fn with_fault(self) -> Self {
        Self {
            fault: true,
            ..self
        }
    }

    fn add_fault(&self, product: &mut Natural) {
        if self.fault {
            let mut limbs = product.limbs().to_vec();
            let middle = limbs.len() / 2;
            limbs[middle] += 1;
            *product = Natural::from_limbs(product.limb_digits(), limbs);
        }
    }
}
