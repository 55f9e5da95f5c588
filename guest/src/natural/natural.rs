//! Natural numbers as limbs of a few decimal digits each.
//!
//! Limbs are signed and balanced around zero, which keeps the sums in a product
//! small. They need not be reduced: a limb may exceed its base. Only
//! [`Natural::normalize`] makes limbs the digits that are printed; every other
//! function accepts limbs up to 2^30.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "digits and limbs are small; each cast has its bound in place"
)]

use alloc::vec::Vec;

use super::carry;
use super::limb::{LIMB_DIGITS_MAX, LIMB_DIGITS_MIN, base};
use super::modular::Modulus;
use super::regroup::regroup;

/// A natural number.
#[derive(Clone, Debug)]
pub struct Natural {
    /// Decimal digits of a limb, [`LIMB_DIGITS_MIN`] to [`LIMB_DIGITS_MAX`].
    limb_digits: u32,
    /// Limbs from the least significant; the last is not zero.
    limbs: Vec<i32>,
    /// A modulus and the number's residue. `None` where no residue is known.
    residue: Option<(Modulus, u64)>,
}

impl Natural {
    /// Creates 0.
    pub fn zero() -> Self {
        Self::from_limbs(LIMB_DIGITS_MAX, Vec::new())
    }

    /// Creates 1.
    pub fn one() -> Self {
        Self::from(1)
    }

    /// Creates the number with these limbs, from the least significant, each of
    /// magnitude at most 2^30.
    pub(crate) fn from_limbs(limb_digits: u32, limbs: Vec<i32>) -> Self {
        debug_assert!((LIMB_DIGITS_MIN..=LIMB_DIGITS_MAX).contains(&limb_digits));
        let mut number = Self {
            limb_digits,
            limbs,
            residue: None,
        };
        number.trim();
        number
    }

    /// Parses decimal digits. `None` if any other byte occurs.
    pub fn from_decimal(digits: &str) -> Option<Self> {
        let chunk_digits = LIMB_DIGITS_MAX as usize;
        let mut limbs = Vec::with_capacity(digits.len() / chunk_digits + 1);
        for chunk in digits.as_bytes().rchunks(chunk_digits) {
            let mut limb = 0;
            for &digit in chunk {
                let value = digit.wrapping_sub(b'0');
                if value > 9 {
                    return None;
                }
                limb = 10 * limb + i32::from(value);
            }
            limbs.push(limb);
        }
        let mut number = Self::from_limbs(LIMB_DIGITS_MAX, limbs);
        number.balance();
        Some(number)
    }

    /// Converts limbs of base 10^9, from the least significant, each below its base.
    pub(crate) fn from_billions(billions: &[u64]) -> Self {
        const { assert!(LIMB_DIGITS_MAX == 6, "two limbs of 9 digits are three of 6") };
        let mut limbs = Vec::with_capacity(3 * billions.len().div_ceil(2) + 1);
        for pair in billions.chunks(2) {
            let (low, high) = (pair[0], pair.get(1).copied().unwrap_or(0));
            let middle = low / 1_000_000 + high % 1_000 * 1_000;
            limbs.extend([low % 1_000_000, middle, high / 1_000].map(|limb| limb as i32));
        }
        let mut number = Self::from_limbs(LIMB_DIGITS_MAX, limbs);
        number.balance();
        number
    }

    /// Removes leading zero limbs.
    fn trim(&mut self) {
        let zeros = self.limbs.iter().rev().take_while(|&&limb| limb == 0);
        let length = self.limbs.len() - zeros.count();
        self.limbs.truncate(length);
    }

    pub(crate) fn into_limbs(self) -> Vec<i32> {
        self.limbs
    }

    /// Converts to limbs of `limb_digits` digits, at most as many as now.
    pub(crate) fn into_limb_digits(self, limb_digits: u32) -> Self {
        if self.limb_digits == limb_digits {
            self
        } else {
            self.regroup(limb_digits)
        }
    }

    /// Decimal digits of a limb.
    pub(crate) fn limb_digits(&self) -> u32 {
        self.limb_digits
    }

