//! Products modulo B^N + 1 and B^N − 1, where B is the base of the limbs: two
//! halves of one product of up to 2N limbs, to be had from two sandboxes.
//!
//! Modulo B^N + 1 is what a [`transform`](crate::transform) does by itself.
//! Modulo B^N − 1 is that for N/2, N/4, … and a little rest, since
//! x^2h − 1 = (x^h + 1)(x^h − 1). Either takes half the work and half the memory
//! of the whole product, and both together tell it (the Chinese remainder
//! theorem).
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "limbs are below 2^31 and coefficients below 2^51"
)]

use alloc::vec;
use alloc::vec::Vec;

use crate::carry::{self, ROW_PAIRS};
use crate::multiply::{Multiplier, Rounding, halves_of, norm_square, round_each};
use crate::natural::base;
use crate::pair::Pair;
use crate::transform::Shape;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Modulo B^N + 1.
    Plus,
    /// Modulo B^N − 1.
    Minus,
}

/// Twos of the shortest shape that still is split.
const TWOS_MIN: u32 = 3;

/// Rings of up to so many limbs are multiplied coefficient by coefficient: the
/// shorter a ring, the larger its coefficients.
pub(crate) const DIRECT_LENGTH_MAX: usize = 2048;

/// Makes of a number what stands for it in a ring of N limbs: limbs from N on come
/// back to the first, with their sign changed modulo B^N + 1.
fn fold(limbs: &mut Vec<i32>, length: usize, ring: Ring) {
    let low_length = limbs.len().min(length);
    let (low, high) = limbs.split_at_mut(low_length);
    for (index, part) in high.chunks(length).enumerate() {
        // B^N is −1 or 1.
        add_folded(low, part, ring == Ring::Plus && index.is_multiple_of(2));
    }
    limbs.truncate(length);
}

/// Adds limbs that come back, or subtracts them. Those whose sum is too large are
/// left at the end of their range, where they are noticed.
fn add_folded(limbs: &mut [i32], others: &[i32], negative: bool) {
    for (limb, &other) in limbs.iter_mut().zip(others) {
        *limb = if negative {
            limb.saturating_sub(other)
        } else {
            limb.saturating_add(other)
        };
    }
}

/// The same from N limbs for N/2, without changing them.
fn folded(limbs: &[i32], half: usize, ring: Ring) -> Vec<i32> {
    let (low, high) = limbs.split_at(limbs.len().min(half));
    let mut folded = low.to_vec();
    add_folded(&mut folded, high, ring == Ring::Plus);
    folded
}

/// one · two in the ring of N limbs, where N is twice the points of `shape`, as N
/// limbs that may be a little too large.
///
/// Memory is dear where two sandboxes do this at once: operands are taken, and
/// given up as soon as they are not needed.
pub(crate) fn product(
    multiplier: &mut Multiplier,
    [mut one, mut two]: [Vec<i32>; 2],
    places: u32,
    shape: Shape,
    ring: Ring,
) -> (Vec<i32>, Rounding) {
    let length = 2 * shape.points();
    let base = base(places);
    fold(&mut one, length, ring);
    fold(&mut two, length, ring);
    match ring {
        Ring::Plus => {
            let (data, bound) = multiplier.transformed_product(one, two, shape);
            let (mut limbs, [low, high], rounded) = halves_of(data, places);
            carry::add(&mut limbs, shape.points(), low, base);
            wrap(&mut limbs, length, -high, base, ring);
            (limbs, rounded.bounded(bound))
        }
        Ring::Minus => {
            let mut rounding = Rounding::default();
            let mut coefficients = vec![0.0; length];
            cyclic(
                multiplier,
                [one, two],
                shape,
                &mut coefficients,
                &mut rounding,
            );
            multiplier.forget();
            // Lengths are multiples of 16.
            let rows = coefficients.as_chunks::<{ 2 * ROW_PAIRS }>().0.iter();
            let rows = rows.map(|row| {
                core::array::from_fn(|pair| Pair::new(row[2 * pair], row[2 * pair + 1]))
            });
            let (mut limbs, rest, largest) = carry::limbs_of_row(rows, base);
            wrap(&mut limbs, length, rest, base, ring);
            (limbs, rounding.with_largest(largest))
        }
    }
}

/// Adds what was carried out of the ring where it comes back.
fn wrap(limbs: &mut Vec<i32>, length: usize, carry: f64, base: i64, ring: Ring) {
    carry::add(limbs, 0, carry, base);
    // It does not run through all limbs, but for numbers that are all but 0.
    let over: Vec<i32> = limbs.drain(length..).collect();
    for (index, &limb) in over.iter().enumerate() {
        let sign = if ring == Ring::Plus { -1 } else { 1 };
        limbs[index] += sign * limb;
    }
}

