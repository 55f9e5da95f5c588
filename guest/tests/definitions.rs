//! Every kind against its definition: by big integers where numbers are short, by
//! residues where they are long.

use std::hash::{BuildHasher, RandomState};

use factorial::answer::{Pieces, REPLY_BYTES_MAX, admit, compute};
use factorial::estimate::{describe, estimate};
use factorial::mul::Multiplier;
use factorial::number;
use factorial::request::{Count, Error, Format, Kind, Request};
use num_bigint::BigUint;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const ONE: u32 = 1;

/// Returns a different seed for each run. Proptest without `std` has only a fixed one, and
/// with `std` it would enable that feature in the component's dependencies.
fn seed() -> RngSeed {
    RngSeed::Fixed(RandomState::new().hash_one(ONE))
}

fn request(kind: Kind, n: u64, format: Format) -> Request {
    Request {
        kind,
        n,
        format,
        proved: false,
    }
}

fn is_prime(number: u64) -> bool {
    number > 1 && (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
}

/// Computes the number by its definition.
fn define(kind: Kind, n: u64) -> BigUint {
    let factorial = |n: u64| (1..=n).fold(BigUint::from(ONE), |product, factor| product * factor);
    match kind {
        Kind::Factorial => factorial(n),
        Kind::Multifactorial(step) => (0..n)
            .step_by(step as usize)
            .fold(BigUint::from(ONE), |product, less| product * (n - less)),
        Kind::Subfactorial => (1..=n).fold(BigUint::from(ONE), |last, m| {
            if m.is_multiple_of(2) {
                last * m + ONE
            } else {
                last * m - ONE
            }
        }),
        Kind::Primorial => (1..=n)
            .filter(|&number| is_prime(number))
            .fold(BigUint::from(ONE), |product, prime| product * prime),
        Kind::Superfactorial => (1..=n).map(factorial).product(),
        Kind::Hyperfactorial => (1..=n)
            .map(|base| BigUint::from(base).pow(u32::try_from(base).expect("a short test")))
            .product(),
        Kind::Alternating => (1..=n).fold(BigUint::ZERO, |last, m| factorial(m) - last),
    }
}

/// Rounds to scientific notation: truncates, compares the rest with a half, carries.
fn round(number: &BigUint, significant: usize) -> String {
    let digits = number.to_str_radix(10);
    if digits.len() <= significant {
        let padded = format!("{digits:0<significant$}");
        return mantissa(&padded, digits.len() - 1);
    }
    let unit = BigUint::from(10_u32).pow(u32::try_from(digits.len() - significant).expect("short"));
    let (mut kept, rest) = (number / &unit, number % &unit);
    let twice = rest * 2_u32;
    let odd = &kept % 2_u32 == BigUint::from(ONE);
    if twice > unit || twice == unit && odd {
        kept += ONE;
    }
    let kept = kept.to_str_radix(10);
    // A carry adds a digit, which is 0.
    let exponent = digits.len() - 1 + (kept.len() - significant);
    mantissa(&kept[..significant], exponent)
}

fn mantissa(digits: &str, exponent: usize) -> String {
    let (first, others) = digits.split_at(1);
    let point = if others.is_empty() { "" } else { "." };
    format!("{first}{point}{others}e+{exponent}")
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Factorial),
        (1..12_u32).prop_map(Kind::Multifactorial),
        Just(Kind::Subfactorial),
        Just(Kind::Primorial),
        Just(Kind::Superfactorial),
        Just(Kind::Hyperfactorial),
        Just(Kind::Alternating),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: seed(), ..Default::default() })]

    #[test]
    fn short_numbers_match_the_definition(kind in any_kind(), n in 0..220_u64) {
        let expected = define(kind, n);
        let text = expected.to_str_radix(10);
        let number = number::compute(kind, n, &mut Multiplier::proved()).to_text();
        prop_assert_eq!(number, expected.to_string());
        prop_assert_eq!(compute(request(kind, n, Format::Decimal)), Ok(text.clone()));
        let facts = describe(kind, n).expect("a valid kind");
        let digits = text.len() as u64;
        match facts.digits {
            Count::Exact(count) => prop_assert_eq!(count, digits),
            Count::AtMost(count) => prop_assert!(kind == Kind::Primorial && digits <= count),
            Count::Beyond => prop_assert!(false),
        }
        if let Some(leading) = facts.leading_digits {
            prop_assert_eq!(&leading[..], &text[..text.len().min(20)]);
        }
        if let Some(zeros) = facts.trailing_zeros {
            let expected = text.len() - text.trim_end_matches('0').len();
            prop_assert_eq!(zeros, if text == "0" { 0 } else { expected as u64 });
        }
    }

    #[test]
    fn scientific_notation_is_rounded(kind in any_kind(), n in 0..160_u64, significant in 1..400_u32) {
        let expected = round(&define(kind, n), significant as usize);
        let request = request(kind, n, Format::Scientific(significant));
        match estimate(request).expect("valid").output_bytes {
            Count::Exact(bytes) => prop_assert_eq!(bytes, expected.len() as u64),
            Count::AtMost(bytes) => prop_assert!(expected.len() as u64 <= bytes),
            Count::Beyond => prop_assert!(false),
        }
        prop_assert_eq!(compute(request), Ok(expected));
    }

    #[test]
    fn any_request_is_answered_or_refused(kind in any_kind(), n in any::<u64>(), significant in any::<u32>()) {
        for format in [Format::Decimal, Format::Scientific(significant)] {
            let request = request(kind, n, format);
            let _ = estimate(request);
            if estimate(request).is_ok_and(|cost| cost.peak_bytes.is_none()) {
                prop_assert!(matches!(compute(request), Err(Error::TooLarge(_))));
            }
        }
        let _ = describe(kind, n);
    }
}

