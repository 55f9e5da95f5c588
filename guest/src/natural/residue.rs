//! Residues of long numbers modulo one prime, which check products.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "powers are split into digits of 21 bits, and sums of products with them are integers below 2^53"
)]

use alloc::boxed::Box;

use super::limb::{LIMB_DIGITS_MAX, LIMB_DIGITS_MIN, base};
use super::modular::Modulus;
use super::natural::Natural;
use crate::fft::simd::F64x2;

/// Limbs of a block, whose residue is one dot product.
const BLOCK: usize = 256;

/// Bits of a digit of a power.
const DIGIT_BITS: u32 = 21;

/// Digits of a power, which has 61 bits.
const DIGITS: usize = 3;

const _: () = assert!(
    DIGITS as u32 * DIGIT_BITS >= u64::BITS - 3 && BLOCK as u64 <= 1 << (53 - 2 * DIGIT_BITS),
    "digits hold a power, and dot products are exact"
);

/// Number of different bases.
const BASES: usize = (LIMB_DIGITS_MAX - LIMB_DIGITS_MIN + 1) as usize;

/// Computes residues modulo one prime. Keeps the powers of each base, since many numbers
/// are checked in a row.
pub(crate) struct Reducer {
    modulus: Modulus,
    /// Powers for each number of digits of a limb. `None` until such limbs occur.
    powers: [Option<Box<Powers>>; BASES],
}

/// The powers 0 to [`BLOCK`] of a base modulo the prime.
struct Powers {
    /// Digits of the powers below [`BLOCK`], from the least significant, in pairs.
    digits: [[F64x2; BLOCK / 2]; DIGITS],
    /// The power [`BLOCK`].
    next: u64,
}

impl Reducer {
    pub(crate) fn new(modulus: Modulus) -> Self {
        let powers = [const { None }; BASES];
        Self { modulus, powers }
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Computes the residue of the number, or returns the stored one.
    pub(crate) fn reduce(&mut self, number: &Natural) -> u64 {
        let modulus = self.modulus;
        if let Some(residue) = number.stored_residue(modulus) {
            return residue;
        }
        let limb_digits = number.limb_digits();
        let powers = &mut self.powers[(limb_digits - LIMB_DIGITS_MIN) as usize];
        let powers = powers.get_or_insert_with(|| Box::new(Powers::new(modulus, limb_digits)));
        let shift = 1 << DIGIT_BITS;
        let mut residue = 0;
        for block in number.limbs().chunks(BLOCK).rev() {
            // A limb is below 2^30, and limbs of products are below 2^21. Sums of 2^8
            // products of these with a digit stay below 2^(21+21+8) and are exact.
            let sums = dot_products(block, &powers.digits);
            let sum = sums.iter().rev().fold(0, |sum, &digit| {
                modulus.add(
                    modulus.mul(sum, shift),
                    reduce_signed(digit as i64, modulus),
                )
            });
            residue = modulus.add(modulus.mul(residue, powers.next), sum);
        }
        residue
    }
}

impl Powers {
    fn new(modulus: Modulus, limb_digits: u32) -> Self {
        let base = modulus.reduce(base(limb_digits) as u64);
        let mut powers = Self {
            digits: [[F64x2::splat(0.0); BLOCK / 2]; DIGITS],
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
                digits[index] = F64x2::new(digit(first), digit(second));
            }
        }
        powers
    }
}

/// Returns the residue of an integer that may be negative.
fn reduce_signed(value: i64, modulus: Modulus) -> u64 {
    let magnitude = modulus.reduce(value.unsigned_abs());
    if value < 0 {
        modulus.sub(0, magnitude)
    } else {
        magnitude
    }
}

/// Computes the dot products of the limbs and several vectors. They are exact while they
/// stay below 2^53.
fn dot_products<const VECTORS: usize, const PAIRS: usize>(
    limbs: &[i32],
    vectors: &[[F64x2; PAIRS]; VECTORS],
) -> [f64; VECTORS] {
    // Two sums for each vector, so that no addition waits for the one before.
    let mut sums = [[F64x2::splat(0.0); 2]; VECTORS];
    let pair = |limbs: &[i32; 2]| F64x2::from_i32s(limbs[0], limbs[1]);
    let (rows, rest) = limbs.as_chunks::<8>();
    for (row_index, row) in rows.iter().enumerate() {
        for (index, limbs) in row.as_chunks::<2>().0.iter().enumerate() {
            let limbs = pair(limbs);
            for (sums, vector) in sums.iter_mut().zip(vectors) {
                let sum = &mut sums[index % 2];
                *sum = limbs.relaxed_madd(vector[4 * row_index + index], *sum);
            }
        }
    }
    for (index, limbs) in rest.chunks(2).enumerate() {
        let limbs = pair(&[limbs[0], limbs.get(1).copied().unwrap_or(0)]);
        for (sums, vector) in sums.iter_mut().zip(vectors) {
            sums[0] = limbs.relaxed_madd(vector[4 * rows.len() + index], sums[0]);
        }
    }
    sums.map(|[even, odd]| {
        let sum = even.add(odd);
        sum.lane0() + sum.lane1()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn residues_equal_those_of_division() {
        let modulus = Modulus::random(3, 0);
        let mut reducer = Reducer::new(modulus);
        for limb_digits in LIMB_DIGITS_MIN..=LIMB_DIGITS_MAX {
            let half = base(limb_digits) as i32 / 2;
            for length in [1, 2, 3, 5, 255, 256, 257, 1000] {
                // The highest limb is positive, and with it the number.
                let limbs = (1..=length).map(|index| match index % 3 {
                    _ if index == length => half,
                    0 => -half,
                    _ => half - index,
                });
                let number = Natural::from_limbs(limb_digits, limbs.collect());
                let residue = number.to_big() % BigUint::from(modulus.value());
                assert_eq!(BigUint::from(reducer.reduce(&number)), residue, "{length}");
            }
        }
    }
}
