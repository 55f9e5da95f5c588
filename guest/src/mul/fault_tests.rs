//! Half products that are joined, broken halves, and products with a fault.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths and limbs are small"
)]

use alloc::string::String;
use alloc::vec;

use num_bigint::BigUint;

use super::error_tests::Random;
use super::grade::Grade;
use super::half_product::Half;
use super::joiner::Joiner;
use super::multiplier::Multiplier;
use crate::fft::simd::F64x2;
use crate::natural::Natural;
use crate::natural::limb::{LIMB_DIGITS_MAX, LIMB_DIGITS_MIN, base};
use crate::natural::norms::norm_square;

/// The halves of operands of any lengths join to their product.
#[test]
fn halves_join_to_the_product() {
    let mut random = Random(7);
    for (lhs_digits, rhs_digits) in [
        (30, 20),
        (300, 300),
        (1000, 900),
        (5000, 9000),
        (20_000, 1000),
        (40_000, 41_234),
        (200_000, 190_000),
    ] {
        let (lhs, rhs) = (
            noise(&mut random, lhs_digits),
            noise(&mut random, rhs_digits),
        );
        let exact = lhs.to_big() * rhs.to_big();
        for mut multiplier in [Multiplier::proved(), Multiplier::verified(5)] {
            let square = norm_square(lhs.limbs()) * norm_square(rhs.limbs());
            let [(first, _), (second, limb_digits)] = [Half::First, Half::Second]
                .map(|half| multiplier.multiply_half([lhs.clone(), rhs.clone()], square, half));
            let mut joiner = Joiner::new(second.points, limb_digits);
            joiner.push(first.points.into_iter());
            let limbs = joiner.finish().expect("a product");
            let joined = Natural::from_limbs(limb_digits, limbs);
            assert_eq!(joined.to_big(), exact, "{lhs_digits} by {rhs_digits}");
        }
    }
}

/// A half with a point that is NaN, infinite or missing gives no product.
#[test]
fn broken_halves_are_refused() {
    let number = noise(&mut Random(9), 5000);
    let square = norm_square(number.limbs()) * norm_square(number.limbs());
    let [(first, _), (second, limb_digits)] = [Half::First, Half::Second].map(|half| {
        let numbers = [number.clone(), number.clone()];
        Multiplier::verified(5).multiply_half(numbers, square, half)
    });
    let (first, second) = (first.points, second.points);
    for (place, broken) in [
        (0, Some(f64::NAN)),
        (first.len() / 2, Some(f64::INFINITY)),
        (first.len() - 1, Some(1e300)),
        (first.len() - 1, None),
    ] {
        let mut first = first.clone();
        match broken {
            Some(value) => first[place].im = F64x2::new(1.0, value),
            None => first.truncate(place),
        }
        let mut joiner = Joiner::new(second.clone(), limb_digits);
        joiner.push(first.into_iter());
        assert!(joiner.finish().is_none(), "{broken:?}");
    }
}

fn noise(random: &mut Random, digits: usize) -> Natural {
    let text: String = (0..digits)
        .map(|_| char::from(b'1' + (random.word() % 9) as u8))
        .collect();
    Natural::from_decimal(&text).expect("digits")
}

/// A fault of one in one limb is found with every prime, and the returned product is
/// right.
#[test]
fn a_wrong_limb_is_found() {
    let mut random = Random(5);
    // Too long to be proved in the longest limbs.
    for (lhs, rhs) in [(200_000, 200_000), (60_000, 400_000)] {
        let (lhs, rhs) = (noise(&mut random, lhs), noise(&mut random, rhs));
        let exact: BigUint = lhs.to_big() * rhs.to_big();
        let square = lhs.to_big().pow(2);
        for seed in 0..10 {
            let mut multiplier = Multiplier::verified(seed).with_fault();
            let product = multiplier.multiply(&lhs, &rhs);
            let Grade::Verified(verification) = multiplier.grade() else {
                panic!("a product of {} limbs was proved", product.limbs().len());
            };
            assert!(verification.repeated >= 1);
            // Every check fails.
            assert_eq!(verification.repeated, verification.products);
            if seed == 0 {
                assert_eq!(product.to_big(), exact);
                assert_eq!(multiplier.square(&lhs).to_big(), square);
            }
            let mut honest = Multiplier::verified(seed);
            honest.multiply(&lhs, &rhs);
            let Grade::Verified(verification) = honest.grade() else {
                panic!("proved without a fault");
            };
            assert_eq!(verification.repeated, 0);
        }
    }
}

/// Limbs of products stay within their base, since the next product relies on it.
#[test]
fn limbs_of_products_are_short() {
    for limb_digits in LIMB_DIGITS_MIN..=LIMB_DIGITS_MAX {
        let half = (base(limb_digits) / 2) as i32;
        for length in [200, 3000, 20_000, 100_000] {
            let number = Natural::from_limbs(limb_digits, vec![half; length]);
            let product = Multiplier::proved().square(&number);
            let base = base(product.limb_digits());
            let largest = product.limbs().iter().map(|limb| limb.unsigned_abs()).max();
            let largest = i64::from(largest.expect("limbs"));
            assert!(
                largest <= base,
                "{largest} at {length} limbs of {limb_digits}"
            );
        }
    }
}
