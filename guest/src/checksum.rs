//! Residues of long numbers modulo one prime, by which products are checked.
//!
//! Powers of the base are kept, since many numbers are checked in a row.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "residues are taken apart into digits of 21 bits, and sums of products with them are integers below 2^53"
)]

use alloc::boxed::Box;

use crate::modular::Modulus;
use crate::natural::{Natural, PLACES_MAX, PLACES_MIN, base};
use crate::pair::{self, Pair};

/// Limbs whose residues are taken at once.
const BLOCK: usize = 256;

/// Bits of a digit of a power.
const DIGIT_BITS: u32 = 21;

/// Digits of a power, which has 61 bits.
const DIGITS: usize = 3;

/// How many bases there are.
const BASES: usize = (PLACES_MAX - PLACES_MIN + 1) as usize;

/// Residues modulo one prime.
pub(crate) struct Checksum {
    modulus: Modulus,
    /// By the digits of a limb, once it was needed.
    powers: [Option<Box<Powers>>; BASES],
}

/// The powers of a base.
struct Powers {
    /// Their digits, from the lowest.
    digits: [[Pair; BLOCK / 2]; DIGITS],
    /// The one after those.
    next: u64,
}

impl Checksum {
    pub(crate) fn new(modulus: Modulus) -> Self {
        let powers = [const { None }; BASES];
        Self { modulus, powers }
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// What is left of the number when it is divided by the prime.
    pub(crate) fn of(&mut self, number: &Natural) -> u64 {
        let modulus = self.modulus;
        if let Some(residue) = number.known_residue(modulus) {
            return residue;
        }
        let places = number.places();
        let powers = &mut self.powers[(places - PLACES_MIN) as usize];
        let powers = powers.get_or_insert_with(|| Box::new(Powers::new(modulus, places)));
        let shift = 1 << DIGIT_BITS;
        let mut result = 0;
        for block in number.limbs().chunks(BLOCK).rev() {
            // A limb is below 2^30, and those of a product are below 2^21: sums of 2^8
            // products with a digit stay below 2^(21+21+8), and are exact.
            let sums = pair::sums_of_products(block, &powers.digits);
            let sum = sums.iter().rev().fold(0, |sum, &digit| {
                modulus.add(modulus.mul(sum, shift), signed(digit as i64, modulus))
            });
            result = modulus.add(modulus.mul(result, powers.next), sum);
        }
        result
    }
}

impl Powers {
    fn new(modulus: Modulus, places: u32) -> Self {
        let base = modulus.reduce(base(places) as u64);
        let mut powers = Self {
            digits: [[Pair::both(0.0); BLOCK / 2]; DIGITS],
            next: 1,
        };
        for index in 0..BLOCK / 2 {
            let first = powers.next;
            let second = modulus.mul(first, base);
            powers.next = modulus.mul(second, base);
            for (place, digits) in powers.digits.iter_mut().enumerate() {
                let digit = |power: u64| {
                    (power >> (DIGIT_BITS * place as u32) & ((1 << DIGIT_BITS) - 1)) as f64
                };
                digits[index] = Pair::new(digit(first), digit(second));
            }
        }
        powers
    }
}

/// The residue of an integer that may be negative.
fn signed(value: i64, modulus: Modulus) -> u64 {
    let magnitude = modulus.reduce(value.unsigned_abs());
    if value < 0 {
        modulus.sub(0, magnitude)
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn residues_are_those_of_the_number() {
        let modulus = Modulus::random(3, 0);
        let mut checksum = Checksum::new(modulus);
        for places in PLACES_MIN..=PLACES_MAX {
            let half = base(places) as i32 / 2;
            for length in [1, 2, 3, 5, 255, 256, 257, 1000] {
                // The highest limb is positive, and so is the number.
                let limbs = (1..=length).map(|index| match index % 3 {
                    _ if index == length => half,
                    0 => -half,
                    _ => half - index,
                });
                let number = Natural::from_limbs(places, limbs.collect());
                let residue = number.to_big() % BigUint::from(modulus.value());
                assert_eq!(BigUint::from(checksum.of(&number)), residue, "{length}");
            }
        }
    }
}
