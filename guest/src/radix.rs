//! A long number's decimal digits, piece by piece from the most significant.
//!
//! Divide and conquer: the number is split by a power of ten of half its length,
//! the halves by one of a quarter, down to leaves of a few hundred digits. The
//! upper halves are split first, so that the digits come in reading order and
//! nothing but the lower halves waits: no second copy of the number is made.
//! Each power is divided by through its reciprocal, which costs two
//! multiplications for each split (P. Barrett 1986; Newton's iteration for the
//! reciprocals).
#![expect(
    clippy::cast_possible_truncation,
    reason = "limbs, digits and the length of a leaf are small"
)]

use alloc::vec;
use alloc::vec::Vec;

use num_bigint::BigUint;

/// Digits of the largest leaf. A leaf is converted in quadratic time.
const LEAF_DIGITS_MAX: u64 = 576;

/// Digits that one step within a leaf takes.
const STEP_DIGITS: u32 = 9;

/// 10^[`STEP_DIGITS`].
const STEP: u64 = 1_000_000_000;

/// Bits that a reciprocal has beyond those of its power. They keep the error of
/// one Newton step from growing over the next.
const GUARD_BITS: u64 = 64;

/// A power of ten, ready to divide by.
struct Divisor {
    power: BigUint,
    /// Bits of the power.
    bits: u64,
    /// 2^(2·bits + `GUARD_BITS`) / power, at most a few units too small.
    reciprocal: BigUint,
}

/// The digits that are still to come.
pub struct Digits {
    /// `divisors[k]` is 10^(`leaf_length` · 2^k).
    divisors: Vec<Divisor>,
    /// Digits of a leaf.
    leaf_length: usize,
    /// Parts of the number with their level, the next on top. A part of level k
    /// is below 10^(`leaf_length` · 2^k).
    parts: Vec<(BigUint, usize)>,
    /// No digit has come yet, so that zeros lead and are left out.
    leading: bool,
}

impl Digits {
    /// The digits of `number`.
    pub fn new(number: BigUint) -> Self {
        // log10 2 < 0.30103, so that this is no less than there are.
        let digits_max = number.bits().saturating_mul(30_103) / 100_000 + 1;
        let mut level = 0_u32;
        while digits_max >> level > LEAF_DIGITS_MAX {
            level += 1;
        }
        let step = u64::from(STEP_DIGITS);
        let leaf_digits = (digits_max >> level).div_euclid(step) * step + step;
        let mut divisors: Vec<Divisor> = Vec::with_capacity(level as usize);
        for _ in 0..level {
            divisors.push(match divisors.last() {
                // A leaf has less than LEAF_DIGITS_MAX + STEP_DIGITS digits.
                None => Divisor::new(BigUint::from(10_u32).pow(leaf_digits as u32)),
                Some(root) => root.square(),
            });
        }
        Self {
            divisors,
            leaf_length: leaf_digits as usize,
            parts: vec![(number, level as usize)],
            leading: true,
        }
    }

    /// Digits that one call of [`Self::append_to`] adds at most.
    pub fn piece_max(&self) -> usize {
        self.leaf_length
    }

    /// Appends the next few digits, at most [`Self::piece_max`]. False when
    /// there are none left.
    pub fn append_to(&mut self, text: &mut Vec<u8>) -> bool {
        while let Some((part, level)) = self.parts.pop() {
            if level == 0 {
                self.append_leaf(&part, text);
                return true;
            }
            let Some(divisor) = self.divisors.get(level - 1) else {
                return false;
            };
            let (quotient, remainder) = divisor.divide(part);
            // Levels fall from the bottom of the stack to its top, so that the
            // divisor of the last part of its level is not needed again.
            if self.parts.first().is_none_or(|(_, below)| *below < level) {
                self.divisors.truncate(level - 1);
            }
            self.parts.push((remainder, level - 1));
            if !(self.leading && quotient == BigUint::ZERO) {
                self.parts.push((quotient, level - 1));
            }
        }
        false
    }

    /// How many digits are to come. Exact once the first has come.
    pub fn digits_to_come(&self) -> u64 {
        self.parts
            .iter()
            .map(|(_, level)| (self.leaf_length as u64) << level)
            .sum()
    }

    /// Whether all digits to come are zeros.
    pub fn rest_is_zero(&self) -> bool {
        self.parts.iter().all(|(part, _)| *part == BigUint::ZERO)
    }

