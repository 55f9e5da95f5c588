//! Products against num-bigint: extreme operands for a floating-point kernel, at lengths
//! around every change of method.

use std::collections::HashMap;

use factorial::mul::schoolbook::SHORT_LIMBS_MAX;
use factorial::mul::{Grade, Multiplier};
use factorial::natural::limb::LIMB_DIGITS_MAX;
use factorial::natural::{Long, Natural};
use factorial::number::Number;
use num_bigint::BigUint;

/// Digits of a full limb.
const LIMB_DIGITS: usize = LIMB_DIGITS_MAX as usize;

const SEEDS: [u64; 3] = [0, 7, u64::MAX];

fn natural(digits: &str) -> Natural {
    Natural::from_decimal(digits).expect("digits")
}

fn text(number: Natural) -> String {
    let (head, zeros) = (number, 0);
    Number::Long(Long { head, zeros }).to_text()
}

fn multipliers() -> Vec<Multiplier> {
    let verified = SEEDS.map(Multiplier::verified);
    let mut all = vec![Multiplier::proved()];
    all.extend(verified);
    all
}

/// Compares products with those of num-bigint, and parses each operand once.
struct Oracle {
    multipliers: Vec<Multiplier>,
    known: HashMap<String, BigUint>,
}

impl Oracle {
    fn new() -> Self {
        Self {
            multipliers: multipliers(),
            known: HashMap::new(),
        }
    }

    fn big(&mut self, digits: &str) -> BigUint {
        let parsed = || digits.parse().expect("digits");
        self.known
            .entry(digits.to_owned())
            .or_insert_with(parsed)
            .clone()
    }

    fn product(&mut self, what: &str, lhs: &str, rhs: &str) {
        let exact = (self.big(lhs) * self.big(rhs)).to_string();
        let (a, b) = (natural(lhs), natural(rhs));
        for multiplier in &mut self.multipliers {
            compare(what, &text(multiplier.multiply(&a, &b)), &exact);
            compare(what, &text(multiplier.multiply(&b, &a)), &exact);
        }
    }

    fn square(&mut self, what: &str, digits: &str) {
        let exact = self.big(digits).pow(2).to_string();
        let number = natural(digits);
        for multiplier in &mut self.multipliers {
            compare(what, &text(multiplier.square(&number)), &exact);
        }
    }

    /// Compares all squares and products of neighbours.
    fn all(&mut self, what: &str, operands: &[String]) {
        for (index, lhs) in operands.iter().enumerate() {
            let what = format!("{what}, operand {index} of {} digits", lhs.len());
            self.square(&what, lhs);
            self.product(&what, lhs, &operands[(index + 1) % operands.len()]);
        }
    }
}

fn compare(what: &str, found: &str, exact: &str) {
    if found != exact {
        let place = found.bytes().zip(exact.bytes()).position(|(a, b)| a != b);
        let (found, exact) = (found.len(), exact.len());
        panic!("{what}: {found} digits, not {exact}; the first that differs is {place:?}");
    }
}

fn noise(state: &mut u64, length: usize) -> String {
    let digits = (0..length).map(|index| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let digit = (*state >> 33) % 10;
        let digit = if index == 0 { digit.max(1) } else { digit };
        char::from(b'0' + u8::try_from(digit).expect("a digit"))
    });
    digits.collect()
}

/// Concatenates `limb(0)`, `limb(1)`, … as six digits each, to `length` digits.
fn limbs(length: usize, limb: impl Fn(u64) -> u64) -> String {
    let limbs = (0..length.div_ceil(LIMB_DIGITS) as u64)
        .map(|index| format!("{:06}", limb(index) % 1_000_000));
    let mut text: String = limbs.collect();
    text.truncate(length);
    text.replace_range(..1, "4");
    text
}

fn pattern(length: usize, pattern: &str) -> String {
    pattern.chars().cycle().take(length).collect()
}

