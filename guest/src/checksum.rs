//! Residues of long numbers modulo one prime, by which products are checked.
//!
//! Powers of the base are kept, since many numbers are checked in a row.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "residues are taken apart into halves of 31 bits"
)]

use alloc::boxed::Box;

use crate::modular::Modulus;
use crate::natural::{Natural, PLACES_MAX, PLACES_MIN, base};
use crate::pair;

/// Limbs whose residues are taken at once.
const BLOCK: usize = 256;

/// Bits of the lower half of a power; the upper one has 30.
const HALF_BITS: u32 = 31;

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
    low: [i32; BLOCK],
    high: [i32; BLOCK],
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
        let shift = modulus.reduce(1 << HALF_BITS);
        let mut result = 0;
        for block in number.limbs().chunks(BLOCK).rev() {
            // A limb is below 2^30, so that sums of 2^8 products with a half stay below
            // 2^(31+30+8) — but limbs that large do not occur in rows: those of a product
            // are below 2^21.
            let low = pair::sum_of_products(block, &powers.low);
            let high = pair::sum_of_products(block, &powers.high);
            let sum = modulus.add(
                signed(low, modulus),
                modulus.mul(signed(high, modulus), shift),
            );
            result = modulus.add(modulus.mul(result, powers.next), sum);
        }
        result
    }
}

impl Powers {
    fn new(modulus: Modulus, places: u32) -> Self {
        let base = modulus.reduce(base(places) as u64);
        let mut powers = Self {
            low: [0; BLOCK],
            high: [0; BLOCK],
            next: 1,
        };
        for (low, high) in powers.low.iter_mut().zip(&mut powers.high) {
            *low = (powers.next & ((1 << HALF_BITS) - 1)) as i32;
            *high = (powers.next >> HALF_BITS) as i32;
            powers.next = modulus.mul(powers.next, base);
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