    fn append_leaf(&mut self, part: &BigUint, text: &mut Vec<u8>) {
        let start = text.len();
        let end = start + self.leaf_length;
        text.resize(end, b'0');
        let mut limbs = part.to_u32_digits();
        let mut position = end;
        while !limbs.is_empty() && position > start {
            let mut rest = 0_u64;
            for limb in limbs.iter_mut().rev() {
                // rest < STEP < 2^30: the numerator fits and so does the quotient.
                let numerator = rest << 32 | u64::from(*limb);
                *limb = (numerator / STEP) as u32;
                rest = numerator % STEP;
            }
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
            for place in text[position - STEP_DIGITS as usize..position]
                .iter_mut()
                .rev()
            {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            position -= STEP_DIGITS as usize;
        }
        if self.leading {
            let zeros = text[start..]
                .iter()
                .take_while(|&&digit| digit == b'0')
                .count();
            // The number zero has one digit.
            let zeros = if self.parts.is_empty() {
                zeros.min(self.leaf_length - 1)
            } else {
                zeros
            };
            text.drain(start..start + zeros);
            self.leading = text.len() == start;
        }
    }
}

impl Divisor {
    fn new(power: BigUint) -> Self {
        let bits = power.bits();
        let reciprocal = (BigUint::from(1_u32) << (2 * bits + GUARD_BITS)) / &power;
        Self {
            power,
            bits,
            reciprocal,
        }
    }

    /// The divisor for the square of this power.
    fn square(&self) -> Self {
        let power = &self.power * &self.power;
        let bits = power.bits();
        // Write R = 2^(2b+g) / p · (1 − ε). R² brought to 2^(2b'+g) is a guess
        // for p² with the error 2ε, and one step of Newton's iteration,
        // X + X · (1 − X p²), leaves 4ε². As ε is a few units of 2^−(b+g), that
        // is below one unit of 2^−(b'+g); what is cut off costs a few again.
        // No step ends above the true value.
        let scale = 2 * bits + GUARD_BITS;
        let guess =
            (&self.reciprocal * &self.reciprocal) >> (4 * self.bits + 2 * GUARD_BITS - scale);
        let error = (BigUint::from(1_u32) << scale) - &guess * &power;
        // The error is shorter than X p² by about b bits, so that the low halves
        // of both factors matter to no more than one unit each.
        let half = bits / 2;
        let correction = ((&guess >> half) * (error >> half)) >> (scale - 2 * half);
        Self {
            power,
            bits,
            reciprocal: guess + correction,
        }
    }

    /// Quotient and remainder of a number below the square of the power.
    fn divide(&self, number: BigUint) -> (BigUint, BigUint) {
        if number < self.power {
            return (BigUint::ZERO, number);
        }
        // The estimate is too small by a few units at most (Barrett), never too
        // large.
        let mut quotient =
            ((&number >> (self.bits - 1)) * &self.reciprocal) >> (self.bits + 1 + GUARD_BITS);
        let mut remainder = number - &quotient * &self.power;
        while remainder >= self.power {
            remainder -= &self.power;
            quotient += 1_u32;
        }
        (quotient, remainder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(number: BigUint) -> String {
        let mut text = Vec::new();
        let mut digits = Digits::new(number);
        while digits.append_to(&mut text) {}
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn agrees_with_the_library() {
        assert_eq!(digits(BigUint::ZERO), "0");
        let mut number = BigUint::from(7_u32);
        for _ in 0..400 {
            assert_eq!(digits(number.clone()), number.to_str_radix(10));
            number = number * 3_141_592_653_589_793_238_u64 + 17_u32;
            number += &number >> 3;
        }
    }

    /// Powers of ten and their neighbours: full of zeros and nines.
    #[test]
    fn powers_of_ten() {
        for exponent in (0..9000)
            .step_by(37)
            .chain([575, 576, 577, 1151, 1152, 1153])
        {
            let power = BigUint::from(10_u32).pow(exponent);
            for number in [&power - 1_u32, power.clone(), &power + 1_u32] {
                assert_eq!(digits(number.clone()), number.to_str_radix(10));
            }
        }
    }

    #[test]
    fn reciprocals_are_close() {
        let mut divisor = Divisor::new(BigUint::from(10_u32).pow(288));
        for _ in 0..8 {
            divisor = divisor.square();
            let exact = (BigUint::from(1_u32) << (2 * divisor.bits + GUARD_BITS)) / &divisor.power;
            assert!(divisor.reciprocal <= exact);
            assert!(exact - &divisor.reciprocal <= BigUint::from(8_u32));
        }
    }
}