/// Returns operands of `length` digits with extreme spectra, sums or carries.
fn extremes(length: usize) -> Vec<String> {
    let zeros = |count: usize| "0".repeat(count);
    let mut operands = vec![
        "9".repeat(length),
        "5".repeat(length),
        "1".to_owned() + &zeros(length - 1),
        // Halves of the base, just below and just above: the largest limbs.
        pattern(length, "499999"),
        pattern(length, "500000"),
        pattern(length, "500001"),
        pattern(length, "500000499999"),
        pattern(length, "499999500001"),
        // The same in shorter limbs.
        pattern(length, "49999"),
        pattern(length, "50000"),
        pattern(length, "4999"),
        pattern(length, "5000"),
        pattern(length, "499"),
        pattern(length, "49"),
        pattern(length, "000001999999"),
        pattern(length, "999999000000"),
        // The fractional parts of multiples of the golden ratio and of √2.
        limbs(length, |index| index * 618_033),
        limbs(length, |index| index * 414_213 + 7),
        // Squares: a chirp, whose spectrum is flat.
        limbs(length, |index| index * index),
        // A square wave, a slow one and a single frequency.
        limbs(
            length,
            |index| if index % 2 == 0 { 499_999 } else { 500_001 },
        ),
        limbs(length, |index| {
            if index / 64 % 2 == 0 {
                499_999
            } else {
                500_001
            }
        }),
    ];
    if length > 2 {
        operands.push("1".to_owned() + &zeros(length - 2) + "1");
        let middle = length / 2;
        operands.push("1".to_owned() + &zeros(middle - 1) + &"9".repeat(length - middle));
        operands.push("9".repeat(middle) + &zeros(length - middle - 1) + "1");
    }
    if length > 4 * LIMB_DIGITS {
        // One block of large digits among zeros.
        let mut lone = format!("1{}", zeros(length - 1));
        lone.replace_range(length / 3..length / 3 + LIMB_DIGITS, "499999");
        operands.push(lone);
    }
    operands.retain(|operand| !operand.starts_with('0') || operand.len() == 1);
    operands
}

#[test]
fn extreme_operands() {
    let mut oracle = Oracle::new();
    for length in [1, 2, 5, 6, 7, 60, 577, 1200, 3001, 9000, 30_011] {
        oracle.all("extremes", &extremes(length));
        oracle.known.clear();
    }
}

#[test]
fn extreme_long_operands() {
    let mut oracle = Oracle::new();
    oracle.multipliers.truncate(2);
    for pattern_of in ["9", "499999", "500000499999", "500001", "49999"] {
        oracle.square(pattern_of, &pattern(400_000, pattern_of));
    }
    let weyl = limbs(300_000, |index| index * 618_033);
    oracle.product(
        "arithmetic progressions",
        &weyl,
        &limbs(400_000, |index| index * 381_966 + 11),
    );
}

/// A zero, a one and a power of ten with anything.
#[test]
fn neutral_operands() {
    let mut oracle = Oracle::new();
    let mut state = 3;
    for length in [1, 6, 7, 575, 576, 577, 3000, 50_000] {
        let other = noise(&mut state, length);
        for special in ["0", "1", "2", "10", "999999", "1000000", "1000001"] {
            oracle.product(special, special, &other);
        }
        for zeros in [5, 6, 1000, 6000, 20_003] {
            let power = "1".to_owned() + &"0".repeat(zeros);
            oracle.product("a power of ten", &power, &other);
        }
        oracle.square("zero", "0");
    }
    for multiplier in &mut multipliers() {
        let zero = multiplier.multiply(&natural("0"), &natural("0"));
        assert!(zero.is_zero());
        assert_eq!(text(multiplier.square(&zero)), "0");
        assert_eq!(text(multiplier.square(&Natural::one())), "1");
        let empty = natural("");
        assert_eq!(text(multiplier.multiply(&empty, &natural("12"))), "0");
        let zeros = natural(&"0".repeat(5000));
        assert_eq!(
            text(multiplier.multiply(&zeros, &natural(&"9".repeat(5000)))),
            "0"
        );
    }
}