    /// Limbs from the least significant.
    pub(crate) fn limbs(&self) -> &[i32] {
        &self.limbs
    }

    /// Most limbs that the number has after [`Self::regroup`].
    pub(crate) fn limbs_max(&self, limb_digits: u32) -> u64 {
        let digits = self.limbs.len() as u64 * u64::from(self.limb_digits);
        digits / u64::from(limb_digits) + u64::from(limb_digits != self.limb_digits)
    }

    /// Reduces every limb to 0 or more and below its base.
    pub fn normalize(&mut self) {
        let base = base(self.limb_digits);
        let mut carry = carry::normalize(&mut self.limbs, 0, base);
        while carry > 0 {
            self.limbs.push((carry % base) as i32);
            carry /= base;
        }
        self.trim();
    }

    /// Copies the number into limbs of `limb_digits` digits, at most as many as now.
    pub(crate) fn regroup(&self, limb_digits: u32) -> Self {
        let limbs = regroup(&self.limbs, self.limb_digits, limb_digits);
        let mut number = Self::from_limbs(limb_digits, limbs);
        number.residue = self.residue;
        number
    }

    /// Balances normalized limbs around zero.
    fn balance(&mut self) {
        let base = base(self.limb_digits) as i32;
        let mut carry = 0;
        for limb in &mut self.limbs {
            *limb += carry;
            carry = i32::from(*limb > base / 2);
            *limb -= carry * base;
        }
        if carry > 0 {
            self.limbs.push(carry);
        }
    }

    /// Adds `sign` · `other`, where `sign` is 1 or −1. The sum must not be negative.
    fn add_signed(&mut self, other: &Self, sign: i32) {
        self.residue = None;
        let converted;
        let other = if other.limb_digits == self.limb_digits {
            other
        } else {
            let limb_digits = other.limb_digits.min(self.limb_digits);
            if limb_digits < self.limb_digits {
                *self = self.regroup(limb_digits);
            }
            converted = other.regroup(limb_digits);
            &converted
        };
        if self.limbs.len() < other.limbs.len() {
            self.limbs.resize(other.limbs.len(), 0);
        }
        let base = base(self.limb_digits);
        let mut carry = 0;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let term = other.limbs.get(index).copied().unwrap_or(0);
            let sum = i64::from(*limb) + i64::from(sign * term) + carry;
            carry = (sum + base / 2).div_euclid(base);
            *limb = (sum - carry * base) as i32;
        }
        if carry != 0 {
            self.limbs.push(carry as i32);
        }
        self.trim();
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.add_signed(other, 1);
    }

    /// Subtracts `other`, which must not be larger.
    pub fn subtract(&mut self, other: &Self) {
        self.add_signed(other, -1);
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.limbs.iter().all(|&limb| limb == 0)
    }

    /// Whether the number is 1.
    pub(crate) fn is_one(&self) -> bool {
        self.limbs == [1]
    }

    /// Returns the residue that an earlier step stored. `None` if there is none for
    /// this modulus.
    pub(crate) fn stored_residue(&self, modulus: Modulus) -> Option<u64> {
        let stored = self.residue.filter(|&(stored, _)| stored == modulus);
        stored.map(|(_, residue)| residue)
    }

    /// Stores the residue modulo `modulus`, so that no later step computes it again.
    pub(crate) fn store_residue(&mut self, modulus: Modulus, residue: u64) {
        debug_assert!(residue < modulus.value(), "residues are canonical");
        self.residue = Some((modulus, residue));
    }
}

#[cfg(test)]
impl Natural {
    /// Converts to binary.
    pub(crate) fn to_big(&self) -> num_bigint::BigUint {
        let mut sum = num_bigint::BigInt::ZERO;
        for &limb in self.limbs.iter().rev() {
            sum = sum * base(self.limb_digits) + limb;
        }
        sum.try_into().expect("a natural number")
    }
}

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        let base = base(LIMB_DIGITS_MAX) as u64;
        let mut limbs = Vec::with_capacity(4);
        let mut rest = value;
        while rest > 0 {
            limbs.push((rest % base) as i32);
            rest /= base;
        }
        Self::from_limbs(LIMB_DIGITS_MAX, limbs)
    }
}
