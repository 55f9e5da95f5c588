//! Rounding errors as they are, beside what they are bounded by; and faults.
//!
//! Products of polynomials are compared with exact ones, coefficient by
//! coefficient, so that errors above a half would be seen as well.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "lengths and limbs are small, and doubles are integers here"
)]

use super::*;
use crate::halves::{self, Half, Joiner};
use crate::transform::root_of_i;
use num_bigint::BigUint;

/// Complex points of the longest transform that is compared: exact coefficients
/// take as many steps as the square of this.
const POINTS_MAX: usize = 2000;

struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// From −`most` to `most`.
    fn within(&mut self, most: i32) -> i32 {
        (self.word() % (2 * most as u64 + 1)) as i32 - most
    }
}

/// Operands of `length` limbs of magnitude at most `most`, random and not.
fn operands(length: usize, most: i32, random: &mut Random) -> Vec<Vec<i32>> {
    let wave = |period: f64| -> Vec<i32> {
        let limb =
            |index: usize| f64::from(most) * (core::f64::consts::TAU * index as f64 / period).cos();
        (0..length)
            .map(|index| limb(index).round() as i32)
            .collect()
    };
    let mut lone = vec![0; length];
    lone[length / 3] = most;
    vec![
        (0..length).map(|_| random.within(most)).collect(),
        vec![most; length],
        (0..length)
            .map(|index| if index % 2 == 0 { most } else { -most })
            .collect(),
        (0..length)
            .map(|_| {
                if random.word().is_multiple_of(2) {
                    most
                } else {
                    -most
                }
            })
            .collect(),
        wave(2.0 * length as f64),
        wave(5.03),
        // A chirp: all frequencies at once.
        (0..length)
            .map(|index| {
                let turn = (index * index) as f64 / (2 * length) as f64;
                (f64::from(most) * (core::f64::consts::TAU * turn).sin()).round() as i32
            })
            .collect(),
        lone,
        vec![1; length],
    ]
}

impl Multiplier {
    /// one · two in the ring of `shape`, still to be rounded, and what rounding
    /// errors are bounded by.
    fn transformed_product(&mut self, one: &[i32], two: &[i32], shape: Shape) -> (&[Complex], f64) {
        let one_square = fill(&mut self.one, shape.points(), one);
        let square = one_square * fill(&mut self.two, shape.points(), two);
        let other = Other::Whole(&mut self.two);
        self.transform.multiply(&mut self.one, other, shape);
        (&self.one, bound::distance(shape, square_root_above(square)))
    }
}

/// The same from two halves, and the limbs of it.
fn product_of_halves(one: &[i32], two: &[i32], part: Shape) -> (Vec<Complex>, Vec<i32>, f64) {
    let [first, second] = [Half::First, Half::Second].map(|half| {
        let operands = [one.to_vec(), two.to_vec()];
        halves::product(&mut Transform::default(), operands, part, half)
    });
    let turn = root_of_i();
    let both = || first.points.iter().zip(&second.points);
    let low = both().map(|(first, second)| first.plus(*second));
    let high = both().map(|(first, second)| first.minus(*second).times_conjugate(turn));
    let data = low.chain(high).collect();
    let mut joiner = Joiner::new(second.points.clone(), PLACES_MIN);
    // However they are cut.
    for points in first.points.chunks(7) {
        joiner.take(points.iter().copied());
    }
    let limbs = joiner.finish().expect("nothing looks wrong");
    (data, limbs, first.bound)
}

fn exact(one: &[i32], two: &[i32], length: usize) -> Vec<i64> {
    let mut sums = vec![0_i64; length];
    for (place, &factor) in one.iter().enumerate() {
        for (sum, &limb) in sums[place..].iter_mut().zip(two) {
            // Below 2^12 · 2^38 in the end.
            *sum += i64::from(factor) * i64::from(limb);
        }
    }
    sums
}

/// The largest error of the computed product, by the exact one.
fn error(data: &[Complex], exact: &[i64]) -> f64 {
    let scale = Pair::both(1.0 / data.len() as f64);
    let (low, high) = exact.split_at(exact.len() / 2);
    let mut largest = 0.0_f64;
    for ((element, low), high) in data.iter().zip(low.chunks(2)).zip(high.chunks(2)) {
        for (pair, exact) in [(element.re, low), (element.im, high)] {
            let found = pair.times(scale);
            for (found, &exact) in [found.first(), found.second()].into_iter().zip(exact) {
                // Both parts of the difference are exact: |found| < 2^53.
                let whole = found.trunc();
                let difference = (whole as i64 - exact) as f64 + (found - whole);
                largest = largest.max(difference.abs());
            }
        }
    }
    largest
}