/// Around the longest operands of the schoolbook method, and around the ratios at which
/// the longer operand is divided.
#[test]
fn lengths_around_the_crossovers() {
    let mut oracle = Oracle::new();
    let mut state = 5;
    let direct = SHORT_LIMBS_MAX * LIMB_DIGITS;
    for short in [
        direct - 7,
        direct - 6,
        direct - 1,
        direct,
        direct + 1,
        direct + 6,
        direct + 7,
    ] {
        for ratio in [1, 2, 3, 4, 5, 10] {
            for more in [0, 7, 12, 13, 14, 19, 26] {
                let long = short * ratio + more - 13;
                let (lhs, rhs) = (noise(&mut state, short), noise(&mut state, long));
                oracle.product(&format!("{short} by {long}"), &lhs, &rhs);
            }
            let (lhs, rhs) = ("9".repeat(short), pattern(short * ratio, "500000499999"));
            oracle.product(&format!("{short} by {ratio} times that"), &lhs, &rhs);
        }
        oracle.known.clear();
    }
    // Parts that are zero, negative, or end in the middle of a limb.
    for (short, long) in [
        (600, 600_000),
        (1000, 6001),
        (1234, 50_000),
        (7, 7000),
        (3000, 36_007),
    ] {
        let lhs = noise(&mut state, short);
        let nines = "9".repeat(long);
        let sparse = format!("1{}3{}", "0".repeat(long / 2), "0".repeat(long / 2));
        let below = format!("4{}{}", "0".repeat(long / 2), "9".repeat(long / 2));
        for rhs in [noise(&mut state, long), nines, sparse, below] {
            oracle.product(&format!("{short} by {long}"), &lhs, &rhs);
            oracle.product(
                &format!("{short} nines by {long}"),
                &"9".repeat(short),
                &rhs,
            );
        }
    }
}

/// Returns lengths of transforms in complex points: 2^a times 1, 9/8, 5/4, 3/2 and 15/8.
fn transform_lengths(most: usize) -> Vec<usize> {
    let mut lengths = Vec::new();
    for odd in [1, 9, 5, 3, 15] {
        lengths.extend(
            (3..)
                .map(|twos| odd << twos)
                .take_while(|&points| points <= most),
        );
    }
    lengths.sort_unstable();
    lengths
}

/// Products that fill each transform exactly, with one limb less, and with one limb more,
/// in limbs of 4 to 6 digits.
#[test]
fn lengths_around_every_transform() {
    let mut oracle = Oracle::new();
    oracle.multipliers.truncate(2);
    let mut state = 11;
    for points in transform_lengths(1 << 12) {
        for limb_digits in [6, 5, 4] {
            // A product of this many limbs fills it.
            let full = 2 * points;
            for length in [full - 1, full, full + 1] {
                let lhs_limbs = length / 2;
                let (lhs, rhs) = (lhs_limbs * limb_digits, (length - lhs_limbs) * limb_digits);
                if lhs.min(rhs) <= SHORT_LIMBS_MAX * LIMB_DIGITS {
                    continue;
                }
                let what = format!("{length} limbs of {limb_digits} in {points} points");
                let (noise_lhs, noise_rhs) = (noise(&mut state, lhs), noise(&mut state, rhs));
                oracle.product(&what, &noise_lhs, &noise_rhs);
                oracle.product(&what, &"9".repeat(lhs), &noise_rhs);
                if limb_digits == 6 && points <= 1024 {
                    oracle.square(&what, &pattern(lhs, "499999"));
                }
                oracle.known.clear();
            }
        }
    }
}

/// Long transforms, which split in blocks and have power tables of several rows.
#[test]
fn lengths_of_long_transforms() {
    let mut oracle = Oracle::new();
    oracle.multipliers.truncate(2);
    let mut state = 13;
    for points in transform_lengths(1 << 14) {
        if points <= 1 << 12 {
            continue;
        }
        for length in [2 * points - 1, 2 * points, 2 * points + 1] {
            let lhs = noise(&mut state, length / 2 * 5);
            let rhs = noise(&mut state, (length - length / 2) * 5);
            oracle.product(&format!("{length} limbs in {points} points"), &lhs, &rhs);
            oracle.known.clear();
        }
    }
}

