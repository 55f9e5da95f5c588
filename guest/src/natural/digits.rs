//! A long number's digits, piece by piece from the most significant.
//!
//! Limbs are decimal, so that no radix conversion and no second copy is needed.

use alloc::vec::Vec;

use super::ascii;
use super::long::Long;
use super::natural::Natural;

/// Limbs of a piece.
const PIECE_LIMBS: usize = 96;

/// The digits of a number that were not written yet.
pub struct Digits {
    /// The number's head, normalized.
    head: Natural,
    /// Limbs of the head that were not written yet.
    limbs: usize,
    /// Zeros after the head that were not written yet.
    zeros: u64,
    /// Leading zeros of the first limb, which are not written.
    skip: u32,
}

impl Digits {
    /// Prepares the digits of `number`.
    pub fn new(number: Long) -> Self {
        let Long {
            mut head,
            mut zeros,
        } = number;
        head.normalize();
        let first = head.limbs().last().map_or(0, |limb| limb.unsigned_abs());
        if head.is_zero() {
            // Zero has one digit.
            zeros = 1;
        }
        let digits = first.checked_ilog10().map_or(0, |log| log + 1);
        Self {
            skip: head.limb_digits() - digits,
            limbs: head.limbs().len(),
            zeros,
            head,
        }
    }

    /// Most bytes that one call of [`Self::append_to`] appends.
    pub fn piece_max(&self) -> usize {
        PIECE_LIMBS * self.head.limb_digits() as usize
    }

    /// Appends the next piece, at most [`Self::piece_max`] bytes. Returns false if no
    /// digit was left.
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> bool {
        if self.limbs == 0 {
            let max = self.piece_max();
            let zeros = usize::try_from(self.zeros).map_or(max, |zeros| zeros.min(max));
            text.resize(text.len() + zeros, b'0');
            self.zeros -= zeros as u64;
            return zeros > 0;
        }
        let start = text.len();
        let rest = self.limbs.saturating_sub(PIECE_LIMBS);
        let limbs = self.head.limbs().get(rest..self.limbs).unwrap_or_default();
        match self.head.limb_digits() {
            6 => ascii::write::<6>(limbs, text),
            5 => ascii::write::<5>(limbs, text),
            4 => ascii::write::<4>(limbs, text),
            3 => ascii::write::<3>(limbs, text),
            _ => ascii::write::<2>(limbs, text),
        }
        self.limbs = rest;
        text.drain(start..start + self.skip as usize);
        self.skip = 0;
        true
    }

    /// Number of digits that were not written yet.
    pub fn digits_left(&self) -> u64 {
        self.limbs as u64 * u64::from(self.head.limb_digits()) + self.zeros - u64::from(self.skip)
    }

    /// Whether all digits that were not written yet are zeros.
    pub fn rest_is_zero(&self) -> bool {
        let mut limbs = self.head.limbs().iter().take(self.limbs);
        limbs.all(|&limb| limb == 0)
    }
}