/// No error is above its bound, and the distance from the nearest integer never
/// is; random operands' errors are as expected.
#[test]
fn errors_are_within_their_bounds() {
    let mut random = Random(1);
    let mut shapes: Vec<Shape> = Vec::new();
    for points in (8..POINTS_MAX).step_by(5) {
        let shape = Shape::of_at_least(points);
        if shape.points() <= POINTS_MAX && !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    // All five kinds of lengths, with an odd and an even number of twos.
    assert!(shapes.len() > 25, "{shapes:?}");
    let (mut closest, mut unexpected) = (0.0_f64, 0.0_f64);
    for shape in shapes {
        for most in [500_001, 50] {
            // Half and half, and as unequal as can be.
            let lengths = [shape.points(), shape.points() / 3];
            for one_length in lengths.into_iter().take(if most == 50 { 1 } else { 2 }) {
                let two_length = 2 * shape.points() - one_length;
                let ones = operands(one_length, most, &mut random);
                let twos = operands(two_length, most, &mut random);
                for (index, one) in ones.iter().enumerate() {
                    let two = &twos[(index + random.word() as usize % 2) % twos.len()];
                    let exact = exact(one, two, 2 * shape.points());
                    let mut multiplier = Multiplier::proved();
                    let (data, bound) = multiplier.transformed_product(one, two, shape);
                    let whole = error(data, &exact);
                    let mut scale = Scale::new(1.0 / data.len() as f64);
                    for element in data {
                        scale.integers(element.re);
                        scale.integers(element.im);
                    }
                    assert!(
                        whole <= bound,
                        "{shape:?} {most} {index}: {whole} above {bound}"
                    );
                    let distance = scale.rounding().distance;
                    assert!(distance <= bound, "{shape:?} {most} {index}");
                    closest = closest.max(whole / bound);
                    if shape.twos > 3 {
                        let part = Shape {
                            twos: shape.twos - 1,
                            ..shape
                        };
                        let (data, _, bound) = product_of_halves(one, two, part);
                        let halves = error(&data, &exact);
                        assert!(
                            halves <= bound,
                            "{part:?} {most} {index}: {halves} above {bound}"
                        );
                    }
                    if index == 0 {
                        let square: f64 = [one, two]
                            .map(|limbs| {
                                limbs
                                    .iter()
                                    .map(|&limb| f64::from(limb).powi(2))
                                    .sum::<f64>()
                            })
                            .iter()
                            .product();
                        let expected = expected(shape.points(), shape.steps(), square);
                        unexpected = unexpected.max(whole / expected.sqrt());
                    }
                }
            }
        }
    }
    // Otherwise the test or the bound would be of no use.
    assert!(closest > 0.001, "{closest}");
    assert!(unexpected < 1.0, "{unexpected} of what is expected");
}

/// The same for long transforms, by operands whose products are known: all limbs
/// alike, or with alternating signs.
#[test]
fn errors_of_long_products_are_within_their_bounds() {
    for (twos, threes, fives) in [
        (15, 0, 0),
        (16, 0, 0),
        (13, 2, 0),
        (14, 0, 1),
        (11, 2, 1),
        (15, 1, 0),
        (11, 0, 2),
        (11, 3, 0),
        (13, 1, 1),
    ] {
        let shape = Shape {
            twos,
            threes,
            fives,
        };
        let points = shape.points();
        for (most, alternating) in [(1000, false), (31_623, true), (500, true), (7, false)] {
            let sign = |index: usize| if alternating && index % 2 == 1 { -1 } else { 1 };
            let limbs: Vec<i32> = (0..points).map(|index| sign(index) * most).collect();
            let exact: Vec<i64> = (0..2 * points)
                .map(|index| {
                    let terms = (index + 1).min(2 * points - 1 - index) as i64;
                    i64::from(sign(index)) * terms * i64::from(most).pow(2)
                })
                .collect();
            let mut multiplier = Multiplier::proved();
            let (data, bound) = multiplier.transformed_product(&limbs, &limbs, shape);
            let error = error(data, &exact);
            assert!(error <= bound, "{shape:?} {most}: {error} above {bound}");
        }
    }
}

/// What `attempt` relies on: limbs of two digits are short enough for any product
/// that a memory of 4 GiB can hold, even if each were as large as its base.
#[test]
fn two_digits_are_short_enough_for_any_memory() {
    // Eight bytes for each limb of the product in a transform's data alone.
    let limbs_max: u64 = (1 << 32) / 8;
    let half = limbs_max as f64 / 2.0;
    let norm = half.sqrt() * base(PLACES_MIN) as f64;
    let most = usize::try_from(limbs_max / 2).expect("it fits");
    for points in [
        most,
        most * 15 / 16,
        most * 9 / 10,
        most * 3 / 4,
        most * 5 / 8,
        most / 3,
    ] {
        let shape = Shape::of_at_least(points);
        let bound = bound::distance(shape, norm * norm);
        assert!(bound < 0.5, "{shape:?}: {bound}");
        let part = Shape {
            twos: shape.twos - 1,
            ..shape
        };
        let bound = bound::distance_of_halves(part, norm * norm);
        assert!(bound < 0.5, "halves of {shape:?}: {bound}");
    }
}

/// Both halves make the product, whatever the lengths of its operands.
#[test]
fn halves_make_the_product() {
    let mut random = Random(7);
    for (one_digits, two_digits) in [
        (30, 20),
        (300, 300),
        (1000, 900),
        (5000, 9000),
        (20_000, 1000),
        (40_000, 41_234),
        (200_000, 190_000),
    ] {
        let (one, two) = (
            noise(&mut random, one_digits),
            noise(&mut random, two_digits),
        );
        let exact = one.to_big() * two.to_big();
        for mut multiplier in [Multiplier::proved(), Multiplier::verified(5)] {
            let square = norm_square(one.limbs()) * norm_square(two.limbs());
            let [(first, _), (second, places)] = [Half::First, Half::Second]
                .map(|half| multiplier.half([one.clone(), two.clone()], square, half));
            let mut joiner = Joiner::new(second.points, places);
            joiner.take(first.points.into_iter());
            let limbs = joiner.finish().expect("nothing looks wrong");
            let joined = Natural::from_limbs(places, limbs);
            assert_eq!(joined.to_big(), exact, "{one_digits} by {two_digits}");
        }
    }
}

/// A half with a point that is no number, or without its last point, makes nothing.
#[test]
fn broken_halves_make_nothing() {
    let number = noise(&mut Random(9), 5000);
    let square = norm_square(number.limbs()) * norm_square(number.limbs());
    let [(first, _), (second, places)] = [Half::First, Half::Second].map(|half| {
        let numbers = [number.clone(), number.clone()];
        Multiplier::verified(5).half(numbers, square, half)
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
            Some(value) => first[place].im = Pair::new(1.0, value),
            None => first.truncate(place),
        }
        let mut joiner = Joiner::new(second.clone(), places);
        joiner.take(first.into_iter());
        assert!(joiner.finish().is_none(), "{broken:?}");
    }
}

fn noise(random: &mut Random, digits: usize) -> Natural {
    let text: String = (0..digits)
        .map(|_| char::from(b'1' + (random.word() % 9) as u8))
        .collect();
    Natural::from_decimal(&text).expect("digits")
}

/// One limb of a product is made wrong by one: it is noticed, whatever the prime,
/// and the product that is handed out is right.
#[test]
fn a_wrong_limb_is_noticed() {
    let mut random = Random(5);
    // Long enough that no proof is needed in the longest limbs.
    for (one, two) in [(200_000, 200_000), (60_000, 400_000)] {
        let (one, two) = (noise(&mut random, one), noise(&mut random, two));
        let exact: BigUint = one.to_big() * two.to_big();
        let square = one.to_big().pow(2);
        for seed in 0..10 {
            let mut multiplier = Multiplier {
                fault: true,
                ..Multiplier::verified(seed)
            };
            let product = multiplier.product(&one, &two);
            let Grade::Verified(verification) = multiplier.grade() else {
                panic!("a product of {} limbs was proved", product.limbs().len());
            };
            assert!(verification.repeated >= 1);
            // Each part of a long operand by itself.
            assert_eq!(verification.repeated, verification.products);
            if seed == 0 {
                assert_eq!(product.to_big(), exact);
                assert_eq!(multiplier.square(&one).to_big(), square);
            }
            let mut honest = Multiplier::verified(seed);
            honest.product(&one, &two);
            let Grade::Verified(verification) = honest.grade() else {
                panic!("proved without a fault");
            };
            assert_eq!(verification.repeated, 0);
        }
    }
}

/// The limbs that come out of products stay about as small as their base, since
/// what is multiplied next relies on it.
#[test]
fn limbs_of_products_are_short() {
    for places in PLACES_MIN..=PLACES_MAX {
        let half = (base(places) / 2) as i32;
        for length in [200, 3000, 20_000, 100_000] {
            let number = Natural::from_limbs(places, vec![half; length]);
            let product = Multiplier::proved().square(&number);
            let base = base(product.places());
            let largest = product.limbs().iter().map(|limb| limb.unsigned_abs()).max();
            let largest = i64::from(largest.expect("limbs"));
            assert!(largest <= base, "{largest} at {length} limbs of {places}");
        }
    }
}