/// The coefficients of one · two modulo x^N − 1.
fn cyclic(
    multiplier: &mut Multiplier,
    [mut one, mut two]: [Vec<i32>; 2],
    shape: Shape,
    coefficients: &mut [f64],
    rounding: &mut Rounding,
) {
    let length = coefficients.len();
    if has_overflowed(&one) || has_overflowed(&two) {
        *rounding = rounding.worse(Rounding::bad());
    }
    if !is_exact(&one, &two) {
        // It may well be, but that is no proof.
        *rounding = rounding.worse(Rounding::default().bounded(f64::INFINITY));
    }
    if shape.twos == TWOS_MIN || length <= DIRECT_LENGTH_MAX {
        cyclic_directly(&one, &two, coefficients);
        return;
    }
    let half_shape = Shape {
        twos: shape.twos - 1,
        ..shape
    };
    let half = length / 2;
    let (low, high) = coefficients.split_at_mut(half);
    let operands = [
        folded(&one, half, Ring::Plus),
        folded(&two, half, Ring::Plus),
    ];
    negacyclic(multiplier, operands, half_shape, 1.0, high, rounding);
    fold(&mut one, half, Ring::Minus);
    fold(&mut two, half, Ring::Minus);
    cyclic(multiplier, [one, two], half_shape, low, rounding);
    for (low, high) in low.iter_mut().zip(high) {
        // Both are integers of the same parity: a + b and a − b.
        let (sum, difference) = (*low, *high);
        (*low, *high) = ((sum + difference) * 0.5, (sum - difference) * 0.5);
    }
}

/// Whether a limb became too large by being folded.
fn has_overflowed(limbs: &[i32]) -> bool {
    limbs
        .iter()
        .any(|limb| limb.unsigned_abs() >= i32::MAX.unsigned_abs())
}

/// Whether all sums of products are sure to be integers below 2^53, here and modulo
/// x^h + 1: none is above the product of the Euclidean norms, and folding once makes
/// each norm √2 times as large at most. Each ring is asked for itself.
fn is_exact(one: &[i32], two: &[i32]) -> bool {
    const EXACT_MAX: f64 = (1_u64 << 52) as f64;
    norm_square(one) * norm_square(two) < EXACT_MAX * EXACT_MAX * 0.99
}

/// Adds the coefficients of one · two modulo x^N + 1, times `scale`.
///
/// Limbs that were folded again and again are large, and there are few errors
/// that could level out: where they would be too large, the product is made of
/// two, of the upper and the lower half of each limb.
fn negacyclic(
    multiplier: &mut Multiplier,
    [one, two]: [Vec<i32>; 2],
    shape: Shape,
    scale: f64,
    coefficients: &mut [f64],
    rounding: &mut Rounding,
) {
    let largest = one
        .iter()
        .map(|limb| limb.unsigned_abs())
        .max()
        .unwrap_or(0);
    let bits = (u32::BITS - largest.leading_zeros()) / 2;
    if bits > 0 && !multiplier.fits_limbs(&one, &two, shape) {
        let unit = 1 << bits;
        let high = one.iter().map(|limb| limb.saturating_add(unit / 2) >> bits);
        let high: Vec<i32> = high.collect();
        let low = one
            .iter()
            .zip(&high)
            .map(|(limb, high)| limb - (high << bits));
        let low: Vec<i32> = low.collect();
        for (part, scale) in [(high, scale * f64::from(unit)), (low, scale)] {
            negacyclic(
                multiplier,
                [part, two.clone()],
                shape,
                scale,
                coefficients,
                rounding,
            );
        }
        return;
    }
    let (data, bound) = multiplier.transformed_product(one, two, shape);
    let (low, high) = coefficients.split_at_mut(shape.points());
    let mut low = low.as_chunks_mut::<2>().0.iter_mut();
    let mut high = high.as_chunks_mut::<2>().0.iter_mut();
    let rounded = round_each(data, |re, im| {
        if let (Some([low, low_next]), Some([high, high_next])) = (low.next(), high.next()) {
            *low += scale * re.first();
            *low_next += scale * re.second();
            *high += scale * im.first();
            *high_next += scale * im.second();
        }
    });
    *rounding = rounding.worse(rounded.bounded(bound));
}