#[test]
fn digit_counts_up_to_4000_are_exact() {
    let mut product = BigUint::from(ONE);
    let mut next_power = BigUint::from(10_u32);
    let mut digits = 1;
    for n in 1..4000_u64 {
        product *= n;
        while product >= next_power {
            next_power *= 10_u32;
            digits += 1;
        }
        let cost = estimate(request(Kind::Factorial, n, Format::Decimal)).expect("valid");
        assert_eq!(cost.digits, Count::Exact(digits), "{n}");
        assert_eq!(cost.output_bytes, Count::Exact(digits), "{n}");
    }
}

/// Primes above all arguments below, so that no residue is zero by itself.
const MODULI: [u64; 3] = [1_000_000_007, 998_244_353, 4_294_967_291];

/// Computes the number modulo m by its definition.
fn residue(kind: Kind, n: u64, m: u64) -> u64 {
    let power = |base: u64, exponent: u64| (0..exponent).fold(1, |value, _| value * base % m);
    match kind {
        Kind::Factorial => (1..=n).fold(1, |value, factor| value * factor % m),
        Kind::Multifactorial(step) => (0..n)
            .step_by(step as usize)
            .fold(1, |value, less| value * ((n - less) % m) % m),
        Kind::Subfactorial => (1..=n).fold(1, |value, factor| {
            (value * factor + if factor.is_multiple_of(2) { 1 } else { m - 1 }) % m
        }),
        Kind::Primorial => (1..=n)
            .filter(|&p| is_prime(p))
            .fold(1, |value, prime| value * prime % m),
        Kind::Superfactorial => {
            let mut factorial = 1;
            (1..=n).fold(1, |value, factor| {
                factorial = factorial * factor % m;
                value * factorial % m
            })
        }
        Kind::Hyperfactorial => (1..=n).fold(1, |value, base| value * power(base, base) % m),
        Kind::Alternating => {
            let mut factorial = 1;
            (1..=n).fold(0, |value, factor| {
                factorial = factorial * factor % m;
                (factorial + m - value) % m
            })
        }
    }
}

fn residues_agree(kind: Kind, n: u64) {
    let digits = number::compute(kind, n, &mut Multiplier::proved()).to_text();
    for modulus in MODULI {
        let value = residue_of(digits.as_bytes(), modulus);
        assert_eq!(value, residue(kind, n, modulus), "{kind:?} {n}");
    }
}

/// Reduces a number by its digits. The parser of num-bigint takes quadratic time.
fn residue_of(digits: &[u8], modulus: u64) -> u64 {
    digits.iter().fold(0, |value, digit| {
        (value * 10 + u64::from(digit - b'0')) % modulus
    })
}

/// Includes n around which squares of 32-bit numbers overflow.
#[test]
fn long_numbers_have_the_right_residues() {
    for n in [46_340, 46_341, 65_535, 65_536, 65_537, 100_000] {
        for kind in [
            Kind::Factorial,
            Kind::Multifactorial(2),
            Kind::Multifactorial(3),
            Kind::Subfactorial,
            Kind::Primorial,
            Kind::Alternating,
        ] {
            residues_agree(kind, n);
        }
    }
    for n in [500, 1000, 1001] {
        residues_agree(Kind::Superfactorial, n);
        residues_agree(Kind::Hyperfactorial, n);
    }
    residues_agree(Kind::Factorial, 1_000_000);
    residues_agree(Kind::Multifactorial(u32::MAX), 1_000_000_000_000);
}

/// The digits of a long number have its residues, and their count is the estimate.
#[test]
fn long_digits_are_the_number() {
    for (kind, n) in [
        (Kind::Factorial, 46_341),
        (Kind::Factorial, 65_536),
        (Kind::Factorial, 65_537),
        (Kind::Factorial, 100_000),
        (Kind::Alternating, 30_000),
        (Kind::Hyperfactorial, 400),
    ] {
        let mut pieces = Pieces::new(
            admit(request(kind, n, Format::Decimal)).expect("possible"),
            &mut Multiplier::proved(),
        )
        .expect("possible");
        let mut text = Vec::new();
        while pieces.append_to(&mut text) {}
        let exact = Count::Exact(text.len() as u64);
        assert_eq!(
            describe(kind, n).expect("valid").digits,
            exact,
            "{kind:?} {n}"
        );
        for modulus in MODULI {
            let value = residue_of(&text, modulus);
            assert_eq!(value, residue(kind, n, modulus), "{kind:?} {n}");
        }
    }
}

#[test]
fn answers_too_long_for_a_reply_are_refused() {
    let digits = |n| match estimate(request(Kind::Factorial, n, Format::Decimal))
        .expect("valid")
        .digits
    {
        Count::Exact(count) => count,
        _ => 0,
    };
    // The last factorial that fits into 64 KiB.
    let last = (1..20_000)
        .rev()
        .find(|&n| digits(n) <= REPLY_BYTES_MAX)
        .expect("some fit");
    let whole = compute(request(Kind::Factorial, last, Format::Decimal)).expect("fits");
    assert_eq!(whole.len() as u64, digits(last));
    let refused = compute(request(Kind::Factorial, last + 1, Format::Decimal));
    assert!(matches!(refused, Err(Error::TooLarge(text)) if text.ends_with("use digits")));
    let short = compute(request(Kind::Factorial, last + 1, Format::Scientific(5))).expect("short");
    assert!(short.len() < 20);
    assert!(matches!(
        compute(request(Kind::Multifactorial(0), 5, Format::Decimal)),
        Err(Error::Invalid(_))
    ));
}