/// Products with shorter limbs multiply others.
#[test]
fn operands_of_different_limbs() {
    let mut state = 17;
    let (long, short) = (noise(&mut state, 120_000), noise(&mut state, 700));
    let [long_big, short_big]: [BigUint; 2] =
        [&long, &short].map(|digits| digits.parse().expect("digits"));
    let nines = "9".repeat(3000);
    let nines_big: BigUint = nines.parse().expect("digits");
    for mut multiplier in multipliers() {
        // A long square has shorter limbs.
        let square = multiplier.square(&natural(&long));
        let square_big = long_big.pow(2);
        for (other, other_big) in [
            (&short, &short_big),
            (&nines, &nines_big),
            (&long, &long_big),
        ] {
            let product = multiplier.multiply(&square, &natural(other));
            compare(
                "cut by whole",
                &text(product),
                &(&square_big * other_big).to_string(),
            );
            let mut sum = square.clone();
            sum.add(&natural(other));
            compare(
                "a sum",
                &text(sum.clone()),
                &(&square_big + other_big).to_string(),
            );
            sum.subtract(&square);
            compare("a difference", &text(sum.clone()), other);
            let product = multiplier.multiply(&sum, &square);
            compare(
                "after a difference",
                &text(product),
                &(&square_big * other_big).to_string(),
            );
        }
        for small in ["0", "1", "7", "999999999999"] {
            let product = multiplier.multiply(&natural(small), &square);
            let exact = small.parse::<BigUint>().expect("digits") * &square_big;
            compare("cut by a few", &text(product), &exact.to_string());
        }
    }
}

/// Repeated squares: limbs of one product enter the next.
#[test]
fn powers_of_extremes() {
    for base in ["9", "499999", "999999999999", "500000499999"] {
        for mut multiplier in multipliers().drain(..2) {
            let mut power = natural(base);
            let mut exact: BigUint = base.parse().expect("digits");
            while exact.bits() < 200_000 {
                power = multiplier.square(&power);
                exact = exact.pow(2);
            }
            compare(base, &text(power), &exact.to_string());
        }
    }
}

/// Random products are right at the first attempt, and proved ones have no checks.
#[test]
fn grades_are_right() {
    let mut state = 19;
    let [lhs, rhs] = [0; 2].map(|_| natural(&noise(&mut state, 600_000)));
    let mut proved = Multiplier::proved();
    let product = text(proved.multiply(&lhs, &rhs));
    assert_eq!(proved.grade(), Grade::Proved);
    for seed in SEEDS {
        let mut verified = Multiplier::verified(seed);
        compare("seed", &text(verified.multiply(&lhs, &rhs)), &product);
        let Grade::Verified(verification) = verified.grade() else {
            panic!("600,000 digits are not proved in the longest limbs");
        };
        assert_eq!((verification.products, verification.repeated), (1, 0));
        assert!(verification.miss_exponent > 30, "{verification:?}");
    }
}

/// All limbs on a wave of one frequency: the norm is that of random operands, but the
/// errors add up in one place. Some verified products are wrong, which checks must find.
#[test]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "limbs are rounded on purpose"
)]
fn wrong_products_of_waves_are_repeated() {
    let mut repeated = 0;
    for digits in [100_000, 200_000, 400_000, 1_000_000] {
        for period in [2.0, 16.0, 17.3, 1e9] {
            let wave = limbs(digits, |index| {
                let turn = index as f64 / period;
                let limb = 400_000.0 * (core::f64::consts::TAU * turn).cos();
                (limb.round() as i64).rem_euclid(1_000_000) as u64
            });
            let wave = natural(&wave);
            let proved = text(Multiplier::proved().square(&wave));
            for seed in SEEDS {
                let mut multiplier = Multiplier::verified(seed);
                let what = format!("{digits} digits of period {period}");
                compare(&what, &text(multiplier.square(&wave)), &proved);
                if let Grade::Verified(verification) = multiplier.grade() {
                    repeated += verification.repeated;
                }
            }
        }
    }
    assert!(repeated > 0, "no product was wrong: the test is useless");
}