/// The same as [`cyclic`], coefficient by coefficient.
fn cyclic_directly(one: &[i32], two: &[i32], coefficients: &mut [f64]) {
    let length = coefficients.len();
    for (place, &factor) in one.iter().enumerate() {
        let (wrapped, straight) = coefficients.split_at_mut(place);
        let (low, high) = two.split_at(two.len().min(length - place));
        for (sum, &limb) in straight
            .iter_mut()
            .zip(low)
            .chain(wrapped.iter_mut().zip(high))
        {
            *sum += f64::from(factor) * f64::from(limb);
        }
    }
}

/// The product of which `plus` and `minus` are the halves, as 2N normalized
/// limbs. `None` where they are not halves of one product.
pub(crate) fn join(mut plus: Vec<i32>, mut minus: Vec<i32>, places: u32) -> Option<Vec<i32>> {
    let length = plus.len();
    if minus.len() != length || length == 0 {
        return None;
    }
    let base = base(places);
    normalize(&mut plus, base, Ring::Plus)?;
    // t = (minus − plus) / 2 modulo B^N − 1; the product is plus + t + t · B^N.
    for (minus, &plus) in minus.iter_mut().zip(&plus) {
        *minus -= plus;
    }
    normalize(&mut minus, base, Ring::Minus)?;
    let mut half = minus;
    let mut rest = 0;
    if half.first().is_some_and(|limb| limb % 2 == 1) {
        // B^N − 1 is odd: adding it makes the sum even.
        if let Some(first) = half.first_mut() {
            *first -= 1;
        }
        rest = 1;
    }
    for limb in half.iter_mut().rev() {
        let sum = rest * base + i64::from(*limb);
        *limb = (sum / 2) as i32;
        rest = sum % 2;
    }
    let mut carry = 0;
    for (limb, &half) in plus.iter_mut().zip(&half) {
        let sum = i64::from(*limb) + i64::from(half) + carry;
        carry = i64::from(sum >= base);
        *limb = (sum - carry * base) as i32;
    }
    for limb in &mut half {
        let sum = i64::from(*limb) + carry;
        carry = i64::from(sum >= base);
        *limb = (sum - carry * base) as i32;
    }
    plus.append(&mut half);
    (carry == 0).then_some(plus)
}

/// Makes every limb at least 0 and below the base. `None` where what is carried
/// around does not come to an end, which is so for B^N alone.
fn normalize(limbs: &mut [i32], base: i64, ring: Ring) -> Option<()> {
    let mut carry = 0;
    // Limbs are a little too large at first, then too large by what came around.
    for _ in 0..4 {
        carry = carry::settle(limbs, carry, base);
        if carry == 0 {
            if ring == Ring::Minus && limbs.iter().all(|&limb| i64::from(limb) == base - 1) {
                limbs.fill(0);
            }
            return Some(());
        }
        if ring == Ring::Plus {
            carry = -carry;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::natural::Natural;
    use num_bigint::BigUint;

    fn number(seed: u64, digits: usize) -> Natural {
        let mut state = seed;
        let text: String = (0..digits)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                char::from(b'0' + (state >> 33) as u8 % 10)
            })
            .collect();
        Natural::from_decimal(&text).expect("digits")
    }

    #[test]
    fn halves_make_the_product() {
        for (one_digits, two_digits) in [
            (300, 300),
            (1000, 900),
            (3000, 3100),
            (5000, 9000),
            (20_000, 10_000),
            (40_000, 41_234),
            (200_000, 190_000),
        ] {
            let (one, two) = (number(1, one_digits), number(2, two_digits));
            for mut multiplier in [Multiplier::proved(), Multiplier::verified(5)] {
                let (places, shape) = multiplier.halves(&one, &two);
                let (one, two) = (one.regrouped(places), two.regrouped(places));
                let mut half = |ring| {
                    let operands = [one.limbs().to_vec(), two.limbs().to_vec()];
                    let (limbs, rounding) = product(&mut multiplier, operands, places, shape, ring);
                    assert!(rounding.is_good(), "{rounding:?}");
                    limbs
                };
                let (plus, minus) = (half(Ring::Plus), half(Ring::Minus));
                let modulus = BigUint::from(10_u32).pow(places * plus.len() as u32);
                let exact = one.to_big() * two.to_big();
                let mut whole = minus.clone();
                normalize(&mut whole, base(places), Ring::Minus).expect("an end");
                let minus_big = Natural::from_limbs(places, whole).to_big();
                assert_eq!(minus_big % (&modulus - 1_u32), &exact % (&modulus - 1_u32));
                let joined = join(plus, minus, places).expect("halves of a product");
                let joined = Natural::from_limbs(places, joined);
                assert_eq!(joined.to_big(), exact, "{one_digits} by {two_digits}");
            }
        }
    }
}
