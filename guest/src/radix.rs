//! A long number's digits, piece by piece from the most significant.
//!
//! Numbers are decimal all along, so that nothing is converted, and no second
//! copy of the number is made.

use alloc::vec::Vec;

use crate::ascii;
use crate::natural::Natural;
use crate::number::Long;

/// Limbs that are written at once.
const PIECE_LIMBS: usize = 96;

/// The digits that are still to come.
pub struct Digits {
    /// Normalized.
    head: Natural,
    /// Limbs of the head that are to come.
    limbs: usize,
    /// Zeros that follow the head.
    zeros: u64,
    /// Zeros that the first limb would have in front.
    leading: u32,
}

impl Digits {
    /// The digits of `number`.
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
            leading: head.places() - digits,
            limbs: head.limbs().len(),
            zeros,
            head,
        }
    }

    /// Bytes that one call of [`Self::append_to`] adds at most.
    pub fn piece_max(&self) -> usize {
        PIECE_LIMBS * self.head.places() as usize
    }

    /// Appends the next few digits, at most [`Self::piece_max`]. False when
    /// there are none left.
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> bool {
        if self.limbs == 0 {
            let most = self.piece_max();
            let zeros = usize::try_from(self.zeros).map_or(most, |zeros| zeros.min(most));
            text.resize(text.len() + zeros, b'0');
            self.zeros -= zeros as u64;
            return zeros > 0;
        }
        let start = text.len();
        let rest = self.limbs.saturating_sub(PIECE_LIMBS);
        let limbs = self.head.limbs().get(rest..self.limbs).unwrap_or_default();
        match self.head.places() {
            6 => ascii::write::<6>(limbs, text),
            5 => ascii::write::<5>(limbs, text),
            4 => ascii::write::<4>(limbs, text),
            3 => ascii::write::<3>(limbs, text),
            _ => ascii::write::<2>(limbs, text),
        }
        self.limbs = rest;
        text.drain(start..start + self.leading as usize);
        self.leading = 0;
        true
    }

    /// How many digits are to come.
    pub fn digits_to_come(&self) -> u64 {
        self.limbs as u64 * u64::from(self.head.places()) + self.zeros - u64::from(self.leading)
    }

    /// Whether all digits to come are zeros.
    pub fn rest_is_zero(&self) -> bool {
        let mut limbs = self.head.limbs().iter().take(self.limbs);
        limbs.all(|&limb| limb == 0)
    }
}
